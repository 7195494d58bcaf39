"""A group of threads instead of processes: each has a part of the problem, in one process."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from softtargets import distributed

#: Seconds after which a thread that waits for one that is gone gives up.
PATIENCE = 20


class _Shared:
    def __init__(self, size: int) -> None:
        self.values: list[Any] = [None] * size
        self.barrier = threading.Barrier(size)


class ThreadGroup(distributed.Group):
    """Collectives between threads, counted."""

    def __init__(self, rank: int, size: int, shared: _Shared) -> None:
        self.rank, self.size, self.shared = rank, size, shared
        self.calls: list[tuple[str, int]] = []

    def _exchange(self, name: str, value: Any, combine: Callable[[list[Any]], Any]) -> Any:
        self.calls.append((name, getattr(value, "nbytes", 0)))
        self.shared.values[self.rank] = value
        self.shared.barrier.wait(PATIENCE)
        found = combine(list(self.shared.values))
        self.shared.barrier.wait(PATIENCE)
        return found

    def maximum(self, array: Any) -> Any:
        return self._exchange("maximum", array, lambda all_: functools.reduce(np.maximum, all_))

    def sum(self, array: Any) -> Any:
        return self._exchange("sum", array, lambda all_: functools.reduce(np.add, all_))

    def gather(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        return self._exchange("gather", tuple(numbers), list)


def groups(*sizes: int) -> list[list[list[ThreadGroup]]]:
    """Return, for a mesh of threads, the groups of each one: one along each axis."""
    mesh = np.arange(int(np.prod(sizes))).reshape(sizes)
    found: list[list[ThreadGroup]] = [[] for _ in range(mesh.size)]
    for axis in range(mesh.ndim):
        for line in np.moveaxis(mesh, axis, -1).reshape(-1, sizes[axis]):
            shared = _Shared(len(line))
            for rank, place in enumerate(line):
                found[place].append(ThreadGroup(rank, len(line), shared))
    return found


def run(sizes: Any, function: Callable[..., Any]) -> list[Any]:
    """Return what ``function(*groups)`` gives on each thread of a mesh, or the error it raised."""
    members = groups(*(sizes if isinstance(sizes, tuple) else (sizes,)))
    found: list[Any] = [None] * len(members)

    def work(place: int) -> None:
        try:
            found[place] = function(*members[place])
        except Exception as error:
            found[place] = error

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(members))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def results(sizes: Any, function: Callable[..., Any]) -> list[Any]:
    """Return what :func:`run` does, and raise the first error."""
    found = run(sizes, function)
    for value in found:
        if isinstance(value, Exception):
            raise value
    return found
