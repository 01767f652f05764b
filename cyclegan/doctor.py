"""What this machine has and how the project will use it, on one page: `python -m cyclegan.doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
import tyro

from cyclegan.config import ConfigError
from cyclegan.data.batches import physical_memory
from cyclegan.data.downloads import data_root
from cyclegan.runtime.devices import choose_precision, explain_precision, pick_device
from cyclegan.runtime.files import cache_folder
from cyclegan.runtime.proxies import unusable_proxies
from cyclegan.translate.openvino import explain_backend

NEEDED = ("torch", "torchvision", "gradio", "huggingface-hub", "safetensors", "pillow", "numpy", "pydantic")
OPTIONAL = ("torch-fidelity", "openvino", "onnxruntime", "spaces", "datasets")
HUB_SECONDS = 5.0
"""How long the Hub has to answer."""


@dataclass(frozen=True)
class Doctor:
    """Print device, precision and why, memory, versions, caches, and whether the Hugging Face Hub can be reached.
    Nothing is changed but what the choice of precision remembers; no token is shown."""

    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""


def findings(device: torch.device) -> Iterator[tuple[str, str]]:
    """Return name and finding, line by line; the slow ones last."""
    from huggingface_hub import constants

    extensions = [name for name in ("avx512_bf16", "amx_bf16") if torch.cpu.get_capabilities().get(name)]
    capability = " ".join([torch.backends.cpu.get_cpu_capability(), *extensions])
    card = torch.cuda.get_device_properties(device) if device.type == "cuda" else None
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    yield "packages", ", ".join(_versions())
    yield "device", f"{device}: {card.name}, {card.total_memory / 1e9:.0f} GB" if card else str(device)
    yield "threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores; CPU capability {capability}"
    yield "memory", f"{physical_memory() / 1e9:.1f} GB for this process"
    yield "cache", _room(cache_folder())
    yield "datasets", _room(data_root())
    yield "hub cache", _room(Path(constants.HF_HUB_CACHE))
    yield "precision", explain_precision(device)
    if device.type == "cpu":
        yield "resnets", explain_backend(choose_precision(device))
    yield "hub", hub_state()


def hub_state() -> str:
    """Return whether the Hub answers, and whether someone is logged in; never the token."""
    from huggingface_hub import constants, get_session, get_token
    from huggingface_hub.utils import httpx

    login = "logged in" if get_token() else "not logged in (hf auth login, or HF_TOKEN; needed to publish)"
    if proxies := unusable_proxies():
        return f"{constants.ENDPOINT} cannot be reached: {'; '.join(proxies.values())}"
    try:
        answer = get_session().get(f"{constants.ENDPOINT}/api/models?limit=1", timeout=HUB_SECONDS)
        answer.raise_for_status()
    except (httpx.HTTPError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        return f"{constants.ENDPOINT} cannot be reached ({reason}); what is here works without it; {login}"
    return f"{constants.ENDPOINT} answers; {login}"


def _versions() -> Iterator[str]:
    for name in (*NEEDED, *OPTIONAL):
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            if name in NEEDED:
                yield f"{name} MISSING (pip install -r requirements.txt)"


def _room(folder: Path) -> str:
    """What a folder holds, and how much more its disk takes."""
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    there = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    return f"{folder}: {held / 1e6:.0f} MB, {shutil.disk_usage(there).free / 1e9:.0f} GB free"


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, or 2 for a device that is not there."""
    command = tyro.cli(Doctor, args=arguments, prog="python -m cyclegan.doctor")
    try:
        device = pick_device(command.device)
    except ConfigError as error:
        sys.stderr.write(f"cyclegan.doctor: {error}\n")
        return 2
    for name, finding in findings(device):
        sys.stdout.write(f"{name:<11}{finding}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
