"""Publish on the Hugging Face Hub: `python -m cyclegan.hub publish RUN owner/name`, `... space owner/name`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cyclegan.config import ConfigError
from cyclegan.hub.cards import LICENSE
from cyclegan.hub.errors import HubError
from cyclegan.hub.publishing import Publication, publish
from cyclegan.hub.spaces import ROOT, WEIGHTS, contents, push
from cyclegan.hub.uploads import Repository, open_repository, retried
from cyclegan.images.io import ImageError
from cyclegan.runs.run import Run, RunError

PROG = "python -m cyclegan.hub"


@dataclass(frozen=True)
class Publish:
    """Publish a run with a model card: everything that translates and shows it, nothing that only training needs.
    Again, it uploads what is new. Log in first with `hf auth login`, or set HF_TOKEN."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run."""
    repository: Annotated[str, tyro.conf.Positional]
    """Where to: owner/name; made where it is not there."""
    private: bool = False
    """Make a new repository private; one that is there stays as it is."""
    license: str = LICENSE
    """License of the weights, by its name on the Hub."""


@dataclass(frozen=True)
class Space:
    """Make a Space: the app on the web, with runs of yours. Log in first with `hf auth login`, or set HF_TOKEN."""

    repository: Annotated[str, tyro.conf.Positional]
    """Where to: owner/name; made where it is not there."""
    runs: tuple[Path, ...] = ()
    """Folders of the runs to show; all runs in weights/ unless given."""
    private: bool = False
    """Make a new Space private; one that is there stays as it is."""
    gpu: bool = False
    """Install PyTorch with CUDA, for a Space on a GPU or on ZeroGPU; it is far larger."""


Command = (
    Annotated[Publish, tyro.conf.subcommand("publish", prefix_name=False)]
    | Annotated[Space, tyro.conf.subcommand("space", prefix_name=False)]
)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where the Hub cannot be reached or the disk refuses, 2 for a
    mistake in the input, also a name that one may not write to."""
    logging.basicConfig(level=logging.WARNING, format="cyclegan.hub: %(message)s", stream=sys.stderr)
    command: Publish | Space = tyro.cli(Command, args=arguments, prog=PROG)
    try:
        done = _publish(command) if isinstance(command, Publish) else _space(command)
    except (ConfigError, ImageError, OSError, RunError, HubError) as error:
        sys.stderr.write(f"cyclegan.hub: {' '.join(str(error).split())}\n")
        passing = error.wait is not None or error.fault == "disk" if isinstance(error, HubError) else False
        return 1 if passing or isinstance(error, OSError) else 2
    sys.stderr.write(f"{done}\n")
    return 0


def _publish(command: Publish) -> str:
    run = Run.open(command.run)
    run.check_epoch(None)
    repository = open_repository(command.repository, private=command.private)
    published = retried(lambda: publish(run, repository, license=command.license))
    return _told(repository, published, "published")


def _space(command: Space) -> str:
    folders = command.runs or sorted(path.parent for path in (ROOT / WEIGHTS).glob("[!.]*/run.json"))
    if not folders:
        raise RunError(f"{ROOT / WEIGHTS} holds no runs; name some with --runs")
    files = contents([Run.open(folder) for folder in folders], gpu=command.gpu)
    repository = open_repository(command.repository, "space", private=command.private)
    return _told(repository, retried(lambda: push(files, repository)), "pushed; it is built now, which takes minutes")


def _told(repository: Repository, publication: Publication, done: str) -> str:
    kept = "; the card there was edited and is kept: remove its README.md for a new one"
    told = done if publication.changed else "nothing is new"
    return f"{repository.url}: {told}{kept if publication.card_kept else ''}"
