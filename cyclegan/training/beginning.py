"""A training that begins with the networks of another run: `train.py --init-from`."""

from __future__ import annotations

import shutil
from dataclasses import asdict

from torch import nn

from cyclegan.config import ConfigError, CycleGANConfig, Direction, Domain, Pix2PixConfig
from cyclegan.networks.storage import check_tensors
from cyclegan.runs.run import Run
from cyclegan.training.objectives import Objective

EXCHANGED = {"in_channels": "out_channels", "out_channels": "in_channels"}


def begin_from(objective: Objective, run: Run, source: Run) -> str:
    """Give the objective of `run` the newest networks of `source`, each generator in its direction, each discriminator
    in its domain; what `source` does not have stays as it is, as does a last layer that makes classes where that of
    `source` makes colours, or the other way round. Returns a sentence about both.

    Raises ConfigError where it has no generator of these, not the one that is to rest, or one of another shape,
    WeightsError where its weights are not what it says, and what they raise where they cannot be had.
    """
    named = run.config.init_from
    if source.translates != run.translates:
        raise ConfigError(f"init_from {named} is a {source.method}: one of the two makes its pictures from noise")
    if not source.epochs:
        raise ConfigError(f"init_from {named} has no snapshot yet; train it for an epoch")
    epoch = source.epochs[-1]
    if run.config.first_epoch > 1:
        _check_epochs(run, source)
    directions = [way for way in run.directions if way in source.directions]
    if not directions:
        remedy = f"; use --direction {source.directions[0]}" if isinstance(run.config, Pix2PixConfig) else ""
        raise ConfigError(
            f"init_from {named} translates {' and '.join(source.directions)}, and this run "
            f"{' and '.join(run.directions)}{remedy}"
        )
    for way in directions:
        _check_shape(run, source, way)
    if isinstance(run.config, CycleGANConfig) and run.config.rests_from_the_beginning and "ba" not in directions:
        raise ConfigError(
            f"init_from {named} translates {directions[0]}, but labels_only_from {run.config.labels_only_from} needs "
            "its generator ba, which makes photos and rests from the beginning; begin with another run, or let it "
            "learn until a later epoch"
        )
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


def copy_epochs(run: Run, source: Run) -> None:
    """Give a new run the epochs of the one it goes on from: its snapshots as they are stored, samples, history.

    Raises what `source` raises where they cannot be had.
    """
    before = range(1, run.config.first_epoch)
    for epoch in source.epochs:
        for way in source.directions:
            if source.source:
                source.source.bring(source, epoch, way)
            shutil.copytree(source.snapshot_folder(epoch, way), run.snapshot_folder(epoch, way))
    for epoch in source.sample_epochs:
        if epoch in before:
            run.write_sample(epoch, source.read_sample(epoch).getvalue())
    run.write_history([record for record in source.history() if record["epoch"] in before])


def _check_epochs(run: Run, source: Run) -> None:
    """Raise ConfigError where the epochs of `source` cannot be those before the first one of the run."""
    named, first = run.config.init_from, run.config.first_epoch
    last = source.epochs[-1]
    if first != last + 1:
        raise ConfigError(
            f"first_epoch is {first}, but {named} has kept epoch {last} last; use --first-epoch {last + 1}"
        )
    facts = {
        "method": (source.method, run.method),
        "directions": (source.directions, run.directions),
        "domains": (source.domains, run.domains),
        "sample images": (source.samples if source.sample_epochs else run.samples, run.samples),
    } | {f"generator {way}": tuple(each.generator_config(way) for each in (source, run)) for way in run.directions}
    differs = [name for name, (there, here) in facts.items() if there != here]
    if differs:
        raise ConfigError(
            f"first_epoch is {first}, but the epochs of {named} have another {', another '.join(differs)}; give this "
            "training the same, or leave --first-epoch out"
        )


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
    if not source.has_discriminators or source.config.discriminator != run.config.discriminator:
        return []
    return [domain for domain, channels in run.judged.items() if source.judged.get(domain) == channels]


def _take(network: nn.Module, other: nn.Module, name: str, *, but_last_layer: bool = False) -> None:
    own = network.state_dict()
    # In their order: where a layer of dropout stands, those after it have other numbers.
    state = dict(zip(own, other.state_dict().values(), strict=True))
    if but_last_layer:
        for last in list(own)[-2:]:  # its weight and its bias
            state[last] = own[last]
    check_tensors(state, own, name, told_by="this training")
    network.load_state_dict(state, strict=True)
