"""Folders of images: names, subfolders, bad files, going on, sharing."""

from __future__ import annotations

import re
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan.images.io import open_image
from cyclegan.translate.command import destinations, main, translate_all
from cyclegan.translate.translator import Translator
from tests.conftest import make_photo
from tests.forks import Program
from tests.hub_server import LoopbackHub


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six images in subfolders, one of them turned by EXIF, one with alpha, and a note."""
    folder = tmp_path / "my photos"
    (folder / "old" / "дом").mkdir(parents=True)
    make_photo(1, 40).save(folder / "b.jpg")
    make_photo(2, 40).save(folder / "old" / "a b.webp")
    make_photo(3, 40).save(folder / "old" / "дом" / "집.png")
    make_photo(4, 40).save(folder / "old" / "twice.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    make_photo(5, 40).resize((60, 40)).save(folder / "old" / "twice.jpg", exif=turned)
    alpha = make_photo(6, 40).convert("RGBA")
    alpha.putalpha(0)
    alpha.save(folder / "clear.png")
    (folder / "note.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "loop").symlink_to(folder)
    return folder


def translate(weights: Path, photos: Path, out: Path, *more: str) -> int:
    return main([str(weights / "facades-cyclegan"), str(photos), str(out), "--to", "labels", "--device", "cpu", *more])


def made(out: Path) -> dict[str, Image.Image]:
    return {path.relative_to(out).as_posix(): open_image(path) for path in sorted(out.rglob("*")) if path.is_file()}


def assert_alike(made: Image.Image, expected: Image.Image) -> None:
    """Up to a level of rounding: another number of threads adds in another order."""
    assert np.abs(np.asarray(made, np.int16) - np.asarray(expected, np.int16)).max() <= 1


def test_names_and_subfolders_are_kept(
    weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert translate(weights, photos, out, "--precision", "fp32") == 0
    assert "6 translated, 0 there already, 0 failed" in capsys.readouterr().err
    found = made(out)
    expected = {"b.png", "clear.png", "old/a b.png", "old/twice.jpg.png", "old/twice.png.png", "old/дом/집.png"}
    assert set(found) == expected
    assert found["old/twice.jpg.png"].size == (40, 60), "upright"
    translator = Translator.load(weights / "facades-cyclegan", device="cpu", precision="fp32")
    assert_alike(found["b.png"], translator.translate(photos / "b.jpg", to="labels"))
    assert_alike(found["clear.png"], translator.translate(Image.new("RGB", (40, 40), "white"), to="labels"))


def test_small_images_share_the_cores_and_others_have_them_in_turn(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [16, 40, 24, 520, 64, 32, 48, 16]
    for number, size in enumerate(sizes):
        make_photo(number, size).save(tmp_path / f"{number}.png")
    translator = Translator.load(weights / "facades-cyclegan", device="cpu", precision="fp32")
    wanted = {tmp_path / f"{number}.png": tmp_path / "out" / f"{number}.png" for number in range(len(sizes))}
    translate, beside, cores_of = translator.translate, threading.Barrier(3), dict[str, int]()

    def watched(path: Path, **options: Any) -> Image.Image:
        cores_of[path.stem] = torch.get_num_threads()
        if path.stem < "3":
            beside.wait(timeout=60)  # passed by three at the same time alone
        return translate(path, **options)

    monkeypatch.setattr(translator, "translate", watched)
    cores = torch.get_num_threads()
    torch.set_num_threads(6)
    try:
        assert translate_all(translator, wanted, to="labels").made == len(sizes)
        assert torch.get_num_threads() == 6
    finally:
        torch.set_num_threads(cores)
    assert cores_of == {str(number): 6 if size > 512 else 2 for number, size in enumerate(sizes)}
    for source, translation in wanted.items():
        assert_alike(open_image(translation), translate(source, to="labels"))


def test_a_bad_file_stops_nothing_and_a_second_start_goes_on(
    weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    good = (photos / "b.jpg").read_bytes()
    (photos / "b.jpg").write_bytes(good[:-100])
    (photos / "old" / "a b.webp").write_bytes(b"")
    assert translate(weights, photos, out) == 1
    printed = capsys.readouterr().err
    assert "4 translated, 0 there already, 2 failed" in printed
    assert "b.jpg is damaged" in printed and "a b.webp is not an image" in printed
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}

    (photos / "b.jpg").write_bytes(good)
    assert translate(weights, photos, out) == 1
    assert "1 translated, 4 there already, 1 failed" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in before} == before

    (photos / "old" / "a b.webp").unlink()
    assert translate(weights, photos, out, "--overwrite") == 0
    assert "5 translated, 0 there already, 0 failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "expected"), [("out", "out/b.png"), ("new/b.webp", "new/b.webp"), ("b2.jpg", "b2.jpg"), ("my photos", "")]
)
def test_one_image_is_enough(out: str, expected: str, weights: Path, photos: Path, tmp_path: Path) -> None:
    """Into a folder, its own as well, or to a file."""
    assert translate(weights, photos / "b.jpg", tmp_path / out) == 0
    assert open_image(tmp_path / (expected or "my photos/b.png")).size == (40, 40)


@pytest.mark.parametrize(
    ("images", "out", "more"),
    [
        ("old/twice.png", "old", []),
        ("old/twice.png", "old", ["--overwrite"]),
        ("old/twice.png", "old/twice.png", ["--overwrite"]),
        ("old/twice.jpg", "old", ["--overwrite"]),
    ],
)
def test_no_input_or_label_map_is_overwritten(
    images: str, out: str, more: list[str], weights: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in photos.glob("old/*.*")}
    assert translate(weights, photos / images, photos / out, *more) == 2
    assert "would be overwritten; give another folder" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in photos.glob("old/*.*")} == before


def test_no_two_translations_have_one_name(tmp_path: Path) -> None:
    names = ["house.jpg", "house.png", "house.jpg.png", "garden.jpg"]
    places = destinations([tmp_path / name for name in names], tmp_path, tmp_path / "out")
    assert [path.name for path in places.values()] == [
        "house.jpg.png",
        "house.png.png",
        "house.jpg.png.png",
        "garden.png",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--to", "cats"], "does not translate to 'cats'; it translates to 'labels', 'photo'"),
        ([], "translates to labels and photo; choose with --to"),
        (["--to", "labels", "--epoch", "4"], "has no epoch 4; it has 1, 3, 5"),
    ],
)
def test_a_mistake_is_one_line(
    more: list[str], said: str, weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(weights / "facades-cyclegan"), str(photos), str(tmp_path / "out"), *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_wrong_run_is_one_line(
    hub: LoopbackHub, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights/nope", str(photos), str(tmp_path / "out")]) == 2
    assert re.fullmatch("cyclegan.translate: .*weights/nope.*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("images", "out", "said"),
    [
        ("nowhere", "out", "is neither a folder nor an image"),
        ("empty", "out", "holds no images"),
        ("my photos", "my photos", "translations would be translated"),
        ("my photos", "my photos/out", "translations would be translated"),
    ],
)
def test_a_wrong_folder_is_one_line(
    images: str, out: str, said: str, weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert translate(weights, tmp_path / images, tmp_path / out) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_stopped_leaves_only_whole_images(number: int, weights: Path, tmp_path: Path) -> None:
    many = 5000  # far more than are translated before the signal comes
    (tmp_path / "many").mkdir()
    make_photo(0, 64).save(tmp_path / "many" / "0.png")
    for index in range(1, many):
        (tmp_path / "many" / f"{index}.png").hardlink_to(tmp_path / "many" / "0.png")
    out = tmp_path / "out"
    words = [weights / "facades-cyclegan", tmp_path / "many", out, "--to", "labels"]
    process = Program(["-m", "cyclegan.translate", *words])
    while process.poll() is None and len(list(out.glob("*.png"))) < 3:
        time.sleep(0.05)
    process.send_signal(number)
    _, printed = process.communicate(timeout=60)
    assert process.poll() == 128 + number, printed
    assert "interrupted; start again to go on" in printed and "Traceback" not in printed
    pictures = made(out)
    assert 3 <= len(pictures) < many
    assert all(picture.size == (64, 64) for picture in pictures.values())


def test_what_has_begun_is_broken_off_where_one_stops(weights: Path, tmp_path: Path) -> None:
    make_photo(0, 64).resize((1600, 1300)).save(tmp_path / "large.png")
    translator = Translator.load(weights / "facades-cyclegan", device="cpu", precision="fp32")
    wanted = {tmp_path / "large.png": tmp_path / "out" / "large.png"}
    report = translate_all(
        translator, wanted, to="labels", should_stop=lambda: threading.current_thread() is not threading.main_thread()
    )
    assert str(report) == "0 translated, 0 there already, 0 failed" and not wanted[tmp_path / "large.png"].exists()


def test_where_one_cannot_be_written_no_other_is_translated(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {tmp_path / f"{number}.png": tmp_path / "out" / f"{number}.png" for number in range(40)}
    make_photo(0, 64).resize((600, 600)).save(tmp_path / "photo.png")
    for path in wanted:
        shutil.copy(tmp_path / "photo.png", path)
    (tmp_path / "out").write_text("a file, where the folder should be")
    translator = Translator.load(weights / "facades-cyclegan", device="cpu", precision="fp32")
    translate, whole = translator.translate, list[Path]()

    def counted(path: Path, **options: Any) -> Image.Image:
        made = translate(path, **options)
        whole.append(path)
        return made

    monkeypatch.setattr(translator, "translate", counted)
    with pytest.raises(OSError, match="out"):
        translate_all(translator, wanted, to="labels")
    assert len(whole) <= 10, "no more than were begun before the first was waited for"
