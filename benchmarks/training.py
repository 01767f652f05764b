"""Seconds of a training step at 256 px against the reference's way: `python -m benchmarks.training`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from benchmarks import reference
from benchmarks.rounds import compare, report
from cyclegan.config import CycleGANConfig, GeneratorConfig, Method, MethodConfig, Pix2PixConfig, Precision
from cyclegan.data.batches import Batches, Pair
from cyclegan.runs.run import Domains, Run
from cyclegan.training.trainer import Trainer


@dataclass(frozen=True)
class Options:
    method: Method = "cyclegan"
    width: int = 64
    rounds: int = 5
    threads: int = 1
    out: Path | None = None
    """File for the JSON."""


class RandomBatches(Batches):
    """Stands where the trainer expects batches; the step is timed without them."""

    def __init__(self) -> None:
        self.steps = self.images = 1


def ours(method: Method, width: int, precision: Precision) -> Callable[[], object]:
    """The project's own step."""
    config: MethodConfig
    if method == "cyclegan":
        config = CycleGANConfig(dataset="-", generator=GeneratorConfig(width=width), precision=precision)
    else:
        generator = GeneratorConfig(architecture="unet_256", width=width, norm="batch", dropout=True)
        config = Pix2PixConfig(dataset="-", generator=generator, precision=precision)
    run = Run(Path("-"), method, Domains("photo", "labels"), config, {})
    trainer = Trainer(run, RandomBatches(), {}, device=torch.device("cpu"))
    real = Pair(*random_images())
    return lambda: trainer.step(real)


def theirs(method: Method, width: int) -> Callable[[], object]:
    """The reference's way."""
    step = (reference.cyclegan_step if method == "cyclegan" else reference.pix2pix_step)(width)
    a, b = random_images()
    return lambda: step(a, b)


def random_images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 1, 3, 256, 256, generator=generator) * 2 - 1
    return a, b


def main(options: Options) -> None:
    results = compare(
        {
            "reference": (theirs, (options.method, options.width)),
            "fp32": (ours, (options.method, options.width, "fp32")),
            "auto": (ours, (options.method, options.width, "auto")),
        },
        rounds=options.rounds,
        threads=options.threads,
    )
    report(f"training step, {options.method} width {options.width}, 256 px", options.threads, results, options.out)


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.training"))
