"""What no loss can be faster than: reading, writing, one exponential, the matrix products.

They compute no loss. On the host they run in blocks of rows on as many threads as the others.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bench.arrays import Unsupported, need
from bench.contestants.base import Run, Setup

Array = Any
#: Entries of a block: 2 MiB of float32.
BLOCK_ENTRIES = 2**19


def _blocks(setup: Setup) -> list[slice]:
    rows, classes = setup.case.rows, setup.case.classes
    size = max(1, min(BLOCK_ENTRIES // classes, -(-rows // setup.threads)))
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _threaded(setup: Setup, work: Callable[[slice], Any], passes: int = 1) -> Run:
    """Return the run of a function over all blocks, on threads if there is enough to do."""
    blocks = _blocks(setup)
    pool = ThreadPoolExecutor(setup.threads)
    small = setup.case.rows * setup.case.classes < BLOCK_ENTRIES // 16

    def each() -> Iterator[Any]:
        return map(work, blocks) if small or setup.threads == 1 else pool.map(work, blocks)

    def call() -> None:
        for _ in each():
            pass

    return Run(call, setup.case.dtype)


def copy(setup: Setup) -> Run:
    """Copy the logits into memory that is there."""
    if setup.case.device == "cuda":
        (tensor,) = setup.leading("torch")
        place = need("torch").empty_like(tensor)

        def on_gpu() -> None:
            place.copy_(tensor)

        return Run(on_gpu, setup.case.dtype)
    (logits,) = setup.leading("numpy")
    out = np.zeros_like(logits)
    return _threaded(setup, lambda block: np.copyto(out[block], logits[block]))


def copy_exp(setup: Setup) -> Run:
    """One pass that takes the exponential of each logit, and one pass that copies."""
    (logits,) = setup.leading("numpy")
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    exp = _threaded(setup, lambda block: np.exp(logits[block], out=first[block]))
    copying = _threaded(setup, lambda block: np.copyto(second[block], logits[block]))

    def call() -> None:
        exp.call()
        copying.call()

    return Run(call, setup.case.dtype)


def exp(setup: Setup) -> Run:
    """One pass that takes the exponential of each logit and forgets it."""
    (logits,) = setup.leading("numpy")
    return _threaded(setup, lambda block: np.exp(logits[block]).size)


def read(setup: Setup) -> Run:
    """One pass that reads the logits on a GPU."""
    if setup.case.device != "cuda":
        raise Unsupported("is measured on a GPU only")
    (tensor,) = setup.leading("torch")

    def call() -> None:
        tensor.sum()

    return Run(call, setup.case.dtype)


def products(library: str) -> Callable[[Setup], Run]:
    """Return the three products of a linear layer: logits, and both gradients from them."""

    def prepare(setup: Setup) -> Run:
        features, weight, *_ = setup.leading(library)
        xp = need(library)
        shape = (setup.case.rows, setup.case.classes)
        made: dict[str, Any] = {"dtype": features.dtype}
        if library == "torch":
            made["device"] = features.device
        logits = xp.zeros(shape, **made)
        back, along = xp.zeros_like(features), xp.zeros_like(weight)

        def call() -> None:
            xp.matmul(features, weight.T, out=logits)
            xp.matmul(logits, weight, out=back)
            xp.matmul(logits.T, features, out=along)

        return Run(call, setup.case.dtype)

    return prepare
