"""Seconds and memory to translate a large image by bands, or at once: `python -m benchmarks.large_images`."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from PIL import Image

from cyclegan.config import CycleGANConfig, GeneratorConfig, GeneratorName, Precision
from cyclegan.networks.build import build_generator, initialize
from cyclegan.runs.run import Domains, Run
from cyclegan.translate import translator as translate
from cyclegan.translate.translator import Translator


@dataclass(frozen=True)
class Options:
    size: tuple[int, int] = (6000, 4000)
    """Width and height in pixels."""
    architecture: GeneratorName = "resnet_9blocks"
    width: int = 64
    way: Literal["bands", "whole", "both"] = "bands"
    """By bands, at once, or both ways, to tell how far the two pictures differ; the latter for sizes that fit in
    memory."""
    precision: Precision = "auto"
    threads: int = 2
    out: Path | None = None
    """File for the JSON."""


def untrained(folder: Path, options: Options) -> Translator:
    torch.manual_seed(0)
    generator = build_generator(GeneratorConfig(options.architecture, options.width))
    initialize(generator)
    config = CycleGANConfig(dataset="none", generator=GeneratorConfig(options.architecture, options.width))
    run = Run(folder, "cyclegan", Domains("a", "b"), config, {})
    run.write()
    run.save_snapshot(1, {"ab": generator, "ba": generator})
    return Translator.load(folder, device="cpu", precision=options.precision)


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def differences(translator: Translator, image: Image.Image) -> dict[str, float]:
    """In levels of 255, between the picture by bands and the one made at once."""
    pictures = []
    for limit in (0, 2 * image.width * image.height):
        translate.WHOLE_PIXELS = limit
        pictures.append(np.asarray(translator.translate(image, to="b"), np.int16))
    difference = np.abs(pictures[0] - pictures[1])
    return {"mean_levels": round(float(difference.mean()), 4), "largest_levels": float(difference.max())}


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    if options.way == "whole":
        translate.WHOLE_PIXELS = options.size[0] * options.size[1] * 2
    width, height = options.size
    pixels = np.random.default_rng(0).integers(256, size=(height // 8, width // 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(options.size)
    with tempfile.TemporaryDirectory() as folder:
        translator = untrained(Path(folder), options)
        found = differences(translator, image) if options.way == "both" else costs(translator, image)
    print(f"{width}x{height}: {', '.join(f'{name} {value:g}' for name, value in found.items())}")
    if options.out:
        settings = {name: str(value) for name, value in asdict(options).items()}
        options.out.write_text(json.dumps({"options": settings, **found}, indent=2) + "\n", encoding="utf-8")


def costs(translator: Translator, image: Image.Image) -> dict[str, float]:
    """Seconds, and the most memory, of one translation."""
    translator.translate(image.crop((0, 0, 64, 64)), to="b")
    before = peak_mb()
    started = time.perf_counter()
    translator.translate(image, to="b")
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "peak_mb_before": round(before), "peak_mb": round(peak_mb())}


if __name__ == "__main__":
    main(tyro.cli(Options))
