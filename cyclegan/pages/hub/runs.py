"""Runs on the Hugging Face Hub for the app: opened in threads of their own, so that no page waits for the network."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from cyclegan.config import Precision
from cyclegan.hub.errors import HubError
from cyclegan.hub.fetching import open_run
from cyclegan.hub.repositories import Address, Cancelled, Transfer, evict
from cyclegan.hub.source import HubSource
from cyclegan.runs.scores import best_epoch
from cyclegan.translate.translator import Translator

log = logging.getLogger(__name__)

KEPT = 4
"""Runs that stay open, each with the networks that it has loaded; the longest unused one makes room for another. So
many are opened with one submission at most."""
MOST_OPENINGS = 32
"""Runs that are opened at a time, each in a thread, those that nobody waits for any longer included."""


@dataclass
class Opening:
    """The opening of a run on the Hub, until `done`; then there is a translator, or an error."""

    address: str
    transfer: Transfer = field(default_factory=Transfer)
    done: threading.Event = field(default_factory=threading.Event)
    translator: Translator | None = None
    error: Exception | None = None
    visitors: int = 0
    """How many wait for it."""


class HubRuns:
    """The runs of the Hub that visitors have opened. With `disk`, the Hub's cache is held to so many bytes: other
    repositories in it are deleted, the longest unused first."""

    def __init__(
        self, *, device: str = "auto", precision: Precision = "auto", kept: int = KEPT, disk: int | None = None
    ) -> None:
        self.device = device
        self.precision = precision
        self.kept = kept
        self.disk = disk
        self._working = 0
        self._openings: dict[str, Opening] = {}
        self._kept: OrderedDict[str, Translator] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, text: str) -> Opening:
        """Begin to open a repository, or join who does already. Raises HubError if this is no name of one, or if too
        many are being opened. Whoever calls this calls `leave` afterwards."""
        address = str(Address.parse(text))
        with self._lock:
            opening = self._openings.get(address)
            if opening is None:
                if self._working >= MOST_OPENINGS:
                    raise HubError("limit", address, f"{MOST_OPENINGS} repositories are being opened; try again later")
                self._working += 1
                opening = self._openings[address] = Opening(address)
                threading.Thread(target=self._work, args=(opening,), name="hub-opening", daemon=True).start()
            opening.visitors += 1
            return opening

    def leave(self, opening: Opening) -> None:
        """Wait for it no longer; it stops if nobody else waits for it. What came is kept."""
        with self._lock:
            opening.visitors -= 1
            if opening.visitors == 0 and self._openings.get(opening.address) is opening:
                del self._openings[opening.address]
                opening.transfer.cancelled = True

    def _work(self, opening: Opening) -> None:
        try:
            opening.translator = self._open(opening)
        except Cancelled:
            pass  # nobody waits
        except Exception as error:
            opening.error = error
        finally:
            with self._lock:
                self._working -= 1
                if self._openings.get(opening.address) is opening:
                    del self._openings[opening.address]
            opening.done.set()

    def _open(self, opening: Opening) -> Translator:
        """The translator, with the default epoch at hand: the one that is translated with first."""
        if self.disk is not None:
            with self._lock:
                used = {Address.parse(each).name for each in (*self._kept, *self._openings)}
            evict(self.disk, keep=used)
        run = open_run(opening.address, opening.transfer)
        with self._lock:
            known = self._kept.get(opening.address)
        if known is not None and known.run.folder == run.folder:
            translator = known  # with the networks that it has loaded
        else:
            translator = Translator.of(run, device=self.device, precision=self.precision)
            translator.looks_ahead = True
        if isinstance(run.source, HubSource) and run.translates:
            for direction in run.directions:
                run.source.bring(run, best_epoch(run, direction) or run.epochs[-1], direction, opening.transfer)
        with self._lock:
            self._kept[opening.address] = translator
            self._kept.move_to_end(opening.address)
            while len(self._kept) > self.kept:
                self._kept.popitem(last=False)
        return translator

    def translators(self, addresses: tuple[str, ...]) -> list[Translator]:
        """Those of the repositories that are still open."""
        with self._lock:
            return [self._kept[address] for address in addresses if address in self._kept]
