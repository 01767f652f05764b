"""Milliseconds to translate one 256 px image against the reference's way: `python -m benchmarks.translation`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image

from benchmarks import reference
from benchmarks.rounds import compare, report
from cyclegan.config import (
    CycleGANConfig,
    Direction,
    GeneratorConfig,
    GeneratorName,
    Method,
    MethodConfig,
    Norm,
    Pix2PixConfig,
    Precision,
)
from cyclegan.facades import draw_facade
from cyclegan.images import to_image, to_tensor
from cyclegan.networks.build import build_generator, initialize
from cyclegan.runs.run import Domains, Run
from cyclegan.translate.translator import Translator

FORWARDS = 3
"""Images a measurement: their mean is one figure."""


@dataclass(frozen=True)
class Options:
    architecture: GeneratorName = "resnet_9blocks"
    width: int = 64
    run: Path | None = None
    """A trained run whose error in bf16 against fp32 is measured; untrained weights unless given."""
    rounds: int = 9
    threads: int = 2
    out: Path | None = None
    """File for the JSON."""


def theirs(config: GeneratorConfig) -> Callable[[], object]:
    """The reference's way: fp32, eager, NCHW, InstanceNorm2d; batch norm on the image's own statistics."""
    network = reference.generator(config).requires_grad_(False)
    initialize(network, 0.02)
    x = to_tensor(draw_facade(1))[None]

    def work() -> None:
        with torch.no_grad():
            for _ in range(FORWARDS):
                to_image(network(x)[0])

    return work


def ours(folder: Path, precision: Precision) -> Callable[[], object]:
    """The project's translator, decoding to encoding."""
    translator = Translator.load(folder, device="cpu", precision=precision)
    image, to = draw_facade(1), translator.targets[-1]
    return lambda: [translator.translate(image, to=to) for _ in range(FORWARDS)]


def untrained_run(folder: Path, config: GeneratorConfig) -> Path:
    """A run of that generator, for the translator to load."""
    training: MethodConfig
    if config.architecture.startswith("unet"):
        training = Pix2PixConfig(dataset="-", generator=config)
    else:
        training = CycleGANConfig(dataset="-", generator=config)
    method: Method = "pix2pix" if isinstance(training, Pix2PixConfig) else "cyclegan"
    run = Run(folder / "run", method, Domains("photo", "labels"), training, {})
    run.folder.mkdir()
    run.write()
    network = build_generator(config)
    initialize(network, 0.02)
    directions: tuple[Direction, ...] = run.directions
    run.save_snapshot(1, dict.fromkeys(directions, network))
    return run.folder


def error_of_bf16(folder: Path, images: int = 8) -> dict[str, float]:
    """Mean and largest difference in levels of 255 between bf16 and fp32 on drawn label maps."""
    half, full = (Translator.load(folder, device="cpu", precision=name) for name in ("bf16", "fp32"))
    to = full.targets[-1]

    def levels(translator: Translator, image: Image.Image) -> np.ndarray:
        return np.asarray(translator.translate(image, to=to), dtype=np.float64)

    differences = [np.abs(levels(half, image) - levels(full, image)) for image in map(draw_facade, range(images))]
    return {
        "mean_levels": round(float(np.mean(differences)), 3),
        "largest_levels": round(float(np.max(differences)), 1),
    }


def main(options: Options) -> None:
    norm: Norm = "batch" if options.architecture.startswith("unet") else "instance"
    config = GeneratorConfig(architecture=options.architecture, width=options.width, norm=norm)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.run or untrained_run(Path(temporary), config)
        if options.run:
            config = Run.open(options.run).config.generator
        results = compare(
            {"reference": (theirs, (config,)), "fp32": (ours, (folder, "fp32")), "auto": (ours, (folder, "auto"))},
            rounds=options.rounds,
            threads=options.threads,
        )
        for values in results.values():
            values["seconds"] = round(values["seconds"] / FORWARDS, 4)
        results["bf16 against fp32"] = error_of_bf16(folder)
    name = f"translate 256 px, {config.architecture} width {config.width}"
    report(name, options.threads, results, options.out)


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.translation"))
