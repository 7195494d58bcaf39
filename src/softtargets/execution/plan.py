"""Which rows are handled together, and how a block lies in memory.

The plan depends on the shape and the kind of array only: the same inputs give the same bits,
whatever the number of threads.
"""

import itertools
import math
from typing import NamedTuple

from softtargets._array.kinds import is_numpy
from softtargets._array.operations import CLASS_MAJOR
from softtargets._array.traits import may_look, may_write
from softtargets.typing import Array

#: Entries of a block on the host (measured by bench/blocks.py).
HOST_ENTRIES = 2**19
#: Entries of a block on a device, where only memory is to be bounded: launches cost more than L2.
DEVICE_ENTRIES = 2**26
#: From so many entries on it pays to turn a matrix of few classes.
TURNED = 2**12


class Plan(NamedTuple):
    """Blocks of rows; ``own``: each has memory of its own, with ``class_major`` layout or not."""

    blocks: list[slice]
    class_major: bool
    threaded: bool


def cut(count: int, pieces: float) -> list[slice]:
    """Return at least so many pieces of ``count`` rows, where there are rows enough, in order.

    At least two rows each: NumPy adds a single turned row in another order.
    """
    pieces = max(1, min(count // 2, math.ceil(pieces)))
    bounds = [i * count // pieces for i in range(pieces + 1)]
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


def make_plan(matrix: Array) -> Plan | None:
    """Return the plan for a matrix, or None where everything is one expression.

    Traced, lazy and immutable arrays are: a look at their number of rows would make it a constant.
    """
    if not may_write(matrix):
        return None
    count, classes = matrix.shape
    size, host = count * classes, is_numpy(matrix)
    entries = HOST_ENTRIES if host or may_look(matrix) else DEVICE_ENTRIES
    blocks = [slice(0, count)] if size <= entries else cut(count, size / entries)
    return Plan(blocks, host and classes <= CLASS_MAJOR and size >= TURNED, host)
