"""Runs from the Hub, by the real client from a Hub on the loopback."""

from __future__ import annotations

import errno
import io
import json
import pickle
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants

from cyclegan import Translator
from cyclegan.config import CycleGANConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.hub import fetching, repositories
from cyclegan.hub import source as hub_source
from cyclegan.hub.errors import HubError, in_words
from cyclegan.hub.fetching import open_run
from cyclegan.hub.repositories import Cancelled, Transfer
from cyclegan.runs.convert import export_reference
from cyclegan.runs.run import Run
from cyclegan.runs.sample_archive import NAME, pack_samples
from tests.conftest import HUB_HOME, TINY_CYCLEGAN, make_run
from tests.hub_server import TOKEN, LoopbackHub

PHOTO = draw_facade(3, size=64)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failure(address: str, transfer: Transfer | None = None) -> str:
    with pytest.raises(HubError) as refused:
        open_run(address, transfer)
    message = str(refused.value)
    assert str(HUB_HOME) not in message and TOKEN not in message
    return message


def test_a_run_comes_back_byte_for_byte(published: LoopbackHub, weights: Path) -> None:
    run, original = open_run("owner/cyclegan"), Run.open(weights / "facades-cyclegan")
    assert (run.name, run.epochs, run.sample_epochs) == ("owner/cyclegan", (1, 3, 5), (1, 2, 3, 4, 5))
    assert replace(run, folder=original.folder) == original and run.history() == original.history()
    for epoch in run.epochs:
        for direction in run.directions:
            run.load_generator(epoch, direction)
    assert run.has_discriminators
    for domain in run.judged:
        run.load_discriminator(domain)
    assert files_of(run.folder) == {**files_of(original.folder), NAME: pack_samples(original)}
    assert Run.open(run.folder).epochs == run.epochs, "now it is a run folder like any other"


def test_a_run_without_discriminators_has_none(published: LoopbackHub) -> None:
    assert not open_run("owner/pix2pix").has_discriminators


def test_few_requests(published: LoopbackHub) -> None:
    run = open_run("owner/cyclegan")
    assert published.count("/api/") == 1, "one request lists it and pins the commit"
    assert published.count() <= 11, "and two each are for run.json, history, samples and two architectures"
    before = published.count()
    run.load_generator(3, "ba")
    assert published.count() == before + 2
    run.load_generator(3, "ba")
    again = open_run("owner/cyclegan")
    again.load_generator(3, "ba")
    assert published.count() == before + 3, "only whether there is a newer commit"
    commit = published.repositories["model", "owner/cyclegan"].commits[0].oid
    assert open_run(f"owner/cyclegan@{commit}").epochs
    before = published.count()
    pinned = open_run(f"owner/cyclegan@{commit}")
    assert published.count() == before, "a commit never changes"
    pinned.load_generator(3, "ba")
    assert published.count() == before + 1, "content that another commit brought is not fetched twice"


def test_samples_without_an_archive_come_one_by_one(published: LoopbackHub, weights: Path) -> None:
    run = open_run("owner/pix2pix")
    assert files_of(run.folder / "samples") == files_of(weights / "facades-pix2pix" / "samples")


def test_of_very_many_samples_some_are_fetched(published: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_SAMPLES", 2)
    assert open_run("owner/pix2pix").sample_epochs == (1, 4)


def test_a_translator_of_a_repository(published: LoopbackHub, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = Translator.load(weights / "facades-pix2pix", device="cpu", precision="fp32")
    fetched = Translator.load("owner/pix2pix", device="cpu", precision="fp32")
    assert (fetched.name, fetched.epochs, fetched.targets) == ("owner/pix2pix", local.epochs, local.targets)
    for epoch in (1, 5):
        ours, theirs = (each.translate(PHOTO, to="photo", epoch=epoch) for each in (fetched, local))
        assert ours.tobytes() == theirs.tobytes()
    monkeypatch.chdir(weights.parent)
    before = published.count()
    assert Translator.load(f"{weights.name}/facades-pix2pix").run.source is None, "a folder wins"
    assert published.count() == before


def test_a_revision_is_a_tag_or_a_commit(published: LoopbackHub) -> None:
    repository = published.repositories["model", "owner/pix2pix"]
    repository.tags["v1"] = repository.commits[-1].oid
    published.publish("owner/pix2pix", {"run.json": b"{}"})
    assert open_run("owner/pix2pix@v1").name == "owner/pix2pix@v1"
    assert "format None" in failure("owner/pix2pix")


def test_neighbours_are_fetched_ahead(published: LoopbackHub) -> None:
    run = open_run("owner/cyclegan")
    assert run.source
    run.source.look_ahead(run, 3, "ab")
    for thread in threading.enumerate():
        if thread.name == "hub-epoch":
            thread.join(20)
    before = published.count()
    for epoch in (1, 5):
        run.load_generator(epoch, "ab")
    assert published.count() == before
    run.load_generator(3, "ab")
    assert published.count() == before + 2


def test_two_that_want_the_same_epoch_share_its_requests(published: LoopbackHub) -> None:
    run = open_run("owner/cyclegan")
    before = published.count()
    published.fail("GET /large/", wait=0.3)
    threads = [threading.Thread(target=run.load_generator, args=(1, "ab")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert published.count() == before + 2


@pytest.mark.usefixtures("impatient")
class TestWithoutTheHub:
    def test_nothing_cached(self, published: LoopbackHub) -> None:
        published.stop()
        assert re.match(
            r"http://127\.0\.0\.1:\d+ does not answer, so owner/cyclegan cannot be had", failure("owner/cyclegan")
        )

    def test_what_is_cached_is_shown(self, published: LoopbackHub, caplog: pytest.LogCaptureFixture) -> None:
        open_run("owner/cyclegan").load_generator(5, "ba")
        published.stop()
        run = open_run("owner/cyclegan")
        assert run.epochs == (1, 3, 5) and run.load_generator(5, "ba") and run.sample_epochs
        assert "it is shown as it last was" in caplog.text
        with pytest.raises(HubError, match="does not answer"):
            run.load_generator(1, "ba")
        published.start()
        assert run.load_generator(1, "ba"), "it is fetched once the Hub is back"

    def test_it_goes_away_in_the_middle_of_a_file(self, published: LoopbackHub) -> None:
        run = open_run("owner/cyclegan")
        published.fail("GET /large/", times=1, truncate=1000, stall=True)
        found: list[BaseException | None] = []

        def load() -> None:
            try:
                run.load_generator(1, "ba")
                found.append(None)
            except HubError as error:
                found.append(error)

        thread = threading.Thread(target=load)
        thread.start()
        assert published.stalled.wait(10)
        published.stop()
        thread.join(20)
        assert "does not answer" in str(found[0])
        published.start()
        assert run.load_generator(1, "ba")

    def test_it_may_not_be_asked(self, published: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        open_run("owner/cyclegan")
        before = published.count()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert open_run("owner/cyclegan").epochs == (1, 3, 5)
        assert "HF_HUB_OFFLINE forbids to ask the Hub; unset it" in failure("owner/pix2pix")
        assert published.count() == before

    @pytest.mark.parametrize("status", [500, 503])
    def test_it_is_ill(self, published: LoopbackHub, status: int) -> None:
        published.fail("GET /api/", status=status)
        assert f"answers {status} instead of owner/cyclegan; try again later" in failure("owner/cyclegan")

    def test_it_is_silent(self, published: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repositories, "SECONDS", 0.3)
        published.fail("GET /api/", wait=2)
        assert "does not answer" in failure("owner/cyclegan")

    def test_an_epoch_does_not_come(self, published: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        run = open_run("owner/cyclegan")
        monkeypatch.setattr(hub_source, "SILENCE", 0.3)
        published.fail("HEAD .*/snapshots/0001/", times=1, wait=1)
        with pytest.raises(
            HubError,
            match=r"snapshots/0001/ba/model.safetensors of owner/cyclegan is on its way.*try again in a moment",
        ):
            run.load_generator(1, "ba")
        monkeypatch.setattr(hub_source, "SILENCE", 20)
        assert run.load_generator(1, "ba")


class TestRefusals:
    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("owner/none", "the Hub has no repository owner/none, or it is private; check the name, or log in with"),
            (
                "owner/secret",
                "owner/secret, or it is private; check the name, or log in with `hf auth login`, or set HF_TOKEN",
            ),
            ("owner/gated", r"owner/gated is gated: ask for access at http://127.0.0.1:\d+/owner/gated, then log in"),
            ("owner/cyclegan@v9", "owner/cyclegan@v9 is no revision of that repository"),
        ],
    )
    def test_not_to_be_had(self, published: LoopbackHub, weights: Path, address: str, message: str) -> None:
        files = files_of(weights / "facades-pix2pix")
        published.publish("owner/secret", files, private=True)
        published.publish("owner/gated", files, gated=True)
        assert re.search(message, failure(address))

    def test_a_mistyped_path(self, hub: LoopbackHub, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(weights.parent)
        assert failure(f"{weights.name}/facades-pixpix").startswith(
            f"there is no folder {weights.name}/facades-pixpix, and the Hub has no repository"
        )

    def test_a_token_opens_what_is_private(
        self, published: LoopbackHub, weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        published.publish_folder("owner/secret", weights / "facades-pix2pix", private=True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        caplog.set_level("DEBUG")
        run = open_run("owner/secret")
        run.load_generator(5, "ba")
        assert {asked.token for asked in published.requests if not asked.cdn} == {TOKEN}
        assert [asked.token for asked in published.requests if asked.cdn] and not any(
            asked.token for asked in published.requests if asked.cdn
        ), "the host of the large files gets no token"
        assert TOKEN not in caplog.text
        assert not any(TOKEN.encode() in content for content in files_of(HUB_HOME).values())
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        assert "does not know the token that it was sent for owner/secret; log in" in failure("owner/secret")

    @pytest.mark.parametrize("asked", ["GET /api/", "GET .*/resolve/.*/run.json", "GET /large/"])
    def test_no_other_host_gets_the_token_wherever_the_hub_sends_to(
        self, published: LoopbackHub, monkeypatch: pytest.MonkeyPatch, asked: str
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        published.fail(asked, status=302, headers={"Location": f"{published.cdn_url}/elsewhere"})
        failure("owner/cyclegan")
        elsewhere = [request.token for request in published.requests if request.path == "/elsewhere"]
        assert elsewhere and not any(elsewhere)

    def test_the_app_sends_no_token_where_xet_says(
        self, published: LoopbackHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.delenv("HF_HUB_DISABLE_XET")
        published.xet = True
        code = "import app; from cyclegan.hub.fetching import open_run; open_run('owner/cyclegan')"
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
        assert published.count("/large/") and not any(asked.token for asked in published.requests if asked.cdn)

    def test_a_rate_limit(self, published: LoopbackHub) -> None:
        published.fail("GET /api/", status=429, headers={"Retry-After": "7"})
        assert "try again in 7 seconds, or log in" in failure("owner/cyclegan")

    @pytest.mark.usefixtures("impatient")
    def test_a_403_while_downloading(self, published: LoopbackHub) -> None:
        published.fail("HEAD .*/run.json", status=403)
        assert "the Hub forbids to read owner/cyclegan" in failure("owner/cyclegan")

    @pytest.mark.parametrize("text", ["", "owner", "a/../x", "owner/a b", "https://example.org/a/b", "a/b/c", "/a/b"])
    def test_no_name(self, text: str) -> None:
        with pytest.raises(HubError, match="names no repository; write owner/name"):
            repositories.Address.parse(text)

    @pytest.mark.parametrize("text", [" owner/name ", "https://huggingface.co/owner/name", "https://hf.co/owner/name/"])
    def test_a_name_may_be_pasted(self, text: str) -> None:
        assert repositories.Address.parse(text) == repositories.Address("owner/name")

    def test_not_one_of_our_runs(self, published: LoopbackHub) -> None:
        published.publish("someone/bert", {"config.json": b"{}", "pytorch_model.bin": b"x"})
        assert "someone/bert is no run of this program: it has no run.json" in failure("someone/bert")

    def test_a_newer_format(self, published: LoopbackHub, weights: Path) -> None:
        content = json.loads((weights / "facades-pix2pix" / "run.json").read_text()) | {"format": 3}
        published.publish("owner/pix2pix", {"run.json": json.dumps(content).encode()})
        assert failure("owner/pix2pix") == (
            "owner/pix2pix: run.json has format 3; this version reads formats 1 and 2: update the program"
        )

    def test_a_large_history(self, published: LoopbackHub) -> None:
        published.publish("owner/pix2pix", {"history.jsonl": bytes(9 * 2**20)})
        assert "history.jsonl" in failure("owner/pix2pix")

    def test_damaged_weights(self, published: LoopbackHub, weights: Path) -> None:
        name = "snapshots/0005/ba/model.safetensors"
        published.publish("owner/pix2pix", {name: bytes((weights / "facades-pix2pix" / name).stat().st_size)})
        with pytest.raises(HubError, match=rf"^owner/pix2pix: {name} is damaged"):
            open_run("owner/pix2pix").load_generator(5, "ba")

    @pytest.mark.parametrize("times", [1, None])
    def test_wrong_bytes(self, published: LoopbackHub, times: int | None) -> None:
        run = open_run("owner/cyclegan")
        published.fail("GET /large/", times=times, garble=True)
        if times == 1:
            assert run.load_generator(5, "ba"), "they are fetched once more"
            return
        with pytest.raises(HubError, match="comes damaged from owner/cyclegan"):
            run.load_generator(5, "ba")
        assert not (run.snapshot_folder(5, "ba") / "model.safetensors").exists()

    @pytest.mark.usefixtures("impatient")
    def test_a_file_that_never_comes_whole(self, published: LoopbackHub) -> None:
        published.fail("GET .*/history.jsonl", truncate=5)
        assert "cannot be had" in failure("owner/cyclegan")

    def test_a_full_disk(self, published: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        run = open_run("owner/cyclegan")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(HubError, match="the disk is full, so owner/cyclegan cannot be kept; free some space"):
            run.load_generator(5, "ba")
        assert published.count("GET /large/") == 1, "nothing was fetched but the samples before"

    def test_a_folder_that_cannot_be_written(self) -> None:
        message = str(in_words(PermissionError(errno.EACCES, "Permission denied", "/secret/path"), "owner/name"))
        assert "owner/name cannot be kept here (Permission denied)" in message and "/secret" not in message

    def test_cancelled(self, published: LoopbackHub) -> None:
        transfer = Transfer(cancelled=True)
        with pytest.raises(Cancelled):
            open_run("owner/cyclegan", transfer)
        transfer = Transfer()
        assert open_run("owner/cyclegan", transfer).epochs
        assert transfer.done >= transfer.total > 0


class TestMalice:
    @pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "samples/..\\0001.webp", "C:/run.json"])
    def test_file_names_that_lead_outside(self, published: LoopbackHub, name: str) -> None:
        published.publish("owner/cyclegan", {name: b"x"})
        assert "holds a file of the unsafe name" in failure("owner/cyclegan")
        assert published.count("resolve") == 0

    def test_run_json_of_absurd_size(self, published: LoopbackHub) -> None:
        published.publish("owner/cyclegan", {"run.json": b" " * 2_000_000})
        assert "run.json in owner/cyclegan has 2 MB; at most 1 MB are expected" in failure("owner/cyclegan")
        assert published.count("resolve") == 0

    @pytest.mark.parametrize("width", [100_000, 64])
    def test_a_config_of_absurd_size(self, published: LoopbackHub, width: int) -> None:
        files = published.repositories["model", "owner/cyclegan"].files
        name = min(name for name in files if name.endswith("ab/config.json"))
        published.publish("owner/cyclegan", {name: json.dumps(json.loads(files[name]) | {"width": width}).encode()})
        expected = "it must be 1 to 256 channels" if width > 256 else "million weights that its config.json tells of"
        assert expected in failure("owner/cyclegan")
        assert published.count(r"resolve/.*safetensors") == 0

    def test_weights_far_larger_than_the_network(self, published: LoopbackHub) -> None:
        published.publish("owner/cyclegan", {"snapshots/0005/ba/model.safetensors": b"x" * 5_000_000})
        assert "snapshots/0005/ba/model.safetensors in owner/cyclegan has 5.0 MB" in failure("owner/cyclegan")
        assert published.count(r"resolve/.*safetensors") == 0

    def test_a_safetensors_header_of_absurd_size(self, published: LoopbackHub, weights: Path) -> None:
        name = "snapshots/0005/ba/model.safetensors"
        size = (weights / "facades-cyclegan" / name).stat().st_size
        published.publish("owner/cyclegan", {name: (2**40).to_bytes(8, "little") + bytes(size)})
        with pytest.raises(HubError, match=r"is damaged \(.*header"):
            open_run("owner/cyclegan").load_generator(5, "ba")

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"../0001.webp": b"x"}, "holds '../0001.webp', which is no sample"),
            ({"0001.webp": bytes(10**6)}, "unpacks to more than it holds"),
            (None, "is damaged"),
        ],
    )
    def test_a_malicious_archive(self, published: LoopbackHub, members: dict[str, bytes] | None, message: str) -> None:
        content = io.BytesIO(b"no zip at all")
        if members:
            with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, member in members.items():
                    archive.writestr(name, member)
        published.publish("owner/cyclegan", {NAME: content.getvalue()})
        assert message in failure("owner/cyclegan")

    def test_a_pickle_runs_nothing(self, hub: LoopbackHub, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return Path.touch, (str(tmp_path / "owned"),)

        content = io.BytesIO()
        torch.save({"model.1.weight": Evil()}, content, pickle_module=pickle)
        hub.publish("owner/evil", {"latest_net_G.pth": content.getvalue(), "run.pkl": pickle.dumps(Evil())})
        assert "code is not run here" in failure("owner/evil")
        assert not (tmp_path / "owned").exists()


class TestForeignRepositories:
    @pytest.fixture
    def reference(self, tmp_path: Path) -> dict[str, bytes]:
        config = CycleGANConfig(dataset="facades", generator=TINY_CYCLEGAN, epochs=1, decay_epochs=1)
        run = make_run(tmp_path / "run", config, epochs=(2,), sample_epochs=1)
        export_reference(run, tmp_path / "reference")
        return files_of(tmp_path / "reference")

    @pytest.mark.parametrize("folder", ["", "horse2zebra/"])
    def test_of_the_reference(self, hub: LoopbackHub, reference: dict[str, bytes], folder: str) -> None:
        hub.publish("someone/horse2zebra", {folder + name: content for name, content in reference.items()})
        translator = Translator.load("someone/horse2zebra", device="cpu", precision="fp32")
        assert (translator.name, translator.targets, translator.epochs) == ("horse2zebra", ("zebra", "horse"), (200,))
        assert translator.translate(PHOTO, to="zebra").size == PHOTO.size
        before = hub.count()
        assert open_run("someone/horse2zebra").epochs == (200,)
        assert hub.count() == before + 1, "converted once"

    def test_a_bare_safetensors_file(self, hub: LoopbackHub, weights: Path) -> None:
        weights_file = weights / "facades-pix2pix" / "snapshots" / "0005" / "ba" / "model.safetensors"
        hub.publish("someone/net", {"model.safetensors": weights_file.read_bytes(), "config.json": b"{}"})
        ours = Translator.load("someone/net", device="cpu", precision="fp32")
        theirs = Translator.load(weights / "facades-pix2pix", device="cpu", precision="fp32")
        assert ours.targets == ("translation",)
        assert ours.translate(PHOTO, to="translation").tobytes() == theirs.translate(PHOTO, to="photo").tobytes()

    def test_several_models(self, hub: LoopbackHub, reference: dict[str, bytes]) -> None:
        hub.publish("someone/zoo", {f"{folder}/{name}": b for folder in "ab" for name, b in reference.items()})
        assert "holds several models, in a/, b/" in failure("someone/zoo")

    def test_something_else(self, hub: LoopbackHub) -> None:
        hub.publish("someone/bert", {"model.safetensors": b"no weights"})
        assert failure("someone/bert").startswith("someone/bert: model.safetensors is damaged")
        content = io.BytesIO()
        torch.save(OrderedDict(bert=torch.zeros(1)), content)
        hub.publish("someone/bert", {"latest_net_G.pth": content.getvalue()})
        assert "someone/bert: latest_net_G.pth is no generator of the reference" in failure("someone/bert")
