"""Batches: sizes, crops, order and channels as the configuration says, and nothing but the seed decides the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cyclegan.config import CycleGANConfig, Direction, DiscriminatorConfig, GeneratorConfig, Pix2PixConfig, Preprocess
from cyclegan.data import batches as module
from cyclegan.data.batches import Batches, Pair
from cyclegan.data.datasets import DatasetError, Split, find_split
from cyclegan.images.encodings import encode
from tests.conftest import RAMP_HEIGHT, RAMP_WIDTH, make_folder, make_photo, make_two_folders, ramp
from tests.pages.test_bad_files import png_of

CROP = 24


def make_pairs(root: Path, count: int) -> Split:
    """Side-by-side pairs whose halves differ in the number alone: 0 and up on the left, 100 and up on the right."""
    folder = root / "train"
    folder.mkdir(parents=True)
    for number in range(count):
        pair = Image.new("RGB", (2 * RAMP_HEIGHT, RAMP_HEIGHT))
        pair.paste(ramp(number, RAMP_HEIGHT), (0, 0))
        pair.paste(ramp(100 + number, RAMP_HEIGHT), (RAMP_HEIGHT, 0))
        pair.save(folder / f"{number}.png")
    return find_split(root)


def make_batches(split: Split, kind: type[CycleGANConfig | Pix2PixConfig] = CycleGANConfig, **settings: Any) -> Batches:
    """At the images' own scale unless told, so that pixels come through as they are; a size is left out that the
    preprocess has no use for."""
    fields: dict[str, Any] = {"dataset": "ramps", "preprocess": "crop", "crop_size": CROP} | settings
    unused = {"crop": {"load_size"}, "none": {"load_size", "crop_size"}, "scale_width": {"crop_size"}}
    for name in unused.get(fields["preprocess"], ()):
        fields.pop(name, None)
    return Batches(split, kind(**fields))


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


def test_of_bad_data_all_is_named_at_once_and_what_can_be_read_is_not(tmp_path: Path) -> None:
    make_two_folders(tmp_path, 1, 1)
    photo, folder = ramp(3), tmp_path / "trainA"
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    photo.save(folder / "png in truth.jpg", "PNG")
    Image.new("I;16", photo.size).save(folder / "16 bits.png")
    photo.save(folder / "animated.gif", save_all=True, append_images=[ramp(4)])
    bad = {
        "new\nline.png": b"text",
        "leer ü 집.png": b"",
        "huge.png": png_of(30_000, 30_000),
    }
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "again").symlink_to(folder)
    with pytest.raises(DatasetError, match="5 images cannot be used") as caught:
        make_batches(find_split(tmp_path))
    parts = "leer ü 집.png", "new", "line.png", "huge.png has too many pixels", "trainA/loop.png is damaged"
    for part in (*parts, "pixel.png is 1x1 pixels, smaller than the crop of 24; lower --crop-size"):
        assert part in str(caught.value)


def test_of_very_many_images_each_is_read_when_it_is_wanted_and_a_bad_one_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    split = make_two_folders(tmp_path, 4, 3)
    expected = joined(make_batches(split, seed=1), range(1, 3))
    monkeypatch.setattr(module, "ALL_LOOKED_AT", 6)
    assert_same(joined(make_batches(split, seed=1), range(1, 3)), expected)
    (tmp_path / "trainA" / "1.png").write_bytes(b"text")
    batches = make_batches(split, serial=True)
    assert numbers(joined(batches, range(1, 2)).a) == [0, 2, 2, 3]
    joined(batches, range(2, 3))
    assert [message for message in caplog.messages if "passed over" in message] == [
        "1.png is not an image this program can read; use PNG, JPEG or WebP; it is passed over"
    ]
    with pytest.raises(DatasetError, match="preprocess none crops none: use --batch-size 1"):
        make_batches(split, preprocess="none", batch_size=2)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"text")
    with pytest.raises(DatasetError, match="images one after the other cannot be used"):
        make_batches(split).batch(1, 0)


def test_a_batch_depends_on_seed_epoch_and_step_alone(tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 5, 4)
    batches = make_batches(split, batch_size=2, seed=3)
    wanted = batches.batch(4, 1)
    list(batches.epoch(1))
    assert_same(batches.batch(4, 1), wanted)
    assert_same(make_batches(split, batch_size=2, seed=3).batch(4, 1), wanted)
    for other in (batches.batch(4, 0), batches.batch(5, 1), make_batches(split, batch_size=2, seed=4).batch(4, 1)):
        assert not torch.equal(other.a, wanted.a)


@pytest.mark.parametrize("start", [0, 2])
def test_an_epoch_may_begin_in_the_middle(start: int, tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 5, 4), batch_size=2)
    made = list(batches.epoch(2, start))
    assert [len(pair.a) for pair in made] == [2, 2, 1][start:]
    for step, pair in enumerate(made, start):
        assert_same(pair, batches.batch(2, step))


def test_unpaired_images_have_an_order_partners_crops_and_mirrors_of_their_own(tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 4, 3))
    pair = joined(batches, range(1, 101))
    orders = [tuple(numbers(pair.a)[4 * epoch : 4 * epoch + 4]) for epoch in range(100)]
    assert all(sorted(order) == list(range(4)) for order in orders) and len(set(orders)) > 10
    partners = {(a, b) for a, b in zip(numbers(pair.a), numbers(pair.b), strict=True)}
    assert len(partners) == 4 * 3
    found = list(zip(corners(pair.a), corners(pair.b), strict=True))
    assert sum(a == b for a, b in found) < 20
    assert 150 < sum(a[2] == b[2] for a, b in found) < 250
    unmirrored = joined(make_batches(batches.split, flip=False), range(1, 11))
    assert not any(mirrored for _, _, mirrored in corners(unmirrored.a))


def test_pairs_are_cropped_and_mirrored_alike(tmp_path: Path) -> None:
    pair = joined(make_batches(make_pairs(tmp_path, 4), dataset_mode="aligned"), range(1, 11))
    assert corners(pair.a) == corners(pair.b)
    assert [number + 100 for number in numbers(pair.a)] == numbers(pair.b)


def test_crops_reach_every_edge_and_half_are_mirrored(tmp_path: Path) -> None:
    found = corners(joined(make_batches(make_two_folders(tmp_path, 8, 1)), range(1, 51)).a)
    assert {left for left, _, _ in found} == set(range(RAMP_WIDTH - CROP + 1))
    assert {top for _, top, _ in found} == set(range(RAMP_HEIGHT - CROP + 1))
    assert 160 < sum(mirrored for _, _, mirrored in found) < 240


def test_zoomed_crops_show_less_of_an_image_and_the_same_of_both_of_a_pair(tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path, 4)
    made = joined(make_batches(pairs, Pix2PixConfig, generator=SMALL, scale_jitter=2.0), range(1, 20))
    photos, labels = levels(made.a), levels(made.b)
    assert np.array_equal(photos[..., :2], labels[..., :2]), "one was zoomed otherwise"
    spans = np.ptp(photos[..., 0], axis=(1, 2)) + 1
    assert CROP / 2 - 1 <= spans.min() < CROP * 0.6 and CROP * 0.9 < spans.max() <= CROP
    steps = np.diff(photos[..., 0], axis=2)
    assert all((np.sign(each) >= 0).all() or (np.sign(each) <= 0).all() for each in steps)


@pytest.mark.parametrize("direction", ["ab", "ba"])
def test_jitter_changes_the_light_of_what_is_translated_and_nothing_else(
    direction: Direction, facades: Path, tmp_path: Path
) -> None:
    split = find_split(facades)
    settings = {"crop_size": 64, "direction": direction, "generator": SMALL}
    plain, changed = (
        joined(make_batches(split, Pix2PixConfig, color_jitter=share, **settings), range(1, 4)) for share in (0.0, 0.5)
    )
    assert_same(changed, joined(make_batches(split, Pix2PixConfig, color_jitter=0.5, **settings), range(1, 4)))
    (source, was), (target, stayed) = ((changed.a, plain.a), (changed.b, plain.b))[:: 1 if direction == "ab" else -1]
    assert torch.equal(target, stayed)
    for measure in (Tensor.std, lambda image: image.amax(1).sub(image.amin(1)).mean()):  # contrast, saturation
        ratios = [float(measure(one[None]) / measure(other[None])) for one, other in zip(source, was, strict=True)]
        assert min(ratios) < 0.9 and max(ratios) > 1.05
    lighter = (1 + source).mean((1, 2, 3)) / (1 + was).mean((1, 2, 3))
    assert 0.45 < lighter.min() < 0.8 and 1.05 < lighter.max() < 1.55  # what is white stays so


@pytest.mark.parametrize("preprocess", ["crop", "resize_and_crop"])
def test_images_that_do_not_fit_in_memory_are_read_again_and_give_the_same_batches(
    preprocess: Literal["crop", "resize_and_crop"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_two_folders(tmp_path, 3, 3)
    kept = joined(make_batches(split, preprocess=preprocess, load_size=24), range(1, 4))
    monkeypatch.setattr(module, "physical_memory", lambda: 0)
    read_again = make_batches(split, preprocess=preprocess, load_size=24)
    assert_same(joined(read_again, range(1, 4)), kept)
    ramp(77).save(tmp_path / "trainA" / "0.png")
    assert 77 in numbers(joined(read_again, range(1, 2)).a), "images were kept in memory"


def test_a_batch_is_float_from_minus_one_to_one(facades: Path) -> None:
    batches = Batches(find_split(facades), Pix2PixConfig(dataset="facades"))
    for tensor in batches.batch(1, 0):
        assert (tensor.shape, tensor.dtype) == ((1, 3, 256, 256), torch.float32)
        assert -1 <= tensor.min() < -0.5 < 0.5 < tensor.max() <= 1


SMALL = GeneratorConfig(architecture="resnet_6blocks")
UNET = GeneratorConfig(architecture="unet_128", norm="batch")


@pytest.mark.parametrize(
    ("preprocess", "generator", "size", "expected"),
    [
        ("resize_and_crop", SMALL, (90, 50), (CROP, CROP)),
        ("crop", SMALL, (90, 50), (CROP, CROP)),
        ("scale_width_and_crop", SMALL, (90, 50), (CROP, CROP)),
        ("scale_width", SMALL, (90, 50), (60, 32)),
        ("scale_width", UNET, (90, 200), (128, 128)),
        ("none", SMALL, (90, 50), (88, 48)),
        ("none", SMALL, (91, 3), (92, 8)),
        ("none", UNET, (200, 90), (256, 128)),
    ],
)
def test_each_preprocess_makes_its_size(
    preprocess: Preprocess, generator: GeneratorConfig, size: tuple[int, int], expected: tuple[int, int], tmp_path: Path
) -> None:
    make_folder(tmp_path / "trainA", ["1.png"], size)
    make_folder(tmp_path / "trainB", ["1.png"], (64, 64))
    settings: dict[str, Any] = {"preprocess": preprocess, "generator": generator, "load_size": 60}
    a = make_batches(find_split(tmp_path), discriminator=DiscriminatorConfig("pixel"), **settings).batch(1, 0).a
    assert a.shape == (1, 3, *expected[::-1])


def test_an_uncropped_image_too_small_for_the_discriminator_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "trainA", ["1.png", "2.png"], (64, 64))
    make_folder(tmp_path / "trainB", ["1.png", "tiny.png"], (64, 20))
    with pytest.raises(DatasetError, match=r"less than 24 pixels .* preprocess none.*tiny\.png"):
        make_batches(find_split(tmp_path), preprocess="none")


def test_scale_width_keeps_the_ratio_and_none_the_pixels(tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 1, 1)
    scaled = make_batches(split, preprocess="scale_width", load_size=80, flip=False).batch(1, 0)
    assert np.array_equal(levels(scaled.a)[0], np.asarray(ramp(0).resize((80, 64), Image.Resampling.BICUBIC)))
    whole = make_batches(split, preprocess="none", flip=False).batch(1, 0)
    assert np.array_equal(levels(whole.a)[0], np.asarray(ramp(0)))


def test_whole_images_of_several_sizes_are_named_where_they_meet_in_a_batch(tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 3, 3)
    ramp(1, 44, 32).save(tmp_path / "trainA" / "1.png")
    with pytest.raises(
        DatasetError,
        match=r"batches of 2 .* most are 40x32 pixels, but 1 of 3 are not: 1\.png 44x32; use --batch-size 1",
    ):
        make_batches(split, preprocess="none", batch_size=2)
    assert {a.shape[3] for a, _ in make_batches(split, preprocess="none").epoch(1)} == {40, 44}
    assert make_batches(split, batch_size=2).batch(1, 0).a.shape == (2, 3, CROP, CROP)


@pytest.mark.parametrize("preprocess", ["crop", "none"])
def test_a_pair_of_two_sizes_is_named(preprocess: Preprocess, tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 3, 3)
    ramp(101, 80, 64).save(tmp_path / "trainB" / "1.png")
    with pytest.raises(DatasetError, match=r"1 pairs have images of two sizes: 1\.png 40x32 and 1\.png 80x64; use"):
        make_batches(split, dataset_mode="aligned", preprocess=preprocess)
    assert make_batches(split, dataset_mode="aligned", preprocess="scale_width", load_size=40).steps == 3


def test_images_come_in_the_order_of_their_names_if_wanted(tmp_path: Path) -> None:
    batches = make_batches(make_two_folders(tmp_path, 12, 5), serial=True, batch_size=5)
    for epoch in (1, 2):
        pair = joined(batches, range(epoch, epoch + 1))
        assert numbers(pair.a) == list(range(12))
        assert numbers(pair.b) == [100 + index % 5 for index in range(12)]
    assert len(set(corners(pair.a))) > 6, "the crops are to stay random"


def test_no_more_images_than_wanted_are_read(tmp_path: Path) -> None:
    split = make_two_folders(tmp_path, 12, 3)
    (tmp_path / "trainA" / "10.png").write_bytes(b"text")
    batches = make_batches(split, max_images=4)
    pair = joined(batches, range(1, 20))
    assert batches.images == 4
    assert (set(numbers(pair.a)), set(numbers(pair.b))) == ({0, 1, 2, 3}, {100, 101, 102})


@pytest.mark.parametrize(
    ("kind", "settings", "grey"),
    [
        (CycleGANConfig, {"lambda_identity": 0}, (True, False)),
        (Pix2PixConfig, {"direction": "ab"}, (True, False)),
        (Pix2PixConfig, {"direction": "ba"}, (False, True)),
    ],
)
def test_the_domain_of_one_channel_is_grey(
    kind: type[CycleGANConfig | Pix2PixConfig], settings: dict[str, Any], grey: tuple[bool, bool], tmp_path: Path
) -> None:
    split = make_pairs(tmp_path, 1)
    generator = GeneratorConfig(architecture="resnet_6blocks", in_channels=1)
    pair = make_batches(split, kind, generator=generator, preprocess="none", flip=False, **settings).batch(1, 0)
    for tensor, source, is_grey in zip(pair, (split.a[0], split.b[0]), grey, strict=True):
        expected = np.asarray(source.load().convert("L") if is_grey else source.load())
        assert np.array_equal(levels(tensor)[0].squeeze(), expected)


def test_colorization_shows_lightness_and_chroma_of_the_same_crop(tmp_path: Path) -> None:
    for index in range(3):
        make_photo(index, 40).save(tmp_path / f"{index}.png")
    generator = GeneratorConfig(architecture="resnet_6blocks", in_channels=1, out_channels=2)
    split = find_split(tmp_path, mode="colorization")
    settings: dict[str, Any] = {"dataset_mode": "colorization", "direction": "ab", "generator": generator}
    pair = joined(make_batches(split, Pix2PixConfig, **settings), range(1, 5))
    assert (pair.a.shape[1:], pair.b.shape[1:]) == ((1, CROP, CROP), (2, CROP, CROP))
    in_rgb = joined(make_batches(split, dataset_mode="aligned"), range(1, 5)).a
    for a, b, pixels in zip(pair.a, pair.b, levels(in_rgb).astype(np.uint8), strict=True):
        assert torch.equal(a, encode(pixels, "lightness"))
        assert torch.equal(b, encode(pixels, "chroma"))


def test_what_is_probably_a_mistake_in_the_images_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pairs of which EXIF turns one image, values of 12 bits in a file of 16, and class ids."""
    turned = Image.Exif()
    turned[0x112] = 6
    for index in range(2):
        make_photo(index, 40).resize((60, 40)).save(tmp_path / f"{index}.jpg", exif=turned)
        Image.fromarray(np.arange(2400, dtype=np.uint8).reshape(40, 60) % 12).save(tmp_path / f"{index}.png")
    make_batches(find_split(tmp_path), dataset_mode="aligned", preprocess="resize_and_crop")
    for domain in "AB":
        (tmp_path / f"train{domain}").mkdir()
        Image.fromarray(np.arange(48, 4080, dtype=np.uint16).reshape(63, 64)).save(tmp_path / f"train{domain}/0.png")
    make_batches(find_split(tmp_path))
    assert [message for message in caplog.messages if "kept in memory" not in message] == [
        "2 of 2 pairs have images of different shapes, which do not lie on each other after resizing: 0.jpg 40x60 and "
        "0.png 60x40, 1.jpg 40x60 and 1.png 60x40; 2 are turned: a camera's EXIF tag turns one, but not what was drawn "
        "on its pixels: save that one without the tag",
        f"2 of 2 images are read as nearly black: {tmp_path.name}/0.png, {tmp_path.name}/1.png; {tmp_path.name}/0.png "
        "has values 0 to 11 of 255, as class ids have: give each class a colour of its own",
        *(
            f"1 of 1 images are read as nearly black: train{domain}/0.png; train{domain}/0.png has values 48 to 4079, "
            "read as 0 to 65535: stretch them to that range and save it again"
            for domain in "AB"
        ),
    ]
