"""Stored weights: exact within stated bounds, and refused with the file's name where anything is off."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cyclegan.config import ConfigError, DiscriminatorConfig, GeneratorConfig
from cyclegan.networks.build import build_discriminator, build_generator, initialize
from cyclegan.networks.storage import (
    Storage,
    WeightsError,
    dequantize,
    load_discriminator,
    load_generator,
    quantize,
    save_network,
)

State = dict[str, Tensor]

CONFIG = GeneratorConfig("unet_128", width=2, norm="batch")


def trained_state(config: GeneratorConfig = CONFIG) -> State:
    torch.manual_seed(0)
    network = build_generator(config)
    initialize(network, 0.02)
    return network.state_dict()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_network(tmp_path / "ba", CONFIG, trained_state())
    return tmp_path / "ba"


def rewrite(folder: Path, change: Callable[[State], object]) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def assert_refused(folder: Path, reason: str, file: str = "model.safetensors") -> None:
    with pytest.raises((WeightsError, ConfigError), match=reason) as caught:
        load_generator(folder)
    assert str(folder / file) in str(caught.value)


@pytest.mark.parametrize("storage", get_args(Storage))
def test_a_generator_comes_back_ready_to_translate(storage: Storage, tmp_path: Path) -> None:
    save_network(tmp_path, CONFIG, trained_state(), storage)
    config, network = load_generator(tmp_path)
    assert config == CONFIG
    assert not network.training
    for name, tensor in network.state_dict().items():
        expected = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        assert (tensor.dtype, tensor.device.type) == (expected, "cpu")
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network(torch.zeros(1, 3, 128, 128)).isfinite().all()


@pytest.mark.parametrize("storage", get_args(Storage))
def test_weights_come_back_within_half_a_step(storage: Storage) -> None:
    state = trained_state()
    stored = quantize(state, storage)
    restored = dequantize(stored, "here")
    assert restored.keys() == state.keys()
    for name, tensor in state.items():
        if storage == "int8" and tensor.ndim == 4:
            assert stored[name].dtype == torch.int8
            # fp16 rounds the step itself by 2^-11, which 127 steps away from zero is another 1/16 of a step.
            bound = 0.57 * tensor.abs().amax((1, 2, 3), keepdim=True) / 127
        else:  # relative to the value, or to the smallest normal number of fp16 below it
            bound = 2**-11 * tensor.abs().clamp(min=2**-14)
        assert ((restored[name] - tensor).abs() <= bound).all(), name


@pytest.mark.parametrize("storage", get_args(Storage))
def test_an_empty_channel_and_the_largest_values_survive(storage: Storage) -> None:
    weight = torch.tensor([0.0, 60_000.0]).reshape(2, 1, 1, 1).expand(2, 3, 1, 2)
    restored = dequantize(quantize({"weight": weight, "count": torch.tensor(7)}, storage), "here")
    assert torch.equal(restored["count"], torch.tensor(7))
    torch.testing.assert_close(restored["weight"], weight, rtol=2**-10, atol=0)


@pytest.mark.parametrize("value", [70_000.0, float("inf"), float("nan")])
@pytest.mark.parametrize("storage", get_args(Storage))
def test_values_that_cannot_be_stored_are_refused_before_anything_is_written(storage: Storage, value: float) -> None:
    weight = torch.zeros(1, 2, 3, 3)
    weight[0, 1, 2, 1] = value if storage == "fp16" else 127 * value
    if storage == "fp32" and value == 70_000:
        assert torch.equal(dequantize(quantize({"weight": weight}, storage), "here")["weight"], weight)
        return
    with pytest.raises(WeightsError, match=r"weight .*65504"):
        quantize({"weight": weight}, storage)


def test_running_statistics_beyond_half_precision_do_not_stop_a_run() -> None:
    stored = quantize({"model.2.running_var": torch.tensor([1e9])}, "fp16")
    assert stored["model.2.running_var"].item() == 65504


def first(state: State) -> str:
    return min(name for name, tensor in state.items() if tensor.ndim == 4)


def set_first(value: Callable[[Tensor], Tensor]) -> Callable[[State], None]:
    def change(state: State) -> None:
        state[first(state)] = value(state[first(state)])

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop(first(state)), "lacks 1 tensors"),
        (lambda state: state.update(extra=torch.zeros(1)), "has 1 tensors that its config.json does not know.*extra"),
        (lambda state: state.update({f"{first(state)}.scale": torch.zeros(1)}), "does not know.*scale"),
        (set_first(lambda tensor: tensor[:-1].clone()), r"has shape \[.*config.json says \["),
        (set_first(lambda tensor: torch.full_like(tensor, float("nan"))), "not finite"),
        (set_first(lambda tensor: tensor.to(torch.int8)), "int8 but has no fitting .*scale"),
        (set_first(lambda tensor: torch.tensor(1, dtype=torch.int8)), "int8 but has no fitting .*scale"),
        (set_first(lambda tensor: tensor.to(torch.int64)), "has torch.int64, not torch.float32"),
        (set_first(lambda tensor: tensor.to(torch.uint8).view(torch.float4_e2m1fn_x2)), "has torch.float4"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: Callable[[State], object], reason: str, folder: Path) -> None:
    rewrite(folder, change)
    assert_refused(folder, reason)


@pytest.mark.parametrize(
    "content", [b"", pickle.dumps({"weight": [0.0]}), b"PK\x03\x04"], ids=["truncated", "pickle", "zip"]
)
def test_a_damaged_or_foreign_file_is_refused(content: bytes, folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(content or path.read_bytes()[:-1])
    assert_refused(folder, "is damaged")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert_refused(folder, "is missing", name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ngf": 64}, "config.json is .*ngf"),
        ({"norm": "layer"}, "config.json is .*norm"),
        ({"width": 0}, "config.json is .*width is 0"),
        ({"norm": "instance"}, "model.safetensors lacks .* tensors"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(change: dict[str, object], reason: str, folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises((WeightsError, ConfigError), match=reason):
        load_generator(folder)


def test_the_weights_are_written_last(tmp_path: Path) -> None:
    """Where they are, both files are: a snapshot counts from then on."""
    (tmp_path / "config.json").mkdir()
    with pytest.raises(OSError, match="cannot write"):
        save_network(tmp_path, CONFIG, trained_state())
    assert not (tmp_path / "model.safetensors").exists()


def test_a_discriminator_comes_back_and_one_of_other_channels_is_refused(tmp_path: Path) -> None:
    config = DiscriminatorConfig(width=2, norm="batch")
    save_network(tmp_path, config, build_discriminator(config, in_channels=6).state_dict())
    loaded, network = load_discriminator(tmp_path, in_channels=6)
    assert loaded == config and not network.training
    with pytest.raises(WeightsError, match=r"shape \[2, 6, 4, 4\], its config.json says \[2, 3, 4, 4\]"):
        load_discriminator(tmp_path, in_channels=3)
    with pytest.raises(ConfigError, match=r"config\.json is not valid"):
        load_generator(tmp_path)
