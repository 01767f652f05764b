"""Images: whatever people upload becomes 8-bit RGB or an error that says what to do; levels survive tensors."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan.images.io import MAX_PIXELS, MAX_SIDE, ImageError, check_pixels, open_image, to_image, to_rgb, to_tensor
from tests.forks import ROOT

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def opened(image: Image.Image, kind: str = "PNG", **options: Any) -> np.ndarray:
    """The pixels that come back from a file of this kind."""
    rgb = open_image(encode(image, kind, **options))
    assert rgb.mode == "RGB"
    return np.asarray(rgb)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def png_of(width: int, height: int) -> bytes:
    """The file of a PNG that claims a size and holds no pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b"no pixels")]
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_rgb_comes_back_as_it_was(kind: str) -> None:
    pixels = noise(5, 7, 3)
    assert np.array_equal(
        opened(Image.fromarray(pixels), kind, **({"lossless": True} if kind == "WEBP" else {})), pixels
    )


def test_jpeg_is_read() -> None:
    assert np.abs(opened(Image.new("RGB", (16, 8), RED), "JPEG").astype(int) - RED).max() <= 2


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_16_bits_are_scaled_to_8(mode: str) -> None:
    levels = np.array([[0, 128, 129, 257, 33023, 65535]])
    image = Image.fromarray(levels.astype(np.uint16 if mode == "I;16" else np.int32))
    assert image.mode == mode
    expected = np.array([0, 0, 1, 1, 128, 255])
    assert np.array_equal(opened(image, "PNG" if mode == "I;16" else "TIFF")[0], np.stack([expected] * 3, 1))


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1")
    assert opened(image).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_grey_is_the_same_in_every_channel() -> None:
    assert opened(Image.new("L", (1, 1), 77)).tolist() == [[[77, 77, 77]]]


def test_cmyk_is_converted() -> None:
    assert np.abs(opened(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG").astype(int) - RED).max() <= 2


def test_alpha_lies_over_white() -> None:
    image = Image.fromarray(np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [255, 0, 0, 51]]], dtype=np.uint8))
    assert opened(image).tolist() == [[list(RED), list(WHITE), [255, 204, 204]]]


def test_grey_with_alpha_lies_over_white() -> None:
    image = Image.new("LA", (2, 1), (0, 255))
    image.putpixel((1, 0), (0, 0))
    assert opened(image).tolist() == [[[0, 0, 0], list(WHITE)]]


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"], ids=["one colour", "alpha for each colour"])
def test_a_transparent_colour_of_a_palette_becomes_white(transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    assert opened(image, transparency=transparency).tolist() == [[list(RED), list(WHITE)]]


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    assert (opened(frames[0], "GIF", save_all=True, append_images=frames[1:]) == RED).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_exif_rotation_is_applied(kind: str) -> None:
    image = Image.new("RGB", (32, 16), GREEN)
    image.paste(RED, (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter: show it turned clockwise
    pixels = opened(image, kind, exif=exif).astype(int)
    assert pixels.shape == (32, 16, 3)
    assert np.abs(pixels[:12] - RED).max() <= 3
    assert np.abs(pixels[20:] - GREEN).max() <= 3


def test_damaged_metadata_does_no_harm_and_warns_nobody() -> None:
    assert opened(Image.new("RGB", (8, 4)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff").shape == (4, 8, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an image"),
        (b"just some text", "not an image"),
        (encode(Image.fromarray(noise(64, 64, 3)), "JPEG").getvalue()[:1500], "damaged"),
        (encode(Image.fromarray(noise(64, 64, 3))).getvalue()[:5000], "damaged"),
        (encode(Image.fromarray(noise(64, 64, 3))).getvalue().replace(b"IDAT", b"IDAT\0\1\2", 1), "damaged"),
        (png_of(8, 8), "damaged"),
    ],
    ids=["empty", "text", "truncated JPEG", "truncated PNG", "corrupt PNG", "no pixels"],
)
def test_what_cannot_be_read_is_refused_by_name(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"photo.png is {said}"):
        open_image(path)
    with pytest.raises(ImageError, match=f"yours is {said}"):
        open_image(io.BytesIO(content), "yours")


@pytest.mark.parametrize("kind", ["EPS", "TGA", "PCX"])
def test_formats_of_no_camera_or_web_page_are_not_decoded(kind: str) -> None:
    """Pillow would start Ghostscript for EPS."""
    content = encode(Image.new("RGB", (8, 8)), kind)
    with pytest.raises(ImageError, match="not an image this program can read; use PNG, JPEG or WebP"):
        open_image(content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"photo\.png does not exist"):
        open_image(tmp_path / "photo.png")


def test_floating_point_values_are_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "depth.tif")
    with pytest.raises(ImageError, match=r"depth\.tif holds floating-point values; save it with 8 or 16 bits"):
        open_image(tmp_path / "depth.tif")


def test_a_jpeg_may_not_go_over_its_pixels_without_end(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("L", (64, 64)).save(content, "JPEG", progressive=True)
    file = content.getvalue()
    scan = file[file.rindex(b"\xff\xda") : file.rindex(b"\xff\xd9")]
    path = tmp_path / "slow.jpg"
    path.write_bytes(file[:-2] + 80 * scan + file[-2:])
    assert open_image(path).size == (64, 64)
    path.write_bytes(file[:-2] + 100 * scan + file[-2:])
    with pytest.raises(ImageError, match=r"slow\.jpg has 1\d\d scans; the limit is 100"):
        open_image(path)


@pytest.mark.parametrize(
    "size", [(6_500, 6_500), (11_000, 11_000), (20_000, 20_000), (1, MAX_PIXELS), (MAX_SIDE + 1, 1)]
)
def test_too_many_pixels_are_refused_before_they_are_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(*size))  # decoding it would say that it is damaged
    with pytest.raises(ImageError, match=r"bomb\.png .*pixels; the limit is 40 megapixels, and 30000 pixels a side"):
        open_image(path)


@pytest.mark.parametrize("largest", [(10_000, 4_000), (1, MAX_SIDE)])
def test_the_limits_of_pixels_are_inclusive(largest: tuple[int, int]) -> None:
    width, height = largest
    check_pixels(Image.new("1", largest))
    with pytest.raises(ImageError, match=f"{width}x{height + 1} pixels; the limit is 40 megapixels"):
        check_pixels(Image.new("1", (width, height + 1)))


@pytest.mark.parametrize(("mode", "copies"), [("RGB", 2), ("RGBA", 2), ("I;16", 2)])
def test_the_largest_pictures_take_bounded_memory(mode: str, copies: int, tmp_path: Path) -> None:
    """Measured in a process of its own: peak above the start, in copies of four bytes a pixel."""
    width, height = 4_000, 2_500
    Image.new(mode, (width, height)).save(tmp_path / "large.png")
    script = (
        "import resource, sys; from pathlib import Path; from cyclegan.images.io import open_image\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); open_image(Path(sys.argv[1])); print(peak() - before)"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "large.png")]
    kilobytes = int(subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    assert kilobytes * 1024 < (copies + 0.7) * 4 * width * height


def test_a_transparent_level_of_16_bits_is_left_out() -> None:
    image = Image.fromarray(np.array([[40000, 0]], dtype=np.uint16))
    assert opened(image, transparency=40000)[0, :, 0].tolist() == [156, 0]


def test_threads_that_open_images_leave_the_warnings_as_they_were() -> None:
    """`warnings.catch_warnings`, left by threads in another order than entered, would silence them for good."""
    png = encode(Image.new("RGB", (4, 4))).getvalue()
    second_is_in, first_is_out = threading.Event(), threading.Event()

    class First(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            second_is_in.wait(10)
            return super().read(size)

    class Second(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            second_is_in.set()
            first_is_out.wait(10)
            return super().read(size)

    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as executor:
        first = executor.submit(open_image, First(png))
        second = executor.submit(open_image, Second(png))
        first.result()
        first_is_out.set()
        second.result()
    assert list(warnings.filters) == before


def test_all_levels_survive_the_way_through_a_tensor() -> None:
    pixels = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, 2)
    pixels[..., 1] = 255 - pixels[..., 1]
    tensor = to_tensor(pixels)
    assert (tensor.dtype, tensor.shape) == (torch.float32, (3, 16, 16))
    assert (tensor.min().item(), tensor.max().item()) == (-1, 1)
    assert np.array_equal(np.asarray(to_image(tensor)), pixels)
    assert torch.equal(to_tensor(Image.fromarray(pixels)), tensor)


def test_grey_levels_survive_too_and_are_shown_as_rgb() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tensor = to_tensor(grey)
    assert tensor.shape == (1, 16, 16)
    assert torch.equal(to_tensor(Image.fromarray(grey)), tensor)
    assert np.array_equal(np.asarray(to_image(tensor)), np.stack([grey] * 3, 2))


def test_a_tensor_shares_no_memory_with_its_pixels() -> None:
    pixels = noise(2, 2, 3)
    to_tensor(pixels).zero_()
    assert np.array_equal(pixels, noise(2, 2, 3))


def test_values_are_rounded_to_the_nearest_level_and_clipped() -> None:
    values = torch.tensor([-1.5, -1.0, 10.4 / 127.5 - 1, 10.6 / 127.5 - 1, 1.0, 2.0])
    assert np.asarray(to_image(values.expand(3, 1, 6)))[0, :, 0].tolist() == [0, 0, 10, 11, 255, 255]


def test_rgb_is_left_as_it_is() -> None:
    pixels = noise(3, 4, 3)
    assert np.array_equal(np.asarray(to_rgb(Image.fromarray(pixels))), pixels)
