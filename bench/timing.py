"""Time the runs of a contest in turn."""

import gc
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from bench.contestants import Run
from bench.statistics import repeats_for, rounds_for

#: A sample lasts at least so many seconds, in at most so many calls: very short calls are repeated
#: so that each finds the caches as its own last call left them, as in a loop of a program.
SAMPLE_S, MOST_REPEATS = 20e-3, 1000
MOST_ROUNDS = 101


class Clock(Protocol):
    """Gives the seconds per call of some calls in a row."""

    def __call__(self, run: Run, repeats: int) -> float:
        """Return the seconds of one call."""


def host_clock(run: Run, repeats: int) -> float:
    """Seconds by the clock of the host. What the last call returned is dropped before it starts."""
    run.reset()
    started = time.perf_counter()
    for _ in range(repeats - 1):
        run.call()
        run.reset()
    result = run.call()
    elapsed = time.perf_counter() - started
    del result
    return elapsed / repeats


def cuda_clock() -> Clock:
    """Seconds by events of the device, with a second-level cache that holds nothing of use."""
    import torch

    filler = torch.empty(2**28, dtype=torch.int8, device="cuda")

    def clock(run: Run, repeats: int) -> float:
        if run.host_clock:
            return host_clock(run, 1)
        seconds = 0.0
        for _ in range(repeats):
            run.reset()
            filler.zero_()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            start.record()
            result = run.call()
            end.record()
            torch.cuda.synchronize()
            seconds += start.elapsed_time(end) / 1e3
            del result
        return seconds / repeats

    return clock


def in_turn(
    runs: Mapping[Any, Run],
    clock: Clock,
    *,
    budget_s: float,
    fewest_rounds: int,
    most_rounds: int = MOST_ROUNDS,
    watch: Callable[[Any], None] = lambda key: None,
) -> dict[Any, list[float]]:
    """Return seconds per call of each run, in rounds of another order each.

    Whatever disturbs the machine for a while then disturbs all of them alike. All have been called
    before, when they were checked; one call more says how long each takes. ``watch`` is told who is
    about to run.
    """
    lengths = {}
    for key, run in runs.items():
        watch(key)
        run.enter()
        lengths[key] = clock(run, 1)
        run.leave()
    repeats = {key: repeats_for(length, SAMPLE_S, MOST_REPEATS) for key, length in lengths.items()}
    of_a_round = sum(length * repeats[key] for key, length in lengths.items())
    rounds = rounds_for(of_a_round, budget_s, fewest_rounds, most_rounds)
    samples: dict[Any, list[float]] = {key: [] for key in runs}
    order = list(runs)
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            # Not in turn: who follows whom matters, by what it leaves in caches and threads.
            random.Random(number).shuffle(order)
            for key in order:
                run = runs[key]
                watch(key)
                run.enter()
                samples[key].append(clock(run, repeats[key]))
                run.leave()
            gc.collect()
    finally:
        gc.enable()
    return samples


def count_kernels(run: Run) -> int:
    """Return how many kernels one call starts on the GPU, as torch's profiler sees them."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    run.reset()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run.call()
        torch.cuda.synchronize()
    kinds = [
        event for event in seen.events() if event.device_type == torch.autograd.DeviceType.CUDA
    ]
    return sum("memcpy" not in event.name.lower() for event in kinds)
