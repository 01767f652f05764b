"""Interleaved measurement: each variant in a process of its own, all asked in turn, so that a busy moment hits all."""

from __future__ import annotations

import json
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], object]


def compare(
    variants: dict[str, tuple[Callable[..., Work], Sequence[Any]]], *, rounds: int, threads: int, device: str = "cpu"
) -> dict[str, Any]:
    """Seconds and peak memory of each variant: a function that prepares, and its arguments; what it returns is timed,
    until a GPU has done it, too. The memory is the process's, or what PyTorch has taken of the GPU's.

    The first variant is the baseline: `ratio` is how many times faster another one is, the median over rounds of
    the ratio within a round.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    for name, (prepare, arguments) in variants.items():
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, prepare, arguments, threads, device))
        process.start()
        processes.append(process)
        pipes[name] = here
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for index in range(rounds + 1):  # the first round warms up
        for name, pipe in pipes.items():
            pipe.send("work")
            value = pipe.recv()
            if index:
                seconds[name].append(value)
        print(f"round {index}/{rounds}", file=sys.stderr)
    results: dict[str, Any] = {}
    baseline = seconds[next(iter(variants))]
    for name, pipe in pipes.items():
        pipe.send("stop")
        ratios = [slow / fast for slow, fast in zip(baseline, seconds[name], strict=True)]
        results[name] = {
            "seconds": round(statistics.median(seconds[name]), 4),
            "ratio": round(statistics.median(ratios), 2),
            "peak_mb": pipe.recv(),
        }
    for process in processes:
        process.join()
    return results


def ceilings(threads: int, device: str = "cpu") -> dict[str, float]:
    """TFLOP/s of a matrix product on this machine, 1536-square on the CPU and 8192-square on a GPU: what no convolution
    can exceed."""
    torch.set_num_threads(threads)
    side = 1536 if device == "cpu" else 8192
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        x = torch.randn(side, side, device=device).to(dtype)
        best = float("inf")
        for _ in range(6):
            start = time.perf_counter()
            x @ x
            wait_for(device)
            best = min(best, time.perf_counter() - start)
        rates[name] = round(2 * side**3 / best / 1e12, 3)
    return rates


def wait_for(device: str) -> None:
    """Wait until a GPU has done what it was told to."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def add_rates(results: dict[str, Any], images: int, tflop: float, limits: Mapping[str, float]) -> None:
    """Beside each variant's seconds, its images a second, and its share of the machine's ceiling in bf16."""
    for values in results.values():
        values["images_per_second"] = round(images / values["seconds"], 2)
        values["share_of_bf16_ceiling"] = round(tflop / values["seconds"] / limits["bf16"], 3)


def tflop_of(make: Callable[[], Work]) -> float:
    """10^12 operations of the convolutions and matrix products of a work, counted on a device that computes nothing."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        make()()
    return counter.get_total_flops() / 1e12


def report(
    name: str,
    threads: int,
    results: dict[str, Any],
    out: Path | None,
    *,
    limits: Mapping[str, float],
    device: str = "cpu",
) -> None:
    """Print the results as JSON, with the machine and its ceilings beside them, and write them where told to."""
    machine = {
        "processor": _processor() if device == "cpu" else torch.cuda.get_device_name(device),
        "threads": threads,
        "torch": torch.__version__,
        "ceiling_tflops": limits,
    }
    text = json.dumps({"benchmark": name, "machine": machine, "results": results}, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _serve(pipe: Connection, prepare: Callable[..., Work], arguments: Sequence[Any], threads: int, device: str) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    work = prepare(*arguments)
    while pipe.recv() == "work":
        wait_for(device)
        start = time.perf_counter()
        work()
        wait_for(device)
        pipe.send(time.perf_counter() - start)
    if device == "cpu":
        pipe.send(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    else:
        pipe.send(round(torch.cuda.max_memory_allocated(device) / 2**20))
