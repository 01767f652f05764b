"""What a run is trained with: one frozen dataclass per method, its defaults the paper's, as JSON in `run.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

GeneratorName = Literal["resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128"]
DiscriminatorName = Literal["basic"]
Norm = Literal["instance", "batch", "none"]
GanMode = Literal["lsgan", "vanilla"]
Direction = Literal["ab", "ba"]
Precision = Literal["auto", "fp32", "bf16"]
Preprocess = Literal["resize_and_crop", "crop"]

SNAPSHOT_EPOCHS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200)


class ConfigError(ValueError):
    """A setting that cannot work: the message holds value, limit and remedy."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class GeneratorConfig:
    """The network that translates; stored beside its weights as `config.json`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    architecture: GeneratorName = "resnet_9blocks"
    """Network family and depth; resnet works at any multiple of 4 pixels, unet_N at multiples of N."""
    width: int = 64
    """Channels of the first convolution; half the width is a quarter of the size and about 3x faster."""
    norm: Norm = "instance"
    """Normalisation layer."""
    dropout: bool = False
    """Dropout 0.5 in the residual blocks, or in the three inner levels of a U-Net."""

    def __post_init__(self) -> None:
        _require(1 <= self.width <= 256, f"generator width is {self.width}; it must be 1 to 256 channels")


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The network that judges patches of an image."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    architecture: DiscriminatorName = "basic"
    """basic: the 70x70 PatchGAN."""
    width: int = 64
    """Channels of the first convolution."""
    norm: Norm = "instance"
    """Normalisation layer."""

    def __post_init__(self) -> None:
        _require(1 <= self.width <= 256, f"discriminator width is {self.width}; it must be 1 to 256 channels")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What every method shares."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    dataset: str
    """A named dataset (facades, horse2zebra, ...: downloaded where missing) or the path of a folder: side-by-side
    pairs in train/, two folders trainA/ and trainB/, or photos and label maps of the same stem in one folder."""
    epochs: int = 100
    """Epochs at the full learning rate."""
    decay_epochs: int = 100
    """Further epochs, over which the learning rate falls linearly towards zero."""
    batch_size: int = 1
    """Images (or pairs) a step."""
    learning_rate: float = 2e-4
    """Adam's step size."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates."""
    init_gain: float = 0.02
    """Standard deviation of the initial convolution weights, which are normal around 0."""
    preprocess: Preprocess = "resize_and_crop"
    """resize_and_crop: resize to load_size squared, then crop; crop: crop at the image's own scale."""
    load_size: int = 286
    """Side in pixels to which images are resized before the crop."""
    crop_size: int = 256
    """Side in pixels of the random crop that is trained on."""
    flip: bool = True
    """Mirror half of the images left to right."""
    snapshot_epochs: tuple[int, ...] = SNAPSHOT_EPOCHS
    """Epochs whose generators are kept for the slider; the last epoch is always kept."""
    precision: Precision = "auto"
    """auto: bf16 where the device gains by it; fp32; bf16."""
    compile: bool = False
    """Compile the networks with torch.compile: a minute at the start, faster steps on a GPU."""
    seed: int = 0
    """Seed of the initial weights, the order, the augmentation, dropout and the image pools."""

    @property
    def total_epochs(self) -> int:
        return self.epochs + self.decay_epochs

    def keeps_snapshot(self, epoch: int) -> bool:
        """Whether the generators of this epoch (1-based) are kept."""
        return epoch in self.snapshot_epochs or epoch == self.total_epochs

    def learning_rate_at(self, epoch: int) -> float:
        """Learning rate of an epoch (1-based): constant, then linear to one step above zero.

        Source: CycleGAN (arXiv:1703.10593) appendix 7.1; the factor is the reference's `linear` policy,
        1 - max(0, epoch - epochs) / (decay_epochs + 1), whose last epoch still learns.
        """
        return self.learning_rate * (1 - max(0, epoch - self.epochs) / (self.decay_epochs + 1))

    def __post_init__(self) -> None:
        _require(bool(self.dataset), "dataset is empty; give a name such as facades, or the path of a folder")
        _require(self.epochs >= 0, f"epochs is {self.epochs}; it must be 0 or more")
        _require(self.decay_epochs >= 0, f"decay_epochs is {self.decay_epochs}; it must be 0 or more")
        _require(self.total_epochs >= 1, "epochs + decay_epochs is 0; train for 1 epoch or more")
        _require(self.batch_size >= 1, f"batch_size is {self.batch_size}; it must be 1 or more")
        _require(0 < self.learning_rate < inf, f"learning_rate is {self.learning_rate}; it must be above 0 and finite")
        _require(all(0 <= beta < 1 for beta in self.betas), f"betas are {self.betas}; both must be in [0, 1)")
        _require(0 < self.init_gain < inf, f"init_gain is {self.init_gain}; it must be above 0 and finite")
        _require(self.crop_size >= 16, f"crop_size is {self.crop_size}; it must be 16 pixels or more")
        _require(
            self.preprocess == "crop" or self.load_size >= self.crop_size,
            f"load_size {self.load_size} is smaller than crop_size {self.crop_size}; "
            "raise --load-size or lower --crop-size",
        )
        _require(
            all(epoch >= 1 for epoch in self.snapshot_epochs),
            f"snapshot_epochs are {self.snapshot_epochs}; epochs count from 1",
        )
        _require(self.seed >= 0, f"seed is {self.seed}; it must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig(TrainingConfig):
    """CycleGAN (Zhu et al. 2017, arXiv:1703.10593): learns both directions from unpaired images."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    gan_mode: GanMode = "lsgan"
    """Adversarial loss: lsgan (least squares) or vanilla (cross entropy)."""
    lambda_cycle: float = 10.0
    """Weight of the cycle loss |F(G(x)) - x|."""
    lambda_identity: float = 0.5
    """Weight of the identity loss |G(y) - y|, as a share of lambda_cycle: 0.5 of 10 weighs 5. 0 turns it off."""
    pool_size: int = 50
    """Translations remembered for the discriminators; 0 turns the image pool off."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_multiple(self)
        for name in ("lambda_cycle", "lambda_identity", "pool_size"):
            value = getattr(self, name)
            _require(0 <= value < inf, f"{name} is {value}; it must be 0 or more, and finite")


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig(TrainingConfig):
    """pix2pix (Isola et al. 2017, arXiv:1611.07004): learns one direction from aligned pairs."""

    generator: GeneratorConfig = field(
        default_factory=lambda: GeneratorConfig(architecture="unet_256", norm="batch", dropout=True)
    )
    discriminator: DiscriminatorConfig = field(default_factory=lambda: DiscriminatorConfig(norm="batch"))
    direction: Direction = "ba"
    """ba translates domain b to domain a (facades: labels -> photo); ab the other way."""
    gan_mode: GanMode = "vanilla"
    """Adversarial loss: lsgan (least squares) or vanilla (cross entropy)."""
    lambda_l1: float = 100.0
    """Weight of the L1 distance to the true image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_multiple(self)
        _require(0 <= self.lambda_l1 < inf, f"lambda_l1 is {self.lambda_l1}; it must be 0 or more, and finite")


MethodConfig = CycleGANConfig | Pix2PixConfig
Method = Literal["cyclegan", "pix2pix"]
METHODS: dict[Method, type[MethodConfig]] = {"cyclegan": CycleGANConfig, "pix2pix": Pix2PixConfig}

SIZE_MULTIPLE: dict[GeneratorName, int] = {
    "resnet_9blocks": 4,
    "resnet_6blocks": 4,
    "unet_256": 256,
    "unet_128": 128,
}
"""Pixels of which both sides of a generator's input must be a multiple."""
SMALLEST_SIZE: dict[GeneratorName, int] = {
    "resnet_9blocks": 8,
    "resnet_6blocks": 8,
    "unet_256": 256,
    "unet_128": 128,
}
"""Pixels that both sides must have at least; a ResNet mirrors 1 pixel at a quarter of the size, which takes 2."""


def _require_multiple(config: MethodConfig) -> None:
    multiple = SIZE_MULTIPLE[config.generator.architecture]
    _require(
        config.crop_size % multiple == 0,
        f"crop_size is {config.crop_size}; {config.generator.architecture} needs a multiple of {multiple}",
    )


T = TypeVar("T")


def to_json(value: Any) -> str:
    """A configuration dataclass as indented JSON text, ending in a newline."""
    return json.dumps(asdict(value), indent=2) + "\n"


def from_json(kind: type[T], text: str | bytes, source: str) -> T:
    """The dataclass that the JSON text describes, strict on types and unknown keys.

    Raises ConfigError, naming source and key, where the text is no JSON or does not fit.
    """
    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{source} is not valid: {key}: {first['msg']}") from None
