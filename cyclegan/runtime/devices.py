"""Which device computes, and in which precision: chosen by a measurement, never by guess."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import ConfigError, Precision
from cyclegan.runtime import distributed
from cyclegan.runtime.files import cache_folder, write_atomically

log = logging.getLogger(__name__)

GAIN_NEEDED = 1.15
"""bf16 is chosen where it is at least this much faster than fp32: below that it would cost accuracy for nothing."""


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of that name; auto is the first available of CUDA, Apple's GPU and the CPU.

    Of several processes each gets a GPU of its own, or the CPU. Raises ConfigError if there is no such device.
    """
    place = distributed.place()
    if place.size > 1 and name not in ("auto", "cuda", "cpu"):
        raise ConfigError(f"device {name!r} cannot be that of {place.size} processes; use auto, cuda or cpu")
    if place.size > 1 and (name == "cuda" or (name == "auto" and torch.cuda.is_available())):
        gpus = torch.cuda.device_count()
        if place.local_rank >= gpus:
            raise ConfigError(
                f"{place.local_size} processes on this machine need a GPU each, and it has {gpus}; start fewer "
                "processes, or use --device cpu"
            )
        name = f"cuda:{place.local_rank}"
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if place.size == 1 and torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ConfigError(
            f"device {name!r} is not available here ({str(error).splitlines()[0]}); use auto or cpu"
        ) from None
    return device


def to_device(batch: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The batch on the device, its dtype as it is, for networks that compute in `dtype`.

    Images [N, C, H, W] get their channels last, as convolutions read them fastest; but in float32 on a CPU, where
    channels first make training steps 1.15 times as fast. Noise stays as it is.
    """
    channels_first = device.type == "cpu" and dtype == torch.float32
    layout = torch.preserve_format if batch.ndim != 4 or channels_first else torch.channels_last
    return batch.to(device, memory_format=layout, non_blocking=True)


def choose_precision(device: torch.device, wanted: Precision = "auto") -> torch.dtype:
    """float32 or bfloat16, as wanted; for auto the faster on this device, measured once and remembered."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bf16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if device.type == "cpu" and bf16_gain() >= GAIN_NEEDED else torch.float32


def explain_precision(device: torch.device) -> str:
    """What auto chooses on this device, and why."""
    chosen = "bf16" if choose_precision(device) is torch.bfloat16 else "fp32"
    if device.type == "cuda":
        return f"{chosen}: the GPU computes {'in bf16 as it is' if chosen == 'bf16' else 'no bf16'}"
    if device.type != "cpu":
        return f"{chosen}: bf16 is not used on {device.type}"
    return f"{chosen}: a convolution in bf16 was measured {bf16_gain():.2f} times as fast; {GAIN_NEEDED} are needed"


def bf16_gain() -> float:
    """How many times faster bf16 is on this CPU, measured once and remembered."""
    return remembered(f"bf16-{machine_key()}", measure_bf16_gain)


def remembered(name: str, measure: Callable[[], float]) -> float:
    """Return the gain that was measured before under this name, or measure it and remember it for other processes."""
    path = cache_folder() / f"{name}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(path.read_bytes())["gain"])
    gain = measure()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"gain": round(gain, 3)}).encode())
    except OSError as error:
        log.info("what is faster here is measured again next time: %s", error)
    return gain


def measure_bf16_gain(duration: float = 0.5) -> float:
    """How many times faster a 3x3 convolution of 128 channels runs in bf16 than in fp32, the fastest of each within
    some seconds: a busy machine stands still for tenths of one, and what is measured then is remembered for good."""
    seconds = dict.fromkeys((torch.float32, torch.bfloat16), inf)
    end = time.perf_counter() + duration
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 128, 64, 64, generator=generator)
    weight = torch.randn(128, 128, 3, 3, generator=generator)
    with torch.inference_mode():
        while inf in seconds.values() or time.perf_counter() < end:
            for dtype in seconds:
                x = image.to(dtype, memory_format=torch.channels_last)
                w = weight.to(dtype, memory_format=torch.channels_last)
                start = time.perf_counter()
                F.conv2d(x, w, padding=1)
                seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return seconds[torch.float32] / seconds[torch.bfloat16]


def machine_key() -> str:
    """Return what changes with whatever could change the measurement: processor, PyTorch, number of threads."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor += "".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))
    parts = (processor, torch.__version__, str(torch.get_num_threads()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
