"""Training: the step, the epoch, the checkpoint, and going on exactly where a run stopped."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock, Timeout
from torch import nn

from cyclegan.config import ConfigError, Direction
from cyclegan.data.batches import Batches, Pair
from cyclegan.data.noise import NoiseBatches
from cyclegan.images.encodings import encodings
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.samples import Inputs, render
from cyclegan.runtime import distributed
from cyclegan.runtime.devices import choose_precision, to_device
from cyclegan.runtime.files import new_folder, sweep_strays, write_atomically
from cyclegan.training.averages import Average
from cyclegan.training.beginning import begin_from, copy_epochs
from cyclegan.training.objectives import Fakes, Losses, build_objective
from cyclegan.training.schedules import learning_rate_at
from cyclegan.training.sharing import begin_batch, check_equal, share_layers, weighed

log = logging.getLogger(__name__)

CHECK_EVERY = 50
"""Steps on a GPU between two looks at the losses: each look waits for the device."""


class ChangedDataError(ValueError):
    """The images are not those that the state was trained on."""


class TrainingError(RuntimeError):
    """Training cannot go on: the message says where it stopped, why, and what is kept."""


@dataclass
class Progress:
    """How far a training is."""

    epoch: int = 1
    """The epoch in work, from 1."""
    step: int = 0
    """Steps of it that are done."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sum of each loss over those steps."""
    counts: dict[str, int] = field(default_factory=dict)
    """Steps of those that had it: generators may move more seldom than discriminators."""
    left_out: int = 0
    """Moves whose gradients exploded, and counted as zero."""
    seconds: float = 0.0
    """Training time spent on it."""

    @property
    def losses(self) -> dict[str, float]:
        """Mean of each loss over the epoch so far."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}


class Trainer:
    """Networks, optimisers and position of one run.

    Opponents are frozen while a player moves, so that no gradient is computed to be thrown away; losses are read
    from the device every CHECK_EVERY steps, not every step.
    """

    def __init__(self, run: Run, batches: Batches | NoiseBatches, inputs: Inputs, *, device: torch.device) -> None:
        self.run, self.config = run, run.config
        self.batches, self.inputs, self.device = batches, inputs, device
        steps = self.config.own_epochs * batches.steps
        if self.config.critic_steps > steps:
            raise ConfigError(
                f"critic_steps is {self.config.critic_steps}, but the whole training has {steps} steps: the generators "
                "would never move; train for more epochs, or lower --critic-steps"
            )
        self.dtype = distributed.from_first(lambda: choose_precision(device, self.config.precision))
        torch.manual_seed(self.config.seed)
        self.objective = build_objective(self.config).to(device)
        share_layers(self.objective)
        if device.type != "cpu":  # there fused Adam copies weights that are not contiguous, six times its own work
            self.objective.to(memory_format=torch.channels_last)
        averaged = self.objective.generators.items() if self.config.ema_half_life else ()
        self.averages = {name: Average(generator, self.config.ema_half_life) for name, generator in averaged}
        if self.config.compile:
            penalized = self.config.gan_mode == "wgangp"  # torch.compile cannot differentiate a gradient
            judges = [] if penalized else self.objective.discriminators.values()
            for network in (*self.objective.generators.values(), *judges):
                network.compile()
        self.players = {"generators": self.objective.generators, "discriminators": self.objective.discriminators}
        self.optimizers = {
            name: torch.optim.Adam(
                player.parameters(), lr=self.config.learning_rate, betas=self.config.betas, fused=True
            )
            for name, player in self.players.items()
        }
        self.progress = Progress(self.config.first_epoch)
        self._unread: list[Losses] = []
        self._left_out = torch.zeros((), dtype=torch.int64, device=device)

    def begin_from(self, source: Run) -> str:
        """Take the newest networks of another run, and say which. Raises as `beginning.begin_from` does."""
        taken = begin_from(self.objective, self.run, source)
        for name, average in self.averages.items():
            average.network.load_state_dict(self.objective.generators[name].state_dict(), strict=True)
        return taken

    @property
    def finished(self) -> bool:
        return self.progress.epoch > self.config.total_epochs

    @property
    def generators(self) -> dict[Direction, nn.Module]:
        """What samples and snapshots are made with."""
        averages, latest = self.averages, self.objective.generators
        return {way: averages[way].network if averages else latest[way] for way in self.run.directions}

    def step(self, real: Pair, index: int = 0) -> Losses:
        """One batch, one move of each player, in the order the reference plays this objective.

        Of `critic_steps` steps, counted by their index in the training, the generators move in the last alone: a critic
        is to be ahead of them (Gulrajani et al. 2017, algorithm 1). Of several processes each is given its rows of the
        batch, and returns its part of the losses: these add up.
        """
        self.objective.epoch = index // self.batches.steps + 1
        if index % self.batches.steps == 0:
            self._show_what_rests()
        real = Pair(*(to_device(x, self.device, self.dtype) for x in real))
        done = index % self.batches.steps * self.config.batch_size
        images = min(self.config.batch_size, self.batches.images - done)  # of all processes
        begin_batch(images)
        autocast = torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)
        moves = ["generators", "discriminators"] if (index + 1) % self.config.critic_steps == 0 else ["discriminators"]
        if not self.objective.generators_first:
            moves.reverse()
        fake: Fakes = {}
        if moves[0] == "discriminators":
            with autocast, torch.set_grad_enabled("generators" in moves):
                fake = self.objective(real)
        losses: Losses = {}
        for player in moves:
            for name, network in self.players.items():
                network.requires_grad_(name == player)
            for resting in self.objective.resting:
                resting.requires_grad_(False)
            if player == "generators":
                groups = self.objective.generator_losses(real, fake)
            else:
                groups = self.objective.discriminator_losses(real, fake)
            while True:
                with autocast:  # around the losses alone: gradients are computed outside of it
                    terms = next(groups, None)
                if terms is None:
                    break
                terms = weighed(terms)
                torch.stack(list(terms.values())).sum().backward()
                losses |= {name: term.detach() for name, term in terms.items()}
            optimizer = self.optimizers[player]
            self._zero_explosions(optimizer)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)  # now, so that the opponent's move does not hold this one's gradients
        for network in self.players.values():
            network.requires_grad_(True)
        seen = (index + 1) * self.config.batch_size
        for name, average in self.averages.items():
            average.update(self.objective.generators[name], images=images, seen=seen)
        return losses

    def _show_what_rests(self) -> None:
        """Give generators that rest the weights of their averages: what teaches is what samples and snapshots show."""
        for name, average in self.averages.items():
            if self.objective.generators[name] in self.objective.resting:
                self.objective.generators[name].load_state_dict(average.network.state_dict(), strict=True)

    def _zero_explosions(self, optimizer: torch.optim.Optimizer) -> None:
        """Zero the gradients where their norm is beyond the limit, or not finite, so that a player only moves on by its
        momentum; without waiting for a GPU."""
        gradients = [weight.grad for group in optimizer.param_groups for weight in group["params"]]
        present = [gradient for gradient in gradients if gradient is not None]
        distributed.add_up_together(present)
        exploded = ~(torch.nn.utils.get_total_norm(present) < self.config.gradient_limit)
        self._left_out += exploded
        if self.device.type != "cpu" or exploded:
            for gradient in present:
                gradient.masked_fill_(exploded, 0.0)

    def train(
        self,
        *,
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_snapshot: Callable[[int], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end, or until `should_stop`; either way everything is saved. Returns whether it is finished.

        `on_snapshot` is told of every epoch whose generators are kept, when all of the epoch is on disk. Of several
        processes the first writes; where one should stop, all do.

        Raises TrainingError where a loss is not finite, OSError where the run cannot be written, LostError where
        another process is gone: what was saved before stays good.
        """
        check_equal(self.objective, self.batches.fingerprint, self.progress)
        while not self.finished:
            progress = self.progress
            rate = distributed.from_first(self._learning_rate)
            for optimizer in self.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate
            started = time.monotonic()
            for index, real in enumerate(self.batches.epoch(progress.epoch, progress.step), progress.step):
                self._unread.append(self.step(real, (progress.epoch - 1) * self.batches.steps + index))
                stop = distributed.any_says(should_stop())
                save = stop or (self.config.checkpoint_steps and (index + 1) % self.config.checkpoint_steps == 0)
                if save or self.device.type == "cpu" or len(self._unread) >= CHECK_EVERY:
                    self._read_losses()
                    on_progress(progress)
                if save:
                    progress.seconds += time.monotonic() - started
                    self._save_together()
                    started = time.monotonic()
                if stop:
                    return False
            self._read_losses()
            progress.seconds += time.monotonic() - started
            on_progress(progress)
            self._finish_epoch(rate)
            if self.config.keeps_snapshot(progress.epoch):
                on_snapshot(progress.epoch)
        return True

    def save_checkpoint(self, folder: Path | None = None) -> None:
        """Write everything that going on needs, whole or not at all, into the run's folder unless told otherwise."""
        state = self.state_dict()
        write_atomically((folder or self.run.folder) / "checkpoint.pt", lambda file: torch.save(state, file))

    def _save_together(self) -> None:
        """Save the checkpoint of all processes: none goes on, or leaves, before it is written."""
        if distributed.is_first():
            self.save_checkpoint()
        distributed.wait_for_all()

    def state_dict(self) -> dict[str, Any]:
        return {
            "objective": self.objective.state_dict(),
            "averages": {name: average.network.state_dict() for name, average in self.averages.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "pools": {name: pool.state_dict() for name, pool in self.objective.pools.items()},
            "progress": vars(self.progress),
            "data": self.batches.fingerprint,
            "precision": str(self.dtype),
            "threads": torch.get_num_threads(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["data"] != self.batches.fingerprint:
            raise ChangedDataError
        self.objective.load_state_dict(state["objective"], strict=True)
        for name, average in self.averages.items():
            average.network.load_state_dict(state["averages"][name], strict=True)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, pool in self.objective.pools.items():
            pool.load_state_dict(state["pools"][name])
            pool.images = [image.to(self.device) for image in pool.images]
        self.progress = Progress(**state["progress"])
        if state["precision"] != str(self.dtype):  # "auto" measures again, and may decide otherwise
            self.dtype = {str(dtype): dtype for dtype in (torch.float32, torch.bfloat16)}[state["precision"]]
            log.info("going on in %s, as the run began", state["precision"])
        if self.device.type == "cpu" and state["threads"] != torch.get_num_threads():
            log.info(
                "the run was trained on %d threads: to go on bit for bit, use --threads %d",
                state["threads"],
                state["threads"],
            )
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["cuda_random"] is not None:
            torch.cuda.set_rng_state(state["cuda_random"], self.device)

    def _read_losses(self) -> None:
        """Add the losses of the last steps to the sums, with one wait for the device. Raises TrainingError."""
        if not self._unread:
            return
        progress = self.progress
        unread = torch.stack([loss for losses in self._unread for loss in losses.values()])
        values = iter(distributed.add_up(unread).tolist())
        steps = [list(losses) for losses in self._unread]
        progress.left_out += int(self._left_out)
        self._left_out.zero_()
        self._unread.clear()
        for names in steps:
            for name in names:
                value = next(values)
                if not math.isfinite(value):
                    raise self._broken(f"loss {name} is {value} in epoch {progress.epoch}, step {progress.step + 1}")
                progress.sums[name] = progress.sums.get(name, 0.0) + value
                progress.counts[name] = progress.counts.get(name, 0) + 1
            progress.step += 1

    def _check_weights(self) -> None:
        """Raise TrainingError where a weight is not finite: finite losses may hide what the last step broke."""
        for network in (self.objective, *self.generators.values()):
            for name, tensor in network.state_dict().items():
                if not torch.isfinite(tensor).all():
                    raise self._broken(f"weight {name} is not finite after epoch {self.progress.epoch}")

    def _broken(self, what: str) -> TrainingError:
        kept = self.run.epochs
        return TrainingError(
            f"{what}; stopped. Kept: {f'snapshot {kept[-1]}' if kept else 'no snapshot yet'}, and the last checkpoint. "
            "Go on with a lower --learning-rate, or --precision fp32, in a new run"
        )

    def _learning_rate(self) -> float:
        """That of this epoch, given the sum of the generators' losses in each before it."""
        records = [
            line for line in self.run.history() if self.config.first_epoch <= line["epoch"] < self.progress.epoch
        ]
        players = ("discriminator", "penalty", "edges")
        losses = [
            sum(value for name, value in record["losses"].items() if not name.startswith(players)) for record in records
        ]
        return learning_rate_at(self.config, self.progress.epoch, losses)

    def _finish_epoch(self, rate: float) -> None:
        """Samples, snapshot and history first, the checkpoint last: a crash between them repeats the epoch, and the
        repeated epoch writes the same again."""
        progress = self.progress
        epoch = progress.epoch
        self._check_weights()
        if progress.left_out > progress.step:  # of two moves a step
            raise self._broken(f"{progress.left_out} gradients of epoch {epoch}, more than half, exploded")
        if distributed.is_first():
            self._write_epoch(rate)
        self.progress = Progress(epoch + 1)
        self._save_together()

    def _write_epoch(self, rate: float) -> None:
        progress = self.progress
        epoch = progress.epoch
        if self.config.shows_samples(epoch):
            sheet = render(self.generators, self.inputs, encodings(self.config), self.device, self.dtype)
            self.run.save_sample(epoch, sheet)
        if self.config.keeps_snapshot(epoch):
            self.run.save_snapshot(epoch, self.generators)
            self.run.save_discriminators({domain: self.objective.discriminators[domain] for domain in self.run.judged})
        record = {
            "epoch": epoch,
            "learning_rate": rate,
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(self.batches.images / max(progress.seconds, 1e-9), 3),
            "losses": {name: round(value, 6) for name, value in progress.losses.items()},
        }
        if progress.left_out:
            record["left_out"] = progress.left_out
            log.warning("epoch %d: %d exploding gradients counted as zero", epoch, progress.left_out)
        earlier = [line for line in self.run.history() if line["epoch"] < epoch]
        self.run.write_history([*earlier, record])


def check_free(folder: Path) -> None:
    """Raise RunError where a new run cannot use this folder: something is in it, or it cannot be written."""
    if not distributed.is_first():
        return
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; choose another folder with --out")
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise RunError(f"{folder} cannot be made in {existing}; choose another folder with --out")
    if folder.exists() and any(folder.iterdir()):
        hint = f"go on with --resume {folder}" if (folder / "run.json").exists() else "it is not empty"
        raise RunError(f"{folder} is there already: {hint}, or choose another folder with --out")


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let nobody else train the run in this folder meanwhile, but the other processes of this training. Raises RunError
    where another process does."""
    if not distributed.is_first():
        yield
        return
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"{folder} is being trained by another process; wait for it, or stop it") from None
    try:
        yield
    finally:
        lock.release()


def create(trainer: Trainer, earlier: Run | None = None) -> None:
    """Make the run's folder, complete with a checkpoint to go on from, in one move; with the epochs of an earlier run,
    where it goes on from one. Raises RunError where it exists, and as `beginning.copy_epochs` does."""
    if not distributed.is_first():
        return
    folder = trainer.run.folder
    check_free(folder)
    with new_folder(folder) as temporary:
        run = replace(trainer.run, folder=temporary)
        run.write()
        if earlier:
            copy_epochs(run, earlier)
        trainer.save_checkpoint(temporary)


def find_checkpoint(run: Run) -> Path:
    """What a training goes on from. Raises RunError where the run has none."""
    path = run.folder / "checkpoint.pt"
    if not path.is_file():
        raise RunError(
            f"{path} is missing: published and converted runs carry no checkpoint to go on from; begin a new run with "
            f"its networks: --init-from {run.folder}"
        )
    return path


def resume(trainer: Trainer) -> None:
    """Load the newest checkpoint of the trainer's run. Raises RunError where it is missing or damaged."""
    path = find_checkpoint(trainer.run)
    if distributed.is_first():
        sweep_strays(trainer.run.folder)
    try:
        state = cast(dict[str, Any], torch.load(path, map_location="cpu", weights_only=True))
        trainer.load_state_dict(state)
    except ChangedDataError:
        raise RunError(
            f"the training images are not those that {trainer.run.folder} began with: names or their number differ; "
            "put them back, or start a new run"
        ) from None
    except Exception as error:  # torch.load raises whatever a damaged file makes it meet
        raise RunError(f"{path} cannot be loaded ({type(error).__name__}: {str(error).splitlines()[0]})") from error
