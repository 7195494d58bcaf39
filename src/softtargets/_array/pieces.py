"""Large arrays a piece of the rows at a time: temporaries stay small, and pieces run on threads."""

from collections.abc import Callable

from softtargets._array import threads
from softtargets._array.kinds import is_numpy
from softtargets._array.traits import quiet
from softtargets.typing import Array, Namespace

#: Entries of a piece.
ENTRIES = 2**18


def by_pieces(
    xp: Namespace, function: Callable[[slice], Array], rows: int, width: int, like: Array
) -> Array:
    """Return ``function`` of all rows, found for some at a time: it needs memory for those only.

    Each row has ``width`` entries. So it is for NumPy arrays like ``like``; any others have no
    block of rows to spare.
    """
    step = max(1, ENTRIES // max(1, width))
    if not is_numpy(like) or rows <= step:
        return function(slice(None))
    found: dict[int, Array] = {}

    def make_worker() -> threads.Worker:
        def worker(piece: slice) -> None:
            with quiet(xp):  # each thread has its own setting
                found[piece.start] = function(piece)

        return worker

    threads.run(make_worker, [slice(i, i + step) for i in range(0, rows, step)])
    return xp.concat([found[start] for start in sorted(found)])
