"""train.py as people type it, in fresh processes: going on exactly, signals, plans and mistakes."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import train
from cyclegan.runs.run import Run
from cyclegan.runs.samples import SAMPLE_SIZE
from cyclegan.training.checkpoint import exclusive
from cyclegan.training.reference_options import NAMES, NOT_NEEDED
from cyclegan.translate.translator import Translator
from tests.conftest import make_folder, make_pairs, make_photo, wait_until
from tests.forks import ROOT, Program

TINY = {
    "cyclegan": [  # a pool that is soon full: what it gives back depends on its random state
        *("--generator.architecture", "resnet_6blocks", "--load-size", "36", "--crop-size", "32", "--pool-size", "3")
    ],
    "pix2pix": [*("pix2pix", "--generator.architecture", "resnet_6blocks", "--load-size", "36", "--crop-size", "32")],
}
FOUR_EPOCHS = ["--epochs", "2", "--decay-epochs", "2", "--snapshot-epochs", "1", "2"]
BEYOND = ["--ema-half-life", "20", "--diffaugment", "color", "translation", "cutout", "--discriminator.spectral-norm"]
WIDTHS = ["--generator.width", "4", "--discriminator.width", "4"]


def start(arguments: Sequence[object], **options: Any) -> Program:
    return Program([ROOT / "train.py", *arguments], **options)


def run(arguments: Sequence[object], code: int = 0, **options: Any) -> str:
    """What the command printed; fails where it ends with another exit code."""
    process = start(arguments, **options)
    out, err = process.communicate()
    assert process.poll() == code, err
    return out + err


def new_run(method: str, facades: Path, out: Path) -> list[object]:
    """Of a tiny run, with everything that a checkpoint may hold."""
    return [*TINY[method], "--dataset", facades, "--out", out, *WIDTHS, *FOUR_EPOCHS, *BEYOND, "--device", "cpu"]


def wait_for_epoch(process: Program, folder: Path, epoch: int) -> None:
    """Wait until the epoch stands in the history; the process is then in the midst of the next."""
    history = folder / "history.jsonl"

    def is_finished() -> bool:
        assert process.poll() is None, process.communicate()
        return history.exists() and len(history.read_text().splitlines()) >= epoch

    wait_until(is_finished, 150)


def checkpoint(folder: Path) -> dict[str, Any]:
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert isinstance(state, dict)
    return state


def assert_equal(left: Any, right: Any, where: str = "checkpoint") -> None:
    """Bit-equal, whatever the nesting."""
    assert type(left) is type(right), where
    if isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for key, value in left.items():
            if key != "seconds":  # the clock is no part of the training
                assert_equal(value, right[key], f"{where}.{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), where
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_equal(one, other, f"{where}.{index}")
    elif isinstance(left, torch.Tensor):
        assert torch.equal(left, right), where
    else:
        assert left == right, where


def losses(folder: Path) -> list[tuple[int, dict[str, float]]]:
    return [(record["epoch"], record["losses"]) for record in Run.open(folder).history()]


def assert_same_runs(left: Path, right: Path) -> None:
    assert_equal(checkpoint(left), checkpoint(right))
    assert losses(left) == losses(right)
    names = [
        sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()) for folder in (left, right)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        if name.suffix in (".safetensors", ".webp"):
            assert (left / name).read_bytes() == (right / name).read_bytes(), name


@pytest.fixture(scope="module")
def whole(facades: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each method that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    for method in TINY:
        assert train.main([str(word) for word in new_run(method, facades, folder / method)]) == 0
    return {method: folder / method for method in TINY}


def test_a_killed_training_goes_on_with_images_that_have_moved_to_bit_equal_weights(
    whole: dict[str, Path], facades: Path, tmp_path: Path
) -> None:
    own, out = tmp_path / "own", tmp_path / "killed"
    shutil.copytree(facades, own)
    process = start(new_run("cyclegan", own, out))
    wait_for_epoch(process, out, 1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(losses(out)) < 4, "it was finished before it could be killed"
    own.rename(tmp_path / "moved")
    assert str(own) in run(["--resume", out], code=2)
    assert "finished" in run(["--resume", out, "--dataset", tmp_path / "moved"])
    assert [epoch for epoch, _ in losses(out)] == [1, 2, 3, 4]
    assert_same_runs(whole["cyclegan"], out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_says_what_to_type_anywhere_to_go_on(
    number: signal.Signals, whole: dict[str, Path], facades: Path, tmp_path: Path
) -> None:
    own, out = tmp_path / "my facades", tmp_path / "stopped"
    own.symlink_to(facades)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    process = start(new_run("pix2pix", Path("my facades"), out), cwd=tmp_path)
    wait_for_epoch(process, out, 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.poll() == 128 + number
    assert "Traceback" not in err
    stopped = checkpoint(out)["progress"]
    assert (stopped["epoch"], stopped["step"]) > (1, 0)
    (command,) = re.findall(r"go on with: python train.py (.*)", err)
    assert shlex.split(command) == ["--resume", str(out), "--device", "cpu"]
    assert "finished" in run(shlex.split(command), cwd=elsewhere)
    assert_same_runs(whole["pix2pix"], out)


def test_train_py_starts_as_people_start_it(whole: dict[str, Path], tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "train.py"), "--resume", str(whole["pix2pix"])]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "is finished: all 4 epochs" in done.stdout


def test_an_interrupt_before_the_first_step_is_one_line(
    facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "Batches", interrupt)
    assert train.main([str(word) for word in new_run("pix2pix", facades, tmp_path / "run")]) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("train.py: interrupted")


def test_a_run_that_is_being_trained_is_left_alone(whole: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive(whole["pix2pix"]):
        assert train.main(["--resume", str(whole["pix2pix"])]) == 2
    assert "being trained by another process" in capsys.readouterr().err


def test_a_dry_run_prints_the_plan_writes_nothing_and_downloads_nothing(
    facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json").touch()
    assert train.main([str(each) for each in new_run("cyclegan", facades, out)] + ["--dry-run"]) == 0
    printed = capsys.readouterr().out
    for word in ("parameters", "6 an epoch", "2 + 2: 24 steps", "median of 3", "an epoch", "MB are free"):
        assert word in printed, word
    assert [path.name for path in out.iterdir()] == ["run.json"]
    monkeypatch.setenv("CYCLEGAN_DATASETS", str(tmp_path / "datasets"))
    assert train.main(["--dataset", "horse2zebra", "--dry-run"]) == 2
    assert "horse2zebra is not downloaded yet, and a dry run downloads nothing" in capsys.readouterr().err
    assert not (tmp_path / "datasets").exists()


def test_colorization_is_planned_trained_resumed_and_translates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for index in range(2):
        make_photo(index, 140).save(tmp_path / "photos" / f"{index}.jpg")
    out = tmp_path / "run"
    channels = ["--generator.in-channels", "1", "--generator.out-channels", "2"]
    command = [*TINY["pix2pix"], *WIDTHS, "--dataset-mode", "colorization", "--direction", "ab", *channels]
    command += ["--dataset", str(tmp_path / "photos"), "--out", str(out), "--epochs", "1", "--decay-epochs", "0"]
    assert train.main([*command, "--dry-run"]) == 0
    assert "2 an epoch" in capsys.readouterr().out
    assert train.main(command) == 0
    assert train.main(["--resume", str(out)]) == 0
    assert "is finished" in capsys.readouterr().out
    translator = Translator.load(out, device="cpu")
    assert (translator.targets, translator.source_of("colour")) == (("colour",), "grey")
    assert translator.translate(make_photo(3, 50).convert("L"), to="colour").size == (50, 50)
    with Image.open(translator.run.sample_path(1)) as sheet:
        assert sheet.size == (2 * SAMPLE_SIZE, SAMPLE_SIZE)


def test_help_names_the_methods_and_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    pages = {}
    for method in ("cyclegan", "pix2pix"):
        with pytest.raises(SystemExit):
            train.main(["--help"] if method == "cyclegan" else [method, "--help"])
        pages[method] = capsys.readouterr().out
    for word in ("--dataset", "--resume", "pix2pix", "--lambda-cycle", "--dry-run", "--generator.width"):
        assert word in pages["cyclegan"], word
    assert "--lambda-l1" not in pages["cyclegan"]  # an option that means nothing to a method does not exist there
    there = set(re.findall(r"--[a-z][a-z0-9.-]*", "".join(pages.values())))
    said = {word for name in NAMES.values() for word in re.findall(r"--[a-z][a-z0-9.-]*", name)}
    assert "--lambda-l1" in there and said and not said - there - {"--resume"}
    assert not (NAMES.keys() | NOT_NEEDED.keys()) & there


def _two_folders(folder: Path, counts: tuple[int, int]) -> Path:
    for name, count in zip(("trainA", "trainB"), counts, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (300, 300), (index, 0, 0)).save(folder / name / f"{index}.png")
    return folder


def _with_text(folder: Path) -> Path:
    make_pairs(folder / "train", 2)
    (folder / "train" / "3.jpg").write_text("no image")
    return folder


def _with_text_in_val(folder: Path) -> Path:
    make_pairs(folder / "train", 2)
    make_pairs(folder / "val", 1)
    (folder / "val" / "1.jpg").write_bytes((folder / "val" / "1.jpg").read_bytes()[:2000])
    return folder


def _small(folder: Path) -> Path:
    make_pairs(folder / "train", 1, size=100)
    return folder


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (lambda _: ["--dataset", "faceds"], ["'faceds'", "facades", "path of a folder"]),
        (lambda folder: ["--dataset", folder / "nowhere"], ["nowhere", "path of a folder"]),
        (lambda folder: ["--dataset", folder], ["holds no images", ".jpg"]),
        (lambda folder: ["--dataset", _with_text(folder / "set")], ["3.jpg", "cannot be read"]),
        (lambda folder: ["--dataset", _with_text_in_val(folder / "set")], ["1.jpg", "damaged"]),
        (
            lambda folder: ["pix2pix", "--dataset", _two_folders(folder / "set", (3, 2))],
            ["3 images", "2 in", "no partner"],
        ),
        (
            lambda folder: ["--dataset", _small(folder / "set"), "--preprocess", "crop"],
            ["1.jpg", "100x100", "256", "--crop-size"],
        ),
        (
            lambda folder: ["--dataset", _two_folders(folder / "set", (3, 3)), "--generator.classes", "facades"],
            ["generator classes is facades", "no label map", "--generator.classes facades or cmp_base"],
        ),
        (
            lambda _: ["--dataroot=x", "--netG", "unet_256"],
            ["--dataroot is --dataset here", "--generator.architecture"],
        ),
        (
            lambda _: ["--dataset", "facades", "--num_threads", "4", "--norm", "syncbatch", "--use_wandb"],
            ["--num_threads is not needed: ", "batch is syncbatch", "--use_wandb is not needed: history.jsonl"],
        ),
        (lambda _: ["--dataset", "facades", "--crop-size", "250"], ["250", "multiple of 4"]),
        (lambda _: ["--dataset", "facades", "--load-size", "200"], ["200", "256", "--load-size"]),
        (lambda _: ["--dataset", "facades", "--epochs", "-1"], ["-1", "0 or more"]),
        (lambda _: ["--dataset", "facades", "--lambda-l1", "3"], ["lambda-l1"]),
        (lambda _: [], ["--dataset"]),
        (lambda folder: ["--resume", folder / "nowhere"], ["nowhere", "no such folder"]),
        (lambda folder: ["--dataset", _small(folder / "set"), "--out", folder / "set" / "train" / "1.jpg"], ["file"]),
        (lambda folder: ["--dataset", _small(folder / "set"), "--device", "cuda:99"], ["cuda:99", "cpu"]),
    ],
    ids=lambda value: "" if callable(value) else value[0],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    arguments: Any,
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = train.main([str(argument) for argument in arguments(tmp_path)])
    except SystemExit as leaving:  # how the option parser leaves
        code = int(leaving.code or 0)
    printed = "".join(capsys.readouterr())
    assert code == 2
    assert "Traceback" not in printed
    for word in expected:
        assert word in printed
    assert not (tmp_path / "runs").exists()


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        train.main(["--dataset", "facades", "--generator.norm", "nonesuch"])
    printed = "".join(capsys.readouterr())
    assert leaving.value.code == 2
    assert all(word in printed for word in ("nonesuch", "instance", "--generator.norm"))


def recipe_commands() -> list[list[str]]:
    """The arguments of every command in docs/recipes.md; a row that begins with ... adds to the last whole command."""
    commands: list[list[str]] = []
    whole: list[str] = []
    for line in (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").splitlines():
        row = re.fullmatch(r"\| .* \| (\.\.\. )?`([^`]*--[^`]*)` \|", line)
        if row and row[1]:
            commands.append([*whole, *shlex.split(row[2])])
        elif row and row[2].startswith("python train.py "):
            whole = shlex.split(row[2])[2:]
            commands.append(whole)
    return commands


def test_every_recipe_is_a_configuration_that_can_be_trained() -> None:
    commands = recipe_commands()
    assert len(commands) >= 11
    for arguments in commands:
        train.parse(arguments)


def test_a_run_without_a_checkpoint_is_left_as_it_is(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = weights / "facades-pix2pix"
    before = sorted(folder.iterdir())
    assert train.main(["--resume", str(folder)]) == 2
    assert "checkpoint.pt is missing: published and converted runs have none" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_other_options_for_a_run_get_the_command_that_starts_a_new_one(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = weights / "facades-pix2pix"
    assert train.main(["--resume", str(folder), "--epochs", "20", "--learning-rate=1e-4"]) == 2
    message = capsys.readouterr().err
    assert "a run keeps its options, so --resume does not take --epochs and --learning-rate" in message
    command = shlex.split(message.partition("start a new run: ")[2])
    assert command[:3] == ["python", "train.py", "pix2pix"] and command[-3:] == [
        "--epochs",
        "20",
        "--learning-rate=1e-4",
    ]
    config, _ = train.parse(command[2:])
    assert (config.epochs, config.learning_rate, config.init_from) == (20, 1e-4, str(folder))


def test_pix2pix_says_which_half_it_translates_to_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_folder(tmp_path / "set" / "train", ["1.png", "2.png"], (512, 256)).parent
    command = ["pix2pix", "--dataset", str(dataset), "--domain-names", "house", "plan", "--dry-run"]
    small = ["--generator.width", "4", "--discriminator.width", "4", "--device", "cpu"]
    assert train.main([*command, *small]) == 0
    said = capsys.readouterr().err
    assert "translates plan (right half) to house (left half); --direction ab reverses it" in said
