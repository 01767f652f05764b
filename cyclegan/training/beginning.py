"""A training that begins with the networks of another run: `train.py --init-from`."""

from __future__ import annotations

from dataclasses import asdict

from torch import nn

from cyclegan.config import ConfigError, CycleGANConfig, Direction, Domain, Pix2PixConfig
from cyclegan.networks.storage import check_tensors
from cyclegan.runs.run import Run
from cyclegan.training.objectives import Objective

EXCHANGED = {"in_channels": "out_channels", "out_channels": "in_channels"}


def initialize_from(objective: Objective, run: Run, source: Run) -> str:
    """Give the objective of `run` the newest networks of `source`, by direction and domain.

    Networks that `source` lacks keep their random weights, as does a last layer of classes where `source` has colours,
    or the other way round. Return a sentence about both.

    Raises ConfigError if it has none of these generators, or one of another shape, WeightsError if its weights do not
    fit its configuration, and what they raise if they cannot be loaded.
    """
    named = run.config.init_from
    if source.translates != run.translates:
        raise ConfigError(f"init_from {named} is a {source.method}: one of the two generates images from noise")
    if not source.epochs:
        raise ConfigError(f"init_from {named} has no snapshot yet; train it for an epoch")
    epoch = source.epochs[-1]
    directions = [way for way in run.directions if way in source.directions]
    if not directions:
        remedy = f"; use --direction {source.directions[0]}" if isinstance(run.config, Pix2PixConfig) else ""
        raise ConfigError(
            f"init_from {named} translates {' and '.join(source.directions)}, and this run "
            f"{' and '.join(run.directions)}{remedy}"
        )
    for way in directions:
        _check_shape(run, source, way)
    domains = _judged_alike(run, source)
    converted = [
        way
        for way in directions
        if (run.generator_config(way).classes is None) != (source.generator_config(way).classes is None)
    ]
    for way in directions:
        there, here = source.load_generator(epoch, way), objective.generators[way]
        _take(here, there, f"generator {way} of {named}", but_last_layer=way in converted)
    for domain in domains:
        _take(objective.discriminators[domain], source.load_discriminator(domain), f"discriminator {domain} of {named}")
    taken = [f"generator {way}" for way in directions] + [f"discriminator {domain}" for domain in domains]
    anew = [f"the last layer of generator {way}, for classes are not colours" for way in converted]
    anew += [f"generator {way}" for way in run.directions if way not in directions]
    anew += [f"discriminator {domain}" for domain in run.judged if domain not in domains]
    return f"{', '.join(taken)} of epoch {epoch}" + (f"; anew: {', '.join(anew)}" if anew else "")


def _check_shape(run: Run, source: Run, way: Direction) -> None:
    there, here = asdict(source.generator_config(way)), asdict(run.generator_config(way))
    # Dropout has no weights, and classes are a matter of the last layer.
    differs = [name for name in there if name not in ("dropout", "classes") and there[name] != here[name]]
    if differs:
        reverse = EXCHANGED if isinstance(run.config, CycleGANConfig) and way == "ba" else {}
        options = " ".join(f"--generator.{reverse.get(name, name).replace('_', '-')} {there[name]}" for name in differs)
        found = ", ".join(f"{name} {there[name]}, here {here[name]}" for name in differs)
        raise ConfigError(f"init_from {run.config.init_from} has another generator {way} ({found}); use {options}")


def _judged_alike(run: Run, source: Run) -> list[Domain]:
    """The domains whose discriminators are there, and of the same shape."""
    if not source.has_discriminators:
        return []
    return [
        domain
        for domain, channels in run.judged.items()
        if source.judged.get(domain) == channels and source.discriminator(domain) == run.config.discriminator
    ]


def _take(network: nn.Module, other: nn.Module, name: str, *, but_last_layer: bool = False) -> None:
    own = network.state_dict()
    # In their order: where a layer of dropout stands, those after it have other numbers.
    state = dict(zip(own, other.state_dict().values(), strict=True))
    if but_last_layer:
        for last in list(own)[-2:]:  # its weight and its bias
            state[last] = own[last]
    check_tensors(state, own, name, told_by="this training")
    network.load_state_dict(state, strict=True)
