"""The check of options by tables of rules."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import partial
from math import inf
from typing import Any, NamedTuple


class ConfigError(ValueError):
    """An option that cannot work: the message holds value, limit and remedy."""

    option: str | None = None
    """Name of the option, if a rule was broken."""


class Rule(NamedTuple):
    """What an option needs: of the options, or of its own value."""

    option: str
    holds: Callable[[Any], bool]
    """Whether a configuration keeps the rule."""
    problem: str
    """Why not, after the option and its value; `c` stands for the configuration."""
    remedy: str = ""


def check(config: Any, rules: Iterable[Rule], prefix: str = "") -> None:
    """Raise ConfigError, with value, limit and remedy, if the configuration breaks a rule of the table."""
    for rule in rules:
        if not rule.holds(config):
            value = value_of(config, rule.option)
            stated = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            stated = textwrap.shorten(stated, 80, placeholder=" ...") or "empty"
            parts = [f"{prefix}{rule.option} is {stated}{rule.problem}", rule.remedy]
            error = ConfigError("; ".join(filter(None, parts)).format(c=config))
            error.option = rule.option
            raise error


def within(valid: Callable[[Any], bool], limit: str, *options: str) -> list[Rule]:
    """Rules for the values of options, each on its own."""
    return [Rule(name, partial(_is_valid, valid, name), f"; it must be {limit}") for name in options]


def _is_valid(valid: Callable[[Any], bool], option: str, config: Any) -> bool:
    return valid(value_of(config, option))


def at_least(lowest: int, *options: str) -> list[Rule]:
    return within(lambda value: value >= lowest, f"{lowest} or more", *options)


def weights(*options: str) -> list[Rule]:
    """Rules for weights of losses."""
    return within(lambda value: 0 <= value < inf, "0 or more, and finite", *options)


def used_by(user: str, is_used: Callable[[Any], bool], *options: str) -> list[Rule]:
    """Refuse options that are set although nothing reads them: whoever sets one expects an effect."""

    def holds(name: str, config: Any) -> bool:
        default = next(each.default for each in fields(config) if each.name == name)
        return is_used(config) or getattr(config, name) == default

    return [
        Rule(name, partial(holds, name), f", but only {user} uses it", f"leave {flag(name)} out") for name in options
    ]


def value_of(config: Any, option: str) -> Any:
    """Return the value of an option, which may be nested: generator.width."""
    for name in option.split("."):
        config = getattr(config, name)
    return config


def flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
