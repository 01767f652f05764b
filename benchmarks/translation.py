"""Milliseconds to translate one 256 px image against the reference's way: `python -m benchmarks.translation`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks import reference
from benchmarks.rounds import Work, add_rates, ceilings, compare, report, tflop_of
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
from cyclegan.data.datasets import find_split
from cyclegan.facades.labels import class_indices, draw_facade
from cyclegan.images.io import to_image, to_tensor
from cyclegan.networks.build import build_generator, for_translation, initialize
from cyclegan.networks.packing import pack
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
    dataset: Path | None = None
    """Folder of a dataset whose val split the two are compared on; drawn label maps unless given."""
    images: int = 1
    """Of a batch, which is one figure; from 2 on the generators alone are timed, on tensors."""
    device: str = "cpu"
    """cpu, or a GPU such as cuda."""
    rounds: int = 9
    threads: int = 2
    out: Path | None = None
    """File for the JSON."""


def theirs(config: GeneratorConfig, images: int, device: str) -> Work:
    """The reference's way: fp32, eager, NCHW, InstanceNorm2d; batch norm on the image's own statistics."""
    network = reference.generator(config).requires_grad_(False).to(device)
    initialize(network, 0.02)
    x = to_tensor(draw_facade(1))[None].to(device).repeat(images, 1, 1, 1)

    def work() -> None:
        with torch.no_grad():
            for _ in range(FORWARDS):
                made = network(x)
                if images == 1:
                    to_image(made[0].cpu())

    return work


def ours(folder: Path, precision: Precision, images: int, device: str) -> Work:
    """The project's translator, decoding to encoding; of several images its generator."""
    translator = Translator.load(folder, device=device, precision=precision)
    image, to = draw_facade(1), translator.targets[-1]
    if images == 1:
        return lambda: [translator.translate(image, to=to) for _ in range(FORWARDS)]
    stored = translator.run.load_generator(translator.epochs[-1], translator.run.direction_to(to))
    network = for_translation(stored, device=torch.device(device), dtype=translator.dtype)
    pack(network)
    x = to_tensor(image)[None].to(device, translator.dtype).repeat(images, 1, 1, 1)

    def work() -> None:
        with torch.inference_mode():
            for _ in range(FORWARDS):
                network(x.to(memory_format=torch.channels_last))

    return work


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


def error_of_bf16(folder: Path, device: str, dataset: Path | None, count: int = 20) -> dict[str, float]:
    """Mean and largest difference in levels of 255 between bf16 and fp32; of label maps the share of pixels, too, that
    are of one class in both."""
    half, full = (Translator.load(folder, device=device, precision=name) for name in ("bf16", "fp32"))
    to = full.targets[-1]
    images = [draw_facade(seed) for seed in range(count)]
    if dataset:
        pairs = find_split(dataset, "val")
        sources = pairs.a if full.run.direction_to(to)[0] == "a" else pairs.b
        images = [source.load().convert("RGB").resize((256, 256)) for source in sources[:count]]
    made = [[translator.translate(image, to=to) for image in images] for translator in (half, full)]
    levels = [np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)) for a, b in zip(*made, strict=True)]
    found = {
        "mean_levels": round(float(np.mean(levels)), 3),
        "largest_levels": round(float(np.max(levels)), 1),
    }
    if to == "labels":
        same = [class_indices(a) == class_indices(b) for a, b in zip(*made, strict=True)]
        found["same_classes"] = round(float(np.mean(same)), 4)
    return found


def main(options: Options) -> None:
    norm: Norm = "batch" if options.architecture.startswith("unet") else "instance"
    config = GeneratorConfig(architecture=options.architecture, width=options.width, norm=norm)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.run or untrained_run(Path(temporary), config)
        if options.run:
            config = Run.open(options.run).config.generator
        settings = (options.images, options.device)
        results = compare(
            {
                "reference": (theirs, (config, *settings)),
                "fp32": (ours, (folder, "fp32", *settings)),
                "auto": (ours, (folder, "auto", *settings)),
            },
            rounds=options.rounds,
            threads=options.threads,
            device=options.device,
        )
        for values in results.values():
            values["seconds"] = round(values["seconds"] / FORWARDS, 4)
        tflop = tflop_of(lambda: one_forward(config, options.images))
        limits = ceilings(options.threads, options.device)
        add_rates(results, options.images, tflop, limits)
        results["bf16 against fp32"] = error_of_bf16(folder, options.device, options.dataset)
    name = f"translate 256 px, {config.architecture} width {config.width}, batches of {options.images}"
    report(name, options.threads, results, options.out, limits=limits, device=options.device)


def one_forward(config: GeneratorConfig, images: int) -> Work:
    network, x = reference.generator(config), torch.zeros(images, 3, 256, 256)
    return lambda: network(x)


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.translation"))
