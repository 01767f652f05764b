"""Generate images with a plain GAN: `python -m cyclegan.translate.sample RUN OUT.png --count 64 --seed 1`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from PIL import Image

from cyclegan.config import ConfigError
from cyclegan.hub.errors import HubError
from cyclegan.images.io import to_png
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import RunError
from cyclegan.runtime.files import write_atomically
from cyclegan.translate.translator import Translator


@dataclass(frozen=True)
class Sample:
    """Generate images from noise with a plain GAN, as one image of rows and columns."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of the run, or its repository on the Hugging Face Hub, owner/name."""
    out: Annotated[Path, tyro.conf.Positional]
    """PNG file to write; replaced if it exists."""
    count: int = 64
    """Images to generate."""
    seed: int = 0
    """Seed of the noise: the same seed gives the same images."""
    epoch: int | None = None
    """Epoch of the generator; the last unless given."""


def grid(images: Sequence[Image.Image]) -> Image.Image:
    """Return images of one size in rows, as near to a square as they fill."""
    columns = math.ceil(math.sqrt(len(images)))
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(images) / columns) * height))
    for index, image in enumerate(images):
        sheet.paste(image, (index % columns * width, index // columns * height))
    return sheet


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 if the disk refuses, 2 for a mistake in the input."""
    command = tyro.cli(Sample, args=arguments, prog="python -m cyclegan.translate.sample")
    try:
        images = Translator.load(command.run).sample(command.count, seed=command.seed, epoch=command.epoch)
        write_atomically(command.out, to_png(grid(images)))
    except (ConfigError, HubError, RunError, WeightsError, ValueError, OSError) as error:
        sys.stderr.write(f"cyclegan.translate.sample: {error}\n")
        return 1 if isinstance(error, OSError) else 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
