"""What the options of a training need of each other: a table per method, checked by `checks.check`."""

from __future__ import annotations

from math import inf
from typing import Any

from cyclegan.config.checks import Rule, at_least, used_by, weights, within
from cyclegan.config.networks import smallest_judged

MOST_EPOCHS, MOST_SNAPSHOTS = 10**6, 1000
"""Bounds of what a run.json from elsewhere makes loops over."""

TRAINING_RULES = (
    *within(bool, "a name such as facades, or the path of a folder", "dataset"),
    *at_least(0, "epochs", "decay_epochs", "checkpoint_steps", "ema_half_life", "seed"),
    Rule(
        "total_epochs",
        lambda c: 1 <= c.total_epochs <= MOST_EPOCHS,
        ", the sum of epochs and decay_epochs",
        f"train for 1 or more, {MOST_EPOCHS} at most",
    ),
    *within(lambda epochs: len(epochs) <= MOST_SNAPSHOTS, f"{MOST_SNAPSHOTS} epochs at most", "snapshot_epochs"),
    *at_least(1, "batch_size", "lr_step_epochs", "critic_steps"),
    *within(
        lambda rate: rate is None or 0 < rate < inf,
        "above 0 and finite",
        "learning_rate",
        "discriminator_learning_rate",
    ),
    *within(lambda betas: all(0 <= beta < 1 for beta in betas), "in [0, 1), both", "betas"),
    *within(lambda images: images is None or images >= 1, "1 or more", "max_images"),
    *within(lambda epochs: all(epoch >= 1 for epoch in epochs), "1 or more, each", "snapshot_epochs"),
    *within(lambda source: source != "", "the path of a run, or owner/name", "init_from"),
    *used_by("lr_policy step", lambda c: c.lr_policy == "step", "lr_step_epochs"),
)
CRITIC_RULES = (
    Rule(
        "discriminator.architecture",
        lambda c: c.discriminator.architecture != "projected" or c.gan_mode != "wgangp",
        ", which takes no gradient penalty",
        "use --gan-mode hinge",
    ),
    Rule(
        "discriminator.norm",
        lambda c: c.gan_mode != "wgangp" or c.discriminator.norm != "batch",
        ", but wgangp's penalty is per image (Gulrajani et al. 2017, section 4)",
        "use --discriminator.norm instance or none",
    ),
    Rule(
        "critic_steps",
        lambda c: c.gan_mode == "wgangp" or c.critic_steps == 1,
        ", but {c.gan_mode} updates generators and discriminators in turn",
        "use --gan-mode wgangp",
    ),
)
TRANSLATION_RULES = (
    *at_least(16, "crop_size", "load_size"),
    Rule(
        "load_size",
        lambda c: "and_crop" not in c.preprocess or c.load_size >= c.crop_size,
        ", smaller than crop_size {c.crop_size}",
        "raise --load-size or lower --crop-size",
    ),
    *within(lambda factor: 1 <= factor <= 10, "1 (none) to 10", "scale_jitter"),
    *within(lambda names: len(set(names)) == len(names), "each augmentation once", "diffaugment"),
    *weights("lambda_edges"),
    *used_by(
        "preprocess resize_and_crop, scale_width or scale_width_and_crop",
        lambda c: c.preprocess not in ("crop", "none"),
        "load_size",
    ),
    *used_by(
        "preprocess resize_and_crop, crop or scale_width_and_crop", lambda c: c.crops, "crop_size", "scale_jitter"
    ),
    *within(
        lambda name: name != "mlp",
        "one for images: mlp is for gan",
        "generator.architecture",
        "discriminator.architecture",
    ),
    Rule(
        "crop_size",
        lambda c: not c.crops or c.crop_size % c.size_multiple == 0,
        ", but {c.generator.architecture} needs a multiple of {c.size_multiple}",
        "change --crop-size",
    ),
    Rule(
        "crop_size",
        lambda c: not c.crops or c.crop_size >= smallest_judged(c.discriminator),
        ", too small for this discriminator",
        "raise --crop-size, or use --discriminator.architecture n_layers with fewer --discriminator.layers",
    ),
    *CRITIC_RULES,
)
CYCLEGAN_RULES = (
    *weights("lambda_cycle", "lambda_identity", "pool_size"),
    Rule(
        "generator.classes",
        lambda c: c.generator.classes is None or c.lambda_cycle > 0,
        ", but lambda_cycle, the weight that teaches them, is 0",
        "raise --lambda-cycle, or leave --generator.classes out",
    ),
    *within(
        lambda channels: channels != 2, "1 or 3, as images have", "generator.in_channels", "generator.out_channels"
    ),
    Rule(
        "pool_mode",
        lambda c: c.pool_mode != "both" or c.pool_size > 0,
        ", which shows translations from the image pool, but pool_size is 0",
        "use --pool-size 50, or --pool-mode replace",
    ),
    Rule(
        "lambda_identity",
        lambda c: not c.lambda_identity or c.generator.in_channels == c.generator.out_channels,
        ", but the identity loss needs domains of equal channels, not {c.generator.in_channels} and "
        "{c.generator.out_channels}",
        "use --lambda-identity 0",
    ),
)


def _colorizes(config: Any) -> bool:
    return bool(config.dataset_mode == "colorization")


PIX2PIX_RULES = (
    *weights("lambda_l1", "lambda_features", "lambda_perceptual"),
    Rule(
        "lambda_features",
        lambda c: not c.lambda_features or c.discriminator.architecture != "projected",
        ", but a projected discriminator has no features of its own to match",
        "use --lambda-perceptual",
    ),
    Rule(
        "dataset_mode",
        lambda c: not _colorizes(c) or not (c.lambda_perceptual or c.discriminator.architecture == "projected"),
        ", which generates no image that an ImageNet network could see",
        "leave --lambda-perceptual and --discriminator.architecture projected out",
    ),
    Rule(
        "generator.classes",
        lambda c: c.generator.classes is None or c.direction == "ab",
        ", but direction {c.direction} generates no label maps",
        "use --direction ab, photo to labels, or leave --generator.classes out",
    ),
    Rule(
        "generator.classes",
        lambda c: c.generator.classes is None or c.lambda_l1 > 0,
        ", but lambda_l1, the weight that teaches them, is 0",
        "raise --lambda-l1, or leave --generator.classes out",
    ),
    *within(lambda share: 0 <= share < 1, "0 (none) or more, and less than 1", "color_jitter"),
    Rule(
        "dataset_mode",
        lambda c: (
            not _colorizes(c)
            or (c.generator.in_channels, c.generator.out_channels, c.direction, c.lambda_edges) == (1, 2, "ab", 0)
        ),
        ", which translates lightness (1 channel) to colour (2)",
        "use --direction ab --generator.in-channels 1 --generator.out-channels 2, without --lambda-edges",
    ),
    Rule(
        "diffaugment",
        lambda c: not _colorizes(c) or "color" not in c.diffaugment,
        ", but color changes what colorization is judged by",
        "use --diffaugment translation cutout",
    ),
    *used_by("dataset_mode aligned", lambda c: not _colorizes(c), "color_jitter"),
    Rule(
        "generator.out_channels",
        lambda c: _colorizes(c) or 2 not in (c.generator.in_channels, c.generator.out_channels),
        " and generator.in_channels {c.generator.in_channels}, but images have 1 channel or 3",
        "use --dataset-mode colorization for lightness and chroma",
    ),
)
GAN_RULES = (
    *within(lambda name: name == "mlp", "mlp", "generator.architecture", "discriminator.architecture"),
    *within(lambda channels: channels != 2, "1 (grey) or 3", "generator.out_channels"),
    Rule(
        "batch_size",
        lambda c: c.batch_size >= 2 or c.generator.norm != "batch",
        ", but batch norm needs 2 images or more",
        "raise --batch-size, or use --generator.norm none",
    ),
    *CRITIC_RULES,
)
