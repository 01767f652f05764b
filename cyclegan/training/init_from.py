"""A training that starts with the networks of another run: `train.py --init-from`."""

from __future__ import annotations

from dataclasses import asdict

from cyclegan.config import ConfigError, CycleGANConfig, Direction, Pix2PixConfig
from cyclegan.runs.run import Run
from cyclegan.training.objectives import Objective

EXCHANGED = {"in_channels": "out_channels", "out_channels": "in_channels"}


def initialize_from(objective: Objective, run: Run, source: Run) -> str:
    """Give the objective of `run` the newest networks of `source`, by direction and domain; those that `source` lacks
    keep their random weights. Return a sentence about both.

    Raises ConfigError if it has none of these generators, or one of another architecture, and what loading raises.
    """
    named = run.config.init_from
    if source.translates != run.translates:
        raise ConfigError(f"init_from {named} is a {source.method}: one of the two generates images from noise")
    if not source.epochs:
        raise ConfigError(f"init_from {named} has no snapshot yet; train it for an epoch")
    directions = [direction for direction in run.directions if direction in source.directions]
    if not directions:
        remedy = f"; use --direction {source.directions[0]}" if isinstance(run.config, Pix2PixConfig) else ""
        raise ConfigError(
            f"init_from {named} translates {' and '.join(source.directions)}, and this run "
            f"{' and '.join(run.directions)}{remedy}"
        )
    for direction in directions:
        _check_architecture(run, source, direction)
    domains = [
        domain
        for domain, channels in run.judged.items()
        if source.has_discriminators
        and source.judged.get(domain) == channels
        and source.discriminator(domain) == run.config.discriminator
    ]
    epoch = source.epochs[-1]
    for direction in directions:
        state = source.load_generator(epoch, direction).state_dict()
        objective.generators[direction].load_state_dict(state, strict=True)
    for domain in domains:
        state = source.load_discriminator(domain).state_dict()
        objective.discriminators[domain].load_state_dict(state, strict=True)
    taken = [f"generator {each}" for each in directions] + [f"discriminator {each}" for each in domains]
    anew = [f"generator {each}" for each in run.directions if each not in directions]
    anew += [f"discriminator {each}" for each in run.judged if each not in domains]
    return f"{', '.join(taken)} of epoch {epoch}" + (f"; anew: {', '.join(anew)}" if anew else "")


def _check_architecture(run: Run, source: Run, direction: Direction) -> None:
    there, here = asdict(source.generator_config(direction)), asdict(run.generator_config(direction))
    differs = [name for name in there if there[name] != here[name]]
    if differs:
        reverse = EXCHANGED if isinstance(run.config, CycleGANConfig) and direction == "ba" else {}
        options = " ".join(_option(reverse.get(name, name), there[name]) for name in differs)
        found = ", ".join(f"{name} {there[name]}, here {here[name]}" for name in differs)
        raise ConfigError(
            f"init_from {run.config.init_from} has another generator {direction} ({found}); use {options}"
        )


def _option(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--generator.{name if value else f'no-{name}'}"
    return f"--generator.{name.replace('_', '-')} {value}"
