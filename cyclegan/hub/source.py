"""Where the generators of a run on the Hugging Face Hub come from: each is fetched when it is wanted, and only then."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from torch import nn

from cyclegan.config import ConfigError, Direction, DiscriminatorConfig, Domain, GeneratorConfig
from cyclegan.hub.errors import HubError, HubFault, in_words
from cyclegan.hub.repositories import Listing, Transfer, get_file, repository_cache
from cyclegan.networks.storage import WeightsError, describe_network, load_generator
from cyclegan.runs.run import NewerFormatError, Run
from cyclegan.runtime.files import CONFIG_BYTES, write_atomically

WEIGHTS = "model.safetensors"
LARGEST_DISCRIMINATOR = 512_000_000
"""Bytes that are fetched of one at most: six layers of width 256 are 491 MB in fp16."""
SILENCE = 30.0
"""Seconds without a byte after which a fetch is no longer waited for; it goes on. The client gives up after 23."""
POLL = 0.2
"""Seconds between looks at how far it is."""


class _Weights(NamedTuple):
    """A weights file in the repository, the architecture of its network, and how many bytes it may have."""

    name: str
    config: GeneratorConfig | DiscriminatorConfig
    limit: int


@dataclass
class HubSource:
    """The networks of a run on the Hub, each fetched into the folder of the run when it is wanted."""

    listing: Listing
    names: Mapping[tuple[int, Direction], str]
    """Paths of the weights files, by epoch and direction."""
    directions: tuple[Direction, ...]
    _fetches: dict[str, tuple[Future[None], Transfer]] = field(default_factory=dict)
    _verified: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process fetches for itself, and finds in the cache what is there."""
        return HubSource, (self.listing, self.names, self.directions)

    @property
    def name(self) -> str:
        return str(self.listing.address)

    @property
    def epochs(self) -> tuple[int, ...]:
        epochs = {epoch for epoch, _ in self.names}
        return tuple(sorted(e for e in epochs if all((e, direction) in self.names for direction in self.directions)))

    def follow(self, run: Run, epoch: int, direction: Direction) -> Iterator[Transfer]:
        """Have the generator of an epoch in the folder of the run: fetched by two requests if it is not, and verified.
        Until it is, again and again how far; who stops listening does not stop it.

        Raises HubError where it cannot be had, or where nothing comes of it for SILENCE seconds.
        """
        return self._follow(run, self._generator(run, epoch, direction))

    def follow_discriminator(self, run: Run, domain: Domain) -> Iterator[Transfer]:
        """The same for the discriminator of a domain."""
        return self._follow(run, self._discriminator(run, domain))

    def bring(self, run: Run, epoch: int, direction: Direction, watched: Transfer | None = None) -> None:
        """`follow` to its end. Raises Cancelled by way of `watched`, which is told how far it is."""
        total = done = 0
        for transfer in self.follow(run, epoch, direction):
            if watched:
                now = transfer.done
                watched.total += transfer.total - total
                watched.add(now - done)
                total, done = transfer.total, now

    def load_generator(self, run: Run, epoch: int, direction: Direction) -> nn.Module:
        """The generator of an epoch. Raises HubError as `follow` does, and where it is no such generator."""
        self.bring(run, epoch, direction)
        try:
            return load_generator(run.snapshot_folder(epoch, direction))[1]
        except (ConfigError, WeightsError, OSError) as error:
            raise public(error, self.listing) from None

    def has_discriminator(self, domain: Domain) -> bool:
        return _judge(domain) in self.listing.files

    def load_discriminator(self, run: Run, domain: Domain) -> nn.Module:
        """The discriminator of a domain. Raises HubError as `load_generator` does."""
        deque(self.follow_discriminator(run, domain), 0)
        try:
            return replace(run, source=None).load_discriminator(domain)
        except (ConfigError, WeightsError, OSError) as error:
            raise public(error, self.listing) from None

    def look_ahead(self, run: Run, epoch: int, direction: Direction) -> None:
        """Begin to fetch the epochs before and after this one, and wait for none; who wants one meets its errors."""
        place = self.epochs.index(epoch)
        for neighbour in self.epochs[max(place - 1, 0) : place + 2]:
            there = (run.snapshot_folder(neighbour, direction) / WEIGHTS).exists()
            if neighbour != epoch and not there:
                self._fetch(run, self._generator(run, neighbour, direction))

    def _generator(self, run: Run, epoch: int, direction: Direction) -> _Weights:
        name = self.names[epoch, direction]
        return _Weights(name, run.generator_config(direction), self.listing.files[name].size)

    def _discriminator(self, run: Run, domain: Domain) -> _Weights:
        return _Weights(_judge(domain), run.discriminator(domain), LARGEST_DISCRIMINATOR)

    def _follow(self, run: Run, wanted: _Weights) -> Iterator[Transfer]:
        if wanted.name in self._verified and (run.folder / wanted.name).exists():
            return
        fetched, transfer = self._fetch(run, wanted)
        counted, heard = 0, time.monotonic()
        while not fetched.done():
            yield transfer
            wait([fetched], POLL)
            if transfer.done > counted:
                counted, heard = transfer.done, time.monotonic()
            if time.monotonic() > heard + SILENCE:
                raise HubError(
                    "network",
                    self.name,
                    f"{wanted.name} of {self.name} is on its way, but nothing came for {SILENCE:.0f} seconds "
                    f"({transfer.done / 1e6:.0f} of {transfer.total / 1e6:.0f} MB are here); try again in a moment",
                )
        fetched.result()
        yield transfer

    def _fetch(self, run: Run, wanted: _Weights) -> tuple[Future[None], Transfer]:
        """The fetch of a network in a thread of its own: two that want the same one share it."""
        with self._lock:
            if wanted.name not in self._fetches:
                self._fetches[wanted.name] = Future(), Transfer(total=self.listing.files[wanted.name].size)
                # A daemon: a program that has what it wanted does not wait for what was fetched ahead.
                threading.Thread(target=self._work, args=(run, wanted), name="hub-epoch", daemon=True).start()
            return self._fetches[wanted.name]

    def _work(self, run: Run, wanted: _Weights) -> None:
        fetched, transfer = self._fetches[wanted.name]
        try:
            path = get_file(self.listing, wanted.name, transfer, limit=wanted.limit)
            config = path.parent / "config.json"
            stated = f"{wanted.name.removesuffix(WEIGHTS)}config.json"
            if isinstance(wanted.config, DiscriminatorConfig) and stated in self.listing.files:
                get_file(self.listing, stated, Transfer(), limit=CONFIG_BYTES)
            if not config.exists():  # every epoch has the architecture of the first: no two requests for that
                write_atomically(config, describe_network(wanted.config))
            self._verified.add(wanted.name)
            fetched.set_result(None)
        except Exception as error:
            fetched.set_exception(in_words(error, self.name))
        finally:
            with self._lock:
                del self._fetches[wanted.name]


def _judge(domain: Domain) -> str:
    return f"discriminators/{domain}/{WEIGHTS}"


def public(error: Exception, listing: Listing) -> HubError:
    """The error without paths of this machine: those of the repository remain."""
    if isinstance(error, OSError):
        return in_words(error, str(listing.address))
    here = re.escape(str(repository_cache(listing.address.name))) + r"[/\\]\w+[/\\][0-9a-f]{40}[/\\]?"
    fault: HubFault = "newer" if isinstance(error, NewerFormatError) else "refused"
    return HubError(fault, str(listing.address), f"{listing.address}: {re.sub(here, '', str(error))}")
