"""Memory for a block of rows, which stays in the cache from one block to the next."""

from collections.abc import Callable

from softtargets._array.namespaces import beside
from softtargets.typing import Array, Namespace


def make_scratch(
    xp: Namespace, matrix: Array, dtype: object, blocks: list[slice], class_major: bool
) -> Callable[[int], Array]:
    """Return a function that gives memory for a number of rows of ``matrix``, the same at each
    call, in which the classes lie one after the other if ``class_major``.
    """
    classes = matrix.shape[1]
    size = max(block.stop - block.start for block in blocks)
    memory = xp.empty((size * classes,), dtype=dtype, **beside(matrix))

    def rows_of(count: int) -> Array:
        part = memory[: count * classes]
        if class_major:
            return xp.permute_dims(xp.reshape(part, (classes, count)), (1, 0))
        return xp.reshape(part, (count, classes))

    return rows_of
