"""Seconds of a training step at 256 px against the reference's way: `python -m benchmarks.training`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
import tyro
from PIL import Image, ImageFilter

from benchmarks import reference
from benchmarks.rounds import Work, add_rates, ceilings, compare, report, tflop_of
from cyclegan.config import (
    CycleGANConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    Method,
    Pix2PixConfig,
    Precision,
)
from cyclegan.data.batches import Batches, Pair
from cyclegan.data.datasets import find_split
from cyclegan.facades.labels import draw_facade
from cyclegan.runs.run import Domains, Run
from cyclegan.runtime.memory import keep_freed_memory
from cyclegan.training.trainer import Trainer


@dataclass(frozen=True)
class Options:
    method: Method = "cyclegan"
    width: int = 64
    batch_size: int = 1
    device: str = "cpu"
    """cpu, or a GPU such as cuda."""
    projected: bool = False
    """Measure our step with a projected discriminator (hinge loss), too."""
    compile: bool = False
    """Compile our networks with torch.compile; the baseline stays as it is."""
    files: bool = False
    """Measure our step with images that are read from files beside it, too."""
    rounds: int = 5
    threads: int = 1
    out: Path | None = None
    """File for the JSON."""

    def config(self, precision: Precision, *, projected: bool = False) -> CycleGANConfig | Pix2PixConfig:
        common: dict[str, Any] = {
            "dataset": "-",
            "precision": precision,
            "batch_size": self.batch_size,
        }
        if projected:
            common |= {"discriminator": DiscriminatorConfig("projected", norm="none"), "gan_mode": "hinge"}
        if self.method == "cyclegan":
            return CycleGANConfig(generator=GeneratorConfig(width=self.width), **common)
        generator = GeneratorConfig(architecture="unet_256", width=self.width, norm="batch", dropout=True)
        return Pix2PixConfig(generator=generator, **common)


class SameBatch(Batches):
    """Stands where the trainer expects batches; the step is timed without them."""

    def __init__(self, config: CycleGANConfig | Pix2PixConfig) -> None:
        self.config = config
        self.steps, self.images = 1, config.batch_size


def ours(options: Options, precision: Precision, *, projected: bool = False) -> Work:
    """The project's own step, always on the same images, in a process that keeps its memory, as train.py does."""
    keep_freed_memory()
    config = options.config(precision, projected=projected)
    trainer = trainer_of(options, config, SameBatch(config))
    with torch.device(options.device):
        real = Pair(*random_images(options.batch_size))
    return lambda: trainer.step(real)


def ours_from_files(options: Options, folder: Path) -> Work:
    """The same with images as they come from files of the size of the facades, as a training takes them."""
    keep_freed_memory()
    config = options.config("auto")
    batches = Batches(find_split(folder), config)
    trainer = trainer_of(options, config, batches)

    def endless() -> Iterator[Pair]:
        for epoch in count(1):
            yield from batches.epoch(epoch)

    pairs = endless()
    return lambda: trainer.step(next(pairs))


def trainer_of(options: Options, config: CycleGANConfig | Pix2PixConfig, batches: Batches) -> Trainer:
    run = Run(Path("-"), options.method, Domains("photo", "labels"), config, {})
    return Trainer(run, batches, {}, device=torch.device(options.device), compiled=options.compile)


def theirs(options: Options) -> Work:
    """The reference's way."""
    step = (reference.cyclegan_step if options.method == "cyclegan" else reference.pix2pix_step)(options.width)
    a, b = random_images(options.batch_size)
    return lambda: step(a, b)


def theirs_there(options: Options) -> Work:
    """The reference's way on the device."""
    with torch.device(options.device):
        return theirs(options)


def random_images(images: int) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.rand(2, images, 3, 256, 256) * 2 - 1
    return a, b


def write_facades(folder: Path, pairs: int = 40) -> None:
    """Side-by-side pairs, 512x256."""
    (folder / "train").mkdir()
    for seed in range(pairs):
        labels = draw_facade(seed)
        pair = Image.new("RGB", (512, 256))
        pair.paste(labels.filter(ImageFilter.GaussianBlur(3)), (0, 0))
        pair.paste(labels, (256, 0))
        pair.save(folder / "train" / f"{seed}.jpg", quality=95)


def main(options: Options) -> None:
    variants: dict[str, tuple[Callable[..., Work], Sequence[Any]]] = {
        "reference": (theirs_there, (options,)),
        "fp32": (ours, (options, "fp32")),
        "auto": (ours, (options, "auto")),
    }
    if options.projected:
        variants["auto, projected"] = (partial(ours, projected=True), (options, "auto"))
    with tempfile.TemporaryDirectory() as folder:
        if options.files:
            write_facades(Path(folder))
            variants["auto, from files"] = (ours_from_files, (options, Path(folder)))
        results = compare(variants, rounds=options.rounds, threads=options.threads, device=options.device)
    limits = ceilings(options.threads, options.device)
    add_rates(results, options.batch_size, tflop_of(lambda: theirs(options)), limits)
    name = f"training step, {options.method} width {options.width}, 256 px, batches of {options.batch_size}"
    report(name, options.threads, results, options.out, limits=limits, device=options.device)


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.training"))
