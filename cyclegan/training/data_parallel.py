"""Data parallel training: several processes train as one would with the whole batch, with equal weights and draws.

Each process computes its rows of every batch (`distributed.own_rows`), and does all else as one process would: the same
weights from the same seed, the same updates, the same random state, whose draws are those of the whole batch. So the
state of the first process is the checkpoint, from which any number of processes can resume.

Gradients are summed before each optimizer step, in one flat tensor, not by DistributedDataParallel. Its hooks expect
one forward and one backward pass of all its weights, but here a generator runs several times before a backward pass,
generators and discriminators are frozen in turn, and a penalty is differentiated twice. It also weights processes
evenly, but the last batch of an epoch may not divide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import ConfigError, MethodConfig
from cyclegan.runtime import distributed

_batch = SimpleNamespace(rows=None)
"""The rows of the batch in work, of all processes together; None in one that is alone."""


def check_processes(config: MethodConfig, *, compiled: bool = False) -> None:
    """Raise ConfigError where the processes cannot share the work."""
    processes = distributed.size()
    if config.batch_size < processes:
        raise ConfigError(
            f"batch_size is {config.batch_size}, but {processes} processes share every batch, an image or more each; "
            f"use --batch-size {processes} or more, or start fewer processes"
        )
    shared = "batch" in (config.generator.norm, config.discriminator.norm) or config.generator.dropout
    if compiled and processes > 1 and shared:
        raise ConfigError(
            "compile is on, but batch norm and dropout, which several processes share, are not compiled; leave "
            "--compile out, or use instance norm without dropout"
        )


def check_equal(network: nn.Module, *facts: object) -> None:
    """Raise ConfigError where the processes differ in weights, random state or what else they begin with: they would
    train apart, and nothing would show it."""
    if distributed.size() == 1:
        return
    digest = hashlib.sha256(repr(facts).encode())
    for tensor in (*network.state_dict().values(), torch.get_rng_state()):
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    digests = distributed.exchanged(digest.hexdigest())
    apart = [str(process) for process, each in enumerate(digests) if each != digests[0]]
    if apart:
        raise ConfigError(
            f"of {len(digests)} processes, {', '.join(apart)} do not begin with the images and weights of process 0; "
            "give all machines the same dataset, the same folder of the run, and the same versions of the program"
        )


def begin_batch(rows: int) -> None:
    """Say how many rows the batch has that the processes compute next."""
    _batch.rows = rows if distributed.size() > 1 else None


def weighted(means: dict[str, Tensor]) -> dict[str, Tensor]:
    """Means over this process's rows as parts of those over all rows: the processes' parts add up to them."""
    if _batch.rows is None:
        return means
    weight = distributed.own_weight(_batch.rows)
    return {name: weight * mean for name, mean in means.items()}


def draw(rows: int, make: Callable[[int], Tensor]) -> Tensor:
    """Random values [rows, ...] for this process's rows, of those that `make` draws for all of a batch.

    Where a network gets several batches at once, one after the other, `rows` is a multiple of this process's.
    """
    if _batch.rows is None:
        return make(rows)
    own = range(_batch.rows)[distributed.own_rows(_batch.rows)]
    batches = rows // len(own)
    whole = make(batches * _batch.rows)
    return whole.unflatten(0, (batches, _batch.rows))[:, own.start : own.stop].flatten(0, 1)


def all_rows(own: Tensor) -> Tensor:
    """The images [N, C, H, W] of all processes, from this one's, in the same order of memory."""
    if _batch.rows is None:
        return own
    channels_last = own.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return distributed.all_rows(own, _batch.rows).contiguous(memory_format=layout)


def own_rows(whole: Tensor) -> Tensor:
    """This process's rows of what all have."""
    return whole if _batch.rows is None else whole[distributed.own_rows(_batch.rows)]


def parallelize(network: nn.Module) -> None:
    """Replace, in place, the layers that look at a batch as a whole, or draw for it, by layers over all processes of
    the same state-dict keys."""
    if distributed.size() == 1:
        return
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Dropout | nn.BatchNorm1d | nn.BatchNorm2d):
            parent, _, child = name.rpartition(".")
            parallel = ParallelDropout(module.p) if isinstance(module, nn.Dropout) else ParallelBatchNorm(module)
            setattr(network.get_submodule(parent), child, parallel)


class ParallelDropout(nn.Dropout):
    """Dropout whose mask is drawn for the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        # Masks are drawn in the order of memory: in that of the values, as one process has them.
        order = sorted(range(1, x.ndim), key=x.stride, reverse=True)
        shape = [x.shape[dim] for dim in order]
        mask = draw(len(x), lambda rows: F.dropout(x.new_ones(rows, *shape), self.p))
        return x * mask.permute(0, *(order.index(dim) + 1 for dim in range(1, x.ndim)))


class ParallelBatchNorm(nn.BatchNorm2d):
    """Normalise by the mean and variance of the whole batch (Ioffe & Szegedy 2015, arXiv:1502.03167), of maps
    [N, C, H, W] or values [N, C].

    `nn.SyncBatchNorm` does the same, but on GPUs alone.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.load_state_dict(norm.state_dict(), assign=True)

    def forward(self, x: Tensor) -> Tensor:
        momentum, statistics = cast(float, self.momentum), (self.running_mean, self.running_var)
        if not self.training or _batch.rows is None:
            return F.batch_norm(x, *statistics, self.weight, self.bias, self.training, momentum, self.eps)
        dims, across = [0, *range(2, x.ndim)], (-1, *[1] * (x.ndim - 2))
        share = distributed.own_weight(_batch.rows)
        with torch.autocast(x.device.type, enabled=False):
            wide = x if x.dtype == torch.float64 else x.float()
            mean = _Sum.apply(share * wide.mean(dims))
            centred = wide - mean.view(across)
            variance = _Sum.apply(share * centred.square().mean(dims))
            scale = self.weight * torch.rsqrt(variance + self.eps)
            normed = centred * scale.view(across) + self.bias.view(across)
        values = _batch.rows * x[0, 0].numel()
        for name, new in (("running_mean", mean), ("running_var", variance * (values / (values - 1)))):
            self.get_buffer(name).lerp_(new.detach(), momentum)
        self.get_buffer("num_batches_tracked").add_(1)
        return normed.to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over the processes; what comes back from any of them is for all."""

    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        return distributed.add_up(own.clone())

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return distributed.add_up(gradients[0].clone())
