"""The configuration: defaults with their sources, the learning rate, refusals, JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
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
from cyclegan.facades import PALETTES
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
    "snapshot_every": (0, "this project's slider"),
    "sample_every": (1, "this project's history"),
    "checkpoint_steps": (0, "this project: after every epoch"),
    "lambda_penalty": (10.0, "WGAN-GP (arXiv:1704.00028) section 4"),
    "max_gradient": (1e3, "this project: far above healthy ones"),
    "critic_steps": (1, "CycleGAN 7.1, pix2pix 3.3: in turn"),
    "diffaugment": ((), "this project: off"),
    "lambda_edges": (0.0, "this project: off"),
    "edges_domain": ("b", "this project"),
    "lambda_palette": (0.0, "this project: off"),
    "palette": ("facades", "this project"),
    "generator.in_channels": (3, "--input_nc"),
    "generator.out_channels": (3, "--output_nc"),
    "generator.activation": ("relu", "CycleGAN 7.2, pix2pix 6.1"),
    "generator.upsample": ("transposed", "CycleGAN 7.2, pix2pix 6.1"),
    "generator.bias": ("reference", "networks.py, use_bias"),
    "generator.classes": (None, "this project: off"),
    "discriminator.spectral_norm": (False, "this project: off"),
    "discriminator.layers": (3, "--n_layers_D"),
    "init_gain": (0.02, "CycleGAN 7.1, pix2pix 6.2; --init_gain"),
    "preprocess": ("resize_and_crop", "--preprocess"),
    "load_size": (286, "pix2pix 6.2; --load_size"),
    "crop_size": (256, "pix2pix 6.2; --crop_size"),
    "zoom": (1.0, "this project: off"),
    "flip": (True, "pix2pix 6.2; --no_flip is off"),
    "generator.width": (64, "CycleGAN 7.2, pix2pix 6.1; --ngf"),
    "discriminator.architecture": ("basic", "CycleGAN 7.2, pix2pix 6.1.2; --netD"),
    "discriminator.width": (64, "CycleGAN 7.2, pix2pix 6.1.2; --ndf"),
    "snapshot_epochs": ((1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200), "this project's slider"),
    "ema_half_life": (0, "this project: off"),
    "precision": ("auto", "this project"),
    "compile": (False, "this project"),
    "seed": (0, "this project"),
    "init_from": (None, "this project: off"),
    "first_epoch": (1, "this project: the first; the reference's epoch_count"),
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
    "cycle_noise": (0.0, "this project: off"),
    "labels_only_from": (0, "this project: off"),
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
    "jitter": (0.0, "this project: off"),
    "lambda_l1": (100.0, "pix2pix 6.2; --lambda_L1"),
    "lambda_features": (0.0, "this project: off"),
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
        ({"max_gradient": 0.0}, ["max_gradient is 0.0", "above 0", "inf"]),
        ({"init_gain": 0.0}, ["init_gain is 0.0", "above 0"]),
        ({"crop_size": 8, "load_size": 8}, ["crop_size is 8", "16 pixels or more"]),
        ({"load_size": 255}, ["load_size 255", "crop_size 256", "raise --load-size or lower --crop-size"]),
        ({"snapshot_epochs": (0, 5)}, ["(0, 5)", "count from 1"]),
        ({"seed": -1}, ["seed is -1", "0 or more"]),
        ({"init_from": ""}, ["init_from is empty", "owner/name"]),
        ({"first_epoch": 2}, ["first_epoch is 2, but only init_from uses it"]),
        ({"first_epoch": 0}, ["first_epoch is 0; it must be 1, or an epoch up to the last, 200"]),
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


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_jitter_that_is_no_share_is_refused(share: float) -> None:
    message = refusal(Pix2PixConfig, {"dataset": "facades", "jitter": share})
    assert f"jitter is {share}" in message and "less than 1" in message


@pytest.mark.parametrize("name", ["lambda_l1", "lambda_features"])
def test_pix2pix_refuses_a_negative_weight(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is -1; it must be 0 or more"):
        Pix2PixConfig(dataset="facades", **{name: -1})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [GeneratorConfig, DiscriminatorConfig])
@pytest.mark.parametrize("width", [0, 257])
def test_a_network_of_no_or_huge_width_is_refused(
    kind: type[GeneratorConfig | DiscriminatorConfig], width: int
) -> None:
    with pytest.raises(ConfigError, match=f"width is {width}; it must be 1 to 256"):
        kind(width=width)


ALL = pytest.mark.parametrize("kind", options.METHODS.values(), ids=list(options.METHODS))


def refusal(kind: Callable[..., object], fields: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        kind(**fields)
    return str(caught.value)


@ALL
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lr_step_epochs": 0}, ["lr_step_epochs is 0", "1 or more"]),
        ({"sample_every": 0}, ["sample_every is 0", "1 or more"]),
        ({"critic_steps": 0}, ["critic_steps is 0", "1 or more"]),
        ({"snapshot_every": -1}, ["snapshot_every is -1", "0 (off) or more"]),
        ({"checkpoint_steps": -2}, ["checkpoint_steps is -2", "0 (off) or more"]),
        ({"ema_half_life": -3}, ["ema_half_life is -3", "0 (off) or more"]),
        ({"max_images": 0}, ["max_images is 0", "1 or more"]),
        ({"lambda_penalty": -1.0}, ["lambda_penalty is -1.0", "0 or more"]),
        ({"lambda_penalty": float("inf")}, ["lambda_penalty is inf", "finite"]),
        ({"lambda_penalty": float("nan")}, ["lambda_penalty is nan", "finite"]),
        (
            {"critic_steps": 5, "gan_mode": "vanilla"},
            ["critic_steps is 5", "vanilla trains both players in turn", "--gan-mode wgangp"],
        ),
        ({"dataset_mode": "tripled"}, ["dataset_mode", "tripled"]),
        ({"lambda_penalty": 5.0, "gan_mode": "lsgan"}, ["lambda_penalty is 5.0", "only gan_mode wgangp"]),
        ({"lr_step_epochs": 9}, ["lr_step_epochs is 9", "only lr_policy step", "leave --lr-step-epochs out"]),
        ({"init": "kaiming", "init_gain": 0.5}, ["init_gain is 0.5", "only init normal, xavier or orthogonal"]),
    ],
)
def test_a_setting_that_no_method_can_train_with_is_refused(
    kind: type[MethodConfig], fields: dict[str, Any], said: list[str]
) -> None:
    message = refusal(kind, {"dataset": "facades"} | fields)
    assert all(part in message for part in said), message


@METHODS
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"load_size": 300, "preprocess": "crop"}, ["load_size is 300", "only preprocess resize_and_crop"]),
        ({"load_size": 300, "preprocess": "none"}, ["load_size is 300", "leave --load-size out"]),
        ({"crop_size": 128, "preprocess": "none"}, ["crop_size is 128", "only preprocess resize_and_crop, crop"]),
        ({"crop_size": 128, "preprocess": "scale_width"}, ["crop_size is 128", "leave --crop-size out"]),
        ({"edges_domain": "a"}, ["edges_domain is a", "only lambda_edges above 0", "leave --edges-domain out"]),
        ({"load_size": 8, "preprocess": "scale_width"}, ["load_size is 8", "16 pixels or more"]),
        (
            {"load_size": 255, "preprocess": "scale_width_and_crop"},
            ["load_size 255", "crop_size 256", "raise --load-size or lower --crop-size"],
        ),
        ({"zoom": 0.9}, ["zoom is 0.9", "1 (none) to 10"]),
        ({"zoom": float("nan")}, ["zoom is nan", "1 (none) to 10"]),
        ({"zoom": 2.0, "preprocess": "scale_width"}, ["zoom is 2.0", "leave --scale-jitter out"]),
        ({"lambda_edges": -1.0}, ["lambda_edges is -1.0", "0 or more"]),
        ({"lambda_edges": float("nan")}, ["lambda_edges is nan", "finite"]),
        ({"lambda_palette": -1.0}, ["lambda_palette is -1.0", "0 or more"]),
        ({"palette": "cmp_base"}, ["palette is cmp_base", "lambda_palette above 0", "leave --palette out"]),
        ({"diffaugment": ("color", "color")}, ["augment is color color", "named once"]),
        ({"dataset_mode": "single"}, ["dataset_mode single", "aligned"]),
        (
            {"generator": GeneratorConfig("mlp", norm="batch")},
            ["an mlp generator does not see images", "gan method alone"],
        ),
        (
            {"discriminator": DiscriminatorConfig("mlp", norm="none")},
            ["an mlp discriminator does not see images", "gan method alone"],
        ),
        (
            {"gan_mode": "wgangp", "discriminator": DiscriminatorConfig(norm="batch")},
            ["batch norm in the critic", "--discriminator.norm instance or none"],
        ),
        (
            {"discriminator": DiscriminatorConfig("n_layers", norm="none", layers=7 - 1), "crop_size": 128},
            ["crop_size is 128", "6 layers needs 192 pixels or more", "--crop-size", "fewer --discriminator.layers"],
        ),
        ({"crop_size": 16}, ["crop_size is 16", "3 layers needs 24 pixels or more"]),
        ({"generator": GeneratorConfig(out_channels=2), "lambda_identity": 0.0}, ["channels; images have 1 or 3"]),
    ],
)
def test_a_setting_that_cannot_translate_is_refused(
    kind: type[MethodConfig], fields: dict[str, Any], said: list[str]
) -> None:
    if kind is Pix2PixConfig:
        fields = {name: value for name, value in fields.items() if name != "lambda_identity"}
    message = refusal(kind, {"dataset": "facades", "generator": GeneratorConfig("resnet_6blocks")} | fields)
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (CycleGANConfig, {"dataset_mode": "colorization"}, ["dataset_mode colorization", "unaligned or aligned"]),
        (
            CycleGANConfig,
            {"generator": GeneratorConfig(out_channels=1)},
            ["not 3 and 1", "--lambda-identity 0"],
        ),
        (CycleGANConfig, {"cycle_noise": 1.5}, ["cycle_noise is 1.5", "0 (none) to 1"]),
        (CycleGANConfig, {"cycle_noise": float("nan")}, ["cycle_noise is nan"]),
        (CycleGANConfig, {"cycle_noise": 0.1, "lambda_cycle": 0.0}, ["only lambda_cycle above 0, or lambda_palette"]),
        (
            CycleGANConfig,
            {"labels_only_from": 5, "lambda_palette": 1.0, "epochs": 3, "decay_epochs": 1},
            ["labels_only_from is 5", "up to the last, 4"],
        ),
        (
            CycleGANConfig,
            {"labels_only_from": 2, "lambda_palette": 1.0, "lr_policy": "plateau"},
            ["labels_only_from 2", "plateau", "another --lr-policy"],
        ),
        (
            CycleGANConfig,
            {"labels_only_from": 1, "lambda_palette": 1.0, "cycle_noise": 0.1},
            ["cycle_noise is 0.1", "labels_only_from is 1", "leave --cycle-noise out"],
        ),
        (
            CycleGANConfig,
            {"labels_only_from": 1, "lambda_palette": 1.0, "lambda_edges": 1.0, "edges_domain": "a"},
            ["edges_domain is a", "labels_only_from is 1", "--edges-domain b"],
        ),
        (
            CycleGANConfig,
            {"labels_only_from": 2, "lambda_palette": 1.0, "lambda_cycle": 0.0, "cycle_noise": 0.1},
            ["cycle_noise is 0.1", "lambda_cycle above 0, or lambda_palette above 0 without labels_only_from"],
        ),
        (CycleGANConfig, {"labels_only_from": 1}, ["labels_only_from is 1", "lambda_palette above 0"]),
        (
            CycleGANConfig,
            {
                "labels_only_from": 1,
                "lambda_palette": 1.0,
                "lambda_identity": 0.0,
                "generator": GeneratorConfig(in_channels=1),
            },
            ["labels_only_from changes colours", "domain a have 1 channel"],
        ),
        (CycleGANConfig, {"pool_mode": "both", "pool_size": 0}, ["pool_size is 0", "--pool-mode replace"]),
        (Pix2PixConfig, {"dataset_mode": "unaligned"}, ["dataset_mode unaligned", "use aligned or colorization"]),
        (
            Pix2PixConfig,
            {"dataset_mode": "colorization"},
            ["--direction ab", "--generator.in-channels 1", "--generator.out-channels 2"],
        ),
        (
            Pix2PixConfig,
            {
                "dataset_mode": "colorization",
                "direction": "ab",
                "lambda_edges": 1.0,
                "generator": GeneratorConfig(in_channels=1, out_channels=2),
            },
            ["without --lambda-edges"],
        ),
        (
            Pix2PixConfig,
            {
                "dataset_mode": "colorization",
                "direction": "ab",
                "diffaugment": ("color",),
                "generator": GeneratorConfig(in_channels=1, out_channels=2),
            },
            ["color", "--diffaugment translation cutout"],
        ),
        (
            Pix2PixConfig,
            {
                "dataset_mode": "colorization",
                "direction": "ab",
                "jitter": 0.2,
                "generator": GeneratorConfig(in_channels=1, out_channels=2),
            },
            ["jitter is 0.2", "leave --color-jitter out"],
        ),
        (Pix2PixConfig, {"lambda_palette": 1.0}, ["--direction ab", "--lambda-palette 0"]),
        (
            Pix2PixConfig,
            {"generator": GeneratorConfig("unet_256", classes="facades")},
            ["generator classes is facades", "direction ba", "--direction ab"],
        ),
        (
            CycleGANConfig,
            {"generator": GeneratorConfig(classes="facades")},
            ["generator classes is facades", "nothing teaches them", "--lambda-palette 100"],
        ),
        (
            CycleGANConfig,
            {"generator": GeneratorConfig(classes="facades"), "lambda_palette": 1.0, "palette": "cmp_base"},
            ["palette is cmp_base", "without generator.classes", "leave --palette out"],
        ),
        (
            CycleGANConfig,
            {"lambda_palette": 1.0, "lambda_identity": 0.0, "generator": GeneratorConfig(out_channels=1)},
            ["1 channel", "--generator.out-channels 3"],
        ),
        (Pix2PixConfig, {"lambda_edges": 1.0}, ["edges_domain is b", "direction ba", "use --edges-domain a"]),
        (GANConfig, {"generator": GeneratorConfig()}, ["mlp networks, not resnet_9blocks and mlp"]),
        (GANConfig, {"discriminator": DiscriminatorConfig()}, ["mlp networks, not mlp and basic"]),
        (GANConfig, {"dataset_mode": "unaligned"}, ["dataset_mode single, not unaligned"]),
        (GANConfig, {"batch_size": 1}, ["batch_size is 1", "batch norm needs 2", "--generator.norm none"]),
        (
            GANConfig,
            {"generator": GeneratorConfig("mlp", norm="batch", out_channels=2)},
            ["out_channels is 2", "use --generator.out-channels 1"],
        ),
        (GeneratorConfig, {"in_channels": 0}, ["in_channels is 0", "1 to 3"]),
        (GeneratorConfig, {"in_channels": 4}, ["in_channels is 4", "1 to 3"]),
        (GeneratorConfig, {"out_channels": 0}, ["out_channels is 0", "1 to 3"]),
        (GeneratorConfig, {"out_channels": 4}, ["out_channels is 4", "1 to 3"]),
        (
            GeneratorConfig,
            {"classes": "facades", "out_channels": 1},
            ["3 channels, not 1", "--generator.out-channels 3"],
        ),
        (GeneratorConfig, {"classes": "facades", "architecture": "mlp", "norm": "batch"}, ["mlp", "no label maps"]),
        (
            GeneratorConfig,
            {"architecture": "mlp", "norm": "batch", "in_channels": 1025},
            ["in_channels is 1025", "1 to 1024"],
        ),
        (GeneratorConfig, {"architecture": "mlp"}, ["no instance norm", "--generator.norm batch or none"]),
        (
            GeneratorConfig,
            {"architecture": "mlp", "norm": "none", "upsample": "resize"},
            ["nothing to upsample"],
        ),
        (
            GeneratorConfig,
            {"architecture": "mlp", "norm": "none", "dropout": True},
            ["neither dropout", "leave --generator.dropout"],
        ),
        (GeneratorConfig, {"architecture": "mlp", "norm": "none", "bias": "none"}, ["a choice of biases"]),
        (DiscriminatorConfig, {"architecture": "n_layers", "layers": 0}, ["layers is 0", "1 to 6"]),
        (DiscriminatorConfig, {"architecture": "n_layers", "layers": 7}, ["layers is 7", "1 to 6"]),
        (DiscriminatorConfig, {"layers": 4}, ["layers is 4", "--discriminator.architecture n_layers"]),
        (DiscriminatorConfig, {"architecture": "mlp"}, ["no instance norm", "--discriminator.norm none"]),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    kind: type[object], fields: dict[str, Any], said: list[str]
) -> None:
    if kind in (CycleGANConfig, Pix2PixConfig):
        fields = {"dataset": "facades"} | fields
    message = refusal(kind, fields)
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (CycleGANConfig, {"gan_mode": "wgangp", "critic_steps": 5}),
        (CycleGANConfig, {"generator": GeneratorConfig(out_channels=1), "lambda_identity": 0.0}),
        (CycleGANConfig, {"crop_size": 24}),
        (CycleGANConfig, {"crop_size": 16, "discriminator": DiscriminatorConfig("pixel")}),
        (CycleGANConfig, {"crop_size": 16, "discriminator": DiscriminatorConfig("n_layers", layers=2)}),
        (CycleGANConfig, {"preprocess": "scale_width", "load_size": 128}),
        (CycleGANConfig, {"pool_size": 0}),
        (Pix2PixConfig, {"lambda_edges": 1.0, "edges_domain": "a"}),
        (
            Pix2PixConfig,
            {
                "dataset_mode": "colorization",
                "direction": "ab",
                "generator": GeneratorConfig(in_channels=1, out_channels=2),
            },
        ),
        (GANConfig, {"batch_size": 1, "generator": GeneratorConfig("mlp", norm="none", in_channels=1024)}),
        (GANConfig, {"gan_mode": "wgangp", "critic_steps": 5}),
    ],
)
def test_options_that_fit_together_are_taken(kind: type[MethodConfig], fields: dict[str, Any]) -> None:
    assert kind(**{"dataset": "facades"} | fields)


LITERALS = {
    "generator.architecture": options.GeneratorName,
    "generator.norm": options.Norm,
    "generator.activation": options.Activation,
    "generator.upsample": options.Upsample,
    "generator.bias": options.Bias,
    "generator.classes": options.Palette,
    "discriminator.architecture": options.DiscriminatorName,
    "discriminator.norm": options.Norm,
    "dataset_mode": options.DatasetMode,
    "gan_mode": options.GanMode,
    "pool_mode": options.PoolMode,
    "lr_policy": options.LrPolicy,
    "init": options.Init,
    "preprocess": options.Preprocess,
    "edges_domain": options.Domain,
    "precision": options.Precision,
}


@pytest.mark.parametrize("name", LITERALS)
def test_an_unknown_name_in_a_file_is_an_error_that_lists_the_known_ones(name: str) -> None:
    """The reference takes some of its names without a look: an unknown one trains something else."""
    group, _, key = name.rpartition(".")
    fields: dict[str, Any] = {group: {key: "nonesuch"}} if group else {key: "nonesuch"}
    with pytest.raises(ConfigError) as caught:
        from_json(CycleGANConfig, json.dumps({"dataset": "facades"} | fields), "run.json")
    assert f"run.json is not valid: {name}" in str(caught.value)
    assert all(f"'{known}'" in str(caught.value) for known in get_args(LITERALS[name]))


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
        (DRAWS, options.Augmentation),
        (PALETTES, options.Palette),
        (options.METHODS, options.Method),
    ],
    ids=[
        "GENERATORS",
        "DISCRIMINATORS",
        "NORMS",
        "ACTIVATIONS",
        "INITIALIZERS",
        "SCHEDULES",
        "GAN_LOSSES",
        "DRAWS",
        "PALETTES",
        "METHODS",
    ],
)
def test_a_registry_holds_what_its_literal_names(registry: dict[str, object], literal: object) -> None:
    assert tuple(registry) == get_args(literal)
