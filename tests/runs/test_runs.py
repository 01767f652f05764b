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

from cyclegan.config import ConfigError, CycleGANConfig, Direction, Pix2PixConfig
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import Domains, Run, RunError
from cyclegan.runs.scores import ScoresError, read_scores
from tests.conftest import TINY_CYCLEGAN, TINY_PIX2PIX, make_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A pix2pix run of three epochs, of which the first and the last are kept."""
    config = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX, epochs=3, decay_epochs=0)
    return make_run(tmp_path / "facades-pix2pix", config, epochs=(1, 3), sample_epochs=3)


def rewrite(run: Run, change: Callable[[dict[str, Any]], object]) -> None:
    path = run.folder / "run.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "config",
    [CycleGANConfig(dataset="facades", lambda_identity=0), Pix2PixConfig(dataset="facades", direction="ab")],
)
def test_a_run_comes_back_as_it_was_written(config: CycleGANConfig | Pix2PixConfig, tmp_path: Path) -> None:
    method = "cyclegan" if isinstance(config, CycleGANConfig) else "pix2pix"
    run = Run(tmp_path, method, Domains("photo", "Plan B"), config, {"ab": "dataset"}, "98a1f3a")  # type: ignore[arg-type]
    run.write()
    assert Run.open(tmp_path) == run
    assert Run.open(str(tmp_path)) == run


def test_the_format_on_disk_is_the_published_one(run: Run) -> None:
    content = json.loads((run.folder / "run.json").read_text())
    assert list(content) == ["format", "method", "domains", "samples", "revision", "config"]
    assert content["format"] == 1
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


def test_a_run_json_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(RunError, match=r"run\.json cannot be read: "):
        Run.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"run"', b"\xff\x00", b"[" * 100_000])
def test_a_damaged_run_json_is_refused(content: bytes, run: Run) -> None:
    (run.folder / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        Run.open(run.folder)


@pytest.mark.parametrize("name", ["", "  ", "a" * 41, "a/b", "..\\x", "new\nline", "\u202etxt"])
def test_names_of_domains_that_no_button_or_file_can_bear_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="domain name "):
        Domains("photo", name)


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_another_format_is_refused(number: object, run: Run) -> None:
    rewrite(run, lambda content: content.update(format=number))
    with pytest.raises(RunError, match=f"has format {number!r}; this version reads format 1: update"):
        Run.open(run.folder)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda content: content.update(author="me"), "author"),
        (lambda content: content.pop("domains"), "domains"),
        (lambda content: content["domains"].update(c="sketch"), "domains.c"),
        (lambda content: content["domains"].update(a="../../etc"), "domain name '../../etc' has a slash"),
        (lambda content: content["domains"].update(a="labels"), "both domains are called 'labels'"),
        (lambda content: content.update(method="cut"), "method"),
        (lambda content: content.update(samples={"ba": "mine"}), "samples.ba"),
        (lambda content: content.update(revision=7), "revision"),
        (lambda content: content.update(only="a"), "only"),
        (lambda content: content["config"].update(lambda_cycle=10), "lambda_cycle"),
        (lambda content: content["config"].update(epochs="3"), "epochs"),
        (lambda content: content["config"].update(epochs=10**18), "1 epoch or more, 1000000 at most"),
        (lambda content: content["config"].update(decay_epochs=10**6), "epochs . decay_epochs is 1000003"),
        (lambda content: content["config"].update(snapshot_epochs=[3] * 90_000), "name 1000 at most"),
        (lambda content: content["config"]["generator"].update(width=0), "generator width is 0"),
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


def test_an_unknown_target_is_answered_with_the_choices(weights: Path) -> None:
    with pytest.raises(
        RunError, match="facades-cyclegan does not translate to 'b'; it translates to 'labels', 'photo'"
    ):
        Run.open(weights / "facades-cyclegan").direction_to("b")
    with pytest.raises(RunError, match="facades-pix2pix does not translate to 'labels'; it translates to 'photo'"):
        Run.open(weights / "facades-pix2pix").direction_to("labels")


def test_an_unknown_epoch_is_answered_with_the_choices(run: Run) -> None:
    with pytest.raises(RunError, match="facades-pix2pix has no epoch 2; it has 1, 3"):
        run.check_epoch(2)


def test_no_epoch_means_the_last(run: Run) -> None:
    assert (run.check_epoch(None), run.check_epoch(1)) == (3, 1)


def test_a_run_without_snapshots_says_so(run: Run) -> None:
    shutil.rmtree(run.folder / "snapshots")
    assert run.epochs == ()
    with pytest.raises(RunError, match="no snapshots yet; train it further"):
        run.check_epoch(None)


def test_epochs_are_those_that_are_complete(weights: Path, tmp_path: Path) -> None:
    run = Run.open(shutil.copytree(weights / "facades-cyclegan", tmp_path / "run"))
    assert run.epochs == (1, 3, 5)
    (run.snapshot_folder(3, "ba") / "model.safetensors").unlink()
    for name in ("notes", "7.partial", ".tmp-0009", "1²", "7", "00001"):
        shutil.copytree(run.snapshot_folder(1, "ab").parent, run.folder / "snapshots" / name)
    (run.folder / "snapshots" / "0004").touch()
    assert Run.open(run.folder).epochs == (1, 5)


def test_epochs_ascend_in_whatever_order_the_disk_lists_them(run: Run) -> None:
    for epoch in (90 * step % 97 + 4 for step in range(1, 60)):
        run.snapshot_folder(epoch, "ba").mkdir(parents=True)
        (run.snapshot_folder(epoch, "ba") / "model.safetensors").touch()
    assert len(run.epochs) == 61
    assert list(run.epochs) == sorted(run.epochs)


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


def test_epochs_beyond_four_digits_come_last(run: Run) -> None:
    shutil.copytree(run.folder / "snapshots" / "0001", run.folder / "snapshots" / "12000")
    assert run.epochs == (1, 3, 12000)
    assert run.load_generator(12000, "ba")


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


def test_a_run_without_history_has_none(run: Run) -> None:
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
        [{"epoch": 10**30}], [{"epoch": 10**6 + 1}], [{"epoch": 0}], [{"epoch": "1"}], [{"epoch": 1.5}],
        [{"epoch": 1, "losses": 3}], [{"epoch": 1, "losses": {"gan": "low"}}],
        [{"epoch": 1, "losses": {"gan": 10**400}}],
        [{"epoch": 1, "seconds": float("nan")}], [{"epoch": 1, "losses": {"x" * 101: 1}}],
        [{"epoch": 1, "losses": {str(name): 1 for name in range(101)}}],
        [{"epoch": 1}, {"epoch": 1}],
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


def test_a_run_without_samples_lists_none(run: Run) -> None:
    shutil.rmtree(run.folder / "samples")
    assert run.sample_epochs == ()
