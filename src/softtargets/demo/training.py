"""The training loop, the same for every array library."""

import math
from collections.abc import Callable, Iterable, Iterator

from softtargets.demo.data import Part
from softtargets.demo.network import adam, corrections, loss_and_gradient
from softtargets.typing import Array

RATE = 2e-3


def cosine(steps: int) -> list[float]:
    """Return learning rates that fall from RATE to almost nothing along half a cosine."""
    return [RATE * 0.5 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]


def step(
    state: Array,
    label_smoothing: Array,
    images: Array,
    labels: Array,
    rate: float,
    corrections: tuple[float, float],
) -> tuple[Array, Array]:
    """Return the state after one step, and the loss of each network before it."""
    losses, gradient = loss_and_gradient(state[0, ...], images, labels, label_smoothing)
    return adam(state, gradient, rate, corrections), losses


def train(
    state: Array,
    label_smoothing: Array,
    batches: Iterable[Part],
    rates: Iterable[float],
    step: Callable[..., tuple[Array, Array]] = step,
) -> Iterator[tuple[Array, Array]]:
    """Yield what each step returns; ``step`` may be a compiled one."""
    for count, (batch, rate) in enumerate(zip(batches, rates, strict=True), start=1):
        state, losses = step(state, label_smoothing, *batch, rate, corrections(count))
        state = compute_now(state)
        yield state, losses


def compute_now(array: Array) -> Array:
    """Return the array itself; a lazy one (Dask's) is computed, or every step would repeat all
    steps before it.
    """
    persist = getattr(array, "persist", None)
    return array if persist is None else persist()
