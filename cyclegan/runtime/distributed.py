"""Several processes that work as one: who is who, who has which share, and the few words that they exchange.

torchrun starts the processes, on one machine or several, and tells each its place by environment variables; Slurm's
srun and others do where they set the same ones. Without these variables a process is alone: then it has all there is
to do, and every function here gives back what it was given.

What is said here goes through gloo, over sockets and on the CPU: that a process died is known at once, by its closed
connection, and no GPU is waited for. Gradients on GPUs go through NCCL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from cyclegan.config import ConfigError

T = TypeVar("T")

TIMEOUT = timedelta(days=1)
"""Longest wait for a process that lives: it may download a dataset, or have the larger images of a folder."""


class LostError(RuntimeError):
    """Another process is gone, or does not answer: nothing more can be done together."""


@dataclass(frozen=True)
class Place:
    """Which of the processes this one is, of all and of those on its machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int


def place() -> Place:
    """The place that torchrun gave this process; the only one where nobody did."""
    names = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    return Place(*(int(os.environ.get(name, alone)) for name, alone in names.items()))


@contextmanager
def joined() -> Iterator[None]:
    """Meet the other processes, if there are any, and part from them at the end.

    Raises LostError, and ConfigError where torchrun is to start those of several machines anew and none would meet.
    """
    here = place()
    if here.size == 1:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with _answered():
        dist.init_process_group(backend, store=_store(here), rank=here.rank, world_size=here.size, timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def size() -> int:
    """Processes that have joined."""
    return dist.get_world_size() if _has_joined() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if _has_joined() else 0


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


def rows_of(count: int) -> slice:
    """Return this process's rows of a batch: neighbours, and as many as the others have, or one more or none."""
    return slice(rank() * count // size(), (rank() + 1) * count // size())


def own_rows(count: int) -> slice:
    """Return the rows that this process computes. One that has none, since a batch is smaller than the number of
    processes, computes the first row with the others, and it counts for nothing (`own_weight`)."""
    rows = rows_of(count)
    return rows if rows.start < rows.stop else slice(0, 1)


def own_weight(count: int) -> float:
    """Return by how much the mean over this process's rows counts in the mean over all rows."""
    rows = rows_of(count)
    return (rows.stop - rows.start) / count


def own_items(items: Sequence[T]) -> Sequence[T]:
    """The items that this process deals with, every `size`-th: large ones that stand together are spread."""
    return items[rank() :: size()]


def gathered(results: Sequence[T], count: int) -> list[T]:
    """Return the results of all processes for their own items, `count` in all, in the order of the items."""
    shares = exchanged(results)
    return [shares[index % len(shares)][index // len(shares)] for index in range(count)]


def exchanged(value: T) -> list[T]:
    """The values of all processes, by rank. Raises LostError."""
    values = [value] * size()
    if size() > 1:
        with _answered():
            dist.all_gather_object(values, value)
    return values


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them: they wait for it. Raises LostError."""
    made: list[Any] = [make() if is_first() else None]
    if size() > 1:
        with _answered():
            dist.broadcast_object_list(made, src=0)
    return made[0]


def any_says(yes: bool) -> bool:
    """Whether any process says yes. Raises LostError."""
    if size() == 1:
        return yes
    flag = torch.tensor(int(yes))
    add_up(flag)
    return bool(flag)


def wait_for_all() -> None:
    """Go on when all processes are here. Raises LostError."""
    any_says(False)


@contextmanager
def first_on_machine() -> Iterator[None]:
    """Let one process of each machine go through the block before its others: what it downloads, they find."""
    if place().local_rank > 0:
        wait_for_all()
    yield
    if place().local_rank == 0:
        wait_for_all()


def add_up(tensor: Tensor) -> Tensor:
    """Make the tensor the sum of those of all processes, in place. Raises LostError."""
    if size() > 1:
        with _answered():
            dist.all_reduce(tensor)
    return tensor


def add_up_together(tensors: Sequence[Tensor]) -> None:
    """Make each tensor, all of one type, the sum of those of all processes, in place and in one exchange."""
    if size() > 1 and tensors:
        sums = add_up(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, part in zip(tensors, sums.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))


def all_rows(own: Tensor, count: int) -> Tensor:
    """A whole batch of `count` rows, from the rows that each process has of it. Raises LostError."""
    if size() == 1:
        return own
    whole = own.new_zeros(count, *own.shape[1:])
    rows = rows_of(count)
    whole[rows] = own[: rows.stop - rows.start]
    return add_up(whole)


def _store(here: Place) -> dist.Store | None:
    """Where the processes read how to reach each other; None for what torch.distributed makes by itself.

    By default torchrun's own store serves every start, and PyTorch 2.15 looks in it for what processes wrote that are
    gone by now: those started anew would wait for them. On one machine the number of the start tells them apart.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    if here.local_size < here.size:
        if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)) > 0:
            raise ConfigError(
                "torchrun's --max-restarts on several machines needs a new store at every start; set the variable "
                "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun"
            )
        return None
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=TIMEOUT)
    return dist.PrefixStore(f"start {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)


def _has_joined() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).partition(". ")[0]
        raise LostError(f"another process is gone, or does not answer ({reason})") from error
