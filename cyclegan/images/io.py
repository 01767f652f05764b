"""Images in and out: any file to 8-bit RGB, 8-bit RGB to tensors in [-1, 1], and back."""

from __future__ import annotations

import io
import threading
import warnings
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jfif", ".ppm", ".pgm", ".avif"}
)
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF")
"""What is decoded, as Pillow calls it: it knows fifty more, some of which start other programs (EPS: Ghostscript)."""
MAX_MEGAPIXELS = 40
MAX_PIXELS = MAX_MEGAPIXELS * 10**6
"""Largest image that is decoded: 40 megapixels are 160 MB in Pillow. A small file can claim far more."""
MAX_SIDE = 30_000
"""Longest side of an image that is decoded. A column of single pixels takes many times the memory of a square, and
panoramas of phones have 16,000 pixels."""
MAX_SCANS = 100
"""Most scans of a JPEG that is decoded: each goes over all pixels. Cameras and programs write 1 to 20."""
_EIGHT_BITS = [round(level / 257) for level in range(2**16)]
DARK = 64
"""An image with no level above this one, of 255, is nearly black: 12 bits in a file of 16 end at 16, 14 bits at 64,
class ids at the number of classes."""

Fault = Literal["format", "size", "empty", "missing", "damaged", "float"]
"""What can be wrong with a file that should be an image."""


class ImageError(ValueError):
    """An image that cannot be used: the message names it, says what is wrong and what to do."""

    def __init__(self, message: str, fault: Fault | None = None) -> None:
        """`fault` says the same to who tells it in other words; None where the image by itself is in order."""
        super().__init__(message)
        self.fault = fault


class Levels(NamedTuple):
    """The lowest and the highest value in a file that is read as nearly black."""

    low: int
    high: int
    deep: bool
    """Whether the file has 16 bits or more."""

    def __str__(self) -> str:
        if self.deep:
            return f"values {self.low} to {self.high}, read as 0 to 65535: stretch them to that range and save it again"
        return f"values {self.low} to {self.high} of 255, as class ids have: give each class a colour of its own"


class _Quiet:
    """Ignores warnings while any thread is inside: Pillow's, of size and metadata, are checked or harmless here.

    `warnings.catch_warnings` by itself, left by threads in another order than entered, would ignore them for good.
    """

    def __init__(self) -> None:
        self.inside = 0
        self.lock = threading.Lock()
        self.ignoring = ExitStack()

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.ignoring.enter_context(warnings.catch_warnings(action="ignore"))

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.ignoring.close()


_quiet = _Quiet()
_LIMITS = f"the limit is {MAX_MEGAPIXELS} megapixels, and {MAX_SIDE} pixels a side: make it smaller"


def open_image(source: Path | BinaryIO, name: str | None = None) -> Image.Image:
    """The image in a file as upright 8-bit RGB, alpha laid over white; of an animation, the first frame.

    Raises ImageError if the file is no image, is damaged, or exceeds MAX_PIXELS, MAX_SIDE or MAX_SCANS, which are
    checked before anything is decoded.
    """
    name = name or (source.name if isinstance(source, Path) else "the image")
    try:
        with _quiet, Image.open(source, formats=FORMATS) as image:
            check_pixels(image, name)
            check_scans(image, name)
            return to_rgb(image, name)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not an image this program can read; use PNG, JPEG or WebP", "format") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name} has too many pixels; {_LIMITS}", "size") from None
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist", "missing") from None
    except Exception as error:  # decoders raise whatever they meet: struct.error, SyntaxError, EOFError, ...
        raise ImageError(f"{name} is damaged or incomplete and cannot be read", "damaged") from error


def dark_levels(image: Image.Image) -> Levels | None:
    """Return the values of an image from `open_image` if it is nearly black, 255 (to ignore) aside; else None."""
    if raw := image.info.get("levels"):
        low, high = raw
        return Levels(low, high, True) if high - low > 0 and high <= 257 * DARK else None
    used = {index % 256 for index, count in enumerate(image.histogram()) if count} - {255}
    if used and max(used) <= DARK and used != {0}:
        return Levels(min(used), max(used), False)
    return None


def claimed_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an image file, before EXIF turns it, as its head says; None where it cannot be read."""
    try:
        with _quiet, Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception:  # decoders raise whatever they meet
        return None


def check_pixels(image: Image.Image, name: str = "the image") -> None:
    """Raise ImageError if the image, perhaps not yet decoded, has no pixels, or exceeds MAX_PIXELS or MAX_SIDE."""
    width, height = image.size
    if not width * height:
        raise ImageError(f"{name} is {width}x{height}: it has no pixels", "empty")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(f"{name} is {width}x{height} pixels; {_LIMITS}", "size")


def check_scans(image: Image.Image, name: str = "the image") -> None:
    """Raise ImageError if the image, not yet decoded, is a JPEG of more than MAX_SCANS scans."""
    if isinstance(image, JpegImageFile) and (file := image.fp):
        position = file.tell()
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        file.seek(position)
        if scans > MAX_SCANS:
            remedy = "save it again as JPEG or PNG"
            raise ImageError(f"{name} has {scans} scans; the limit is {MAX_SCANS}: {remedy}", "damaged")


def to_rgb(image: Image.Image, name: str = "the image") -> Image.Image:
    """The image as upright 8-bit RGB: EXIF rotation applied, 16 bits scaled to 8, alpha laid over white.

    Raises ImageError where it holds floating-point values, whose range nobody knows.
    """
    # Every copy of the largest image takes 160 MB: none is made that is not needed.
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = image.convert("I")
        levels = image.getextrema()
        image = image.point(_EIGHT_BITS, "L")
        image.info["levels"] = levels
        image.info.pop("transparency", None)  # one of 16 bits
    elif image.mode == "F":
        raise ImageError(f"{name} holds floating-point values; save it with 8 or 16 bits a channel", "float")
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", image.size, "white")
        image.paste(rgba, mask=rgba)
        return image
    return image.convert("RGB")


def to_tensor(pixels: np.ndarray | Image.Image) -> Tensor:
    """8-bit RGB of shape [H, W, 3] or grey [H, W], or such an image, as float32 [3 or 1, H, W] in [-1, 1]."""
    array = np.array(pixels)
    array = array.reshape(*array.shape[:2], -1)
    return torch.from_numpy(array).permute(2, 0, 1).float().div_(127.5).sub_(1)


def to_image(tensor: Tensor) -> Image.Image:
    """A tensor [3 or 1, H, W] in [-1, 1] as an RGB image, rounded to the nearest level."""
    levels = tensor.detach().float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(levels.expand(3, -1, -1).permute(1, 2, 0).cpu().numpy())


def to_png(image: Image.Image) -> bytes:
    """The image as a PNG that is made quickly: photos and label maps in a quarter to a half of Pillow's usual time, and
    about as large; a pattern that repeats itself exactly would be many times larger."""
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return content.getvalue()
