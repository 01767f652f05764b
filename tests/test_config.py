"""The configuration: defaults with their sources, the learning rate, refusals, JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from cyclegan import config as options
from cyclegan.config import (
    ConfigError,
    CycleGANConfig,
    DiscriminatorConfig,
    GANConfig,
    GeneratorConfig,
    MethodConfig,
    Pix2PixConfig,
    from_json,
    to_json,
)
from cyclegan.facades.labels import PALETTES
from cyclegan.networks.build import DISCRIMINATORS, GENERATORS, INITIALIZERS
from cyclegan.networks.layers import ACTIVATIONS, NORMS
from cyclegan.training.augmentation import DRAWS
from cyclegan.training.losses import GAN_LOSSES
from cyclegan.training.schedules import SCHEDULES

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
    "checkpoint_steps": (0, "this project: after every epoch"),
    "critic_steps": (1, "CycleGAN 7.1, pix2pix 3.3: in turn"),
    "diffaugment": ((), "this project: off"),
    "lambda_edges": (0.0, "this project: off"),
    "generator.in_channels": (3, "--input_nc"),
    "generator.out_channels": (3, "--output_nc"),
    "generator.activation": ("relu", "CycleGAN 7.2, pix2pix 6.1"),
    "generator.upsample": ("transposed", "CycleGAN 7.2, pix2pix 6.1"),
    "generator.bias": ("reference", "networks.py, use_bias"),
    "generator.classes": (None, "this project: off"),
    "discriminator.spectral_norm": (False, "this project: off"),
    "discriminator.layers": (3, "--n_layers_D"),
    "preprocess": ("resize_and_crop", "--preprocess"),
    "load_size": (286, "pix2pix 6.2; --load_size"),
    "crop_size": (256, "pix2pix 6.2; --crop_size"),
    "scale_jitter": (1.0, "this project: off"),
    "flip": (True, "pix2pix 6.2; --no_flip is off"),
    "generator.width": (64, "CycleGAN 7.2, pix2pix 6.1; --ngf"),
    "discriminator.architecture": ("basic", "CycleGAN 7.2, pix2pix 6.1.2; --netD"),
    "discriminator.width": (64, "CycleGAN 7.2, pix2pix 6.1.2; --ndf"),
    "snapshot_epochs": ((1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200), "this project's slider"),
    "ema_half_life": (0, "this project: off"),
    "precision": ("auto", "this project"),
    "seed": (0, "this project"),
    "init_from": (None, "this project: off"),
    "discriminator_learning_rate": (None, "the papers have one for both; --lr"),
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
    "color_jitter": (0.0, "this project: off"),
    "lambda_l1": (100.0, "pix2pix 6.2; --lambda_L1"),
    "lambda_features": (0.0, "this project: off"),
    "lambda_perceptual": (0.0, "this project: off"),
}


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


def test_cyclegan_has_at_most_48_options() -> None:
    assert len(flat(dataclasses.asdict(CycleGANConfig(dataset="x")))) <= 48


NAN, INF = float("nan"), float("inf")
GREY, COLOUR = GeneratorConfig(in_channels=1), GeneratorConfig(in_channels=1, out_channels=2)
MLP = GeneratorConfig("mlp", norm="batch", in_channels=100, out_channels=1)
PROJECTED = DiscriminatorConfig("projected", norm="none")
COLORIZATION: dict[str, Any] = {"dataset_mode": "colorization", "direction": "ab", "generator": COLOUR}
LIMITS: dict[str, list[tuple[str, object]]] = {
    "it must be 0 or more": [
        *((name, -1) for name in ("epochs", "decay_epochs", "checkpoint_steps", "ema_half_life", "seed")),
        ("lambda_cycle", -1.0),
        ("lambda_identity", NAN),
        ("lambda_edges", INF),
        ("pool_size", -1),
    ],
    "it must be 1 or more": [
        *((name, 0) for name in ("batch_size", "lr_step_epochs", "critic_steps", "max_images")),
        ("snapshot_epochs", (0, 1)),
    ],
    "it must be above 0 and finite": [
        *(("learning_rate", value) for value in (0.0, NAN, INF)),
        ("discriminator_learning_rate", 0.0),
    ],
    "it must be in [0, 1)": [("betas", (0.5, 1.0)), ("betas", (-0.1, 0.9))],
    "it must be 16 or more": [("crop_size", 8), ("load_size", 8)],
    "it must be 1 (none) to 10": [("scale_jitter", 0.9), ("scale_jitter", NAN)],
    "it must be each augmentation once": [("diffaugment", ("color", "color"))],
    "it must be a name such as facades": [("dataset", "")],
    "it must be the path of a run": [("init_from", "")],
}


@pytest.mark.parametrize(
    ("name", "value", "limit"), [(name, value, limit) for limit, cases in LIMITS.items() for name, value in cases]
)
def test_a_value_out_of_its_limits_is_refused(name: str, value: object, limit: str) -> None:
    message = refusal(CycleGANConfig, {name: value})
    stated = " ".join(map(str, value)) if isinstance(value, tuple) else "empty" if value == "" else value
    assert f"{name} is {stated}; {limit}" in message


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (CycleGANConfig, {"epochs": 0, "decay_epochs": 0}, ["total_epochs is 0", "train for 1 or more"]),
        (CycleGANConfig, {"lr_step_epochs": 9}, ["only lr_policy step uses it", "leave --lr-step-epochs out"]),
        (CycleGANConfig, {"load_size": 200}, ["load_size is 200", "crop_size 256", "raise --load-size"]),
        (CycleGANConfig, {"load_size": 300, "preprocess": "crop"}, ["load_size is 300", "leave --load-size out"]),
        (CycleGANConfig, {"crop_size": 64, "preprocess": "none"}, ["crop_size is 64", "leave --crop-size out"]),
        (CycleGANConfig, {"scale_jitter": 2.0, "preprocess": "none"}, ["only preprocess", "leave --scale-jitter out"]),
        (CycleGANConfig, {"generator": MLP}, ["generator.architecture is mlp", "mlp is for gan"]),
        (CycleGANConfig, {"crop_size": 250}, ["crop_size is 250", "multiple of 4", "change --crop-size"]),
        (CycleGANConfig, {"crop_size": 20}, ["crop_size is 20", "too small", "--discriminator.layers"]),
        (CycleGANConfig, {"crop_size": 28, "discriminator": PROJECTED}, ["crop_size is 28", "too small"]),
        (CycleGANConfig, {"gan_mode": "wgangp", "discriminator": PROJECTED}, ["is projected", "--gan-mode hinge"]),
        (CycleGANConfig, {"critic_steps": 5}, ["critic_steps is 5", "lsgan", "use --gan-mode wgangp"]),
        (CycleGANConfig, {"lambda_identity": 0.5, "generator": GREY}, ["not 1 and 3", "--lambda-identity 0"]),
        (CycleGANConfig, {"generator": COLOUR}, ["generator.out_channels is 2", "1 or 3"]),
        (CycleGANConfig, {"pool_mode": "both", "pool_size": 0}, ["pool_mode is both", "use --pool-size 50"]),
        (
            CycleGANConfig,
            {"lambda_cycle": 0.0, "generator": GeneratorConfig(classes="facades")},
            ["generator.classes is facades", "lambda_cycle", "leave --generator.classes out"],
        ),
        (Pix2PixConfig, {"gan_mode": "wgangp"}, ["discriminator.norm is batch", "--discriminator.norm instance"]),
        (Pix2PixConfig, {"crop_size": 128}, ["unet_256 needs a multiple of 256"]),
        (Pix2PixConfig, {"lambda_l1": -1.0}, ["lambda_l1 is -1.0", "0 or more"]),
        (Pix2PixConfig, {"color_jitter": 1.0}, ["color_jitter is 1.0", "less than 1"]),
        (Pix2PixConfig, {"generator": GeneratorConfig(classes="facades")}, ["direction ba", "use --direction ab"]),
        (
            Pix2PixConfig,
            {"lambda_l1": 0.0, "direction": "ab", "generator": GeneratorConfig(classes="facades")},
            ["lambda_l1", "leave --generator.classes out"],
        ),
        (Pix2PixConfig, {"dataset_mode": "colorization"}, ["--direction ab", "--generator.out-channels 2"]),
        (Pix2PixConfig, COLORIZATION | {"lambda_edges": 1.0}, ["without --lambda-edges"]),
        (Pix2PixConfig, COLORIZATION | {"diffaugment": ("color",)}, ["color", "--diffaugment translation cutout"]),
        (Pix2PixConfig, COLORIZATION | {"color_jitter": 0.2}, ["color_jitter is 0.2", "leave --color-jitter out"]),
        (Pix2PixConfig, COLORIZATION | {"discriminator": PROJECTED}, ["is colorization", "leave", "projected out"]),
        (Pix2PixConfig, COLORIZATION | {"lambda_perceptual": 1.0}, ["is colorization", "leave --lambda-perceptual"]),
        (Pix2PixConfig, {"lambda_features": 1.0, "discriminator": PROJECTED}, ["use --lambda-perceptual"]),
        (Pix2PixConfig, {"generator": COLOUR}, ["generator.out_channels is 2", "--dataset-mode colorization"]),
        (GANConfig, {"discriminator": DiscriminatorConfig()}, ["discriminator.architecture is basic", "must be mlp"]),
        (GANConfig, {"batch_size": 1}, ["batch_size is 1", "batch norm needs 2", "--generator.norm none"]),
        (
            GANConfig,
            {"generator": dataclasses.replace(MLP, out_channels=2)},
            ["generator.out_channels is 2", "1 (grey)"],
        ),
        *(
            (GeneratorConfig, {name: value}, [f"generator {name} is {value}", "it must be 1 to"])
            for name, value in (
                ("width", 0),
                ("width", 257),
                ("in_channels", 0),
                ("out_channels", 4),
            )
        ),
        (GeneratorConfig, {"classes": "facades", "out_channels": 1}, ["not 1", "--generator.out-channels 3"]),
        (GeneratorConfig, {"classes": "facades", "architecture": "mlp", "norm": "batch"}, ["no label maps"]),
        (GeneratorConfig, {"architecture": "mlp", "norm": "batch", "in_channels": 1025}, ["1 to 1024"]),
        (GeneratorConfig, {"architecture": "mlp"}, ["norm is instance", "--generator.norm batch or none"]),
        *(
            (GeneratorConfig, {"architecture": "mlp", "norm": "none", name: value}, [name, "leave", f"--{name} out"])
            for name, value in (("upsample", "resize"), ("dropout", True), ("bias", "none"))
        ),
        *(
            (DiscriminatorConfig, {"architecture": "n_layers", "layers": value}, [f"layers is {value}", "1 to 6"])
            for value in (0, 7)
        ),
        (DiscriminatorConfig, {"width": 0}, ["discriminator width is 0", "1 to 256"]),
        (DiscriminatorConfig, {"layers": 4}, ["layers is 4", "--discriminator.architecture n_layers"]),
        *(
            (DiscriminatorConfig, {"architecture": name}, ["norm is instance", "--discriminator.norm none"])
            for name in ("mlp", "projected")
        ),
        (
            DiscriminatorConfig,
            {"architecture": "projected", "norm": "none", "spectral_norm": True},
            ["projected always has it", "leave --discriminator.spectral-norm out"],
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    kind: type[object], fields: dict[str, Any], said: list[str]
) -> None:
    message = refusal(kind, fields)
    assert all(part in message for part in said), message


def refusal(kind: type[object], fields: dict[str, Any]) -> str:
    if issubclass(kind, CycleGANConfig | Pix2PixConfig | GANConfig):
        fields = {"dataset": "facades"} | fields
    with pytest.raises(ConfigError) as caught:
        kind(**fields)
    return str(caught.value)


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
        ({"gan_mode": "ralsgan"}, "gan_mode", "'lsgan', 'vanilla', 'wgangp' or 'hinge'"),
        ({"generator": {"width": 1000}}, "generator", "generator width is 1000; it must be 1 to 256"),
        ({"load_size": 200}, "the file", "load_size is 200, smaller than crop_size 256"),
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


REGISTRIES: list[tuple[Any, Mapping[Any, Any]]] = [
    (options.GeneratorName, GENERATORS),
    (options.DiscriminatorName, DISCRIMINATORS),
    (options.Norm, NORMS),
    (options.Activation, ACTIVATIONS),
    (options.Init, INITIALIZERS),
    (options.LrPolicy, SCHEDULES),
    (options.GanMode, GAN_LOSSES),
    (options.Augmentation, DRAWS),
    (options.Palette, PALETTES),
    (options.Method, options.METHODS),
]


@pytest.mark.parametrize(("literal", "registry"), REGISTRIES)
def test_a_registry_holds_what_its_literal_names(literal: Any, registry: Mapping[Any, Any]) -> None:
    assert tuple(registry) == get_args(literal)
