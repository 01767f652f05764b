"""What a run is trained with: one frozen dataclass per method, its defaults the paper's, as JSON in `run.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from math import inf
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

GeneratorName = Literal["resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128", "mlp"]
DiscriminatorName = Literal["basic", "n_layers", "pixel", "mlp"]
Norm = Literal["instance", "batch", "none"]
Activation = Literal["relu", "leaky_relu"]
Upsample = Literal["transposed", "resize"]
Bias = Literal["reference", "none"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal"]
GanMode = Literal["lsgan", "vanilla", "wgangp"]
PoolMode = Literal["replace", "both"]
Palette = Literal["facades", "cmp_base"]
Augmentation = Literal["color", "translation", "cutout"]
LrPolicy = Literal["linear", "step", "plateau", "cosine"]
Direction = Literal["ab", "ba"]
Domain = Literal["a", "b"]
DatasetMode = Literal["unaligned", "aligned", "single", "colorization"]
Precision = Literal["auto", "fp32", "bf16"]
Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]

SNAPSHOT_EPOCHS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200)
MOST_EPOCHS, MOST_SNAPSHOT_EPOCHS = 10**6, 1000


class ConfigError(ValueError):
    """A setting that cannot work: the message holds value, limit and remedy."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _require_use(config: Any, name: str, used: bool, user: str) -> None:
    """Refuse an option that has been set and that nothing would look at: whoever sets it expects it to do something."""
    value = getattr(config, name)
    default = next(each.default for each in fields(config) if each.name == name)
    option = f"--{name.replace('_', '-')}"
    _require(used or value == default, f"{name} is {value}, but only {user} uses it; leave {option} out")


@dataclass(frozen=True)
class GeneratorConfig:
    """The network that translates; stored beside its weights as `config.json`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    architecture: GeneratorName = "resnet_9blocks"
    """Network family and depth. resnet works at any multiple of 4 pixels (the paper takes 6 blocks for images of
    128 pixels, 9 from 256 on), unet_N at multiples of N; mlp makes images from noise, for the gan method alone."""
    width: int = 64
    """Channels of the first convolution; half the width is a quarter of the size and about 3x faster."""
    norm: Norm = "instance"
    """Normalisation layer."""
    dropout: bool = False
    """Dropout 0.5 in the residual blocks, or in the inner levels of a U-Net: three of unet_256, two of unet_128."""
    in_channels: int = 3
    """Channels of what it translates: 3 for colour, 1 for grey. CycleGAN's way back has the two exchanged."""
    out_channels: int = 3
    """Channels of what it makes: 3 for colour, 1 for grey, 2 for colorization."""
    activation: Activation = "relu"
    """leaky_relu (slope 0.2) in the place of every ReLU lets gradients through where a unit is off."""
    upsample: Upsample = "transposed"
    """How a map is doubled: transposed convolution, or resize (nearest) and a 3x3 convolution, which leaves no
    checkerboard (Odena et al. 2016, doi:10.23915/distill.00003)."""
    bias: Bias = "reference"
    """Biases of the convolutions that a norm follows: as the reference has them, or none, since an instance norm
    takes them away again."""
    classes: Palette | None = None
    """Make label maps in the colours of this palette: the last layer tells how likely each class is. None makes images
    of any colours, as CycleGAN's way back always does."""

    def __post_init__(self) -> None:
        _require(1 <= self.width <= 256, f"generator width is {self.width}; it must be 1 to 256 channels")
        mlp = self.architecture == "mlp"
        _require(
            1 <= self.in_channels <= (1024 if mlp else 3),
            f"generator in_channels is {self.in_channels}; it must be 1 to 3, for an mlp 1 to 1024 values of noise",
        )
        _require(1 <= self.out_channels <= 3, f"generator out_channels is {self.out_channels}; it must be 1 to 3")
        _require(
            self.classes is None or self.out_channels == 3,
            f"generator classes is {self.classes}, whose label maps have 3 channels, not {self.out_channels}; use "
            "--generator.out-channels 3, or leave --generator.classes out",
        )
        _require(self.classes is None or not mlp, "an mlp generator makes no label maps; leave --generator.classes out")
        _require(
            not mlp or (self.upsample == "transposed" and self.norm != "instance"),
            "an mlp generator has no maps: it takes no instance norm and nothing to upsample; use --generator.norm "
            "batch or none",
        )
        _require(
            not mlp or (not self.dropout and self.bias == "reference"),
            "an mlp generator has neither dropout nor a choice of biases; leave --generator.dropout and "
            "--generator.bias out",
        )

    @property
    def norm_bias(self) -> bool:
        """Whether a layer that a norm follows has a bias: where nothing follows it must have one, and the reference
        leaves it out before batch norm alone."""
        return self.norm == "none" or (self.bias == "reference" and self.norm != "batch")


def reversed_way(config: GeneratorConfig) -> GeneratorConfig:
    """The generator of CycleGAN's way back."""
    return replace(config, in_channels=config.out_channels, out_channels=config.in_channels, classes=None)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The network that judges patches of an image."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    architecture: DiscriminatorName = "basic"
    """basic: the 70x70 PatchGAN; n_layers: a PatchGAN of `layers` layers; pixel: each pixel on its own (1x1);
    mlp: the whole image at once, for the gan method alone."""
    width: int = 64
    """Channels of the first convolution."""
    norm: Norm = "instance"
    """Normalisation layer."""
    layers: int = 3
    """Halvings of an n_layers discriminator: 1 sees 16x16 pixels, 2 34x34, 3 70x70, 4 142x142."""
    spectral_norm: bool = False
    """Divide every layer's weights by their largest singular value (Miyato et al. 2018, arXiv:1802.05957), so that no
    layer can make much of little; norms stay."""

    def __post_init__(self) -> None:
        _require(1 <= self.layers <= 6, f"discriminator layers is {self.layers}; it must be 1 to 6")
        _require(
            self.architecture != "mlp" or self.norm == "none",
            f"an mlp discriminator has no {self.norm} norm; use --discriminator.norm none",
        )
        _require(
            self.architecture == "n_layers" or self.layers == 3,
            f"discriminator layers is {self.layers}, but {self.architecture} has no such choice; "
            "use --discriminator.architecture n_layers",
        )
        _require(1 <= self.width <= 256, f"discriminator width is {self.width}; it must be 1 to 256 channels")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What every method shares."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    dataset: str
    """A named dataset (facades, horse2zebra, ...: downloaded where missing), one of the Hugging Face Hub
    (hf:owner/name, with columns imageA and imageB; needs pip install -r requirements-datasets.txt), or the path of a
    folder: side-by-side pairs in train/, two folders trainA/ and trainB/, or photos and label maps of the same stem in
    one folder; for colorization, any colour images in train/ or the folder itself."""
    epochs: int = 100
    """Epochs at the full learning rate."""
    decay_epochs: int = 100
    """Further epochs, over which the linear policy lowers the learning rate towards zero."""
    batch_size: int = 1
    """Images (or pairs) a step, of all processes together."""
    learning_rate: float = 2e-4
    """Adam's step size."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates."""
    lr_policy: LrPolicy = "linear"
    """linear: constant for `epochs`, then falling to zero over `decay_epochs`; step: a tenth every `lr_step_epochs`;
    plateau: a fifth when the generators' losses have not fallen for more than 5 epochs; cosine: half a wave down
    over the whole training."""
    lr_step_epochs: int = 50
    """Epochs between two falls of the step policy."""
    init: Init = "normal"
    """Distribution of the initial weights."""
    init_gain: float = 0.02
    """Standard deviation of normal initial weights, scale of xavier and orthogonal ones."""
    init_from: str | None = None
    """Begin with the newest generators, and discriminators where they are there, of this run: the path of its folder,
    or its repository on the Hub, owner/name. The optimisers begin anew, and so does what the run lacks."""
    first_epoch: int = 1
    """Epoch to begin with, in which `epochs` and all others are counted: one after the last that `init_from` kept. Its
    epochs are then the new run's own, for one slider through both. 1: the new run has no others."""
    serial: bool = False
    """Take the images in the order of their names, not in a new random order every epoch."""
    max_images: int | None = None
    """Train on this many images of each domain at most, the first by name."""
    snapshot_epochs: tuple[int, ...] = SNAPSHOT_EPOCHS
    """Epochs whose generators are kept for the slider; the last epoch is always kept."""
    snapshot_every: int = 0
    """Keep every so many epochs' generators as well; 0 keeps snapshot_epochs alone."""
    sample_every: int = 1
    """Translate the fixed sample inputs every so many epochs; the last epoch is always shown."""
    checkpoint_steps: int = 0
    """Save the state to go on from every so many steps, besides after every epoch; 0 only then."""
    lambda_penalty: float = 10.0
    """Weight of wgangp's gradient penalty."""
    max_gradient: float = 1e3
    """Norm, as a multiple of the largest loss weight, from which on a player's gradient counts as zero: a crop of one
    flat colour can blow it up past all norm layers, and would spoil Adam's averages for ever. The papers' settings
    stay below 30; with inf only gradients that are not finite count as zero."""
    critic_steps: int = 1
    """Steps of the discriminators for each step of the generators; wgangp's paper takes 5."""
    ema_half_life: int = 0
    """Half-life, in images, of the moving average of the generators' weights, with which samples and snapshots are then
    made; it is at most a twentieth of the images seen. 0 takes the weights as they are."""
    precision: Precision = "auto"
    """auto: bf16 where the device gains by it; fp32; bf16."""
    compile: bool = False
    """Compile the networks with torch.compile: a minute at the start, faster steps on a GPU."""
    seed: int = 0
    """Seed of the initial weights, the order, the augmentation, dropout and the image pools."""

    @property
    def gradient_limit(self) -> float:
        """Norm from which on a player's gradient counts as zero."""
        weights = [float(value) for name, value in vars(self).items() if name.startswith("lambda_")]
        return self.max_gradient * max(1.0, *weights)

    @property
    def total_epochs(self) -> int:
        return self.epochs + self.decay_epochs

    @property
    def own_epochs(self) -> int:
        """How many are trained, without those before `first_epoch`."""
        return self.total_epochs - self.first_epoch + 1

    @property
    def first_snapshot(self) -> int:
        """The first epoch (1-based) whose generators are kept."""
        return min(epoch for epoch in (self.snapshot_every, *self.snapshot_epochs, self.total_epochs) if epoch)

    def keeps_snapshot(self, epoch: int) -> bool:
        """Whether the generators of this epoch (1-based) are kept."""
        every = self.snapshot_every and epoch % self.snapshot_every == 0
        return bool(every) or epoch in self.snapshot_epochs or epoch == self.total_epochs

    def shows_samples(self, epoch: int) -> bool:
        """Whether the sample inputs are translated after this epoch (1-based)."""
        return epoch % self.sample_every == 0 or epoch == self.total_epochs

    def __post_init__(self) -> None:
        _require(bool(self.dataset), "dataset is empty; give a name such as facades, or the path of a folder")
        _require(self.epochs >= 0, f"epochs is {self.epochs}; it must be 0 or more")
        _require(self.decay_epochs >= 0, f"decay_epochs is {self.decay_epochs}; it must be 0 or more")
        _require(
            1 <= self.total_epochs <= MOST_EPOCHS,
            f"epochs + decay_epochs is {self.total_epochs}; train for 1 epoch or more, {MOST_EPOCHS} at most",
        )
        _require(self.batch_size >= 1, f"batch_size is {self.batch_size}; it must be 1 or more")
        _require(0 < self.learning_rate < inf, f"learning_rate is {self.learning_rate}; it must be above 0 and finite")
        _require(all(0 <= beta < 1 for beta in self.betas), f"betas are {self.betas}; both must be in [0, 1)")
        _require(0 < self.init_gain < inf, f"init_gain is {self.init_gain}; it must be above 0 and finite")
        for name in ("lr_step_epochs", "sample_every", "critic_steps"):
            value = getattr(self, name)
            _require(value >= 1, f"{name} is {value}; it must be 1 or more")
        for name in ("snapshot_every", "checkpoint_steps", "ema_half_life"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} is {value}; it must be 0 (off) or more")
        _require(
            self.max_images is None or self.max_images >= 1, f"max_images is {self.max_images}; it must be 1 or more"
        )
        _require_weights(self, "lambda_penalty")
        _require_use(self, "lr_step_epochs", self.lr_policy == "step", "lr_policy step")
        _require_use(self, "init_gain", self.init != "kaiming", "init normal, xavier or orthogonal")
        _require(self.max_gradient > 0, f"max_gradient is {self.max_gradient}; it must be above 0 (inf: no limit)")
        _require(
            len(self.snapshot_epochs) <= MOST_SNAPSHOT_EPOCHS,
            f"snapshot_epochs are {len(self.snapshot_epochs)}; name {MOST_SNAPSHOT_EPOCHS} at most, or use "
            "--snapshot-every",
        )
        _require(
            all(epoch >= 1 for epoch in self.snapshot_epochs),
            f"snapshot_epochs are {self.snapshot_epochs}; epochs count from 1",
        )
        _require(
            1 <= self.first_epoch <= self.total_epochs,
            f"first_epoch is {self.first_epoch}; it must be 1, or an epoch up to the last, {self.total_epochs}, which "
            "epochs and decay_epochs add up to",
        )
        _require_use(self, "first_epoch", self.init_from is not None, "init_from")
        _require(self.init_from != "", "init_from is empty; give the path of a run, or owner/name")
        _require(self.seed >= 0, f"seed is {self.seed}; it must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(TrainingConfig):
    """What the methods share that translate images."""

    preprocess: Preprocess = "resize_and_crop"
    """resize_and_crop: resize to load_size squared, then crop; crop: crop at the image's own scale; scale_width:
    resize to the width load_size, keeping the ratio; scale_width_and_crop: the same, then crop; none: the image's own
    scale. Where nothing is cropped, both sides are rounded to the generator's multiple, and batches of several images
    need images of one size."""
    load_size: int = 286
    """Side in pixels to which images are resized before the crop; the width for scale_width."""
    crop_size: int = 256
    """Side in pixels of the random crop that is trained on."""
    zoom: float = 1.0
    """Crop a square that is smaller by a random factor of up to this, and enlarge it to crop_size."""
    flip: bool = True
    """Mirror half of the images left to right."""
    augment: tuple[Augmentation, ...] = ()
    """Random changes to all that the discriminators see, real or made (Zhao et al. 2020, arXiv:2006.10738), against
    learning few images by heart: color, translation, cutout. Nothing leaves it as it is."""
    lambda_edges: float = 0.0
    """Weight with which the discriminator of `edges_domain` sees real images with smoothed edges as fake (CartoonGAN,
    Chen et al. 2018, equation 3: 1); 0 turns it off."""
    edges_domain: Domain = "b"
    """The domain whose edges are to stay sharp: the cartoons."""
    lambda_palette: float = 0.0
    """Weight of a loss of the classes of made label maps (domain b): pix2pix's against the true maps, CycleGAN's where
    labels are translated and back. It is the cross entropy of what generator.classes makes of them, else the expected
    share of pixels in a wrong class's colour. 0 turns it off."""
    palette: Palette = "facades"
    """The colours of the classes, where generator.classes does not say them: those of the facades of pix2pix, or of the
    CMP database itself."""

    @property
    def crops(self) -> bool:
        """Whether all training images have the size of the crop."""
        return "crop" in self.preprocess

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.crop_size >= 16, f"crop_size is {self.crop_size}; it must be 16 pixels or more")
        _require(self.load_size >= 16, f"load_size is {self.load_size}; it must be 16 pixels or more")
        _require(
            "and_crop" not in self.preprocess or self.load_size >= self.crop_size,
            f"load_size {self.load_size} is smaller than crop_size {self.crop_size}; "
            "raise --load-size or lower --crop-size",
        )
        _require(1 <= self.zoom <= 10, f"zoom is {self.zoom}; it must be 1 (none) to 10")
        _require(
            len(set(self.augment)) == len(self.augment),
            f"augment is {' '.join(self.augment)}; each augmentation is named once",
        )
        _require_weights(self, "lambda_edges", "lambda_palette")
        resizes = self.preprocess not in ("crop", "none")
        _require_use(self, "load_size", resizes, "preprocess resize_and_crop, scale_width or scale_width_and_crop")
        for name in ("crop_size", "zoom"):
            _require_use(self, name, self.crops, "preprocess resize_and_crop, crop or scale_width_and_crop")
        _require_use(self, "edges_domain", self.lambda_edges > 0, "lambda_edges above 0")


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig(TranslationConfig):
    """CycleGAN (Zhu et al. 2017, arXiv:1703.10593): learns both directions from unpaired images."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    dataset_mode: DatasetMode = "unaligned"
    """unaligned: every image meets a random one of the other domain; aligned: its own partner, in the same crop."""
    gan_mode: GanMode = "lsgan"
    """Adversarial loss: lsgan (least squares), vanilla (cross entropy) or wgangp (Wasserstein, gradient penalty)."""
    lambda_cycle: float = 10.0
    """Weight of the cycle loss |F(G(x)) - x|."""
    lambda_identity: float = 0.5
    """Weight of the identity loss |G(y) - y|, as a share of lambda_cycle: 0.5 of 10 weighs 5. 0 turns it off."""
    cycle_noise: float = 0.0
    """Standard deviation of noise on a translation before it is translated back, of pixels in [-1, 1], so that no
    image is hidden in it for the way back (Bashkirova et al. 2019, arXiv:1908.01517); 0 turns it off. Photos that teach
    (labels_only_from) have noise of their own."""
    labels_only_from: int = 0
    """Epoch from which on label maps alone are learned, and what makes and judges photos rests: photos made of label
    maps teach their classes, with the cycle loss and lambda_palette's, which counts from then on, in other colours and
    another light, drawn at random, and with noise; label maps made of real photos are judged, but not translated back.
    Classes are then told by shapes, and not by the few colours that the generator gives its photos, or by what it hides
    in them. 0: never, and lambda_palette counts from the beginning."""
    average: bool = False
    """Average the two directions' cycle and identity losses, as some tutorials do, where the paper adds them."""
    pool_size: int = 50
    """Translations remembered for the discriminators; 0 turns the image pool off."""
    pool_mode: PoolMode = "replace"
    """replace: a discriminator sees an old translation in place of half of the current ones (the paper's); both: it
    sees the current one and an old one."""

    @property
    def rests_from_the_beginning(self) -> bool:
        """Whether what makes photos is never moved: it is to come with `init_from`."""
        return 0 < self.labels_only_from <= self.first_epoch

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_networks(self, self.generator, self.discriminator, self.gan_mode)
        _require(
            self.dataset_mode in ("unaligned", "aligned"),
            f"CycleGAN cannot train on dataset_mode {self.dataset_mode}: it needs two domains of images, "
            "unaligned or aligned",
        )
        _require(
            2 not in (self.generator.in_channels, self.generator.out_channels),
            f"the generator has {self.generator.in_channels} and {self.generator.out_channels} channels; images have 1 "
            "or 3",
        )
        _require_weights(self, "lambda_cycle", "lambda_identity", "pool_size")
        _require(0 <= self.cycle_noise <= 1, f"cycle_noise is {self.cycle_noise}; it must be 0 (none) to 1")
        goes_back = self.lambda_cycle > 0 or (self.lambda_palette > 0 and not self.labels_only_from)
        user = "lambda_cycle above 0, or lambda_palette above 0 without labels_only_from,"
        _require_use(self, "cycle_noise", goes_back, user)
        _require(
            not self.cycle_noise or not self.rests_from_the_beginning,
            f"cycle_noise is {self.cycle_noise}, but labels_only_from is {self.labels_only_from}, from the beginning: "
            "nothing is translated back then; leave --cycle-noise out",
        )
        _require_use(self, "labels_only_from", self.lambda_palette > 0, "lambda_palette above 0")
        _require(
            not self.rests_from_the_beginning or not self.lambda_edges or self.edges_domain == "b",
            f"edges_domain is a, but labels_only_from is {self.labels_only_from}: what judges photos rests from the "
            "beginning; use --edges-domain b, or leave --lambda-edges out",
        )
        _require(
            0 <= self.labels_only_from <= self.total_epochs,
            f"labels_only_from is {self.labels_only_from}; it must be 0 (never), or an epoch up to the last, "
            f"{self.total_epochs}",
        )
        _require(
            self.labels_only_from <= self.first_epoch or self.lr_policy != "plateau",
            f"labels_only_from {self.labels_only_from} changes the losses that lr_policy plateau follows; use another "
            "--lr-policy",
        )
        _require(
            not self.labels_only_from or self.generator.in_channels == 3,
            f"labels_only_from changes colours, but images of domain a have {self.generator.in_channels} channel",
        )
        _require(
            not self.lambda_palette or self.generator.out_channels == 3,
            f"a palette has colours, but the generator makes {self.generator.out_channels} channel; use "
            "--generator.out-channels 3, or --lambda-palette 0",
        )
        _require(
            self.pool_mode != "both" or self.pool_size > 0,
            "pool_mode both shows a translation from the image pool, but pool_size is 0; use --pool-size 50, or "
            "--pool-mode replace",
        )
        _require(
            not self.lambda_identity or self.generator.in_channels == self.generator.out_channels,
            f"the identity loss needs domains of equal channels, not {self.generator.in_channels} and "
            f"{self.generator.out_channels}; use --lambda-identity 0",
        )


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig(TranslationConfig):
    """pix2pix (Isola et al. 2017, arXiv:1611.07004): learns one direction from aligned pairs."""

    generator: GeneratorConfig = field(
        default_factory=lambda: GeneratorConfig(architecture="unet_256", norm="batch", dropout=True)
    )
    discriminator: DiscriminatorConfig = field(default_factory=lambda: DiscriminatorConfig(norm="batch"))
    dataset_mode: DatasetMode = "aligned"
    """aligned: pairs; colorization: folders of colour images, whose lightness is translated to their colour."""
    direction: Direction = "ba"
    """ba translates domain b to domain a (facades: labels -> photo); ab the other way."""
    gan_mode: GanMode = "vanilla"
    """Adversarial loss: lsgan (least squares), vanilla (cross entropy) or wgangp (Wasserstein, gradient penalty)."""
    jitter: float = 0.0
    """Change brightness, contrast and saturation of the images that are translated by up to this share. Meant for
    photos (facades: direction ab): it would change the colours of label maps."""
    lambda_l1: float = 100.0
    """Weight of the L1 distance to the true image."""
    lambda_features: float = 0.0
    """Weight of the L1 distance to the true image in what each hidden layer of the discriminator makes of the two
    (pix2pixHD, Wang et al. 2018, arXiv:1711.11585, equation 4, which takes 10); 0 turns it off."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(
            self.generator.classes is None or self.direction == "ab",
            f"generator classes is {self.generator.classes}, but direction {self.direction} makes no label maps; use "
            "--direction ab, photo to labels, or leave --generator.classes out",
        )
        _check_networks(self, self.generator, self.discriminator, self.gan_mode)
        _require(
            self.dataset_mode in ("aligned", "colorization"),
            f"pix2pix cannot train on dataset_mode {self.dataset_mode}: it needs the true image of every input; "
            "use aligned or colorization, or train CycleGAN",
        )
        _require_weights(self, "lambda_l1", "lambda_features")
        _require(0 <= self.jitter < 1, f"jitter is {self.jitter}; it must be 0 (none) or more, and less than 1")
        colorizes = self.dataset_mode == "colorization"
        channels = (self.generator.in_channels, self.generator.out_channels)
        _require(
            not colorizes or (channels == (1, 2) and self.direction == "ab" and not self.lambda_edges),
            "colorization translates lightness (1 channel) to colour (2): use --direction ab --generator.in-channels 1 "
            "--generator.out-channels 2, without --lambda-edges",
        )
        _require(
            not colorizes or "color" not in self.augment,
            "augmenting by color changes what colorization is judged by; use --augment translation cutout",
        )
        _require_use(self, "jitter", not colorizes, "dataset_mode aligned")
        _require(colorizes or 2 not in channels, f"the generator has {channels} channels; images have 1 or 3")
        _require(
            not self.lambda_palette or (self.direction == "ab" and channels[1] == 3),
            "a palette is that of label maps in colour: use --direction ab, photo to labels, and "
            "--generator.out-channels 3, or --lambda-palette 0",
        )
        _require(
            not self.lambda_edges or self.edges_domain == self.direction[1],
            f"edges_domain is {self.edges_domain}, but direction {self.direction} makes images of the other domain; "
            f"use --edges-domain {self.direction[1]}",
        )


@dataclass(frozen=True, kw_only=True)
class GANConfig(TrainingConfig):
    """A plain GAN (Goodfellow et al. 2014, arXiv:1406.2661): makes images from noise."""

    dataset: str = "fashion-mnist"
    """fashion-mnist (downloaded where it is missing) or the path of a folder: images, or MNIST's
    train-images-idx3-ubyte, packed as .gz or not."""
    epochs: int = 200
    decay_epochs: int = 0
    batch_size: int = 64
    snapshot_every: int = 20
    sample_every: int = 20
    generator: GeneratorConfig = field(
        default_factory=lambda: GeneratorConfig(
            architecture="mlp", width=128, norm="batch", in_channels=100, out_channels=1, activation="leaky_relu"
        )
    )
    discriminator: DiscriminatorConfig = field(
        default_factory=lambda: DiscriminatorConfig(architecture="mlp", width=256, norm="none")
    )
    dataset_mode: DatasetMode = "single"
    """single: one domain of images."""
    gan_mode: GanMode = "vanilla"
    """Adversarial loss: vanilla (cross entropy), lsgan (least squares) or wgangp (Wasserstein, gradient penalty)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(
            self.generator.architecture == self.discriminator.architecture == "mlp",
            f"the gan method trains mlp networks, not {self.generator.architecture} and "
            f"{self.discriminator.architecture}",
        )
        _require(self.dataset_mode == "single", f"the gan method takes dataset_mode single, not {self.dataset_mode}")
        _require(
            self.generator.out_channels != 2,
            "generator out_channels is 2, but pictures have 1 (grey) or 3; use --generator.out-channels 1",
        )
        _require(
            self.batch_size >= 2 or self.generator.norm != "batch",
            f"batch_size is {self.batch_size}; batch norm needs 2 images or more: raise --batch-size, or use "
            "--generator.norm none",
        )
        _check_critic(self, self.discriminator, self.gan_mode)


MethodConfig = CycleGANConfig | Pix2PixConfig | GANConfig
Method = Literal["cyclegan", "pix2pix", "gan"]
METHODS: dict[Method, type[MethodConfig]] = {"cyclegan": CycleGANConfig, "pix2pix": Pix2PixConfig, "gan": GANConfig}

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


def palette_of(config: CycleGANConfig | Pix2PixConfig) -> Palette:
    """The colours of the label maps whose classes a loss counts."""
    return config.generator.classes or config.palette


def smallest_judged(discriminator: DiscriminatorConfig) -> int:
    """Pixels that both sides of an image must have at least for a discriminator of images."""
    return 1 if discriminator.architecture == "pixel" else 3 * 2**discriminator.layers


def _check_networks(
    config: TranslationConfig, generator: GeneratorConfig, discriminator: DiscriminatorConfig, mode: GanMode
) -> None:
    for what, architecture in (("generator", generator.architecture), ("discriminator", discriminator.architecture)):
        _require(architecture != "mlp", f"an mlp {what} does not see images; it is for the gan method alone")
    multiple = SIZE_MULTIPLE[generator.architecture]
    _require(
        not config.crops or config.crop_size % multiple == 0,
        f"crop_size is {config.crop_size}; {generator.architecture} needs a multiple of {multiple}",
    )
    smallest = smallest_judged(discriminator)
    _require(
        not config.crops or config.crop_size >= smallest,
        f"crop_size is {config.crop_size}, but a discriminator of {discriminator.layers} layers needs {smallest} "
        "pixels or more; raise --crop-size, or use --discriminator.architecture n_layers with fewer "
        "--discriminator.layers",
    )
    _require(
        generator.classes is None or config.lambda_palette > 0,
        f"generator classes is {generator.classes}, but nothing teaches them: a class's colour can be mixed of others, "
        "too; use --lambda-palette 100, or leave --generator.classes out",
    )
    reads_colours = config.lambda_palette > 0 and generator.classes is None
    _require_use(config, "palette", reads_colours, "lambda_palette above 0 without generator.classes")
    _check_critic(config, discriminator, mode)


def _check_critic(config: TrainingConfig, discriminator: DiscriminatorConfig, mode: GanMode) -> None:
    wasserstein = mode == "wgangp"
    _require_use(config, "lambda_penalty", wasserstein, "gan_mode wgangp")
    _require(
        not wasserstein or discriminator.norm != "batch",
        "wgangp's penalty is per image, which batch norm in the critic contradicts (Gulrajani et al. 2017, section 4); "
        "use --discriminator.norm instance or none",
    )
    _require(
        wasserstein or config.critic_steps == 1,
        f"critic_steps is {config.critic_steps}, but {mode} trains both players in turn; use --gan-mode wgangp",
    )


def _require_weights(config: TrainingConfig, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        _require(0 <= value < inf, f"{name} is {value}; it must be 0 or more, and finite")


T = TypeVar("T")


def to_json(value: Any) -> str:
    """A configuration dataclass as indented JSON text, ending in a newline."""
    return json.dumps(asdict(value), indent=2) + "\n"


def from_json(kind: type[T], text: str | bytes, source: str) -> T:
    """The dataclass that the JSON text describes, strict on types and unknown keys.

    Raises ConfigError, naming source and key, where the text is no JSON or does not fit.
    """
    try:
        return _adapter(kind).validate_json(text, strict=True)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{source} is not valid: {key}: {first['msg']}") from None


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Return the reader of a dataclass: making one takes ten times longer than reading with it."""
    return TypeAdapter(kind)
