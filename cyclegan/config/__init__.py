"""Configuration of networks and methods: typed options, their defaults the papers', checked by tables of rules."""

from cyclegan.config.checks import ConfigError
from cyclegan.config.methods import (
    METHODS, SNAPSHOT_EPOCHS, Augmentation, CycleGANConfig, DatasetMode, Direction, Domain, GANConfig, GanMode, Init,
    LrPolicy, Method, MethodConfig, Pix2PixConfig, PoolMode, Precision, Preprocess, TrainingConfig, TranslationConfig,
    method_of,
)  # fmt: skip
from cyclegan.config.networks import (
    SIZE_MULTIPLE, SMALLEST_SIZE, Activation, Bias, DiscriminatorConfig, DiscriminatorName, GeneratorConfig,
    GeneratorName, Norm, Palette, Upsample, reversed_way, smallest_judged,
)  # fmt: skip
from cyclegan.config.storage import from_json, to_json
