"""Files of every kind that people upload: each is read as what it shows, or refused in the visitor's language."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import ImageData
from PIL import Image, ImageFile

from cyclegan.facades.labels import draw_facade
from cyclegan.images.io import Fault
from cyclegan.pages import texts
from cyclegan.pages.errors import explained
from cyclegan.pages.examples import Examples
from cyclegan.pages.inputs import picture_input, prepare
from cyclegan.pages.languages import LANGUAGES, Language
from cyclegan.pages.models import Models, Route
from cyclegan.pages.translate.translations import Translations
from tests.conftest import make_photo

TO_LABELS = Route("photo", "labels")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims this size and holds next to nothing."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (*chunks, (b"IEND", b""))
    )


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("house.png", PNG)
    return content.getvalue()


PHOTO = make_photo(1)
PNG, JPEG = saved(PHOTO, "PNG"), saved(PHOTO, "JPEG")
REFUSED: dict[str, tuple[bytes, Fault]] = {
    "empty.png": (b"", "format"),
    "text.png": (b"this is no picture", "format"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "format"),
    "page.html": (b"<html><img src=x onerror=alert(1)></html>", "format"),
    "paper.pdf": (b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n", "format"),
    "figure.eps": (saved(PHOTO, "EPS"), "format"),
    "album.zip": (zipped(), "format"),
    "film.mp4": (b"\x00\x00\x00\x18ftypmp42" + bytes(64), "format"),
    "phone.heic": (b"\x00\x00\x00\x18ftypheic" + bytes(64), "format"),
    "noise.jpg": (bytes(range(256)) * 8, "format"),
    "header-only.png": (PNG[:8], "format"),
    "cut.png": (PNG[:300], "damaged"),
    "cut.jpg": (JPEG[:4000], "damaged"),
    "flipped.png": (PNG[:200] + bytes([PNG[200] ^ 255]) + PNG[201:], "damaged"),
    "bomb-121-megapixels.png": (png_of(11_000, 11_000), "size"),
    "bomb-of-one-column.png": (png_of(1, 40_000_000), "size"),
    "bomb-of-a-billion.png": (png_of(32_000, 32_000), "size"),
    "no-pixels.png": (png_of(0, 9), "format"),
    "depth.tif": (saved(Image.fromarray(np.zeros((9, 9), np.float32)), "TIFF"), "float"),
}
READ: dict[str, Callable[[], bytes]] = {
    "alpha.png": lambda: saved(Image.new("RGBA", (40, 30), (200, 0, 0, 0)), "PNG"),
    "grey-alpha.png": lambda: saved(Image.new("LA", (40, 30), (0, 0)), "PNG"),
    "sixteen-bits.png": lambda: saved(Image.fromarray(np.full((30, 40), 0xFFFF, np.uint16)), "PNG"),
    "black-and-white.png": lambda: saved(Image.new("1", (40, 30), 1), "PNG"),
    "palette.gif": lambda: saved(Image.new("P", (40, 30)), "GIF", transparency=0),
    "moving.gif": lambda: saved(
        Image.new("RGB", (40, 30), "white"), "GIF", save_all=True, append_images=[Image.new("RGB", (40, 30))]
    ),
    "print.jpg": lambda: saved(Image.new("CMYK", (40, 30)), "JPEG"),
    "one-pixel.png": lambda: saved(Image.new("RGB", (1, 1), "white"), "PNG"),
    "ribbon.png": lambda: saved(Image.new("RGB", (3000, 2), "white"), "PNG"),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_shows_nothing_is_refused_in_the_visitors_language(
    name: str, language: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, fault = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content)
    if fault == "size":
        monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("it was decoded"))
    with pytest.raises(gr.Error) as caught, explained(language):
        picture_input().preprocess(ImageData(path=str(path), orig_name=name))
    message = caught.value.message
    assert message == texts.PICTURE_FAULTS[fault].to(language)
    assert name not in message and str(tmp_path) not in message and caught.value.print_exception is False


@pytest.fixture(scope="module")
def translations(weights: Path) -> Translations:
    models = Models.load([weights / "facades-cyclegan"], precision="fp32")
    return Translations(models, Examples.of(models))


@pytest.mark.parametrize("name", READ)
def test_an_unusual_picture_is_read_and_translated_in_its_size(
    name: str, translations: Translations, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(READ[name]())
    picture = picture_input().preprocess(ImageData(path=str(path), orig_name=name))
    assert picture is not None and picture.mode == "RGB"
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    (result,) = translations.translate(picture, TO_LABELS).results
    assert result is not None and result.image.size == picture.size


def test_a_label_map_of_one_pixel_is_prepared() -> None:
    assert prepare(draw_facade(1).resize((1, 1)), TO_LABELS).image.size == (1, 1)
