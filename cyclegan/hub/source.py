"""Where the generators of a run on the Hugging Face Hub come from: each is fetched when it is wanted, and only then."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from cyclegan.config import ConfigError, Direction, Domain, to_json
from cyclegan.files import write_atomically
from cyclegan.hub.errors import HubError, HubFault, in_words
from cyclegan.hub.repositories import Listing, Transfer, get_file, repository_cache
from cyclegan.networks.storage import WeightsError, load_discriminator, load_generator
from cyclegan.runs.run import NewerFormatError, Run

WEIGHTS = "model.safetensors"
LARGEST_DISCRIMINATOR = 512_000_000
"""Bytes that are fetched of one at most: six layers of width 256 are 491 MB in fp16."""
SILENCE = 30.0
"""Seconds without a byte after which a fetch is no longer waited for; it goes on. The client gives up after 23."""
POLL = 0.1
"""Seconds between looks at how far it is."""


@dataclass
class HubSource:
    """The networks of a run on the Hub, each fetched into the folder of the run when it is wanted."""

    listing: Listing
    names: Mapping[tuple[int, Direction], str]
    """Paths of the weights files, by epoch and direction."""
    directions: tuple[Direction, ...]
    _fetches: dict[tuple[int, Direction], tuple[Future[None], Transfer]] = field(default_factory=dict)
    _verified: set[tuple[int, Direction]] = field(default_factory=set)
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

    def bring(self, run: Run, epoch: int, direction: Direction, watched: Transfer | None = None) -> None:
        """Have the generator of an epoch in the folder of the run: fetched by two requests if it is not, and verified.

        Raises HubError where it cannot be had, or where nothing comes of it for SILENCE seconds, Cancelled by way of
        `watched`, which is told how far it is.
        """
        if (epoch, direction) in self._verified and (run.snapshot_folder(epoch, direction) / WEIGHTS).exists():
            return
        fetched, transfer = self._fetch(run, epoch, direction)
        watched = watched or Transfer()
        watched.total += transfer.total
        counted, heard = 0, time.monotonic()
        while not fetched.done():
            wait([fetched], POLL)
            came = transfer.done - counted
            watched.add(came)
            counted, heard = counted + came, time.monotonic() if came else heard
            if time.monotonic() > heard + SILENCE:
                raise HubError(
                    "network",
                    self.name,
                    f"epoch {epoch} of {self.name} is on its way, but nothing came for {SILENCE:.0f} seconds "
                    f"({transfer.done / 1e6:.0f} of {transfer.total / 1e6:.0f} MB are here); try again in a moment",
                )
        fetched.result()

    def load_generator(self, run: Run, epoch: int, direction: Direction) -> nn.Module:
        """The generator of an epoch. Raises HubError as `bring` does, and where it is no such generator."""
        self.bring(run, epoch, direction)
        try:
            return load_generator(run.snapshot_folder(epoch, direction))[1]
        except (ConfigError, WeightsError, OSError) as error:
            raise public(error, self.listing) from None

    def has_discriminator(self, domain: Domain) -> bool:
        return _judge(domain) in self.listing.files

    def load_discriminator(self, run: Run, domain: Domain) -> nn.Module:
        """The discriminator of a domain, fetched by two requests where it is not here. Raises HubError."""
        try:
            path = get_file(self.listing, _judge(domain), Transfer(), limit=LARGEST_DISCRIMINATOR)
            if not (path.parent / "config.json").exists():
                write_atomically(path.parent / "config.json", to_json(run.config.discriminator).encode())
            return load_discriminator(path.parent, in_channels=run.judged[domain])[1]
        except (ConfigError, WeightsError, OSError) as error:
            raise public(error, self.listing) from None

    def look_ahead(self, run: Run, epoch: int, direction: Direction) -> None:
        """Begin to fetch the epochs before and after this one, and wait for none; who wants one meets its errors."""
        place = self.epochs.index(epoch)
        for neighbour in self.epochs[max(place - 1, 0) : place + 2]:
            there = (run.snapshot_folder(neighbour, direction) / WEIGHTS).exists()
            if neighbour != epoch and not there:
                self._fetch(run, neighbour, direction)

    def _fetch(self, run: Run, epoch: int, direction: Direction) -> tuple[Future[None], Transfer]:
        """The fetch of a generator's folder in a thread of its own: two that want the same one share it."""
        key = (epoch, direction)
        with self._lock:
            if key not in self._fetches:
                self._fetches[key] = Future(), Transfer(total=self.listing.files[self.names[key]].size)
                # A daemon: a program that has what it wanted does not wait for what was fetched ahead.
                threading.Thread(target=self._work, args=(run, key), name="hub-epoch", daemon=True).start()
            return self._fetches[key]

    def _work(self, run: Run, key: tuple[int, Direction]) -> None:
        fetched, transfer = self._fetches[key]
        try:
            self._get(run, key, transfer)
            self._verified.add(key)
            fetched.set_result(None)
        except Exception as error:
            fetched.set_exception(in_words(error, self.name))
        finally:
            with self._lock:
                del self._fetches[key]

    def _get(self, run: Run, key: tuple[int, Direction], transfer: Transfer) -> None:
        name = self.names[key]
        folder = get_file(self.listing, name, transfer, limit=self.listing.files[name].size).parent
        if not (folder / "config.json").exists():  # what it says, run.json says as well: no two requests for that
            write_atomically(folder / "config.json", to_json(run.generator_config(key[1])).encode())


def _judge(domain: Domain) -> str:
    return f"discriminators/{domain}/{WEIGHTS}"


def public(error: Exception, listing: Listing) -> HubError:
    """The error without paths of this machine: those of the repository remain."""
    if isinstance(error, OSError):
        return in_words(error, str(listing.address))
    here = re.escape(str(repository_cache(listing.address.name))) + r"[/\\]\w+[/\\][0-9a-f]{40}[/\\]?"
    fault: HubFault = "newer" if isinstance(error, NewerFormatError) else "refused"
    return HubError(fault, str(listing.address), f"{listing.address}: {re.sub(here, '', str(error))}")
