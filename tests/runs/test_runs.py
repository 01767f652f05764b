"""Runs on disk: opened strictly, listed by what is complete, and clear about what they do not have."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cyclegan.config import ConfigError, CycleGANConfig, Direction, Method, MethodConfig, Pix2PixConfig
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import Domains, Run, RunError
from cyclegan.runs.scores import ScoresError, read_scores
from tests.conftest import TINY_CYCLEGAN, TINY_PIX2PIX, make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = Pix2PixConfig(dataset="facades", generator=replace(TINY_PIX2PIX, width=1), epochs=3, decay_epochs=0)
    return make_run(tmp_path_factory.mktemp("made") / "run", config, epochs=(1, 3), sample_epochs=3)


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    """A pix2pix run of three epochs, of which the first and the last are kept."""
    return Run.open(shutil.copytree(made.folder, tmp_path / "facades-pix2pix"))


def rewrite(run: Run, change: Callable[[dict[str, Any]], object]) -> None:
    path = run.folder / "run.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("method", "config"),
    [
        ("cyclegan", CycleGANConfig(dataset="facades", lambda_identity=0)),
        ("pix2pix", Pix2PixConfig(dataset="facades", direction="ab")),
    ],
)
def test_a_run_comes_back_as_it_was_written(method: Method, config: MethodConfig, tmp_path: Path) -> None:
    run = Run(tmp_path, method, Domains("photo", "Plan B"), config, {"ab": "dataset"}, "98a1f3a")
    run.write()
    assert Run.open(tmp_path) == Run.open(str(tmp_path)) == run


def test_the_format_on_disk_is_the_published_one(run: Run) -> None:
    content = json.loads((run.folder / "run.json").read_text())
    assert list(content) == ["format", "method", "domains", "samples", "revision", "config"]
    assert content["format"] == 2
    assert content["config"]["dataset"] == "facades" and "learning_rate" not in content["config"]
    assert content["domains"] == {"a": "photo", "b": "labels"}
    files = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    assert files == {
        "run.json",
        "history.jsonl",
        *(f"samples/000{epoch}.webp" for epoch in (1, 2, 3)),
        *(f"snapshots/000{epoch}/ba/{name}" for epoch in (1, 3) for name in ("config.json", "model.safetensors")),
    }


def test_a_cyclegan_of_unequal_channels_comes_back_in_both_directions(tmp_path: Path) -> None:
    generator = replace(TINY_CYCLEGAN, out_channels=1)
    run = make_run(
        tmp_path / "run",
        CycleGANConfig(dataset="facades", generator=generator, lambda_identity=0.0),
        epochs=(1,),
        sample_epochs=0,
    )
    assert run.load_generator(1, "ab")(torch.zeros(1, 3, 16, 16)).shape == (1, 1, 16, 16)
    assert run.load_generator(1, "ba")(torch.zeros(1, 1, 16, 16)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "there is no such folder"), ("empty", "it has no run.json"), ("file.txt", "there is no such folder")],
)
def test_a_folder_that_is_no_run_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(RunError, match=f"{name} is not a run: {reason}"):
        Run.open(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"run"', b"\xff\x00", b"[" * 100_000])
def test_a_damaged_run_json_is_refused(content: bytes, run: Run) -> None:
    (run.folder / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        Run.open(run.folder)


@pytest.mark.parametrize("name", ["", "  ", "a" * 41, "a/b", "..\\x", "new\nline", "\u202etxt"])
def test_names_of_domains_that_no_button_or_file_can_bear_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="domain name "):
        Domains("photo", name)


@pytest.mark.parametrize("number", [0, 3, "1", None])
def test_another_format_is_refused(number: object, run: Run) -> None:
    rewrite(run, lambda content: content.update(format=number))
    with pytest.raises(RunError, match=f"has format {number!r}; this version reads formats 1 and 2: update"):
        Run.open(run.folder)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda content: content.pop("domains"), "domains"),
        (lambda content: content["domains"].update(c="sketch"), "domains.c"),
        (lambda content: content["domains"].update(a="../../etc"), "domain name '../../etc' has a slash"),
        (lambda content: content.update(method="cut"), "method"),
        (lambda content: content.update(samples={"ba": "mine"}), "samples.ba"),
        (lambda content: content.update(only="a"), "only"),
        (lambda content: content["config"].update(dataset=1), "dataset"),
    ],
)
def test_a_run_json_that_does_not_fit_is_refused_by_key(
    change: Callable[[dict[str, Any]], object], key: str, run: Run
) -> None:
    rewrite(run, change)
    with pytest.raises(ConfigError, match=rf"run\.json is not valid: .*{key}"):
        Run.open(run.folder)


def test_methods_translate_in_their_directions(weights: Path) -> None:
    cyclegan, pix2pix = (Run.open(weights / f"facades-{method}") for method in ("cyclegan", "pix2pix"))
    assert (cyclegan.directions, pix2pix.directions) == (("ab", "ba"), ("ba",))
    assert [cyclegan.direction_to(target) for target in ("labels", "photo")] == ["ab", "ba"]
    assert pix2pix.direction_to("photo") == "ba"


@pytest.mark.parametrize("only", ["ab", "ba"])
def test_a_cyclegan_of_one_generator_translates_one_way(only: Direction, weights: Path, tmp_path: Path) -> None:
    both = Run.open(weights / "facades-cyclegan")
    shutil.copytree(both.snapshot_folder(3, only), tmp_path / "snapshots" / "0003" / only)
    replace(both, folder=tmp_path, only=only).write()
    run = Run.open(tmp_path)
    assert (run.only, run.directions, run.epochs) == (only, (only,), (3,))
    with pytest.raises(RunError, match=f"it translates to '{run.domain(only[1])}'$"):
        run.direction_to(run.domain(only[0]))


def test_what_a_run_does_not_have_is_answered_with_the_choices(run: Run, weights: Path) -> None:
    with pytest.raises(
        RunError, match="facades-cyclegan does not translate to 'b'; it translates to 'labels', 'photo'"
    ):
        Run.open(weights / "facades-cyclegan").direction_to("b")
    with pytest.raises(RunError, match="facades-pix2pix has no epoch 2; it has 1, 3"):
        run.check_epoch(2)
    assert (run.check_epoch(None), run.check_epoch(1)) == (3, 1)
    shutil.rmtree(run.folder / "snapshots")
    with pytest.raises(RunError, match="no snapshots yet; train it further"):
        run.check_epoch(None)


def test_epochs_are_those_that_are_complete_in_ascending_order(weights: Path, tmp_path: Path) -> None:
    run = Run.open(shutil.copytree(weights / "facades-cyclegan", tmp_path / "run"))
    assert run.epochs == (1, 3, 5)
    (run.snapshot_folder(3, "ba") / "model.safetensors").unlink()
    for name in ("notes", "7.partial", ".tmp-0009", "1²", "7", "00001", "12000", "0009", "0008"):
        shutil.copytree(run.snapshot_folder(1, "ab").parent, run.folder / "snapshots" / name)
    (run.folder / "snapshots" / "0004").touch()
    assert Run.open(run.folder).epochs == (1, 5, 8, 9, 12000)
    assert run.load_generator(12000, "ba")


def test_a_folder_that_is_moved_while_its_epochs_are_read_has_fewer_of_them(run: Run) -> None:
    epochs, samples, done = set(run.epochs), set(run.sample_epochs), threading.Event()
    moved = run.folder.with_name("moved")

    def move() -> None:
        while not done.is_set():
            run.folder.rename(moved)
            moved.rename(run.folder)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(3000):
            assert set(run.epochs) <= epochs and set(run.sample_epochs) <= samples
    finally:
        done.set()
        mover.join()


def test_a_generator_comes_back_from_its_epoch(run: Run) -> None:
    first, last = (
        torch.cat([each.flatten() for each in run.load_generator(epoch, "ba").parameters() if each.ndim == 4])
        for epoch in (1, 3)
    )
    assert first.std().item() == pytest.approx(0.02, rel=0.05)
    assert last.std().item() == pytest.approx(0.06, rel=0.05)


def test_history_comes_back(run: Run) -> None:
    assert [record["epoch"] for record in run.history()] == [1, 2, 3]
    run.write_history([{"epoch": 1, "losses": {"gan": 0.25}}])
    assert run.history() == [{"epoch": 1, "losses": {"gan": 0.25}}]
    (run.folder / "history.jsonl").unlink()
    assert run.history() == []


@pytest.mark.parametrize("torn", [b'{"epoch": 4, "loss', b"{}", b"\xc3", b'{"epoch": "four"}', b"4"])
def test_a_torn_last_line_is_passed_over(torn: bytes, run: Run) -> None:
    path = run.folder / "history.jsonl"
    path.write_bytes(path.read_bytes() + torn)
    assert [record["epoch"] for record in run.history()] == [1, 2, 3]


@pytest.mark.parametrize(
    "damaged", [b'{"epoch": 2, "loss', b"{}", b"\xc3", b"", b"[2]", b'{"epoch": 2, "seconds": []}']
)
def test_a_damaged_line_in_the_middle_is_named(damaged: bytes, run: Run) -> None:
    path = run.folder / "history.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], damaged, lines[2]]) + b"\n")
    with pytest.raises(RunError, match=r"history\.jsonl is damaged at line 2"):
        run.history()
    path.write_bytes(lines[0] + b"\n" + damaged + b"\n")  # the last line, but whole
    with pytest.raises(RunError, match=r"history\.jsonl is damaged at line 2"):
        run.history()


@pytest.mark.parametrize(
    "lines",
    [
        [{"epoch": 10**6 + 1}], [{"epoch": 0}], [{"epoch": 1.5}], [{"epoch": 1, "losses": {"gan": "low"}}],
        [{"epoch": 1, "losses": {"gan": 10**400}}], [{"epoch": 1, "seconds": float("nan")}],
        [{"epoch": 1, "losses": {"x" * 101: 1}}], [{"epoch": 1}, {"epoch": 1}],
        [{"epoch": epoch, "losses": {str(epoch): 1}} for epoch in range(1, 102)],
    ],
)  # fmt: skip
def test_a_history_beyond_all_trainings_is_refused(lines: list[dict[str, Any]], run: Run) -> None:
    run.write_history(lines)
    with pytest.raises(RunError, match=rf"history\.jsonl is damaged at line {len(lines)}"):
        run.history()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFOs")
@pytest.mark.parametrize("kind", ["folder", "fifo", "large"])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("run.json", lambda run: Run.open(run.folder)),
        ("history.jsonl", Run.history),
        ("metrics.json", lambda run: read_scores(run.folder)),
        ("snapshots/0001/ba/config.json", lambda run: run.load_generator(1, "ba")),
    ],
)
def test_what_is_no_small_regular_file_is_refused_by_name(
    name: str, read: Callable[[Run], object], kind: str, run: Run
) -> None:
    path = run.folder / name
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**33)
    with pytest.raises((RunError, ScoresError, WeightsError), match=rf"{re.escape(str(path))} cannot be read: it "):
        read(run)


def test_samples_are_listed_by_epoch(run: Run) -> None:
    for name in ("notes.webp", "²³¹².webp", "4.webp"):
        (run.folder / "samples" / name).touch()
    (run.folder / "samples" / "0009.png").touch()
    assert run.sample_epochs == (1, 2, 3)
    with Image.open(run.sample_path(2)) as sheet:
        assert (sheet.format, sheet.size) == ("WEBP", (2048, 256))
    shutil.rmtree(run.folder / "samples")
    assert not run.sample_epochs
