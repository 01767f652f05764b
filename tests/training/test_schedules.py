"""Learning rates by epoch."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cyclegan.config import CycleGANConfig, LrPolicy, Pix2PixConfig
from cyclegan.training.schedules import learning_rate_at


def config(policy: LrPolicy, epochs: int = 100, decay_epochs: int = 100, step: int = 50) -> CycleGANConfig:
    return CycleGANConfig(
        dataset="facades", lr_policy=policy, epochs=epochs, decay_epochs=decay_epochs, lr_step_epochs=step
    )


@pytest.mark.parametrize("kind", [CycleGANConfig, Pix2PixConfig])
@pytest.mark.parametrize(
    ("epoch", "factor"), [(1, 1.0), (100, 1.0), (101, 1 - 1 / 101), (150, 1 - 50 / 101), (200, 1 / 101)]
)
def test_linear_is_constant_and_then_falls_to_its_end(
    kind: type[CycleGANConfig | Pix2PixConfig], epoch: int, factor: float
) -> None:
    assert learning_rate_at(kind(dataset="facades"), epoch) == pytest.approx(2e-4 * factor, rel=1e-12)


def test_without_decay_the_learning_rate_stays() -> None:
    assert {learning_rate_at(config("linear", 7, 0), epoch) for epoch in range(1, 8)} == {2e-4}


def test_step_falls_to_a_tenth_at_every_step() -> None:
    rates = [learning_rate_at(config("step", 25, 0, step=10), epoch) for epoch in range(1, 26)]
    assert rates == pytest.approx([2e-4] * 10 + [2e-5] * 10 + [2e-6] * 5, rel=1e-12)


def test_cosine_falls_over_the_whole_training_and_never_rises() -> None:
    rates = [learning_rate_at(config("cosine", 30, 20), epoch) for epoch in range(1, 51)]
    assert rates[0] == 2e-4
    assert all(before > after for before, after in pairwise(rates))
    assert rates[25] == pytest.approx(1e-4, rel=1e-12)
    assert 0 < rates[-1] < 2e-4 * 0.002


def test_plateau_follows_the_losses() -> None:
    falling = [10.0 * 0.9**epoch for epoch in range(20)]
    assert learning_rate_at(config("plateau"), 21, falling) == 2e-4
    still = [3.0] * 20
    rates = [learning_rate_at(config("plateau"), epoch, still) for epoch in range(1, 15)]
    assert rates == pytest.approx([2e-4] * 7 + [4e-5] * 6 + [8e-6], rel=1e-12)
    barely = [3.0 * 0.999**epoch for epoch in range(7)]
    assert learning_rate_at(config("plateau"), 8, barely) == pytest.approx(4e-5), "less than 1 % is no progress"


def test_plateau_understands_the_negative_losses_of_wgangp() -> None:
    falling = [5.0 - epoch for epoch in range(20)]
    assert learning_rate_at(config("plateau"), 21, falling) == 2e-4
    rising = [-5.0 + epoch for epoch in range(7)]
    assert learning_rate_at(config("plateau"), 8, rising) == pytest.approx(4e-5)


def test_plateau_looks_at_earlier_epochs_alone() -> None:
    assert learning_rate_at(config("plateau"), 3, [3.0] * 20) == 2e-4
