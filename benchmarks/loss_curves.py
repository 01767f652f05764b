"""Losses of a training in bf16 beside fp32's, and beside what another seed makes of them:
`python -m benchmarks.loss_curves --dataset FACADES`.

In fp32 a step does what the reference's does (tests/training/test_arithmetic.py); this shows that bf16 learns as fast.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import tyro

from cyclegan.config import CycleGANConfig, GeneratorConfig, Method, Pix2PixConfig, Precision
from cyclegan.data.batches import Batches
from cyclegan.data.datasets import find_split
from cyclegan.runs.run import Domains, Run
from cyclegan.training.trainer import Trainer


@dataclass(frozen=True)
class Options:
    dataset: Path
    """Folder of a dataset, such as facades."""
    method: Method = "cyclegan"
    width: int = 16
    size: int = 128
    """Side of CycleGAN's crops; pix2pix takes 256."""
    steps: int = 300
    window: int = 50
    """Steps over which losses are averaged."""
    threads: int = 1

    def config(self, precision: Precision, seed: int) -> CycleGANConfig | Pix2PixConfig:
        common: dict[str, Any] = {"dataset": str(self.dataset), "precision": precision, "seed": seed}
        if self.method == "cyclegan":
            return CycleGANConfig(generator=GeneratorConfig(width=self.width), crop_size=self.size, **common)
        generator = GeneratorConfig(architecture="unet_256", width=self.width, norm="batch", dropout=True)
        return Pix2PixConfig(generator=generator, **common)


def curves(options: Options, precision: Precision, seed: int) -> dict[str, list[float]]:
    """The mean of each loss over each window of steps."""
    config = options.config(precision, seed)
    batches = Batches(find_split(options.dataset), config)
    run = Run(Path("-"), options.method, Domains("photo", "labels"), config, {})
    trainer = Trainer(run, batches, {}, device=torch.device("cpu"))
    pairs = (pair for epoch in count(1) for pair in batches.epoch(epoch))
    losses = [trainer.step(pair, index) for index, pair in enumerate(islice(pairs, options.steps))]
    return {
        name: [
            round(fmean(float(step[name]) for step in losses[begin : begin + options.window]), 4)
            for begin in range(0, options.steps, options.window)
        ]
        for name in losses[0]
    }


def distance(one: list[float], other: list[float]) -> float:
    """Mean over the windows of how far apart two curves are, as a share of the first."""
    return round(fmean(abs(x - y) for x, y in zip(one, other, strict=True)) / fmean(one), 4)


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    fp32, bf16, other = (curves(options, *chosen) for chosen in (("fp32", 0), ("bf16", 0), ("fp32", 1)))
    report = {
        name: {
            "fp32": fp32[name],
            "bf16": bf16[name],
            "fp32, another seed": other[name],
            "bf16_apart": distance(fp32[name], bf16[name]),
            "another_seed_apart": distance(fp32[name], other[name]),
        }
        for name in fp32
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.loss_curves"))
