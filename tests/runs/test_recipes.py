"""Options in words: typed back into train.py they give the same configuration."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
import tyro

from cyclegan.config import CycleGANConfig, DiscriminatorConfig, GeneratorConfig, MethodConfig, Pix2PixConfig
from cyclegan.runs.run_file import options_of

CYCLEGAN = CycleGANConfig(
    dataset="my pictures",
    generator=GeneratorConfig(architecture="resnet_6blocks", width=32),
    discriminator=DiscriminatorConfig(norm="batch"),
    betas=(0.9, 0.99),
    learning_rate=1.5e-5,
    lambda_identity=0.0,
    flip=False,
)
PIX2PIX = Pix2PixConfig(
    dataset="x",
    generator=GeneratorConfig(architecture="unet_128", norm="batch", dropout=False),
    crop_size=128,
    direction="ab",
    lambda_l1=1 / 3,
    seed=7,
)


@pytest.mark.parametrize("config", [CYCLEGAN, PIX2PIX], ids=["cyclegan", "pix2pix"])
def test_options_give_the_configuration_back(config: MethodConfig) -> None:
    arguments = ["--dataset", config.dataset, *shlex.split(options_of(config))]
    assert tyro.cli(type(config), args=arguments) == config


def test_only_what_differs_from_the_methods_defaults_is_an_option() -> None:
    assert options_of(CycleGANConfig(dataset="x")) == ""
    assert options_of(Pix2PixConfig(dataset="y", snapshot_epochs=(1, 9))) == ""
    assert options_of(replace(CYCLEGAN, betas=(0.5, 0.999), learning_rate=2e-4)) == (
        "--generator.architecture resnet_6blocks --generator.width 32 --discriminator.norm batch --no-flip "
        "--lambda-identity 0"
    )
