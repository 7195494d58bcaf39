"""How much memory a call takes at its peak, above what was there before it."""

import ctypes
import gc
import resource
from pathlib import Path
from typing import Any

from bench.contestants import Run

MIB = 2.0**20


def peak_of(run: Run, library: str, device: str) -> float:
    """Return the extra MiB at the peak of one call, what it returns included."""
    run.reset()
    gc.collect()
    measure = {"torch": _torch_peak, "cupy": _cupy_peak}.get(library) if device == "cuda" else None
    return (measure or _host_peak)(run)


def _host_peak(run: Run) -> float:
    """By the counter of the process, which the kernel resets where it can be asked to."""
    _give_back_freed_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
        result = run.call()
        after = _status("VmHWM")
    except OSError:
        before = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        result = run.call()
        after = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    del result
    return max(after - before, 0.0) / 1024


def _status(name: str) -> float:
    """Return a number of KiB from the status of the process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1])
    raise OSError(f"no {name} in the status of the process")


def _give_back_freed_memory() -> None:
    """Ask the allocator of glibc to keep nothing of what was freed."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _torch_peak(run: Run) -> float:
    import torch

    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = run.call()
    torch.cuda.synchronize()
    del result
    return float(torch.cuda.max_memory_allocated() - before) / MIB


def _cupy_peak(run: Run) -> float:
    import cupy

    class Counter(cupy.cuda.MemoryHook):  # type: ignore[misc]
        """Adds up what the pool hands out."""

        name = "softtargets benchmark"
        held = peak = 0

        def malloc_postprocess(self, **what: Any) -> None:
            self.held += what["mem_size"]
            self.peak = max(self.peak, self.held)

        def free_postprocess(self, **what: Any) -> None:
            self.held -= what["mem_size"]

    counter = Counter()
    with counter:
        result = run.call()
        cupy.cuda.Device().synchronize()
        del result
    return float(counter.peak) / MIB
