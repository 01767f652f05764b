"""The content of `run.json`: the options that differ from the defaults, and those of other versions, kept unchanged."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, ValidationError

from cyclegan.config import ConfigError, Direction, Method, MethodConfig, TrainingConfig
from cyclegan.config.storage import reader, refusal

FORMAT = 2
"""Of `run.json`: 1 held every option; 2 holds those that differ from the defaults."""
LONGEST_NAME = 40
"""Characters in the name of a domain: it stands on buttons."""
SampleInputs = Literal["drawn", "dataset", "noise"]
Options = dict[tuple[str, ...], Any]
"""Options by their names: ("generator", "width")."""

RENAMED = {"augment": "diffaugment", "zoom": "scale_jitter", "jitter": "color_jitter"}
REMOVED: Options = {
    ("labels_only_from",): 0,
    ("first_epoch",): 1,
    ("cycle_noise",): 0.0,
    ("lambda_palette",): 0.0,
    ("lambda_penalty",): 10.0,
    ("max_gradient",): 1e3,
    ("init_gain",): 0.02,
    ("snapshot_every",): 0,
}
"""Options of format 1 that are gone since, with the values that change nothing; others are kept as unknown."""
DROPPED = {"compile", "sample_every", "edges_domain", "palette"}
"""Options of format 1 without which the training is the same, or that refine one of REMOVED."""
NETWORKS = ("generator", "discriminator")
NEEDED = (("dataset",), ("direction",))
"""Options that say what a run is, besides its networks."""

NO_DIFFERENCE = frozenset({"dataset", "snapshot_epochs", "checkpoint_steps"})
"""Options that make no other training: what it is trained on, and which epochs are kept."""

C = TypeVar("C", bound=TrainingConfig)


@dataclass(frozen=True)
class Domains:
    """What the two domains are called in public: on the page, in programs, and in the names of files."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    a: str
    b: str

    def __post_init__(self) -> None:
        for name in (self.a, self.b):
            if not name.strip() or len(name) > LONGEST_NAME:
                raise ConfigError(f"domain name {name!r} has {len(name)} characters; it must have 1 to {LONGEST_NAME}")
            if not name.isprintable() or set(name) & set("/\\"):
                raise ConfigError(f"domain name {name!r} has a slash or a control character; leave it out")
        if self.a == self.b:
            raise ConfigError(f"both domains are called {self.a!r}; give them different names")


@dataclass(frozen=True)
class RunFile:
    """The content of `run.json`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    format: int
    method: Method
    domains: Domains
    samples: dict[Direction, SampleInputs]
    revision: str | None
    config: dict[str, Any]
    only: Direction | None = None


def read_options(kind: type[C], options: Mapping[str, Any], source: str) -> tuple[C, Options]:
    """Return the configuration, and the options that this version does not know or whose values it does not take.

    Those have the method's defaults in the configuration. Raises ConfigError, naming source and key, if there is no
    dataset.
    """
    known, unknown = flat(options), Options()
    while True:
        try:
            text = json.dumps(nested(_defaults(kind) | known))
            return reader(kind).validate_json(text, strict=True), unknown  # type: ignore[arg-type]
        except ValidationError as error:
            refused = set(_places(error))
            above = {place[:depth] for place in refused for depth in range(1, len(place))}
            moved = [key for key in known if key in above or any(key[:n] in refused for n in range(1, len(key) + 1))]
            moved = moved or [key for key in known if key not in NEEDED]  # a rule about several options
            if not moved:
                raise refusal(error, source) from None
            unknown |= {key: known.pop(key) for key in moved}


def to_write(config: TrainingConfig, unknown: Options) -> dict[str, Any]:
    """Return the dataset, the options that differ from the defaults, and the unknown ones."""
    default = _defaults(type(config))
    return nested({key: each for key, each in flat(asdict(config)).items() if each != default.get(key)} | unknown)


def check_known(unknown: Options, source: str) -> None:
    """Raise ConfigError, naming an option, if the training depends on one that this version does not know."""
    if unknown:
        names = ", ".join(".".join(key) for key in list(unknown)[:5])
        raise ConfigError(
            f"{source} has options or values that this version does not know: {names}; "
            "it translates, but to train it further, use the version that wrote it"
        )


def from_format_1(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of format 1 under the names of today, without those that are gone."""
    return {
        RENAMED.get(name, name): value
        for name, value in options.items()
        if name not in DROPPED and ((name,) not in REMOVED or value != REMOVED[name,])
    }


def flat(options: Mapping[str, Any]) -> Options:
    """Return options, those of the networks by their whole names."""
    found = Options()
    for name, value in options.items():
        inside = name in NETWORKS and isinstance(value, dict)
        found |= {(name, inner): each for inner, each in value.items()} if inside else {(name,): value}
    return found


def nested(options: Options) -> dict[str, Any]:
    """The inverse of `flat`."""
    found: dict[str, Any] = {}
    for (*groups, name), value in options.items():
        inner = found
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = value
    return found


def options_of(config: MethodConfig) -> str:
    """Return the options of train.py that differ from the method's defaults, as they are typed; "" if none does."""
    words: list[str] = []
    defaults = flat(asdict(type(config)(dataset=config.dataset)))
    for key, value in flat(asdict(config)).items():
        if key[0] in NO_DIFFERENCE or defaults[key] == value:
            continue
        group, dot, last = ".".join(key).replace("_", "-").rpartition(".")
        if isinstance(value, bool):
            words.append(f"--{group}{dot}{'' if value else 'no-'}{last}")
        else:
            words += [f"--{group}{dot}{last}", *map(_word, value if isinstance(value, list | tuple) else [value])]
    return shlex.join(words)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _defaults(kind: type[TrainingConfig]) -> Options:
    """Return what is left out of `run.json`. A new format has to say which defaults the old one had."""
    default = flat(asdict(kind(dataset="any")))
    del default["dataset",]
    return default


def _places(error: ValidationError) -> Iterable[tuple[str, ...]]:
    for each in error.errors(include_url=False, include_input=False):
        broken = each.get("ctx", {}).get("error")
        option = broken.option.split(".") if isinstance(broken, ConfigError) and broken.option else []
        yield tuple(map(str, (*each["loc"], *option)))
