"""Datasets: folders recognised by looking, mistakes named, batches that depend on nothing but the seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cyclegan import datasets
from cyclegan.config import CycleGANConfig, DiscriminatorConfig
from cyclegan.datasets import Batches, DatasetError, Pair, Split, find_split, load_inputs

WIDTH, HEIGHT, CROP = 40, 32, 16


def ramp(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """An image whose every pixel says where it is and of which image: red x, green y, blue the number."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x, y, np.full_like(x, number)], 2).astype(np.uint8))


def make_folder(folder: Path, names: Sequence[str], size: tuple[int, int] = (WIDTH, HEIGHT), first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, first):
        ramp(number, *size).save(folder / name)
    return folder


def make_two_folders(root: Path, a: int, b: int) -> Split:
    """Images numbered from 0 in A, from 100 in B."""
    make_folder(root / "trainA", [f"{index}.png" for index in range(a)])
    make_folder(root / "trainB", [f"{index}.png" for index in range(b)], first=100)
    return find_split(root)


def make_pairs(root: Path, count: int) -> Split:
    """Side-by-side pairs whose halves differ in the number alone: 0 and up on the left, 100 and up on the right."""
    folder = root / "train"
    folder.mkdir(parents=True)
    for number in range(count):
        pair = Image.new("RGB", (2 * HEIGHT, HEIGHT))
        pair.paste(ramp(number, HEIGHT), (0, 0))
        pair.paste(ramp(100 + number, HEIGHT), (HEIGHT, 0))
        pair.save(folder / f"{number}.png")
    return find_split(root)


def make_batches(split: Split, *, paired: bool = False, **settings: Any) -> Batches:
    """At the images' own scale, so that pixels come through as they are."""
    fields: dict[str, Any] = {"dataset": "ramps", "preprocess": "crop", "crop_size": CROP}
    fields["discriminator"] = DiscriminatorConfig("pixel")  # the others do not take crops this small
    config = CycleGANConfig(**fields | settings)
    return Batches(split, config, paired=paired)


def levels(batch: Tensor) -> np.ndarray:
    """Pixels [N, H, W, 3] of a batch."""
    return batch.add(1).mul(127.5).round().permute(0, 2, 3, 1).numpy().astype(int)


def numbers(batch: Tensor) -> list[int]:
    return levels(batch)[:, 0, 0, 2].tolist()


def corners(batch: Tensor) -> list[tuple[int, int, bool]]:
    """Left, top and whether mirrored, for each crop."""
    found = []
    for pixels in levels(batch):
        x, y = pixels[..., 0], pixels[..., 1]
        mirrored = bool(x[0, 0] > x[0, -1])
        assert np.array_equal(x[0, ::-1] if mirrored else x[0], np.arange(CROP) + x.min())
        assert np.array_equal(y[:, 0], np.arange(CROP) + y.min())
        found.append((int(x.min()), int(y.min()), mirrored))
    return found


def assert_same(first: Pair, second: Pair) -> None:
    assert torch.equal(first.a, second.a)
    assert torch.equal(first.b, second.b)


def joined(batches: Batches, epochs: range) -> Pair:
    """All batches of some epochs as one."""
    pairs = [pair for epoch in epochs for pair in batches.epoch(epoch)]
    return Pair(torch.cat([pair.a for pair in pairs]), torch.cat([pair.b for pair in pairs]))


@pytest.mark.parametrize("inner", ["train", "."])
def test_side_by_side_pairs_are_recognised_and_cut(inner: str, tmp_path: Path) -> None:
    make_folder(tmp_path / inner, ["10.png", "1.png", "2.webp"], (64, 32))
    split = find_split(tmp_path)
    assert (split.layout, str(split)) == ("side-by-side pairs", "3 side-by-side pairs")
    assert [source.path.name for source in split.a] == ["1.png", "2.webp", "10.png"]
    assert split.paired
    left, right = np.asarray(split.a[0].load()), np.asarray(split.b[0].load())
    assert (left[0, :, 0].tolist(), right[0, :, 0].tolist()) == (list(range(32)), list(range(32, 64)))


def test_side_by_side_pairs_may_be_of_several_formats(tmp_path: Path) -> None:
    make_folder(tmp_path, ["1.jpg", "2.png", "3.jpg"], (64, 32))
    assert str(find_split(tmp_path)) == "3 side-by-side pairs"


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


def test_another_split_is_found_beside_the_training_images(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", ["1.png"], (64, 32))
    make_folder(tmp_path / "val", ["7.png"], (64, 32))
    assert [source.path.name for source in find_split(tmp_path, "val").a] == ["7.png"]


def test_numbers_in_names_are_ordered_as_numbers(tmp_path: Path) -> None:
    names = ["a10b2.png", "a2.png", "a10b1.png", "10.png", "9.png", "b.png"]
    split = find_split(make_folder(tmp_path, names, (64, 32)))
    assert [source.path.name for source in split.a] == ["9.png", "10.png", "a2.png", "a10b1.png", "a10b2.png", "b.png"]


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", ["1.png"], (64, 32))
    (tmp_path / "train" / "README.md").touch()
    (tmp_path / "train" / "2.png").mkdir()
    assert len(find_split(tmp_path).a) == 1


@pytest.mark.parametrize("names", [("{}.png", "{}.png"), ("{}_A.jpg", "{}_B.jpg"), ("{}.jpg", "{}.png")])
def test_two_folders_of_the_same_names_are_pairs(names: tuple[str, str], tmp_path: Path) -> None:
    for domain, name in zip("AB", names, strict=True):
        make_folder(tmp_path / f"train{domain}", [name.format(index) for index in (1, 2, 10)])
    split = find_split(tmp_path)
    assert split.paired
    split.require_pairs()


def test_two_folders_of_other_names_are_no_pairs(tmp_path: Path) -> None:
    make_folder(tmp_path / "trainA", ["1.png", "2.png", "x.png"])
    make_folder(tmp_path / "trainB", ["1.png", "2.png"])
    with pytest.raises(DatasetError, match=r"3 images in .*trainA, 2 in .*trainB, of which 1 have no partner .*: x;"):
        Batches(find_split(tmp_path), CycleGANConfig(dataset="x"), paired=True)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere is not a folder; give a known name or the path"):
        find_split(tmp_path / "nowhere")


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", ["1.png"], (64, 32))
    with pytest.raises(DatasetError, match="no split val: neither val/ nor valA/ and valB/"):
        find_split(tmp_path, "val")


@pytest.mark.parametrize("inner", ["", "train"])
def test_an_empty_folder_is_named(inner: str, tmp_path: Path) -> None:
    (tmp_path / inner).mkdir(exist_ok=True)
    with pytest.raises(DatasetError, match=r"holds no images; put .*\.jpg.* files there"):
        find_split(tmp_path)


@pytest.mark.parametrize("missing", ["A", "B"])
def test_a_lacking_domain_is_named(missing: str, tmp_path: Path) -> None:
    make_folder(tmp_path / f"train{'AB'.replace(missing, '')}", ["1.png"])
    with pytest.raises(DatasetError, match=f"train{missing} is missing; unpaired datasets need both"):
        find_split(tmp_path)


def test_an_image_that_is_no_pair_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path, ["1.png"], (64, 32))
    make_folder(tmp_path, ["2.png"], (60, 32))
    with pytest.raises(DatasetError, match=r"2\.png is 60x32 pixels.*twice as wide.*two folders, trainA and trainB"):
        find_split(tmp_path)


def test_a_photo_without_label_map_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path, ["1.jpg", "2.jpg", "1.png", "3.png"])
    with pytest.raises(DatasetError, match=r"2 photos .* 2 label maps .* 2 have no partner .*: 2, 3; add or remove"):
        find_split(tmp_path)


def test_a_pair_that_is_no_image_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path, ["1.png"], (64, 32))
    (tmp_path / "2.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"2\.png cannot be read as an image .*; remove or replace it"):
        find_split(tmp_path)


@pytest.mark.parametrize("preprocess", ["crop", "resize_and_crop"])
def test_every_unreadable_image_is_named_before_training(
    preprocess: Literal["crop", "resize_and_crop"], tmp_path: Path
) -> None:
    split = make_two_folders(tmp_path, 3, 2)
    (tmp_path / "trainA" / "1.png").write_bytes(b"text")
    png = (tmp_path / "trainB" / "0.png").read_bytes()
    (tmp_path / "trainB" / "0.png").write_bytes(png[: len(png) // 2])
    with pytest.raises(DatasetError, match=r"2 images cannot be used: 0\.png is damaged.*; 1\.png is not an image"):
        make_batches(split, preprocess=preprocess, load_size=32)


def test_a_damaged_pair_is_named_once(tmp_path: Path) -> None:
    split = make_pairs(tmp_path, 2)
    png = (tmp_path / "train" / "1.png").read_bytes()
    (tmp_path / "train" / "1.png").write_bytes(png[: len(png) // 2])
    with pytest.raises(DatasetError, match=r"1 images cannot be used: 1\.png is damaged[^;]*$"):
        make_batches(split)


def test_an_image_smaller_than_the_crop_is_named(tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 2, 2)
    ramp(0, 40, 12).save(tmp_path / "trainB" / "1.png")
    with pytest.raises(DatasetError, match=r"1\.png is 40x12 pixels, smaller than the crop of 16; lower --crop-size"):
        make_batches(split)


def test_a_batch_depends_on_seed_epoch_and_step_alone(tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 5, 4)
    batches = make_batches(split, batch_size=2, seed=3)
    wanted = batches.batch(4, 1)
    list(batches.epoch(1))
    assert_same(batches.batch(4, 1), wanted)
    assert_same(make_batches(split, batch_size=2, seed=3).batch(4, 1), wanted)
    for other in (batches.batch(4, 0), batches.batch(5, 1), make_batches(split, batch_size=2, seed=4).batch(4, 1)):
        assert not torch.equal(other.a, wanted.a)


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_an_epoch_may_begin_in_the_middle(start: int, tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 5, 4), batch_size=2)
    made = list(batches.epoch(2, start))
    assert len(made) == batches.steps - start == 3 - start
    for step, pair in enumerate(made, start):
        assert_same(pair, batches.batch(2, step))


def test_the_last_batch_of_an_epoch_may_be_smaller(tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 5, 5), batch_size=2)
    assert (batches.images, batches.steps) == (5, 3)
    assert [(len(pair.a), len(pair.b)) for pair in batches.epoch(1)] == [(2, 2), (2, 2), (1, 1)]


def test_every_image_appears_once_an_epoch_in_a_new_order(tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 9, 3), batch_size=2)
    orders = [numbers(joined(batches, range(epoch, epoch + 1)).a) for epoch in (1, 2, 3)]
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_the_larger_domain_sets_the_length_of_an_epoch(tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 2, 6))
    assert (batches.images, sorted(numbers(joined(batches, range(1, 2)).a))) == (6, [0, 0, 0, 1, 1, 1])


def test_unpaired_images_have_random_partners(tmp_path: Path) -> None:
    pair = joined(make_batches(make_two_folders(tmp_path, 6, 6)), range(1, 101))
    partners = {
        a: [b for first, b in zip(numbers(pair.a), numbers(pair.b), strict=True) if first == a] for a in range(6)
    }
    assert all(set(each) == set(range(100, 106)) for each in partners.values())


def test_pairs_are_cropped_and_mirrored_alike(tmp_path: Path) -> None:
    pair = joined(make_batches(make_pairs(tmp_path, 4), paired=True), range(1, 11))
    assert corners(pair.a) == corners(pair.b)
    assert [number + 100 for number in numbers(pair.a)] == numbers(pair.b)


def test_unpaired_images_are_cropped_and_mirrored_independently(tmp_path: Path) -> None:
    pair = joined(make_batches(make_two_folders(tmp_path, 4, 4)), range(1, 26))
    found = list(zip(corners(pair.a), corners(pair.b), strict=True))
    assert sum(a == b for a, b in found) < 5
    assert 30 < sum(a[2] == b[2] for a, b in found) < 70


def test_crops_reach_every_edge_and_half_are_mirrored(tmp_path: Path) -> None:
    found = corners(joined(make_batches(make_two_folders(tmp_path, 8, 1)), range(1, 51)).a)
    assert {left for left, _, _ in found} == set(range(WIDTH - CROP + 1))
    assert {top for _, top, _ in found} == set(range(HEIGHT - CROP + 1))
    assert 160 < sum(mirrored for _, _, mirrored in found) < 240


def test_without_flip_nothing_is_mirrored(tmp_path: Path) -> None:
    pair = joined(make_batches(make_two_folders(tmp_path, 4, 4), flip=False), range(1, 11))
    assert not any(mirrored for _, _, mirrored in corners(pair.a) + corners(pair.b))


def test_images_are_resized_before_the_crop(tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 1, 1), preprocess="resize_and_crop", load_size=16, flip=False)
    expected = np.asarray(ramp(0).resize((16, 16), Image.Resampling.BICUBIC))
    assert np.array_equal(levels(batches.batch(1, 0).a)[0], expected)


@pytest.mark.parametrize("preprocess", ["crop", "resize_and_crop"])
def test_images_that_do_not_fit_in_memory_are_read_again_and_give_the_same_batches(
    preprocess: Literal["crop", "resize_and_crop"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_two_folders(tmp_path, 3, 3)
    kept = joined(make_batches(split, preprocess=preprocess, load_size=24), range(1, 4))
    monkeypatch.setattr(datasets, "_physical_memory", lambda: 0)
    read_again = make_batches(split, preprocess=preprocess, load_size=24)
    assert_same(joined(read_again, range(1, 4)), kept)
    ramp(77).save(tmp_path / "trainA" / "0.png")
    assert 77 in numbers(joined(read_again, range(1, 2)).a), "images were kept in memory"


def test_images_that_fit_in_memory_are_read_once(tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 2, 2))
    before = joined(batches, range(1, 2))
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    assert_same(joined(batches, range(1, 2)), before)


def test_a_batch_is_float_from_minus_one_to_one(facades: Path) -> None:
    batches = Batches(find_split(facades), CycleGANConfig(dataset="facades"), paired=True)
    for tensor in batches.batch(1, 0):
        assert (tensor.shape, tensor.dtype) == ((1, 3, 256, 256), torch.float32)
        assert -1 <= tensor.min() < -0.5 < 0.5 < tensor.max() <= 1


@pytest.mark.parametrize(("count", "chosen"), [(3, [0, 2, 4]), (6, [0, 1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5])])
def test_inputs_are_spread_evenly_over_the_split(count: int, chosen: list[int], tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 2, 6)
    inputs = load_inputs(split.b, count, 20)
    assert all(image.size == (20, 20) for image in inputs)
    assert [np.asarray(image)[0, 0, 2] - 100 for image in inputs] == chosen
