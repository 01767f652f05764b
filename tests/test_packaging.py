"""The package installs with pip and works without its checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from email.parser import Parser
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]

TRANSLATE = """
import cyclegan, sys
from pathlib import Path
from cyclegan.evaluation.segmenter import load_segmenter
from cyclegan.facades.labels import draw_facade
from cyclegan.translate.translator import Translator
assert Path(cyclegan.__file__).is_relative_to(sys.argv[1]), cyclegan.__file__
load_segmenter()
Translator.load(sys.argv[2], device="cpu").translate(draw_facade(3), to="photo").save("photo.png")
"""


def test_a_wheel_installs_and_translates_without_the_checkout(tmp_path: Path) -> None:
    site, away = tmp_path / "site", tmp_path / "away"
    away.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    source = tmp_path / "source"  # setuptools writes beside what it builds
    shutil.copytree(ROOT / "cyclegan", source / "cyclegan", ignore=shutil.ignore_patterns("__pycache__"))
    requirements = list(ROOT.glob("requirements*.txt"))
    for path in (ROOT / "pyproject.toml", *requirements):
        shutil.copy(path, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", site, source], check=True, env=environment
    )
    (metadata,) = site.glob("*.dist-info/METADATA")
    message = Parser().parsestr(metadata.read_text())
    extras = {path.stem.removeprefix("requirements").lstrip("-") for path in requirements} - {"", "dev"}
    assert set(message.get_all("Provides-Extra", [])) == extras
    assert not [each for each in message.get_all("Requires-Dist", []) if each.startswith("-")]

    arguments: list[str | Path] = [sys.executable, "-c", TRANSLATE, site, ROOT / "weights/facades-pix2pix"]
    subprocess.run(arguments, check=True, cwd=away, env=environment | {"PYTHONPATH": str(site)})
    with Image.open(away / "photo.png") as photo:
        assert photo.size == (256, 256)
