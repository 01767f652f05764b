"""Configuration of a training: one frozen dataclass per method, its defaults the paper's, as JSON in `run.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict

from cyclegan.config.checks import check
from cyclegan.config.networks import SIZE_MULTIPLE, DiscriminatorConfig, GeneratorConfig
from cyclegan.config.rules import CYCLEGAN_RULES, GAN_RULES, PIX2PIX_RULES, TRAINING_RULES, TRANSLATION_RULES

Init = Literal["normal", "xavier", "kaiming", "orthogonal"]
GanMode = Literal["lsgan", "vanilla", "wgangp", "hinge"]
PoolMode = Literal["replace", "both"]
Augmentation = Literal["color", "translation", "cutout"]
LrPolicy = Literal["linear", "step", "plateau", "cosine"]
Direction = Literal["ab", "ba"]
Domain = Literal["a", "b"]
DatasetMode = Literal["unaligned", "aligned", "single", "colorization"]
Precision = Literal["auto", "fp32", "bf16"]
Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]

SNAPSHOT_EPOCHS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What every method shares."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    dataset: str
    """A named dataset (facades, horse2zebra, ...: downloaded if missing), one of the Hugging Face Hub
    (hf:owner/name, with columns imageA and imageB; needs pip install -r requirements-datasets.txt), or the path of a
    folder: side-by-side pairs in train/, two folders trainA/ and trainB/, or photos and label maps of the same stem in
    one folder; for colorization, any colour images in train/ or the folder itself."""
    epochs: int = 100
    """Epochs at the full learning rate."""
    decay_epochs: int = 100
    """Further epochs, over which the linear policy lowers the learning rate towards zero."""
    batch_size: int = 1
    """Images (or pairs) a step, of all processes together."""
    gan_mode: GanMode = "lsgan"
    """Adversarial loss: lsgan (least squares), vanilla (cross entropy), wgangp (Wasserstein, gradient penalty) or hinge
    (Lim & Ye 2017, arXiv:1705.02894)."""
    learning_rate: float = 2e-4
    """Adam's step size."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates; a projected discriminator always has 0 and 0.99, as Karras et al. 2018 (arXiv:1710.10196)."""
    discriminator_learning_rate: float | None = None
    """Adam's step size for the discriminators (Heusel et al. 2017, arXiv:1706.08500); None takes learning_rate."""
    lr_policy: LrPolicy = "linear"
    """linear: constant for `epochs`, then falling to zero over `decay_epochs`; step: a tenth every `lr_step_epochs`;
    plateau: a fifth when the generators' losses have not fallen for more than 5 epochs; cosine: half a wave down
    over the whole training."""
    lr_step_epochs: int = 50
    """Epochs between two falls of the step policy."""
    init: Init = "normal"
    """Distribution of the initial weights, of standard deviation or scale 0.02 (kaiming: its own)."""
    init_from: str | None = None
    """Initialise from the newest generators, and discriminators if present, of this run: the path of its folder,
    or its repository on the Hub, owner/name. Optimizers, and networks that the run lacks, start afresh."""
    serial: bool = False
    """Take the images in the order of their names, not in a new random order every epoch."""
    max_images: int | None = None
    """Train on this many images of each domain at most, the first by name."""
    snapshot_epochs: tuple[int, ...] = SNAPSHOT_EPOCHS
    """Epochs whose generators are kept for the slider; the last epoch is always kept."""
    checkpoint_steps: int = 0
    """Save a checkpoint every so many steps, besides after every epoch; 0 only then."""
    critic_steps: int = 1
    """Steps of the discriminators for each step of the generators; wgangp's paper takes 5."""
    ema_half_life: int = 0
    """Half-life, in images, of the exponential moving average (EMA) of the generators' weights that samples and
    snapshots are then taken of; it is at most a twentieth of the images seen. 0 takes the weights as they are."""
    precision: Precision = "auto"
    """auto: bf16 if the device gains by it; fp32; bf16."""
    seed: int = 0
    """Seed of the initial weights, the order, the augmentation, dropout and the image pools."""

    @property
    def gradient_limit(self) -> float:
        """Norm from which on a network's gradient is an explosion, and its step skipped: far above healthy ones,
        which the papers' settings keep below 30 times the largest weight of a loss."""
        weights = [float(value) for name, value in vars(self).items() if name.startswith("lambda_")]
        return 1e3 * max([10.0, *weights])  # 10 is the weight of the gradient penalty

    @property
    def total_epochs(self) -> int:
        return self.epochs + self.decay_epochs

    @property
    def first_snapshot(self) -> int:
        """The first epoch (1-based) whose generators are kept."""
        return min((*self.snapshot_epochs, self.total_epochs))

    def keeps_snapshot(self, epoch: int) -> bool:
        """Return whether the generators of this epoch (1-based) are kept."""
        return epoch in self.snapshot_epochs or epoch == self.total_epochs

    def __post_init__(self) -> None:
        check(self, TRAINING_RULES)


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(TrainingConfig):
    """What the methods that translate images share."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    preprocess: Preprocess = "resize_and_crop"
    """resize_and_crop: resize to load_size squared, then crop; crop: crop at the image's own scale; scale_width:
    resize to the width load_size, keeping the ratio; scale_width_and_crop: the same, then crop; none: the image's own
    scale. Without a crop, both sides are rounded to the generator's multiple, and batches of several images
    need images of one size."""
    load_size: int = 286
    """Side in pixels to which images are resized before the crop; the width for scale_width."""
    crop_size: int = 256
    """Side in pixels of the random crop that is trained on."""
    scale_jitter: float = 1.0
    """Crop a square that is smaller by a random factor of up to this, and enlarge it to crop_size."""
    flip: bool = True
    """Mirror half of the images left to right."""
    diffaugment: tuple[Augmentation, ...] = ()
    """Random changes to all that the discriminators see, real or fake (Zhao et al. 2020, arXiv:2006.10738), against
    overfitting to few images: color, translation, cutout."""
    lambda_edges: float = 0.0
    """Weight with which the discriminator of the cartoons (domain b; pix2pix: the target) sees real images with
    smoothed edges as fake (CartoonGAN, Chen et al. 2018, equation 3: 1); 0 turns it off."""

    @property
    def image_size(self) -> int:
        """Side in pixels at which images have the scale that the generators were trained on: 256, or `crop_size` if
        the images were smaller than that."""
        return min(self.crop_size, 256) if self.load_size < 256 else 256

    @property
    def crops(self) -> bool:
        """Whether all training images have the size of the crop."""
        return "crop" in self.preprocess

    @property
    def size_multiple(self) -> int:
        """Pixels of which both sides of a training image must be a multiple."""
        return SIZE_MULTIPLE[self.generator.architecture]

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, TRANSLATION_RULES)


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig(TranslationConfig):
    """CycleGAN (Zhu et al. 2017, arXiv:1703.10593): learns both directions from unpaired images."""

    dataset_mode: Literal["unaligned", "aligned"] = "unaligned"
    """unaligned: every image meets a random one of the other domain; aligned: its own partner, in the same crop."""
    lambda_cycle: float = 10.0
    """Weight of the cycle loss |F(G(x)) - x|."""
    lambda_identity: float = 0.5
    """Weight of the identity loss |G(y) - y|, as a share of lambda_cycle: 0.5 of 10 weighs 5. 0 turns it off."""
    average: bool = False
    """Average the two directions' cycle and identity losses, as some tutorials do; the paper adds them."""
    pool_size: int = 50
    """Translations kept in the image pool of each discriminator; 0 turns it off."""
    pool_mode: PoolMode = "replace"
    """replace: a discriminator sees an old translation in place of half of the current ones (the paper's); both: it
    sees the current one and an old one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, CYCLEGAN_RULES)


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig(TranslationConfig):
    """pix2pix (Isola et al. 2017, arXiv:1611.07004): learns one direction from aligned pairs."""

    generator: GeneratorConfig = field(
        default_factory=lambda: GeneratorConfig(architecture="unet_256", norm="batch", dropout=True)
    )
    discriminator: DiscriminatorConfig = field(default_factory=lambda: DiscriminatorConfig(norm="batch"))
    dataset_mode: Literal["aligned", "colorization"] = "aligned"
    """aligned: pairs; colorization: folders of colour images, whose lightness is translated to their colour."""
    direction: Direction = "ba"
    """ba translates domain b to domain a (facades: labels -> photo); ab the other way."""
    gan_mode: GanMode = "vanilla"
    color_jitter: float = 0.0
    """Change brightness, contrast and saturation of the source images by up to this share. Meant for
    photos (facades: direction ab): it would change the colours of label maps."""
    lambda_l1: float = 100.0
    """Weight of the L1 distance to the target."""
    lambda_features: float = 0.0
    """Weight of feature matching: the L1 distance between the discriminator's hidden layers for fake and target
    (pix2pixHD, Wang et al. 2018, arXiv:1711.11585, equation 4, which takes 10); 0 turns it off."""
    lambda_perceptual: float = 0.0
    """Weight of the L1 distance to the target in ImageNet features at four scales, relative to the target's (in the
    manner of Johnson et al. 2016, arXiv:1603.08155; needs requirements-features.txt); 0 turns it off."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, PIX2PIX_RULES)


@dataclass(frozen=True, kw_only=True)
class GANConfig(TrainingConfig):
    """A plain GAN (Goodfellow et al. 2014, arXiv:1406.2661): generates images from noise."""

    dataset: str = "fashion-mnist"
    """fashion-mnist (downloaded if missing) or the path of a folder: images, or MNIST's
    train-images-idx3-ubyte, compressed as .gz or not."""
    epochs: int = 200
    decay_epochs: int = 0
    batch_size: int = 64
    snapshot_epochs: tuple[int, ...] = tuple(range(20, 201, 20))
    generator: GeneratorConfig = field(
        default_factory=lambda: GeneratorConfig(
            architecture="mlp", width=128, norm="batch", in_channels=100, out_channels=1, activation="leaky_relu"
        )
    )
    discriminator: DiscriminatorConfig = field(
        default_factory=lambda: DiscriminatorConfig(architecture="mlp", width=256, norm="none")
    )
    dataset_mode: Literal["single"] = "single"
    """single: one domain of images."""
    gan_mode: GanMode = "vanilla"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, GAN_RULES)


MethodConfig = CycleGANConfig | Pix2PixConfig | GANConfig
Method = Literal["cyclegan", "pix2pix", "gan"]
METHODS: dict[Method, type[MethodConfig]] = {"cyclegan": CycleGANConfig, "pix2pix": Pix2PixConfig, "gan": GANConfig}


def method_of(config: MethodConfig) -> Method:
    """Return the method of a configuration."""
    return next(name for name, kind in METHODS.items() if isinstance(config, kind))
