"""Backward passes and optimizer steps of generators and discriminators, in one process or several."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cyclegan.config import MethodConfig
from cyclegan.runtime import distributed
from cyclegan.training.data_parallel import weighted

NAMES = ("generators", "discriminators")
PROJECTED_BETAS = (0.0, 0.99)
"""Adam's decay rates for a projected discriminator: Karras et al. 2018 (arXiv:1710.10196), appendix A.1."""


class Updates:
    """The optimizers of an objective's generators and discriminators (Adam).

    A step whose gradient is not finite, or beyond `config.gradient_limit`, is skipped: its gradient counts as zero, so
    that only Adam's momentum moves the weights. A crop of one flat colour can blow a gradient up past all norm layers,
    and would spoil Adam's averages for ever.
    """

    def __init__(
        self, objective: nn.Module, config: MethodConfig, *, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.device, self.dtype, self.limit = device, dtype, config.gradient_limit
        self.networks = {name: objective.get_submodule(name) for name in NAMES}
        projected = config.discriminator.architecture == "projected"
        betas = {"generators": config.betas, "discriminators": PROJECTED_BETAS if projected else config.betas}
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), betas=betas[name], fused=True)
            for name, network in self.networks.items()
        }
        self.pace = (config.discriminator_learning_rate or config.learning_rate) / config.learning_rate
        """Learning rate of the discriminators, as a multiple of the generators'."""
        self.set_learning_rate(config.learning_rate)
        self.skipped = torch.zeros((), dtype=torch.int64, device=device)
        """Steps skipped since the last look; on the device, so that no step waits for it."""

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of the generators, and with it that of the discriminators."""
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate * self.pace if name == "discriminators" else rate

    def autocast(self) -> torch.autocast:
        """Return the context of the losses; gradients are computed outside of it."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def freeze_all_but(self, updated: str) -> None:
        """Compute gradients for the generators, or the discriminators, alone."""
        for name, network in self.networks.items():
            network.requires_grad_(name == updated)

    def unfreeze(self) -> None:
        for network in self.networks.values():
            network.requires_grad_(True)

    def backward(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add the gradients of the sum of the terms; return the terms without their graph."""
        terms = weighted(terms)
        torch.stack(list(terms.values())).sum().backward()
        return {name: term.detach() for name, term in terms.items()}

    def step(self, name: str) -> None:
        """Update the weights by the gradients of all processes, and drop these."""
        gradients = [weight.grad for weight in self.networks[name].parameters()]
        present = [gradient for gradient in gradients if gradient is not None]
        distributed.add_up_together(present)
        exploded = ~(torch.nn.utils.get_total_norm(present) < self.limit)
        self.skipped += exploded
        if self.device.type != "cpu" or exploded:
            for gradient in present:
                gradient.masked_fill_(exploded, 0.0)
        self.optimizers[name].step()
        self.optimizers[name].zero_grad(set_to_none=True)  # frees the memory for the next update
