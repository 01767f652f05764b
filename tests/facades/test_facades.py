"""Tests of the facade label maps. All images are drawn by the project or synthetic."""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cyclegan.facades.labels import (
    CLASSES,
    CMP_BASE_PALETTE,
    EXAMPLES,
    PALETTE,
    class_indices,
    colorize,
    draw_facade,
    example_facades,
    looks_like_labels,
    snap_to_palette,
)

PALETTES = pytest.mark.parametrize("palette", [PALETTE, CMP_BASE_PALETTE], ids=["pix2pix", "cmp_base"])

Array = npt.NDArray[np.uint8]


def random_indices(height: int, width: int) -> Array:
    return np.random.default_rng(0).integers(len(CLASSES), size=(height, width), dtype=np.uint8)


def jpeg(image: Image.Image, quality: int, subsampling: int = 0) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return Image.open(file)


def shares(seed: int) -> npt.NDArray[np.float64]:
    """Return the share of the pixels of each class in a drawn facade."""
    counts = np.bincount(class_indices(draw_facade(seed)).ravel(), minlength=len(CLASSES))
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def test_classes_and_palettes_match() -> None:
    assert CLASSES[0] == "background"
    assert CLASSES[-1] == "shop"
    assert len(set(CLASSES)) == 12
    for palette in (PALETTE, CMP_BASE_PALETTE):
        assert palette.shape == (12, 3)
        assert palette.dtype == np.uint8
        assert len(np.unique(palette, axis=0)) == 12


@PALETTES
def test_palettes_are_read_only(palette: Array) -> None:
    with pytest.raises(ValueError, match="read-only"):
        palette[0, 0] = 1


@PALETTES
@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7), (1, 40_000)])
def test_indices_survive_the_way_through_colors(palette: Array, shape: tuple[int, int]) -> None:
    indices = random_indices(*shape)
    image = colorize(indices, palette)
    assert image.mode == "RGB"
    found = class_indices(image, palette)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, indices)


def test_class_indices_match_the_nearest_color_by_definition() -> None:
    pixels = np.random.default_rng(1).integers(256, size=(60, 50, 3), dtype=np.uint8)
    distances = ((pixels[:, :, None].astype(int) - PALETTE.astype(int)) ** 2).sum(axis=3)
    found = class_indices(Image.fromarray(pixels))
    chosen = np.take_along_axis(distances, found[:, :, None].astype(int), axis=2)[:, :, 0]
    np.testing.assert_array_equal(chosen, distances.min(axis=2))


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_other_modes_are_read_as_rgb(mode: str) -> None:
    indices = random_indices(20, 30)
    np.testing.assert_array_equal(class_indices(colorize(indices).convert(mode)), indices)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (np.array([[0, 12]]), r"12 is outside 0\.\.11"),
        (np.array([[-1, 3]]), r"-1 is outside 0\.\.11"),
        (np.zeros((2, 2, 1), dtype=np.uint8), "2 dimensions.*not 3"),
        (np.zeros(4, dtype=np.uint8), "2 dimensions.*not 1"),
        (np.zeros((2, 2)), "integers, not float64"),
    ],
)
def test_colorize_names_what_is_wrong(indices: npt.NDArray[np.integer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        colorize(indices)


def test_snapping_undoes_jitter() -> None:
    clean = example_facades()[0]
    noise = np.random.default_rng(2).integers(-8, 9, size=(256, 256, 3))
    jittered = Image.fromarray((np.asarray(clean) + noise).clip(0, 255).astype(np.uint8))
    assert np.asarray(jittered).tolist() != np.asarray(clean).tolist()
    np.testing.assert_array_equal(np.asarray(snap_to_palette(jittered)), np.asarray(clean))


def test_snapping_undoes_jpeg() -> None:
    clean = example_facades()[0]
    compressed = jpeg(clean, quality=95)
    recovered = class_indices(snap_to_palette(compressed)) == class_indices(clean)
    assert recovered.mean() >= 0.999
    assert len(np.unique(np.asarray(compressed).reshape(-1, 3), axis=0)) > len(CLASSES)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spoil", [lambda image: image, lambda image: jpeg(image, 75, subsampling=2)])
def test_label_maps_look_like_labels(seed: int, spoil: Callable[[Image.Image], Image.Image]) -> None:
    assert looks_like_labels(spoil(draw_facade(seed)))


def test_large_label_maps_look_like_labels() -> None:
    assert looks_like_labels(example_facades()[0].resize((1500, 700), Image.Resampling.BILINEAR))


def test_pictures_do_not_look_like_labels() -> None:
    rng = np.random.default_rng(3)
    across, down = np.meshgrid(np.arange(256), np.arange(256))
    sky_over_wall = np.where(down[..., None] < 90, (120, 170, 230), (190, 150, 120)) - across[..., None] // 4
    pictures = {
        "noise": rng.integers(256, size=(256, 256, 3)),
        "gradient": np.stack([across, down, 255 - across], axis=2),
        "gray": np.repeat(across[..., None], 3, axis=2),
        "sky over wall": sky_over_wall,
    }
    for name, pixels in pictures.items():
        assert not looks_like_labels(Image.fromarray(pixels.astype(np.uint8))), name


def test_label_maps_of_the_other_palette_are_told_apart() -> None:
    other = colorize(class_indices(example_facades()[0]), CMP_BASE_PALETTE)
    assert not looks_like_labels(other)
    assert looks_like_labels(other, CMP_BASE_PALETTE)


def test_a_seed_gives_one_facade() -> None:
    assert draw_facade(5).tobytes() == draw_facade(5).tobytes()
    assert draw_facade(5).tobytes() != draw_facade(6).tobytes()


@pytest.mark.parametrize("size", [1, 128, 256, 512])
def test_facades_have_the_size_asked_for_and_palette_colors_only(size: int) -> None:
    facade = draw_facade(1, size=size)
    assert facade.mode == "RGB"
    assert facade.size == (size, size)
    assert snap_to_palette(facade).tobytes() == facade.tobytes()


def test_a_seed_gives_the_same_building_at_every_size() -> None:
    small = class_indices(draw_facade(2, size=128))
    large = class_indices(draw_facade(2, size=512))
    assert (small == large[2::4, 2::4]).mean() > 0.9


def test_examples_are_plausible_and_unlike_each_other() -> None:
    assert EXAMPLES == 8
    maps = [class_indices(facade) for facade in example_facades()]
    for indices in maps:
        assert (indices == CLASSES.index("window")).mean() > 0.05
        assert (indices == CLASSES.index("facade")).mean() > 0.15
        assert len(np.unique(indices)) >= 6
    for i, one in enumerate(maps):
        for other in maps[:i]:
            assert (one != other).mean() > 0.3


def test_facades_have_the_statistics_of_real_ones() -> None:
    """Bounds are about half and one and a half times the mean shares of the label maps of the database."""
    every = np.array([shares(seed) for seed in range(30)])
    mean = dict(zip(CLASSES, every.mean(axis=0), strict=True))
    bounds = {
        "background": (0.10, 0.30), "facade": (0.30, 0.48), "window": (0.09, 0.19), "door": (0.005, 0.025),
        "cornice": (0.012, 0.055), "sill": (0.012, 0.05), "balcony": (0.02, 0.07), "blind": (0.005, 0.03),
        "deco": (0.006, 0.03), "molding": (0.05, 0.14), "pillar": (0.006, 0.03), "shop": (0.015, 0.07),
    }  # fmt: skip
    assert set(bounds) == set(CLASSES)
    for name, (low, high) in bounds.items():
        assert low < mean[name] < high, name
    assert (every[:, CLASSES.index("window")] > 0.02).all()
    assert (every[:, CLASSES.index("facade")] > 0.1).all()


@pytest.mark.parametrize(
    ("seed", "size", "message"),
    [(0, 0, "size .* not 0"), (0, -3, "size .* not -3"), (-1, 64, "seed .* not -1")],
)
def test_draw_facade_names_what_is_wrong(seed: int, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_facade(seed, size=size)
