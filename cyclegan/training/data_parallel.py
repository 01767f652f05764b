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
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import ConfigError, MethodConfig
from cyclegan.runtime import distributed


@dataclass
class _Batch:
    """The batch in work."""

    rows: int | None = None
    """Of all processes together; None in one that is alone."""


_batch = _Batch()


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
    """Replace the layers that look at a batch as a whole, or draw for it, by layers over all processes, in place.

    State-dict keys stay; an alone process keeps PyTorch's layers.
    """
    if distributed.size() == 1:
        return
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Dropout | nn.BatchNorm1d | nn.BatchNorm2d):
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, _over_processes(module))


def _over_processes(module: nn.Dropout | nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    if isinstance(module, nn.Dropout):
        return ParallelDropout(module.p)
    kind = ParallelBatchNorm1d if isinstance(module, nn.BatchNorm1d) else ParallelBatchNorm2d
    parallel = kind(module.num_features, module.eps, module.momentum)
    parallel.load_state_dict(module.state_dict(), assign=True)
    return parallel


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


class ParallelBatchNorm1d(nn.BatchNorm1d):
    """Batch norm with the statistics of the whole batch: see `_batch_norm`."""

    def forward(self, x: Tensor) -> Tensor:
        return _batch_norm(self, x) if self.training and _batch.rows is not None else super().forward(x)


class ParallelBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of the whole batch: see `_batch_norm`."""

    def forward(self, x: Tensor) -> Tensor:
        return _batch_norm(self, x) if self.training and _batch.rows is not None else super().forward(x)


def _batch_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Normalise by the mean and variance of the whole batch (Ioffe & Szegedy 2015, arXiv:1502.03167).

    `nn.SyncBatchNorm` does the same, but on GPUs alone.
    """
    rows = _batch.rows or len(x)
    dims, across = [0, *range(2, x.ndim)], (-1, *[1] * (x.ndim - 2))
    with torch.autocast(x.device.type, enabled=False):
        wide = x if x.dtype == torch.float64 else x.float()
        own = torch.stack(torch.var_mean(wide, dims, correction=0))
        places = own.new_zeros(distributed.size(), 1, 1)
        places[distributed.rank()] = 1
        variances, means = _Sum.apply(places * own).unbind(1)  # each process's
        weights = [distributed.own_weight(rows, process) for process in range(distributed.size())]
        shares = own.new_tensor(weights)[:, None]
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean).square())).sum(0)
        _update_statistics(norm, mean.detach(), variance.detach(), rows * x[0, 0].numel())
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        normed = (wide - mean.view(across)) * scale.view(across) + norm.bias.view(across)
    return normed.to(x.dtype)


def _update_statistics(norm: nn.Module, mean: Tensor, variance: Tensor, count: int) -> None:
    """Move the running statistics, as `nn.BatchNorm2d` does: with the unbiased variance of so many values."""
    statistics, momentum = dict(norm.named_buffers()), cast(float, norm.momentum)
    statistics["num_batches_tracked"].add_(1)
    statistics["running_mean"].lerp_(mean, momentum)
    statistics["running_var"].lerp_(variance * (count / (count - 1)), momentum)


class _Sum(torch.autograd.Function):
    """The sum over the processes; what comes back from any of them is for all."""

    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        return distributed.add_up(own.clone())

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return distributed.add_up(gradients[0].clone())
