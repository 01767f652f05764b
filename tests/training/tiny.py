"""Tiny trainings of every method, of images of 16 or 32 pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from cyclegan.config import (
    CycleGANConfig,
    DiscriminatorConfig,
    GANConfig,
    GeneratorConfig,
    MethodConfig,
    Pix2PixConfig,
    method_of,
)
from cyclegan.data.batches import Batches
from cyclegan.data.datasets import find_split
from cyclegan.data.noise import NoiseBatches
from cyclegan.facades.labels import draw_facade
from cyclegan.runs.run import Domains, Run, SampleInputs
from cyclegan.runs.samples import Inputs
from cyclegan.training.trainer import Trainer

CRITIC = DiscriminatorConfig("n_layers", width=2, layers=2)
CYCLEGAN = CycleGANConfig(
    dataset="facades",
    generator=GeneratorConfig("resnet_6blocks", width=2),
    discriminator=CRITIC,
    load_size=20,
    crop_size=16,
    epochs=1,
    decay_epochs=1,
    precision="fp32",
    pool_size=3,
)
PIX2PIX = Pix2PixConfig(
    dataset="facades",
    generator=GeneratorConfig("resnet_6blocks", width=2, norm="batch", dropout=True),
    discriminator=CRITIC,
    load_size=20,
    crop_size=16,
    epochs=1,
    decay_epochs=1,
    precision="fp32",
)
GAN = GANConfig(
    dataset="noise",
    generator=GeneratorConfig("mlp", 2, "batch", in_channels=5, out_channels=1, activation="leaky_relu"),
    discriminator=DiscriminatorConfig("mlp", 2, "none"),
    batch_size=3,
    epochs=1,
    decay_epochs=1,
    precision="fp32",
)
PROJECTED = replace(
    PIX2PIX,
    discriminator=DiscriminatorConfig("projected", width=2, norm="none"),
    load_size=36,
    crop_size=32,
    gan_mode="hinge",
    diffaugment=("color", "cutout"),
)


def make_trainer(
    config: MethodConfig, folder: Path, facades: Path, *, images: int = 2, compiled: bool = False
) -> Trainer:
    """The trainer of a run in this folder, on the first images of the facades, or on noise."""
    run = Run(folder, method_of(config), Domains("photo", "labels"), config, {})
    kind: SampleInputs = "noise" if isinstance(config, GANConfig) else "drawn"
    run = replace(run, samples=dict.fromkeys(run.directions, kind))
    batches: Batches | NoiseBatches
    inputs: Inputs
    if isinstance(config, GANConfig):
        pictures = torch.randint(256, (6, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        batches, inputs = NoiseBatches(pictures, config), {"ab": [torch.zeros(64, 5)]}
    else:
        split = find_split(facades)
        batches = Batches(replace(split, a=split.a[:images], b=split.b[:images]), config)
        inputs = {direction: [draw_facade(1, size=32), draw_facade(2, size=32)] for direction in run.directions}
    return Trainer(run, batches, inputs, device=torch.device("cpu"), compiled=compiled)
