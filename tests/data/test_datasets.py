"""Folders of images: recognised by looking, mistakes named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.config import CycleGANConfig, DatasetMode
from cyclegan.data.choice import held_out
from cyclegan.data.datasets import DatasetError, find_split, list_images, load_inputs
from tests.conftest import make_folder, make_two_folders


@pytest.mark.parametrize("inner", ["train", "."])
def test_side_by_side_pairs_are_recognised_and_cut(inner: str, tmp_path: Path) -> None:
    make_folder(tmp_path / inner, ["10.png", "1.png", "2.webp"], (64, 32))
    split = find_split(tmp_path)
    assert (split.layout, str(split)) == ("side-by-side pairs", "3 side-by-side pairs")
    assert [source.path.name for source in split.a] == ["1.png", "2.webp", "10.png"]
    assert split.paired
    left, right = np.asarray(split.a[0].load()), np.asarray(split.b[0].load())
    assert (left[0, :, 0].tolist(), right[0, :, 0].tolist()) == (list(range(32)), list(range(32, 64)))


def test_two_folders_are_recognised_and_need_no_pairs(tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 3, 2)
    assert (split.layout, str(split)) == ("two folders", "two folders, 3 images in A and 2 in B")
    assert [source.path.parent.name for source in (split.a[0], split.b[0])] == ["trainA", "trainB"]
    assert not split.paired


def test_photos_and_label_maps_of_the_same_stem_are_recognised(tmp_path: Path) -> None:
    make_folder(tmp_path, ["10.jpg", "2.JPEG", "10.png", "2.png"])
    split = find_split(tmp_path)
    assert str(split) == "2 photos and label maps of the same stem"
    assert [source.path.name for source in split.a] == ["2.JPEG", "10.jpg"]
    assert [source.path.name for source in split.b] == ["2.png", "10.png"]
    assert split.paired


@pytest.mark.parametrize("inner", ["train", "."])
def test_colorization_takes_every_image_whole(inner: str, tmp_path: Path) -> None:
    make_folder(tmp_path / inner, ["2.png", "10.jpg"], (64, 32))
    split = find_split(tmp_path, mode="colorization")
    assert (str(split), split.paired) == ("2 images", True)
    assert split.a == split.b
    assert [source.path.name for source in split.a] == ["2.png", "10.jpg"]
    assert split.a[0].load().size == (64, 32)


def test_numbers_in_names_are_ordered_as_numbers(tmp_path: Path) -> None:
    names = ["a10b2.png", "a2.png", "a10b1.png", "10.png", "9.png", "b.png"]
    split = find_split(make_folder(tmp_path, names, (64, 32)))
    assert [source.path.name for source in split.a] == ["9.png", "10.png", "a2.png", "a10b1.png", "a10b2.png", "b.png"]


@pytest.mark.parametrize("names", [("{}.png", "{}.png"), ("{}_A.jpg", "{}_B.jpg"), ("{}.jpg", "{}.png")])
def test_two_folders_of_the_same_names_are_pairs(names: tuple[str, str], tmp_path: Path) -> None:
    for domain, name in zip("AB", names, strict=True):
        make_folder(tmp_path / f"train{domain}", [name.format(index) for index in (1, 2, 10)])
    split = find_split(tmp_path)
    assert split.paired
    split.require_pairs()


@pytest.mark.parametrize(("count", "chosen"), [(3, [0, 2, 4]), (6, [0, 1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5])])
def test_inputs_are_spread_evenly_over_the_split(count: int, chosen: list[int], tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 2, 6)
    inputs = load_inputs(split.b, count, 20)
    assert all(image.size == (20, 20) for image in inputs)
    assert [np.asarray(image)[0, 0, 2] - 100 for image in inputs] == chosen


@pytest.mark.parametrize(
    ("names", "size", "mode", "message"),
    [
        ([], (0, 0), "unaligned", r"holds no images; put .*\.jpg.* files there$"),
        (["cats/1.png", "dogs/1.png", "emus/1.png"], (9, 9), "unaligned", "folders that hold some: cats, dogs, emus$"),
        (["a cat/1.png", "b/1.png"], (9, 9), "unaligned", "domains: mv '.*/a cat' .*/trainA && mv .*/b .*/trainB$"),
        (["trainA/1.png"], (9, 9), "unaligned", "trainB is missing; unpaired datasets need both"),
        (["1.png"], (60, 32), "unaligned", r"60x32 pixels.*twice as wide.*--dataset-mode aligned.*trainA and trainB"),
        (["1.png"], (32, 32), "aligned", "32x32 pixels.*above the height"),
        (["1.png"], (61, 32), "aligned", "an odd width has no halves"),
        (["1.png"], (32, 64), "aligned", "above the other, cut them into two folders, trainA and trainB, under the sa"),
        (["1.jpg", "2.jpg", "1.png", "3.png"], (9, 9), "aligned", "2 photos .* 2 have no partner .*: 2, 3; add or r"),
    ],
)
def test_a_folder_that_is_no_dataset_is_told_why(
    names: list[str], size: tuple[int, int], mode: DatasetMode, message: str, tmp_path: Path
) -> None:
    for name in names:
        make_folder((tmp_path / name).parent, [Path(name).name], size)
    with pytest.raises(DatasetError, match=message):
        find_split(tmp_path, mode=mode)
    with pytest.raises(DatasetError, match="no split val: neither val/ nor valA/ and valB/"):
        find_split(tmp_path, "val")
    with pytest.raises(DatasetError, match="nowhere is not a folder; give a known name or the path"):
        find_split(tmp_path / "nowhere")


@pytest.mark.parametrize("layout", ["trainA", "train/A", "A/train", "A"])
def test_folders_of_domains_are_found_as_people_lay_them_out(layout: str, tmp_path: Path) -> None:
    """junyanz/pytorch-CycleGAN-and-pix2pix#700, #464: its own scripts take A/train, and write trainA."""
    for domain in "AB":
        folder = tmp_path / layout.replace("A", domain)
        make_folder(folder / "cats", ["1.jpg"])
        make_folder(folder, ["2.jpg"])
    split = find_split(tmp_path)
    assert (str(split), split.paired) == ("two folders, 2 images in A and 2 in B", True)


@pytest.mark.parametrize("names", [(["house", "house_1"], ["house_B", "house_1_B"]), (["x_A", "x_B"], ["x_A", "x_B"])])
def test_partners_are_matched_by_name(names: tuple[list[str], list[str]], tmp_path: Path) -> None:
    """junyanz/pytorch-CycleGAN-and-pix2pix#971: house_B.png comes after house_1_B.png."""
    make_folder(tmp_path / "trainA", [f"{name}.jpg" for name in names[0]])
    make_folder(tmp_path / "trainB", [f"{name}.JPG" for name in names[1]])
    split = find_split(tmp_path)
    assert split.paired and [source.path.stem for source in split.b] == names[1]


def test_a_split_of_one_domain_is_no_reason_to_stop(tmp_path: Path) -> None:
    """taesungp/contrastive-unpaired-translation#115: testA without testB."""
    train = make_two_folders(tmp_path, 2, 2)
    make_folder(tmp_path / "testA", ["1.png"])
    assert held_out(tmp_path, train, CycleGANConfig(dataset="x")) is train


def test_what_is_left_out_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_folder(tmp_path, ["1.JPG", "1.jpg", "1.png", "2.jpg", "2.png", "2.webp"])
    (tmp_path / "2.heic").touch()
    make_folder(tmp_path / "more", ["3.jpg"])
    assert str(find_split(tmp_path)) == "2 photos and label maps of the same stem"
    frames = [Image.new("RGB", (9, 9), (shade, 0, 0)) for shade in (0, 90, 180)]
    make_folder(tmp_path / "trainA", ["0.avif", "1.ppm"])
    for suffix in ("gif", "tif"):
        frames[0].save(tmp_path / "trainA" / f"many.{suffix}", save_all=True, append_images=frames[1:])
    assert len(list_images(tmp_path / "trainA")) == 4
    for said, logged in zip(
        (
            "1 files are not read: 2.heic; convert",
            "images in more are not read; move",
            "2 images are left out, .* 1.jpg, 2.webp; rename",
            r"2 files have several frames, .*: many.gif \(3\), many.tif \(3\); 4 frames are left out",
        ),
        caplog.messages,
        strict=True,
    ):
        assert re.search(said, logged)


def test_wide_pairs_are_halved_where_pairs_are_demanded(tmp_path: Path) -> None:
    split = find_split(make_folder(tmp_path, ["1.png"], (320, 120)), mode="aligned")
    assert (split.a[0].load().size, split.b[0].load().size) == ((160, 120), (160, 120))


def test_files_that_are_no_images_are_passed_over_or_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", ["1.png", "2.jpg"], (64, 32))
    (tmp_path / "train" / "README.md").touch()
    (tmp_path / "train" / "3.png").mkdir()
    (tmp_path / "train" / "._1.png").write_bytes(b"what macOS writes beside each file on other disks")
    (tmp_path / "train" / "__MACOSX").mkdir()
    (tmp_path / "train" / "__MACOSX" / "1.png").touch()
    assert str(find_split(tmp_path)) == "2 side-by-side pairs"
    (tmp_path / "train" / "4.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"4\.png cannot be read as an image .*; remove or replace it"):
        find_split(tmp_path)


def test_pix2pix_needs_pairs(tmp_path: Path) -> None:
    make_folder(tmp_path / "trainA", ["1.png", "2.png", "x.png"])
    make_folder(tmp_path / "trainB", ["1.png", "2.png"])
    with pytest.raises(DatasetError, match=r"3 images in .*trainA, 2 in .*trainB, of which 1 have no partner .*: x;"):
        find_split(tmp_path).require_pairs()
