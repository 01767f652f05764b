"""The training loop: epochs of steps, and what is written after each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import torch
from torch import nn

from cyclegan.config import ConfigError, Direction
from cyclegan.data.batches import Batches, Pair
from cyclegan.data.noise import NoiseBatches
from cyclegan.images.encodings import encodings
from cyclegan.networks.features import weights_path
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import Run
from cyclegan.runs.samples import Inputs, render
from cyclegan.runtime import distributed
from cyclegan.runtime.devices import choose_precision, to_device
from cyclegan.training import checkpoint
from cyclegan.training.data_parallel import begin_batch, check_equal, parallelize
from cyclegan.training.ema import EMA
from cyclegan.training.init_from import initialize_from
from cyclegan.training.losses import Losses
from cyclegan.training.objectives import build_objective
from cyclegan.training.progress import NotFiniteError, Progress, generator_loss
from cyclegan.training.schedules import learning_rate_at
from cyclegan.training.updates import Updates

log = logging.getLogger(__name__)

CHECK_EVERY = 50
"""Steps on a GPU between two looks at the losses: each look waits for the device."""


class TrainingError(RuntimeError):
    """Training cannot continue: the message says where it stopped, why, and what is kept."""


class Trainer:
    """Networks, optimizers and position of one run."""

    def __init__(
        self,
        run: Run,
        batches: Batches | NoiseBatches,
        inputs: Inputs,
        *,
        device: torch.device,
        compiled: bool = False,
    ) -> None:
        self.run, self.config = run, run.config
        self.batches, self.inputs, self.device = batches, inputs, device
        steps = self.config.total_epochs * batches.steps
        if self.config.critic_steps > steps:
            raise ConfigError(
                f"critic_steps is {self.config.critic_steps}, but the whole training has {steps} steps: the generators "
                "would never be updated; train for more epochs, or lower --critic-steps"
            )
        if self.config.discriminator.architecture == "projected" or getattr(self.config, "lambda_perceptual", 0.0) > 0:
            weights_path("lite0")  # says what to install
        dtype = distributed.from_first(lambda: choose_precision(device, self.config.precision))
        torch.manual_seed(self.config.seed)
        self.objective = build_objective(self.config).to(device)
        parallelize(self.objective)
        if device.type != "cpu":  # there fused Adam copies weights that are not contiguous, six times its own work
            self.objective.to(memory_format=torch.channels_last)
        averaged = self.objective.generators.items() if self.config.ema_half_life else ()
        self.ema = {name: EMA(generator, self.config.ema_half_life) for name, generator in averaged}
        if compiled:
            penalized = self.config.gan_mode == "wgangp"  # torch.compile cannot differentiate a gradient
            discriminators = [] if penalized else self.objective.discriminators.values()
            for network in (*self.objective.generators.values(), *discriminators):
                network.compile()
        self.updates = Updates(self.objective, self.config, device=device, dtype=dtype)
        self.progress = Progress()

    def initialize_from(self, source: Run) -> str:
        """Take the newest networks of another run; return which. Raises as `init_from.initialize_from` does."""
        taken = initialize_from(self.objective, self.run, source)
        for name, ema in self.ema.items():
            ema.network.load_state_dict(self.objective.generators[name].state_dict(), strict=True)
        return taken

    @property
    def finished(self) -> bool:
        return self.progress.epoch > self.config.total_epochs

    @property
    def generators(self) -> dict[Direction, nn.Module]:
        """The generators of samples and snapshots."""
        latest = self.objective.generators
        return {each: self.ema[each].network if self.ema else latest[each] for each in self.run.directions}

    def step(self, real: Pair, index: int = 0) -> Losses:
        """Train on one batch, which is step `index` of the training, and return the losses.

        Generators are updated in the last of `critic_steps` steps: a critic is to be ahead of them (Gulrajani et al.
        2017, algorithm 1). Of several processes each gets its rows of the batch, and returns its part of the losses:
        these add up.
        """
        real = Pair(*(to_device(x, self.device, self.updates.dtype) for x in real))
        done = index % self.batches.steps * self.config.batch_size
        images = min(self.config.batch_size, self.batches.images - done)  # of all processes
        begin_batch(images)
        update_generators = (index + 1) % self.config.critic_steps == 0
        losses = self.objective.step(real, self.updates, update_generators=update_generators)
        self.updates.unfreeze()
        for name, ema in self.ema.items():
            ema.update(self.objective.generators[name], images=images, seen=(index + 1) * self.config.batch_size)
        return losses

    def train(
        self,
        *,
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_snapshot: Callable[[], object] = lambda: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end, or until `should_stop`, and save everything. Return whether the training is finished.

        `on_snapshot` is called after every epoch whose generators are kept, when all of it is on disk. Of several
        processes the first writes; if one should stop, all do.

        Raises TrainingError if a loss is not finite, OSError if the run cannot be written, LostError if
        another process is gone: what was saved before stays good.
        """
        check_equal(self.objective, self.batches.fingerprint, self.progress)
        while not self.finished:
            progress, unread = self.progress, list[Losses]()
            rate = distributed.from_first(self._learning_rate)
            self.updates.set_learning_rate(rate)
            started = time.monotonic()
            for index, real in enumerate(self.batches.epoch(progress.epoch, progress.step), progress.step):
                unread.append(self.step(real, (progress.epoch - 1) * self.batches.steps + index))
                stop = distributed.any_says(should_stop())
                save = stop or (self.config.checkpoint_steps and (index + 1) % self.config.checkpoint_steps == 0)
                if save or self.device.type == "cpu" or len(unread) >= CHECK_EVERY:
                    self._read(unread)
                    on_progress(progress)
                if save:
                    progress.seconds += time.monotonic() - started
                    checkpoint.save_together(self)
                    started = time.monotonic()
                if stop:
                    return False
            self._read(unread)
            progress.seconds += time.monotonic() - started
            on_progress(progress)
            self._finish_epoch(rate)
            if self.config.keeps_snapshot(progress.epoch):
                on_snapshot()
        return True

    def _read(self, unread: list[Losses]) -> None:
        """Move the losses of the last steps to the progress. Raises TrainingError if one is not finite."""
        try:
            self.progress.add(unread, self.updates.skipped)
        except NotFiniteError as error:
            raise self._broken(str(error)) from None
        unread.clear()

    def _check_weights(self) -> None:
        """Raise TrainingError if a weight is not finite: finite losses may hide what the last step broke."""
        for network in (self.objective, *self.generators.values()):
            for name, tensor in network.state_dict().items():
                if not torch.isfinite(tensor).all():
                    raise self._broken(f"weight {name} is not finite after epoch {self.progress.epoch}")

    def _broken(self, what: str) -> TrainingError:
        kept = self.run.epochs
        return TrainingError(
            f"{what}; stopped. Kept: {f'snapshot {kept[-1]}' if kept else 'no snapshot yet'}, and the last checkpoint. "
            "Use a lower --learning-rate, or --precision fp32, in a new run"
        )

    def _learning_rate(self) -> float:
        """Return that of this epoch, given the sum of the generators' losses in each before it."""
        before = [record["losses"] for record in self.run.history() if record["epoch"] < self.progress.epoch]
        return learning_rate_at(self.config, self.progress.epoch, [generator_loss(losses) for losses in before])

    def _finish_epoch(self, rate: float) -> None:
        """Write samples, snapshot and history first, the checkpoint last: a crash between them repeats the epoch, and
        the repeated epoch writes the same again."""
        progress = self.progress
        self._check_weights()
        if progress.skipped_steps > progress.step:  # of two updates a step
            raise self._broken(f"{progress.skipped_steps} steps of epoch {progress.epoch}, more than half, skipped")
        if distributed.is_first():
            try:
                self._write_epoch(rate)
            except WeightsError as error:  # finite, but too large to be stored
                raise self._broken(str(error)) from None
        self.progress = Progress(progress.epoch + 1)
        checkpoint.save_together(self)

    def _write_epoch(self, rate: float) -> None:
        progress, epoch = self.progress, self.progress.epoch
        sheet = render(self.generators, self.inputs, encodings(self.config), self.device, self.updates.dtype)
        self.run.save_sample(epoch, sheet)
        if self.config.keeps_snapshot(epoch):
            self.run.save_snapshot(epoch, self.generators)
            self.run.save_discriminators({domain: self.objective.discriminators[domain] for domain in self.run.judged})
        if progress.skipped_steps:
            log.warning("epoch %d: %d steps skipped, whose gradients exploded", epoch, progress.skipped_steps)
        earlier = [line for line in self.run.history() if line["epoch"] < epoch]
        self.run.write_history([*earlier, progress.record(learning_rate=rate, images=self.batches.images)])
