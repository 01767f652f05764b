"""The objective of each method: its networks, its loss terms and its step; no optimizers."""

from __future__ import annotations

from cyclegan.config import CycleGANConfig, MethodConfig, Pix2PixConfig
from cyclegan.training.cyclegan import CycleGAN
from cyclegan.training.gan import GAN
from cyclegan.training.pix2pix import Pix2Pix

Objective = CycleGAN | Pix2Pix | GAN


def build_objective(config: MethodConfig) -> Objective:
    """Return the objective of a configuration, with weights from PyTorch's global random state."""
    if isinstance(config, CycleGANConfig):
        return CycleGAN(config)
    return Pix2Pix(config) if isinstance(config, Pix2PixConfig) else GAN(config)
