"""Runs from the Hub, by the real client from a Hub on the loopback."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import httpx

from cyclegan import Translator
from cyclegan.config import CycleGANConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.hub import repositories
from cyclegan.hub.errors import HubError, in_words
from cyclegan.hub.fetching import open_run
from cyclegan.hub.repositories import Cancelled, Transfer
from cyclegan.runs.convert import export_reference
from cyclegan.runs.run import Run
from cyclegan.runs.sample_archive import NAME, pack_samples
from cyclegan.runtime import proxies
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


def test_a_translator_of_a_repository(published: LoopbackHub, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = Translator.load(weights / "facades-pix2pix", device="cpu", precision="fp32")
    fetched = Translator.load("owner/pix2pix", device="cpu", precision="fp32")
    assert (fetched.name, fetched.epochs, fetched.targets) == ("owner/pix2pix", local.epochs, local.targets)
    assert not fetched.run.has_discriminators
    assert files_of(fetched.run.folder / "samples") == files_of(weights / "facades-pix2pix" / "samples")
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
            r"http://127\.0\.0\.1:\d+ does not answer, so owner/cyclegan cannot be read", failure("owner/cyclegan")
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


DAMAGED = "snapshots/0005/ba/model.safetensors"
ARCHITECTURE = "snapshots/0001/ab/config.json"


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, member in members.items():
            made.writestr(name, member)
    return content.getvalue()


def run_json(**changed: object) -> Callable[[bytes], bytes]:
    """What a JSON file becomes with these values."""
    return lambda content: json.dumps(json.loads(content) | changed).encode()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (("GET /api/", {"status": 503}), "answers 503 instead of owner/cyclegan; try again later"),
        (("GET /api/", {"wait": 1}), "does not answer"),
        (("GET /api/", {"status": 429, "headers": {"Retry-After": "7"}}), "try again in 7 seconds, or log in"),
        (("HEAD .*/run.json", {"status": 403}), "owner/cyclegan may not be read by you; log in"),
        (("GET .*/history.jsonl", {"truncate": 5}), "owner/cyclegan cannot be read"),
    ],
    ids=str,
)
def test_a_hub_that_has_faults_is_one_clear_line(
    fault: tuple[str, dict[str, Any]], message: str, published: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "SECONDS", 0.3)
    published.fail(fault[0], **fault[1])
    assert message in failure("owner/cyclegan")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("owner/none", "the Hub has no repository owner/none, or it is private; check the name, or log in with"),
        ("owner/secret", "owner/secret, or it is private; check the name, or log in with `hf auth login`, or set"),
        ("owner/gated", r"owner/gated is gated: ask for access at http://127.0.0.1:\d+/owner/gated, then log in"),
        ("owner/cyclegan@v9", "owner/cyclegan@v9 is no revision of that repository"),
        ("weights/facades", "there is no folder weights/facades, and the Hub has no repository weights/facades"),
        ("someone/bert", "someone/bert is no run of this program: it has no run.json"),
        ("someone/zoo", "holds several models, in a/, b/"),
        ("someone/other", "someone/other: latest_net_G.pth is no generator of the reference"),
    ],
)
def test_what_is_not_there_is_named(
    address: str, message: str, published: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    files = {"run.json": b"{}"}
    published.publish("owner/secret", files, private=True)
    published.publish("owner/gated", files, gated=True)
    published.publish("someone/bert", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    published.publish("someone/zoo", {f"{folder}/latest_net_G.pth": b"x" for folder in "ab"})
    content = io.BytesIO()
    torch.save(OrderedDict(bert=torch.zeros(1)), content)
    published.publish("someone/other", {"latest_net_G.pth": content.getvalue()})
    assert re.search(message, failure(address))


@pytest.mark.parametrize(
    ("name", "content", "message", "fetched"),
    [
        ("../../outside", b"x", "holds a file of the unsafe name", 0),
        ("/etc/passwd", b"x", "holds a file of the unsafe name", 0),
        ("samples/..\\0001.webp", b"x", "holds a file of the unsafe name", 0),
        ("run.json", b" " * 2_000_000, "run.json in owner/cyclegan has 2 MB; at most 1 MB are expected", 0),
        ("history.jsonl", bytes(9 * 2**20), "history.jsonl in owner/cyclegan has 9 MB; at most 8 MB", None),
        ("run.json", run_json(format=3), "run.json has format 3; this version reads formats 1 and 2: update", None),
        (ARCHITECTURE, run_json(width=100_000), "it must be 1 to 256 channels", None),
        (ARCHITECTURE, run_json(width=64), "million weights that its config.json tells of have another size", None),
        (DAMAGED, b"x" * 5_000_000, f"{DAMAGED} in owner/cyclegan has 5.0 MB", None),
        (NAME, archive({"../0001.webp": b"x"}), "holds '../0001.webp', which is no sample", None),
        (NAME, archive({"0001.webp": bytes(10**6)}), "unpacks to more than it holds", None),
        (NAME, b"no zip at all", "is damaged", None),
    ],
)
def test_malice_is_refused_before_any_weights_are_fetched(
    name: str, content: bytes | Callable[[bytes], bytes], message: str, fetched: int | None, published: LoopbackHub
) -> None:
    files = published.repositories["model", "owner/cyclegan"].files
    published.publish("owner/cyclegan", {name: content if isinstance(content, bytes) else content(files[name])})
    assert message in failure("owner/cyclegan")
    assert published.count(r"resolve/.*safetensors") == 0
    assert fetched is None or published.count("resolve") == fetched


@pytest.mark.parametrize(
    ("header", "message"), [(bytes(8), "is damaged"), ((2**40).to_bytes(8, "little"), r"is damaged \(.*header")]
)
def test_damaged_weights(header: bytes, message: str, published: LoopbackHub, weights: Path) -> None:
    size = (weights / "facades-cyclegan" / DAMAGED).stat().st_size
    published.publish("owner/cyclegan", {DAMAGED: header + bytes(size - 8)})
    with pytest.raises(HubError, match=rf"^owner/cyclegan: {DAMAGED} {message}"):
        open_run("owner/cyclegan").load_generator(5, "ba")


@pytest.mark.parametrize("times", [1, None])
def test_wrong_bytes_are_fetched_once_more(published: LoopbackHub, times: int | None) -> None:
    run = open_run("owner/cyclegan")
    published.fail("GET /large/", times=times, garble=True)
    if times == 1:
        assert run.load_generator(5, "ba")
        return
    with pytest.raises(HubError, match="comes damaged from owner/cyclegan"):
        run.load_generator(5, "ba")
    assert not (run.snapshot_folder(5, "ba") / "model.safetensors").exists()


def test_a_full_disk(published: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run("owner/cyclegan")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(HubError, match="the disk is full, so owner/cyclegan cannot be kept; free some space"):
        run.load_generator(5, "ba")
    assert published.count("GET /large/") == 1, "nothing was fetched but the samples before"
    message = str(in_words(PermissionError(errno.EACCES, "Permission denied", "/secret/path"), "owner/name"))
    assert "owner/name cannot be kept here (Permission denied)" in message and "/secret" not in message


def test_a_client_that_another_thread_closed_is_tried_again() -> None:
    client = httpx.Client()
    client.close()
    with pytest.raises(RuntimeError) as closed:
        client.get("http://127.0.0.1:9/")
    error = in_words(closed.value, "owner/name", writing=True)
    assert error.fault == "network" and error.wait is not None


def test_a_socks_proxy_is_named_with_its_remedy(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "find_spec", lambda name: None)
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    error = in_words(ImportError("Using SOCKS proxy, but the 'socksio' package is not installed"), "owner/name")
    assert error.fault == "network"
    assert str(error).startswith("all_proxy is socks5://127.0.0.1:9: a SOCKS proxy needs another package; run: pip ")


def test_what_a_killed_fetch_left_is_deleted(published: LoopbackHub) -> None:
    part = repositories.repository_cache("owner/cyclegan") / "blobs" / "0123.4567.incomplete"
    part.parent.mkdir(parents=True)
    part.touch()
    open_run("owner/cyclegan")
    assert part.exists(), "it may be that of another process"
    os.utime(part, (0, 0))
    open_run("owner/cyclegan")
    assert not part.exists()


def test_cancelled(published: LoopbackHub) -> None:
    with pytest.raises(Cancelled):
        open_run("owner/cyclegan", Transfer(cancelled=True))
    transfer = Transfer()
    assert open_run("owner/cyclegan", transfer).epochs
    assert transfer.done >= transfer.total > 0


def test_a_token_opens_what_is_private_and_goes_to_no_other_host(
    published: LoopbackHub, weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    published.publish_folder("owner/secret", weights / "facades-pix2pix", private=True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    caplog.set_level("DEBUG")
    open_run("owner/secret").load_generator(5, "ba")
    assert {asked.token for asked in published.requests if not asked.cdn} == {TOKEN}
    assert {asked.token for asked in published.requests if asked.cdn} == {None}
    assert TOKEN not in caplog.text
    assert not any(TOKEN.encode() in content for content in files_of(HUB_HOME).values())
    for asked in ("GET /api/", "GET .*/resolve/.*/run.json", "GET /large/"):
        published.faults.clear()
        published.fail(asked, status=302, headers={"Location": f"{published.cdn_url}/elsewhere"})
        failure("owner/cyclegan")
    elsewhere = [request.token for request in published.requests if request.path == "/elsewhere"]
    assert len(elsewhere) >= 3 and not any(elsewhere)
    published.faults.clear()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "does not know your token, so owner/secret cannot be read; log in" in failure("owner/secret")


def test_the_app_sends_no_token_where_xet_says(published: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.delenv("HF_HUB_DISABLE_XET")
    published.xet = True
    code = "import app; from cyclegan.hub.fetching import open_run; open_run('owner/cyclegan')"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
    assert published.count("/large/") and not any(asked.token for asked in published.requests if asked.cdn)


@pytest.mark.parametrize("text", ["", "owner", "a/../x", "owner/a b", "https://example.org/a/b", "a/b/c", "/a/b"])
def test_no_name(text: str) -> None:
    with pytest.raises(HubError, match="names no repository; write owner/name"):
        repositories.Address.parse(text)


@pytest.mark.parametrize("text", [" owner/name ", "https://huggingface.co/owner/name", "https://hf.co/owner/name/"])
def test_a_name_may_be_pasted(text: str) -> None:
    assert repositories.Address.parse(text) == repositories.Address("owner/name")


def test_a_pickle_runs_nothing(hub: LoopbackHub, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "owned"),)

    content = io.BytesIO()
    torch.save({"model.1.weight": Evil()}, content, pickle_module=pickle)
    hub.publish("owner/evil", {"latest_net_G.pth": content.getvalue(), "run.pkl": pickle.dumps(Evil())})
    assert "code is not run here" in failure("owner/evil")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("folder", ["", "horse2zebra/"])
def test_a_repository_of_the_reference(hub: LoopbackHub, tmp_path: Path, folder: str) -> None:
    config = CycleGANConfig(dataset="facades", generator=TINY_CYCLEGAN, epochs=1, decay_epochs=1)
    export_reference(make_run(tmp_path / "run", config, epochs=(2,), sample_epochs=1), tmp_path / "reference")
    files = {folder + name: content for name, content in files_of(tmp_path / "reference").items()}
    hub.publish("someone/horse2zebra", files)
    translator = Translator.load("someone/horse2zebra", device="cpu", precision="fp32")
    assert (translator.name, translator.targets, translator.epochs) == ("horse2zebra", ("zebra", "horse"), (200,))
    assert translator.translate(PHOTO, to="zebra").size == PHOTO.size
    before = hub.count()
    assert open_run("someone/horse2zebra").epochs == (200,)
    assert hub.count() == before + 1, "converted once"
