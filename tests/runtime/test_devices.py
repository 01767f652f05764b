"""Devices and precision: what is asked for or a clear refusal; bf16 only where it was measured to be faster."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from cyclegan.config import ConfigError
from cyclegan.runtime import devices
from cyclegan.runtime.devices import GAIN_NEEDED, choose_precision, explain_precision, measure_bf16_gain, pick_device

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(devices, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


class Measurement:
    """Stands in for the measurement, and counts how often it is made."""

    def __init__(self, gain: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gain, self.count = gain, 0
        monkeypatch.setattr(devices, "measure_bf16_gain", self)

    def __call__(self) -> float:
        self.count += 1
        return self.gain


def remembered(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(False, False, "cpu"), (False, True, "mps"), (True, True, "cuda")]
)
def test_auto_is_the_first_that_is_there(cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device() == torch.device(expected)


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert pick_device("auto") == pick_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ConfigError, match=r"4 processes on this machine need a GPU each, and it has 1; .*--device cpu"):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        pick_device("auto")
    with pytest.raises(ConfigError, match="device 'cuda:1' cannot be that of 8 processes; use auto, cuda or cpu"):
        pick_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch, "zeros", lambda *_, **options: torch.ones(1))
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["gpu", "hpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^device {name!r} is not available here \(.+\); use auto or cpu$"):
        pick_device(name)


@pytest.mark.parametrize(
    ("gain", "expected"),
    [(GAIN_NEEDED, torch.bfloat16), (1.1, torch.float32)],
)
def test_bf16_is_chosen_where_it_was_measured_once_to_be_enough_faster(
    gain: float, expected: torch.dtype, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measurement = Measurement(gain, monkeypatch)
    assert (choose_precision(CPU, "fp32"), choose_precision(CPU, "bf16")) == (torch.float32, torch.bfloat16)
    assert not cache.exists()
    assert choose_precision(CPU) == choose_precision(CPU) == expected
    assert measurement.count == 1
    assert json.loads(remembered(cache).read_text()) == {"gain": gain}


@pytest.mark.parametrize("content", [b"", b"{}", b'{"gain": "fast"}'])
def test_a_damaged_memory_is_measured_again(content: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = Measurement(2.0, monkeypatch)
    choose_precision(CPU)
    remembered(cache).write_bytes(content)
    assert choose_precision(CPU) == torch.bfloat16
    assert measurement.count == 2
    assert json.loads(remembered(cache).read_text()) == {"gain": 2.0}


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Measurement(2.0, monkeypatch)
    cache.write_bytes(b"a file where the folder should be")
    with caplog.at_level(logging.INFO):
        assert choose_precision(CPU) == torch.bfloat16
    assert "measured again next time" in caplog.text


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_uses_bf16_where_it_has_it(
    supported: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert choose_precision(torch.device("cuda")) == expected


def test_the_choice_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    Measurement(2.0, monkeypatch)
    assert explain_precision(CPU) == "bf16: a convolution in bf16 was measured 2.00 times as fast; 1.15 are needed"
    assert explain_precision(torch.device("mps")) == "fp32: bf16 is not used on mps"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert explain_precision(torch.device("cuda")) == "fp32: the GPU computes no bf16"


def test_the_measurement_gives_a_ratio_and_leaves_the_random_state() -> None:
    state = torch.get_rng_state()
    assert 0.001 < measure_bf16_gain(duration=0) < 1000
    assert torch.equal(torch.get_rng_state(), state)
