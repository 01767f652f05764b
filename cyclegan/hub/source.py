"""The networks of a run on the Hugging Face Hub: each is fetched when it is wanted, and only then."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from cyclegan.config import ConfigError, Direction, DiscriminatorConfig, Domain, GeneratorConfig
from cyclegan.hub.errors import HubError, HubFault, in_words
from cyclegan.hub.repositories import Listing, Transfer, get_file, repository_cache
from cyclegan.networks.storage import WeightsError, describe_network
from cyclegan.runs.run import NewerFormatError, Run, RunError
from cyclegan.runtime.files import CONFIG_BYTES, write_atomically

WEIGHTS = "model.safetensors"
LARGEST_DISCRIMINATOR = 512_000_000
"""Bytes that are fetched of one at most: six layers of width 256 are 491 MB in fp16."""
POLL = 0.2
"""Seconds between looks at how far a fetch is."""


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
        """Fetch the generator of an epoch into the folder of the run, by two requests, unless it is there, and verify
        it. Until then yield how far it is; closing the iterator does not cancel the fetch. Raises HubError."""
        return self._follow(run, self.names[epoch, direction], run.generator_config(direction))

    def follow_discriminator(self, run: Run, domain: Domain) -> Iterator[Transfer]:
        """The same for the discriminator of a domain."""
        return self._follow(run, _discriminator(domain), run.discriminator(domain))

    def bring(self, run: Run, epoch: int, direction: Direction, watched: Transfer | None = None) -> None:
        """`follow` to its end, adding to `watched` how far it is. Raises Cancelled if `watched` is cancelled."""
        watched = watched or Transfer()
        total, done = watched.total, watched.done
        for transfer in self.follow(run, epoch, direction):
            watched.total, watched.done = total + transfer.total, done + transfer.done
            watched.add(0)

    def load_generator(self, run: Run, epoch: int, direction: Direction) -> nn.Module:
        """Return the generator of an epoch. Raises HubError as `follow` does, and if it is no such generator."""
        self.bring(run, epoch, direction)
        with without_paths(self.listing):
            return replace(run, source=None).load_generator(epoch, direction)

    def has_discriminator(self, domain: Domain) -> bool:
        return _discriminator(domain) in self.listing.files

    def load_discriminator(self, run: Run, domain: Domain) -> nn.Module:
        """Return the discriminator of a domain. Raises HubError as `load_generator` does."""
        deque(self.follow_discriminator(run, domain), 0)
        with without_paths(self.listing):
            return replace(run, source=None).load_discriminator(domain)

    def look_ahead(self, run: Run, epoch: int, direction: Direction) -> None:
        """Begin to fetch the epochs before and after this one, and wait for none; who wants one meets its errors."""
        place = self.epochs.index(epoch)
        for neighbour in self.epochs[max(place - 1, 0) : place + 2]:
            if neighbour != epoch and not (run.snapshot_folder(neighbour, direction) / WEIGHTS).exists():
                self._fetch(run, self.names[neighbour, direction], run.generator_config(direction))

    def _follow(self, run: Run, name: str, config: GeneratorConfig | DiscriminatorConfig) -> Iterator[Transfer]:
        if name in self._verified and (run.folder / name).exists():
            return
        fetched, transfer = self._fetch(run, name, config)
        while not fetched.done():
            yield transfer
            wait([fetched], POLL)
        fetched.result()
        yield transfer

    def _fetch(
        self, run: Run, name: str, config: GeneratorConfig | DiscriminatorConfig
    ) -> tuple[Future[None], Transfer]:
        """Fetch a network in a thread of its own: two that want the same one share it."""
        with self._lock:
            if name not in self._fetches:
                self._fetches[name] = Future(), Transfer(total=self.listing.files[name].size)
                # A daemon: a program that has what it wanted does not wait for what was fetched ahead.
                threading.Thread(target=self._work, args=(name, config), name="hub-epoch", daemon=True).start()
            return self._fetches[name]

    def _work(self, name: str, config: GeneratorConfig | DiscriminatorConfig) -> None:
        fetched, transfer = self._fetches[name]
        judges, beside = isinstance(config, DiscriminatorConfig), name.replace(WEIGHTS, "config.json")
        try:
            limit = LARGEST_DISCRIMINATOR if judges else self.listing.files[name].size
            path = get_file(self.listing, name, transfer, limit=limit)
            if judges and beside in self.listing.files:
                get_file(self.listing, beside, Transfer(), limit=CONFIG_BYTES)
            if not path.with_name("config.json").exists():  # every epoch has the architecture of the first
                write_atomically(path.with_name("config.json"), describe_network(config))
            self._verified.add(name)
            fetched.set_result(None)
        except Exception as error:
            fetched.set_exception(in_words(error, self.name))
        finally:
            with self._lock:
                del self._fetches[name]


def _discriminator(domain: Domain) -> str:
    return f"discriminators/{domain}/{WEIGHTS}"


@contextmanager
def without_paths(listing: Listing) -> Iterator[None]:
    """Raise errors of a run in the cache as HubError, without paths of this machine: those of the repository remain."""
    try:
        yield
    except OSError as error:
        raise in_words(error, str(listing.address)) from None
    except (ConfigError, RunError, WeightsError) as error:
        here = re.escape(str(repository_cache(listing.address.name))) + r"[/\\]\w+[/\\][0-9a-f]{40}[/\\]?"
        fault: HubFault = "newer" if isinstance(error, NewerFormatError) else "refused"
        message = f"{listing.address}: {re.sub(here, '', str(error))}"
        raise HubError(fault, str(listing.address), message) from None
