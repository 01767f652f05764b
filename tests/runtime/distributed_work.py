"""What the tests of several processes do in each of them."""

from __future__ import annotations

import io
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cyclegan.config import (
    ConfigError,
    CycleGANConfig,
    DiscriminatorConfig,
    GANConfig,
    GeneratorConfig,
    Pix2PixConfig,
    method_of,
)
from cyclegan.data.batches import Batches, Pair
from cyclegan.data.datasets import find_split
from cyclegan.data.noise import NoiseBatches
from cyclegan.evaluation import command as evaluation
from cyclegan.runs.run import Domains, Run
from cyclegan.runtime import distributed
from cyclegan.training.checkpoint import create, resume, state_of
from cyclegan.training.data_parallel import check_equal, check_processes
from cyclegan.training.progress import Progress
from cyclegan.training.trainer import Trainer
from cyclegan.translate import command as translation
from tests.forks import fork

SECONDS = 200.0
"""Within which processes have to be through."""
TRAINED: dict[str, Any] = {
    "dataset": "facades",
    "batch_size": 4,
    "epochs": 2,
    "decay_epochs": 0,
    "precision": "fp32",
    "learning_rate": 5e-5,  # Adam moves a bias without effect, which has no gradient but rounding, by 1e-6 of this
}
TRANSLATING: dict[str, Any] = TRAINED | {
    "ema_half_life": 20,
    "diffaugment": ("color", "translation", "cutout"),
}
CONFIGS: dict[str, CycleGANConfig | Pix2PixConfig | GANConfig] = {
    "cyclegan": CycleGANConfig(
        **TRANSLATING,
        generator=GeneratorConfig(architecture="resnet_6blocks", width=2, dropout=True, classes="facades"),
        discriminator=DiscriminatorConfig(width=2, spectral_norm=True),
        load_size=36,
        crop_size=32,
        pool_size=3,
        lambda_edges=1.0,
    ),
    "pix2pix": Pix2PixConfig(
        **TRANSLATING,
        generator=GeneratorConfig(architecture="resnet_6blocks", width=2, norm="batch", dropout=True),
        discriminator=DiscriminatorConfig(width=2, norm="batch"),
        load_size=36,
        crop_size=32,
        lambda_features=10.0,
    ),
    "critics": CycleGANConfig(
        **TRANSLATING,
        generator=GeneratorConfig(architecture="resnet_6blocks", width=2, norm="batch"),
        discriminator=DiscriminatorConfig(width=2, norm="none"),
        load_size=36,
        crop_size=32,
        pool_size=3,
        pool_mode="both",
        gan_mode="wgangp",
        critic_steps=2,
    ),
    "projected": Pix2PixConfig(
        **TRANSLATING,
        generator=GeneratorConfig(architecture="resnet_6blocks", width=2),
        discriminator=DiscriminatorConfig(architecture="projected", width=2, norm="none"),
        load_size=36,
        crop_size=32,
        gan_mode="hinge",
        discriminator_learning_rate=1e-4,
        lambda_perceptual=10.0,
    ),
    "gan": GANConfig(
        **TRAINED | {"dataset": "squares"},
        generator=GeneratorConfig(architecture="mlp", width=4, norm="batch", in_channels=8, out_channels=1),
        discriminator=DiscriminatorConfig(architecture="mlp", width=4, norm="none"),
    ),
}


def double_trainer(name: str, folder: Path, facades: Path) -> Trainer:
    """A tiny training in float64, on six pairs: a batch of four, and one of two, which three processes share."""
    config = CONFIGS[name]
    batches: Batches | NoiseBatches
    if isinstance(config, GANConfig):
        pictures = torch.randint(0, 256, (7, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        batches, shown = NoiseBatches(pictures, config), torch.zeros(64, 8)
    else:
        batches, shown = Batches(find_split(facades), config), torch.zeros(1, 3, 32, 32)
    run = Run(folder, method_of(config), Domains("photo", "labels"), config, {})
    inputs = {direction: [shown.double()] for direction in run.directions}
    trainer = Trainer(run, batches, inputs, device=torch.device("cpu"))
    trainer.objective.double()
    step = trainer.step
    trainer.step = lambda real, index=0: step(Pair(real.a.double(), real.b.double()), index)  # type: ignore[method-assign]
    for ema in trainer.ema.values():
        ema.network.double()
    return trainer


def train_double(
    name: str, folder: Path, facades: Path, stop_after: int | None
) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Begin a training, or go on with it; the state at the end, and the losses after every step."""
    trainer = double_trainer(name, folder, facades)
    if (folder / "checkpoint.pt").exists():
        resume(trainer)
    else:
        create(trainer)
    losses = {}

    def look(progress: Progress) -> None:
        losses[progress.epoch, progress.step] = dict(progress.losses)

    last = distributed.rank() == distributed.size() - 1  # where one is told to stop, all do
    trainer.train(on_progress=look, should_stop=lambda: last and len(losses) + 1 == stop_after)
    return state_of(trainer), losses


def train_all(folder: Path, facades: Path, stop_after: int | None, out: Path) -> None:
    """Every training; what came of it in this process, in a file."""
    with distributed.joined():
        found: dict[str, Any] = {name: train_double(name, folder / name, facades, stop_after) for name in CONFIGS}
        found["refused"] = refusals()
        own = [10 * item for item in distributed.own_items(range(4))]
        found["gathered"] = distributed.gathered(own, 4)
    torch.save(found, out / f"{distributed.place().rank}.pt")


def refusals() -> list[str]:
    """What processes say that cannot train together: too many, compiled, of different weights."""
    pix2pix, layer = CONFIGS["pix2pix"], torch.nn.Linear(1, 1)
    torch.nn.init.constant_(layer.weight, distributed.rank() == 1)
    torch.nn.init.zeros_(layer.bias)
    said = []
    refusing: tuple[Callable[[], None], ...] = (
        lambda: check_processes(replace(pix2pix, batch_size=1)),
        lambda: check_processes(pix2pix, compiled=True),
        lambda: check_equal(layer, "images"),
    )
    for refuse in refusing:
        try:
            refuse()
        except ConfigError as error:
            said.append(str(error))
    return said


def evaluate_and_translate(folder: Path, photos: Path, port: int) -> None:
    """Evaluate the run in the folder without the network, and translate the photos by it; what was said, in a file."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("offline")

    urllib.request.urlopen = refuse
    torch.hub.set_dir(str(folder.parent))
    run, where = str(folder / "run"), ("--device", "cpu")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        assert evaluation.main([run, "--epochs", "5", *where]) == 0
        os.environ["MASTER_PORT"] = str(port)  # that of the first meeting may still be closing
        assert translation.main([run, str(photos), str(folder / "out"), "--to", "labels", *where]) == 1
    (folder / str(distributed.place().rank)).write_text(said.getvalue())


def in_processes(count: int, work: Callable[..., None], *arguments: object) -> None:
    """Do the work in so many processes; all must end well."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = dict(os.environ)
    processes = [fork(_enter, environment, rank, count, port, work, arguments) for rank in range(count)]
    for process in processes:
        process.join(SECONDS)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0] * count


def _enter(
    environment: dict[str, str],
    rank: int,
    count: int,
    port: int,
    work: Callable[..., None],
    arguments: Sequence[object],
) -> None:
    places = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count}
    os.environ |= environment | {name: str(value) for name, value in places.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    work(*arguments)
