"""Publishing with the real client: what goes out, what stays at home, and a Hub that is away, busy or refuses."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants, snapshot_download
from PIL import Image

from cyclegan.config import MethodConfig, Pix2PixConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.hub import publishing, uploads
from cyclegan.hub.command import main
from cyclegan.hub.errors import HubError
from cyclegan.hub.fetching import open_run
from cyclegan.hub.publishing import BackgroundPublisher, Publication, contents, publish
from cyclegan.hub.uploads import open_repository
from cyclegan.runs.examples import example_images
from cyclegan.runs.run import Run
from cyclegan.translate.translator import Translator
from tests.conftest import TINY_GAN, TINY_PIX2PIX, add_discriminators, make_run, wait_until
from tests.hub_server import TOKEN, LoopbackHub, Repository

NAME = "owner/facades"
MADE = {"README.md", "card/side-by-side.webp", "card/epochs.webp", "samples.zip"}
"""What is in the repository besides the run itself."""
AT_HOME = (
    "checkpoint.pt", ".lock", ".tmp-0123", "notes.txt", "samples/.tmp-45", "samples/sheet.png",
    "snapshots/0001/ba/optimizer.pt", "snapshots/0009/ba/config.json", "snapshots/.tmp-6/model.safetensors",
)  # fmt: skip


@pytest.fixture(autouse=True)
def waits(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it was waited between attempts, which takes no time here."""
    waits: list[float] = []
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(uploads, "time", SimpleNamespace(sleep=waits.append))
    return waits


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX, epochs=3, decay_epochs=2)
    return make_run(tmp_path / "facades-pix2pix", config, epochs=(1, 2), sample_epochs=2)


def published(hub: LoopbackHub, name: str = NAME) -> Repository:
    return hub.repositories["model", name]


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def card(hub: LoopbackHub) -> str:
    return published(hub).files["README.md"].decode()


def test_what_is_published_comes_back_byte_for_byte(run: Run, hub: LoopbackHub, tmp_path: Path) -> None:
    before = files_of(run.folder)
    for name in AT_HOME:
        (run.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (run.folder / name).write_bytes(b"stays at home")
    assert main(["publish", str(run.folder), NAME]) == 0
    assert len(published(hub).commits) == 2  # the first one made the repository
    back = files_of(Path(snapshot_download(NAME, local_dir=tmp_path / "back")))
    back = {name: content for name, content in back.items() if not name.startswith(".")}
    assert before.items() <= back.items()
    assert back.keys() - before.keys() == MADE
    assert b"stays at home" not in back.values()
    assert Run.open(tmp_path / "back").epochs == (1, 2)
    assert all(asked.token is None for asked in hub.requests if asked.cdn)  # no token for another host


def test_examples_are_published_with_their_notice_and_open_with_the_run(
    run: Run, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.folder / "examples" / "b"
    folder.mkdir(parents=True)
    for name in ("1-house.png", "2.webp", "list.txt", ".hidden.png"):
        (folder / name).write_bytes(name.encode())
    assert main(["publish", str(run.folder), NAME]) == 0
    assert not [name for name in published(hub).files if name.startswith("examples/")], "nobody said that they are free"
    (run.folder / "examples" / "LICENSE.md").write_text("CC0")
    assert main(["publish", str(run.folder), NAME]) == 0
    opened = open_run(NAME).folder
    assert example_images(opened, "b") == [opened / "examples" / "b" / name for name in ("1-house.png", "2.webp")]
    assert example_images(opened, "a") == [] and (opened / "examples" / "LICENSE.md").read_text() == "CC0"
    (folder / "3.png").write_bytes(bytes(2**20 + 1))
    assert main(["publish", str(run.folder), NAME]) == 2
    assert "3.png has 1,048,577 bytes; an example has 1,048,576 at most" in capsys.readouterr().err


def test_again_only_what_is_new_is_uploaded(run: Run, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(run.folder), NAME]) == 0
    uploaded = hub.count("PUT /upload")
    assert main(["publish", str(run.folder), NAME]) == 0
    assert "nothing is new" in capsys.readouterr().err
    assert (len(published(hub).commits), hub.count("PUT /upload")) == (2, uploaded)
    run.save_snapshot(5, {"ba": run.load_generator(1, "ba")})
    shutil.rmtree(run.snapshot_folder(2, "ba").parent)
    hub.publish(NAME, {"LICENSE": b"mine", "notes/ideas.md": b"mine"})
    assert main(["publish", str(run.folder), NAME]) == 0
    assert len(published(hub).commits) == 4
    assert hub.count("PUT /upload") == uploaded  # its weights are there already, under another name
    assert "after epochs 1 and 5" in card(hub)
    files = published(hub).files
    assert not [name for name in files if name.startswith("snapshots/0002")]
    assert files["LICENSE"] == files["notes/ideas.md"] == b"mine", "what others put there stays"


def test_a_card_that_a_person_edited_is_kept(run: Run, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> None:
    main(["publish", str(run.folder), NAME])
    edited = card(hub).replace("# facades", "# The nicest facades").encode()
    hub.publish(NAME, {"README.md": edited})
    run.save_snapshot(5, {"ba": run.load_generator(1, "ba")})
    capsys.readouterr()
    assert main(["publish", str(run.folder), NAME]) == 0
    assert published(hub).files["README.md"] == edited
    assert "snapshots/0005/ba/model.safetensors" in published(hub).files
    assert "edited and is kept" in capsys.readouterr().err


def test_a_card_that_lies_in_the_run_is_the_card(
    run: Run, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.folder / "README.md").write_text("---\nlicense: mit\n---\nMy own words.\n")
    assert main(["publish", str(run.folder), NAME]) == 0
    assert card(hub).endswith("My own words.\n")
    (run.folder / "README.md").write_bytes("façade".encode("latin-1"))
    assert main(["publish", str(run.folder), NAME]) == 2
    assert "README.md is no UTF-8 text; save it as one" in capsys.readouterr().err


def test_no_path_of_the_trainer_is_published(tmp_path: Path, hub: LoopbackHub) -> None:
    config = Pix2PixConfig(dataset=str(tmp_path / "my photos"), generator=TINY_PIX2PIX)
    run = make_run(tmp_path / "run", config, epochs=(1,), sample_epochs=1)
    said = {"segmenter": f"by {tmp_path}/seg.safetensors, {tmp_path}", "count": 3}
    (run.folder / "metrics.json").write_text(
        json.dumps({"format": 1, "splits": {"val": {"protocol": said, "directions": {}}}})
    )
    assert main(["publish", str(run.folder), NAME]) == 0
    files = published(hub).files
    protocol = json.loads(files["metrics.json"])["splits"]["val"]["protocol"]
    assert protocol == {"segmenter": f"by seg.safetensors, {tmp_path.name}", "count": 3}
    assert json.loads(files["run.json"])["config"]["dataset"] == "./my photos"
    assert not [name for name, content in files.items() if str(tmp_path).encode() in content]


@pytest.mark.parametrize("config", [TINY_GAN, Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX)])
def test_the_lines_of_the_card_work(
    config: MethodConfig, tmp_path: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", config, epochs=(1, 2), sample_epochs=1)
    assert main(["publish", str(run.folder), NAME, "--private", "--license", "mit"]) == 0
    assert published(hub).private and "license: mit" in card(hub)
    (lines,) = re.findall("```python\n(.*?)```", card(hub), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    draw_facade(3).save("labels.png")
    exec(lines, {})
    with Image.open(tmp_path / f"{run.domains.b if config is TINY_GAN else 'photo'}.png") as made:
        assert made.size == ((32, 32) if config is TINY_GAN else (256, 256))
    shown = open_run(NAME)  # with the token
    assert (shown.epochs, shown.sample_epochs, shown.history()) == (run.epochs, run.sample_epochs, run.history())


def test_a_repository_of_something_else_is_left_alone(
    run: Run, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.publish(NAME, {"pytorch_model.bin": b"weights", "README.md": b"mine"})
    assert main(["publish", str(run.folder), NAME]) == 2
    assert "holds something else (pytorch_model.bin" in capsys.readouterr().err
    assert len(published(hub).commits) == 1


@pytest.mark.parametrize(
    ("name", "token", "fault", "code", "expected"),
    [
        ("facades", TOKEN, None, 2, "give owner/name"),
        ("owner/a/b", TOKEN, None, 2, "'owner/a/b' is no name of a repository; give owner/name, such as"),
        (NAME, "", None, 2, "not logged in to the Hub; log in with `hf auth login`, or set HF_TOKEN"),
        (NAME, "hf_wrongWrongWrong", None, 2, "does not know your token"),
        (NAME, "hf_wrong\x07Wrong", None, 2, "holds characters that no token has"),
        ("somebody/facades", TOKEN, None, 2, "somebody/facades may not be written by you"),
        ("nobody/facades", TOKEN, ("/api/repos/create", 404), 2, "the Hub has no owner or repository nobody/facades"),
        (NAME, TOKEN, ("/api/repos/create", 402), 2, "paid plan"),
        (NAME, TOKEN, ("/commit/", 403), 2, "may not be written"),
        (NAME, TOKEN, ("/commit/", 413), 2, "answers 413 instead of owner/facades"),
        (NAME, TOKEN, ("/commit/", 503), 1, "answers 503 instead of owner/facades"),
        (NAME, TOKEN, ("/preupload/", 200), 2, "improperly formatted"),
        (NAME, TOKEN, ("/commit/", 200), 2, "answer about owner/facades is not understood"),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value)[:30],
)
def test_what_the_hub_refuses_is_one_clear_line(
    name: str, token: str, fault: tuple[str, int] | None, code: int, expected: str,
    run: Run, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", token)
    if fault:
        hub.fail(fault[0], status=fault[1])
    assert main(["publish", str(run.folder), name]) == code
    said = "".join(capsys.readouterr())
    assert expected in said.splitlines()[-1] and "Traceback" not in said
    assert len(said.splitlines()) == 1 or code == 1
    assert not token or token not in said


def test_a_hub_that_is_not_there_is_one_clear_line(
    run: Run, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.stop()
    assert main(["publish", str(run.folder), NAME]) == 1
    assert f"{hub.url} does not answer" in capsys.readouterr().err
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids"):  # who has published heeds it as before
        open_run(NAME)


def test_a_busy_hub_is_asked_again_when_it_says(run: Run, hub: LoopbackHub, waits: list[float]) -> None:
    hub.fail("/commit/", times=1, status=429, headers={"Retry-After": "77"})
    hub.fail("/commit/", times=1, status=503)
    assert main(["publish", str(run.folder), NAME]) == 0
    assert waits == [77, uploads.RETRY_DELAYS[1]]
    assert len(published(hub).commits) == 2


def test_a_card_that_cannot_be_read_now_is_read_later(run: Run, hub: LoopbackHub) -> None:
    main(["publish", str(run.folder), NAME])
    edited = card(hub).replace("# facades", "# The nicest facades").encode()
    hub.publish(NAME, {"README.md": edited})
    hub.fail("(HEAD|GET) .*/resolve/.*/README.md", times=1, status=500)
    hub.fail("GET .*/resolve/.*/README.md", times=1, truncate=0)
    run.save_snapshot(5, {"ba": run.load_generator(1, "ba")})
    assert main(["publish", str(run.folder), NAME]) == 0
    assert published(hub).files["README.md"] == edited and len(published(hub).commits) == 4


def test_a_lost_answer_makes_no_second_commit(run: Run, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "TIMEOUT", 1.0)
    hub.fail("/commit/", times=1, truncate=0, stall=True)
    assert main(["publish", str(run.folder), NAME]) == 0
    assert (hub.count("/commit/"), len(published(hub).commits)) == (1, 2)


@pytest.mark.usefixtures("impatient")
def test_a_hub_that_dies_in_the_middle_and_comes_back_has_it_all(
    run: Run, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = threading.Event()

    def come_back(_: float) -> None:
        assert gone.wait(20) and len(published(hub).commits) == 1  # nothing of it is to be seen
        hub.start()

    monkeypatch.setattr(uploads, "time", SimpleNamespace(sleep=come_back))
    hub.fail("PUT /upload", times=1, truncate=0, wait=20)
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(main(["publish", str(run.folder), NAME])))
    thread.start()
    wait_until(lambda: hub.count("PUT /upload") > 0)
    hub.stop()
    gone.set()
    thread.join(60)
    assert done == [0]
    assert_holds(hub, run)


def test_two_at_once_end_with_one_whole_run(
    run: Run, hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_run(tmp_path / "other", TINY_GAN, epochs=(3,), sample_epochs=1)
    codes: list[int] = []

    def commit_second(*arguments: Any, **options: Any) -> bool:
        """The commit of the first, when the other has gone all its way since the first looked."""
        if not codes:
            codes.append(-1)
            codes.append(main(["publish", str(other.folder), NAME]))
            assert_holds(hub, other)
        return uploads.commit(*arguments, **options)

    monkeypatch.setattr(publishing, "commit", commit_second)
    assert main(["publish", str(run.folder), NAME]) == 0
    assert codes == [-1, 0]
    assert_holds(hub, run)
    assert hub.count("/commit/") == 3 and len(published(hub).commits) == 3


def test_in_the_background_nobody_waits_and_the_end_is_the_same(
    run: Run, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publishing, "DELAYS", (0.2,))
    repository = open_repository(NAME)
    hub.stop()
    goes_on = threading.Event()

    def publish_later(*arguments: Any, **options: Any) -> Publication:
        assert goes_on.wait(60), "the training waits for what is published in the background"
        return publish(*arguments, **options)

    monkeypatch.setattr(publishing, "publish", publish_later)
    publisher = BackgroundPublisher(run.folder, repository)
    publisher.notify()
    run.save_snapshot(5, {"ba": run.load_generator(1, "ba")})
    publisher.notify()
    goes_on.set()
    wait_until(lambda: "not published yet" in caplog.text)
    hub.start()
    assert publisher.finish()
    assert_holds(hub, run)
    assert main(["publish", str(run.folder), NAME]) == 0
    assert len(published(hub).commits) == 2


def test_what_a_training_replaces_meanwhile_goes_out_as_it_was(run: Run) -> None:
    add_discriminators(run)
    before, files = files_of(run.folder), contents(run)
    run.write_history([])
    for path in run.folder.glob("discriminators/*/*"):
        path.write_bytes(b"those of the next epoch")
    assert before == {
        name: content if isinstance(content, bytes) else content.read_bytes() for name, content in files.items()
    }


def test_the_end_does_not_wait_for_ever(run: Run, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "CLOSING_DELAY", 0.1)
    publisher = BackgroundPublisher(run.folder, open_repository(NAME))
    hub.stop()
    publisher.notify()
    assert not publisher.finish(timeout=0.5)
    assert not publisher.finish(timeout=30)  # what was given up is not attempted again
    hub.start()
    assert len(published(hub).commits) == 1


def test_what_cannot_be_published_is_said_once_and_tried_with_the_next_snapshot(
    run: Run, hub: LoopbackHub, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = BackgroundPublisher(run.folder, open_repository(NAME))
    fault = hub.fail("/commit/", status=403)
    publisher.notify()
    wait_until(lambda: "may not be written" in caplog.text)
    fault.times = 0
    publisher.notify()
    assert publisher.finish(timeout=30)
    assert caplog.text.count("not published") == 1
    assert_holds(hub, run)


def assert_holds(hub: LoopbackHub, run: Run) -> None:
    """The repository is this run and nothing else."""
    expected = {
        name: content if isinstance(content, bytes) else content.read_bytes() for name, content in contents(run).items()
    }
    files = published(hub).files
    assert expected.items() <= files.items()
    rest = files.keys() - expected.keys()
    assert rest == {".gitattributes", *MADE}


def test_every_shipped_run_translates_from_the_hub_as_it_does_here(hub: LoopbackHub) -> None:
    runs = [Run.open(path.parent) for path in sorted((Path(__file__).parents[2] / "weights").glob("*/run.json"))]
    assert runs
    picture = draw_facade(1)
    for run in runs:
        name = f"owner/{run.folder.name}"
        publish(run, open_repository(name))
        here, there = (Translator.load(each, device="cpu") for each in (run.folder, name))
        assert there.targets == here.targets
        for target in here.targets:
            assert there.translate(picture, to=target).tobytes() == here.translate(picture, to=target).tobytes()
