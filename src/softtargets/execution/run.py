"""Run the row kernel over a matrix: whole, or in blocks of rows that stay in the cache.

The plan depends on the shape and the kind of array only, so the same inputs give the same bits.
"""

from collections.abc import Iterator

from softtargets._array.axes import in_rows
from softtargets._array.namespaces import beside
from softtargets._array.traits import may_look, may_write, quiet
from softtargets.softmax.kernel import forward, gradient
from softtargets.softmax.state import Penalties
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace

#: Entries of a block on the host: with float32, 1 MiB of logits.
BLOCK_ENTRIES = 2**18


def row_losses(
    xp: Namespace, matrix: Array, rows: Rows, dtype: object, penalties: Penalties
) -> Array:
    """Return the loss of each row as a column of ``dtype``, differentiable where the library is."""
    moments = 1 if penalties.uses_entropy else 0
    losses = []
    with quiet(xp):
        for block in _plan(matrix):
            x = in_rows(xp, xp.astype(matrix[block, :], dtype, copy=False))
            done = forward(xp, x, rows[block], moments=moments)
            losses.append(done.state.row_loss(penalties))
    return losses[0] if len(losses) == 1 else xp.concat(losses)


def row_losses_and_gradient(
    xp: Namespace,
    matrix: Array,
    rows: Rows,
    dtype: object,
    penalties: Penalties,
    scale: Amount,
) -> tuple[Array, Array]:
    """Return the losses, and ``scale`` times the gradient of each in the dtype of ``matrix``."""
    moments = 1 if penalties.uses_entropy else 0
    plan = list(_plan(matrix))
    buffer = xp.empty(matrix.shape, dtype=matrix.dtype, **beside(matrix)) if len(plan) > 1 else None
    losses = []
    with quiet(xp):
        for block in plan:
            part = rows[block]
            x = in_rows(xp, xp.astype(matrix[block, :], dtype, copy=False))
            done = forward(xp, x, part, moments=moments)
            losses.append(done.state.row_loss(penalties))
            g = gradient(xp, done, part, penalties, _cut(scale, block))
            g = xp.astype(g, matrix.dtype, copy=False)
            if buffer is None:
                return losses[0], g
            buffer[block, :] = g
    return xp.concat(losses), buffer


def _cut(scale: Amount, block: slice) -> Amount:
    return scale[block, :] if getattr(scale, "ndim", 0) and scale.shape[0] > 1 else scale


def _plan(matrix: Array) -> Iterator[slice]:
    """Yield blocks of rows: of cache size on the host, all rows elsewhere."""
    if not (may_write(matrix) and may_look(matrix)):
        # Without a look at the number of rows, which would become a constant of traced code.
        yield slice(None)
        return
    count, classes = matrix.shape
    size = max(1, BLOCK_ENTRIES // classes)
    for start in range(0, max(count, 1), size):
        yield slice(start, min(start + size, count))
