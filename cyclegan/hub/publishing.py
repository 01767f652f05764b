"""Publish a run: its folder without what only training needs, with a model card, as one commit."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from huggingface_hub.utils import disable_progress_bars

from cyclegan.hub.cards import CARD, LICENSE, is_untouched, write_card
from cyclegan.hub.errors import HubError
from cyclegan.hub.uploads import RETRY_DELAYS, Content, Head, Repository, commit, head_of, read_text, retried
from cyclegan.runs.examples import LARGEST_EXAMPLE, example_files
from cyclegan.runs.redaction import public, redact
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.sample_archive import NAME as SAMPLE_ARCHIVE
from cyclegan.runs.sample_archive import pack_samples
from cyclegan.runtime.files import RECORD_BYTES, read_small

log = logging.getLogger(__name__)

DELAYS = (*RETRY_DELAYS, 300.0)
"""Seconds between attempts while a training goes on, or longer where the Hub asks for it."""
LAST_WAIT = 600.0
"""Seconds that the end of a training waits for what is not published yet."""
CLOSING_DELAY = 4.0
"""Seconds between attempts at the end, at most."""


@dataclass(frozen=True)
class Publication:
    """What a publication did: whether there was anything new, and whether the card there is a person's, and kept."""

    changed: bool
    card_kept: bool


def contents(run: Run) -> dict[str, Content]:
    """What of a run's folder is published, by path: configuration, history, metrics, samples, examples, whole
    snapshots and discriminators, and nothing else that lies there."""
    # As bytes: the training may replace them meanwhile.
    files: dict[str, Content] = {"run.json": public(run).to_json()}
    if (run.folder / "metrics.json").exists():
        files["metrics.json"] = _redacted(run.folder / "metrics.json")
    if (run.folder / "history.jsonl").exists():
        files["history.jsonl"] = read_small(run.folder / "history.jsonl", RECORD_BYTES)
    replaced: list[Path] = []
    for domain in run.judged if run.has_discriminators else ():
        folder = run.discriminator_folder(domain)
        replaced += [folder / "config.json", folder / "model.safetensors"]
    files |= {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in replaced}
    paths = [run.sample_path(epoch) for epoch in run.sample_epochs]
    below = (path.relative_to(run.folder).as_posix() for path in (run.folder / "examples").glob("**/*"))
    examples = [run.folder / name for name in example_files(below)]
    for path in examples:
        if (size := path.stat().st_size) > LARGEST_EXAMPLE:
            raise RunError(f"{path} has {size:,} bytes; an example has {LARGEST_EXAMPLE:,} at most: make it smaller")
    for epoch in run.epochs:
        for direction in run.directions:
            folder = run.snapshot_folder(epoch, direction)
            paths += [folder / "config.json", folder / "model.safetensors"]
    return files | {path.relative_to(run.folder).as_posix(): path for path in [*examples, *paths]}


def publish(run: Run, repository: Repository, *, license: str = LICENSE) -> Publication:
    """Make the repository hold the run as it is now, in one commit, or none where nothing is new; besides its samples
    also all of them in one file, which is what the app fetches.

    What is there of an older state of the run goes; a card that a person has edited, there or as README.md in the
    run's folder, stays. Raises HubError if the Hub does not take it, RunError or ImageError if the run is damaged or
    has no snapshot yet.
    """
    head = head_of(repository, marker="run.json")
    files = {**write_card(run, repository.name, license=license), **contents(run)}
    if run.sample_epochs:
        files[SAMPLE_ARCHIVE] = pack_samples(run)
    if own := _own_card(run):
        files[CARD] = own
    kept = is_edited(repository, head)
    if kept:
        log.info("the card at %s was edited, and is kept; remove its %s for a new one", repository.url, CARD)
        del files[CARD]
    older = [path for path in head.files if _is_ours(path) and path not in files]
    message = f"{run.folder.resolve().name}, epochs {', '.join(map(str, run.epochs))}"
    return Publication(commit(repository, head, files, removed=older, message=message), kept)


def _own_card(run: Run) -> bytes | None:
    """The card that a person put into the run's folder. Raises RunError where it is no text."""
    path = run.folder / CARD
    try:
        own = path.read_bytes() if path.is_file() else b""
        return None if not own or is_untouched(own.decode()) else own
    except UnicodeDecodeError:
        raise RunError(f"{path} is no UTF-8 text; save it as one") from None


def is_edited(repository: Repository, head: Head) -> bool:
    """Whether a person wrote the card that is there, or changed it."""
    return CARD in head.files and not is_untouched(read_text(repository, head, CARD))


class BackgroundPublisher:
    """Publishes a run whenever it is told that it has grown, in a thread of its own.

    Training never waits for it and never fails by it: what cannot be published now is published later, in the state
    of then. The thread is a daemon, since a commit that is not finished leaves no trace.
    """

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder, self.repository = folder, repository
        self._change = threading.Condition()
        self._wanted = self._attempted = self._done = 0
        self._closing = self._given_up = False
        disable_progress_bars()  # they would fight with that of the training
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Say that the run has grown; returns at once."""
        with self._change:
            self._wanted += 1
            self._change.notify_all()

    def finish(self, timeout: float = LAST_WAIT) -> bool:
        """Wait for at most this many seconds until everything is published, and return whether it is. What is not
        published then is not attempted again."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join(timeout)
        self._given_up = True
        return self._done == self._wanted

    def _work(self) -> None:
        while self._waits_for_more():
            try:
                retried(self._publish, chain(DELAYS, repeat(DELAYS[-1])), self._pause)
            except Exception as error:  # whatever it is, the training goes on
                log.warning("not published: %s", error)

    def _waits_for_more(self) -> bool:
        with self._change:
            self._change.wait_for(lambda: self._wanted > self._attempted or self._closing)
            return self._wanted > self._attempted

    def _publish(self) -> None:
        self._attempted = goal = self._wanted
        publish(Run.open(self.folder), self.repository)
        self._done = goal

    def _pause(self, seconds: float, error: HubError) -> None:
        with self._change:
            closing = self._change.wait_for(lambda: self._closing, timeout=seconds)
        if closing:
            time.sleep(min(seconds, CLOSING_DELAY))
        if self._given_up:
            raise error


def _redacted(path: Path) -> bytes:
    """A JSON file without paths of this machine; its very bytes where there are none."""
    content = read_small(path, RECORD_BYTES)
    record = json.loads(content)
    changed = redact(record)
    return content if changed == record else (json.dumps(changed, indent=2, ensure_ascii=False) + "\n").encode()


def _is_ours(path: str) -> bool:
    """Whether a file of a repository is part of a published run."""
    return path in ("run.json", "history.jsonl", "metrics.json", SAMPLE_ARCHIVE) or path.startswith(
        ("examples/", "samples/", "snapshots/", "discriminators/", "card/")
    )
