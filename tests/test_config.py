"""The configuration: defaults with their sources, the learning rate, refusals, JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import pytest

from cyclegan import config as options
from cyclegan.config import (
    ConfigError,
    CycleGANConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MethodConfig,
    Pix2PixConfig,
    from_json,
    to_json,
)
from cyclegan.layers import ACTIVATIONS, NORMS
from cyclegan.losses import GAN_LOSSES
from cyclegan.networks import DISCRIMINATORS, GENERATORS, INITIALIZERS
from cyclegan.schedules import SCHEDULES

# Sources: "paper" is the method's own (CycleGAN arXiv:1703.10593, pix2pix arXiv:1611.07004); an option such as
# --netG is that of junyanz/pytorch-CycleGAN-and-pix2pix at 2a7afba, the reference.
SHARED: dict[str, tuple[object, str]] = {
    "epochs": (100, "CycleGAN 7.1; --n_epochs"),
    "decay_epochs": (100, "CycleGAN 7.1; --n_epochs_decay"),
    "batch_size": (1, "CycleGAN 7.1, pix2pix 6.2; --batch_size"),
    "learning_rate": (2e-4, "CycleGAN 7.1, pix2pix 3.3; --lr"),
    "betas": ((0.5, 0.999), "pix2pix 3.3; --beta1, and 0.999 in the optimizers"),
    "lr_policy": ("linear", "CycleGAN 7.1; --lr_policy"),
    "lr_step_epochs": (50, "--lr_decay_iters"),
    "init": ("normal", "CycleGAN 7.1, pix2pix 6.2; --init_type"),
    "serial": (False, "--serial_batches is off"),
    "max_images": (None, "--max_dataset_size is infinite"),
    "snapshot_every": (0, "this project's slider"),
    "sample_every": (1, "this project's history"),
    "checkpoint_steps": (0, "this project: after every epoch"),
    "lambda_penalty": (10.0, "WGAN-GP (arXiv:1704.00028) section 4"),
    "critic_steps": (1, "CycleGAN 7.1, pix2pix 3.3: in turn"),
    "lambda_edges": (0.0, "this project: off"),
    "edges_domain": ("b", "this project"),
    "generator.in_channels": (3, "--input_nc"),
    "generator.out_channels": (3, "--output_nc"),
    "generator.activation": ("relu", "CycleGAN 7.2, pix2pix 6.1"),
    "generator.upsample": ("transposed", "CycleGAN 7.2, pix2pix 6.1"),
    "generator.bias": ("reference", "networks.py, use_bias"),
    "discriminator.layers": (3, "--n_layers_D"),
    "init_gain": (0.02, "CycleGAN 7.1, pix2pix 6.2; --init_gain"),
    "preprocess": ("resize_and_crop", "--preprocess"),
    "load_size": (286, "pix2pix 6.2; --load_size"),
    "crop_size": (256, "pix2pix 6.2; --crop_size"),
    "flip": (True, "pix2pix 6.2; --no_flip is off"),
    "generator.width": (64, "CycleGAN 7.2, pix2pix 6.1; --ngf"),
    "discriminator.architecture": ("basic", "CycleGAN 7.2, pix2pix 6.1.2; --netD"),
    "discriminator.width": (64, "CycleGAN 7.2, pix2pix 6.1.2; --ndf"),
    "snapshot_epochs": ((1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200), "this project's slider"),
    "precision": ("auto", "this project"),
    "compile": (False, "this project"),
    "seed": (0, "this project"),
}
CYCLEGAN: dict[str, tuple[object, str]] = SHARED | {
    "generator.architecture": ("resnet_9blocks", "CycleGAN 7.2, for 256 pixels and more; --netG"),
    "generator.norm": ("instance", "CycleGAN 4; --norm"),
    "generator.dropout": (False, "cycle_gan_model: no_dropout=True"),
    "discriminator.norm": ("instance", "CycleGAN 7.2; --norm"),
    "gan_mode": ("lsgan", "CycleGAN 4; --gan_mode"),
    "lambda_cycle": (10.0, "CycleGAN 4; --lambda_A, --lambda_B"),
    "lambda_identity": (0.5, "CycleGAN 5.2; --lambda_identity, a share of lambda_A"),
    "pool_size": (50, "CycleGAN 4; --pool_size"),
    "pool_mode": ("replace", "CycleGAN 4; image_pool.py"),
    "average": (False, "CycleGAN equations 2 and 3"),
    "dataset_mode": ("unaligned", "CycleGAN 3; cycle_gan_model: dataset_mode"),
}
PIX2PIX: dict[str, tuple[object, str]] = SHARED | {
    "generator.architecture": ("unet_256", "pix2pix 6.1.1; pix2pix_model: netG"),
    "generator.norm": ("batch", "pix2pix 6.1; pix2pix_model: norm"),
    "generator.dropout": (True, "pix2pix 3.2.1; --no_dropout is off"),
    "discriminator.norm": ("batch", "pix2pix 6.1; pix2pix_model: norm"),
    "dataset_mode": ("aligned", "pix2pix 3; pix2pix_model: dataset_mode"),
    "direction": ("ba", "scripts/train_pix2pix.sh, for facades: --direction BtoA"),
    "gan_mode": ("vanilla", "pix2pix equation 1; pix2pix_model: gan_mode"),
    "lambda_l1": (100.0, "pix2pix 6.2; --lambda_L1"),
}
METHODS = pytest.mark.parametrize("kind", [CycleGANConfig, Pix2PixConfig])


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested fields by dotted name."""
    fields: dict[str, object] = {}
    for name, value in values.items():
        fields |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return fields


@pytest.mark.parametrize(("kind", "table"), [(CycleGANConfig, CYCLEGAN), (Pix2PixConfig, PIX2PIX)])
def test_every_default_is_the_papers(kind: type[MethodConfig], table: dict[str, tuple[object, str]]) -> None:
    fields = flat(dataclasses.asdict(kind(dataset="facades")))
    assert fields == {"dataset": "facades"} | {name: value for name, (value, _) in table.items()}


def test_snapshots_are_kept_at_the_listed_epochs_and_the_last() -> None:
    config = CycleGANConfig(dataset="facades", epochs=4, decay_epochs=3, snapshot_epochs=(1, 3, 50))
    assert [epoch for epoch in range(1, 8) if config.keeps_snapshot(epoch)] == [1, 3, 7]


@METHODS
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dataset": ""}, ["empty", "facades"]),
        ({"epochs": -1}, ["epochs is -1", "0 or more"]),
        ({"decay_epochs": -3}, ["decay_epochs is -3", "0 or more"]),
        ({"epochs": 0, "decay_epochs": 0}, ["is 0", "1 epoch or more"]),
        ({"batch_size": 0}, ["batch_size is 0", "1 or more"]),
        ({"learning_rate": 0.0}, ["learning_rate is 0.0", "above 0"]),
        ({"learning_rate": float("nan")}, ["learning_rate is nan", "above 0"]),
        ({"learning_rate": float("inf")}, ["learning_rate is inf", "finite"]),
        ({"betas": (0.5, 1.0)}, ["(0.5, 1.0)", "[0, 1)"]),
        ({"init_gain": 0.0}, ["init_gain is 0.0", "above 0"]),
        ({"crop_size": 8, "load_size": 8}, ["crop_size is 8", "16 pixels or more"]),
        ({"load_size": 255}, ["load_size 255", "crop_size 256", "raise --load-size or lower --crop-size"]),
        ({"snapshot_epochs": (0, 5)}, ["(0, 5)", "count from 1"]),
        ({"seed": -1}, ["seed is -1", "0 or more"]),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    kind: type[MethodConfig], fields: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(**{"dataset": "facades"} | fields)
    assert all(part in str(caught.value) for part in said), str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "crop", "multiple"),
    [("resnet_9blocks", 254, 4), ("resnet_6blocks", 130, 4), ("unet_256", 128, 256), ("unet_128", 192, 128)],
)
@METHODS
def test_a_crop_that_the_generator_cannot_take_is_refused(
    kind: type[CycleGANConfig | Pix2PixConfig], architecture: options.GeneratorName, crop: int, multiple: int
) -> None:
    with pytest.raises(ConfigError, match=f"crop_size is {crop}; {architecture} needs a multiple of {multiple}"):
        kind(dataset="facades", crop_size=crop, generator=GeneratorConfig(architecture=architecture))


@pytest.mark.parametrize("name", ["lambda_cycle", "lambda_identity", "pool_size"])
def test_cyclegan_refuses_a_negative_weight_or_pool(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is -1; it must be 0 or more"):
        CycleGANConfig(dataset="facades", **{name: -1})  # type: ignore[arg-type]


def test_pix2pix_refuses_a_negative_weight() -> None:
    with pytest.raises(ConfigError, match="lambda_l1 is -1; it must be 0 or more"):
        Pix2PixConfig(dataset="facades", lambda_l1=-1)


@pytest.mark.parametrize("kind", [GeneratorConfig, DiscriminatorConfig])
@pytest.mark.parametrize("width", [0, 257])
def test_a_network_of_no_or_huge_width_is_refused(
    kind: type[GeneratorConfig | DiscriminatorConfig], width: int
) -> None:
    with pytest.raises(ConfigError, match=f"width is {width}; it must be 1 to 256"):
        kind(width=width)


def test_cropping_at_the_images_own_scale_ignores_the_load_size() -> None:
    assert CycleGANConfig(dataset="facades", preprocess="crop", load_size=16).crop_size == 256


@pytest.mark.parametrize(
    "config",
    [
        CycleGANConfig(dataset="facades"),
        Pix2PixConfig(dataset="Häuser/ß", direction="ab", snapshot_epochs=(), betas=(0.0, 0.9)),
        GeneratorConfig(architecture="unet_128", width=3, norm="none", dropout=True),
    ],
)
def test_json_gives_the_same_configuration_back(config: Any) -> None:
    assert from_json(type(config), to_json(config), "a file") == config


@pytest.mark.parametrize(
    ("fields", "key", "reason"),
    [
        ({"lambda_a": 10}, "lambda_a", "Unexpected"),
        ({"generator": {"ngf": 64}}, "generator.ngf", "Unexpected"),
        ({"epochs": "100"}, "epochs", "integer"),
        ({"epochs": 100.5}, "epochs", "integer"),
        ({"epochs": True}, "epochs", "integer"),
        ({"betas": [0.5]}, "betas", "required"),
        ({"gan_mode": "hinge"}, "gan_mode", "'lsgan', 'vanilla' or 'wgangp'"),
        ({"generator": {"width": 1000}}, "generator", "generator width is 1000; it must be 1 to 256"),
        ({"load_size": 200}, "the file", "load_size 200 is smaller than crop_size 256"),
        ({"dataset": None}, "dataset", "string"),
    ],
)
def test_json_that_does_not_fit_is_refused_by_key(fields: dict[str, Any], key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(CycleGANConfig, json.dumps({"dataset": "facades"} | fields), "runs/x/run.json")
    message = str(caught.value)
    assert message.startswith(f"runs/x/run.json is not valid: {key}")
    assert reason in message


@pytest.mark.parametrize("text", ["", "{", "no json", "[]", b"\xff\xfe", "{}", "[" * 100_000])
def test_what_is_no_configuration_is_refused(text: str | bytes) -> None:
    with pytest.raises(ConfigError, match=r"run\.json is not valid"):
        from_json(CycleGANConfig, text, "run.json")


@pytest.mark.parametrize(
    ("registry", "literal"),
    [
        (GENERATORS, options.GeneratorName),
        (DISCRIMINATORS, options.DiscriminatorName),
        (NORMS, options.Norm),
        (ACTIVATIONS, options.Activation),
        (INITIALIZERS, options.Init),
        (SCHEDULES, options.LrPolicy),
        (GAN_LOSSES, options.GanMode),
        (options.METHODS, options.Method),
    ],
    ids=["GENERATORS", "DISCRIMINATORS", "NORMS", "ACTIVATIONS", "INITIALIZERS", "SCHEDULES", "GAN_LOSSES", "METHODS"],
)
def test_a_registry_holds_what_its_literal_names(registry: dict[str, object], literal: object) -> None:
    assert tuple(registry) == get_args(literal)
