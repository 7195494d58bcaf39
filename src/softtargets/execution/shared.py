"""What all rows share of their targets, where logits are features @ weight.T + bias.

A vector u along which every row has mass, as smoothing gives it, needs no pass over the logits:

    <u, x_n> = y_n . (u @ weight) + u . bias        sum_n s_n u outer y_n = u outer sum_n s_n y_n

with the features y_n of a row and its share s_n.
"""

from dataclasses import dataclass, replace

from softtargets._array.operations import product
from softtargets._array.sums import row_sums
from softtargets.targets.rows import Known, Rows
from softtargets.typing import Amount, Array, Namespace

#: Classes whose weights are added up at once: long sums in another order would lose digits.
_RUN = 256
#: Entries of the weight that are converted to another dtype at once.
_PIECE = 2**24


@dataclass(frozen=True)
class Shared:
    """A vector ``u`` with one amount for each row; ``weight`` is u @ weight, ``bias`` u . bias."""

    amount: Amount
    u: Array
    weight: Array
    bias: Amount
    mass: Array

    def of(self, block: slice) -> Amount:
        """Return the amounts of a block of rows."""
        amount = self.amount
        return amount[block, :] if getattr(amount, "ndim", 0) and amount.shape[0] > 1 else amount


def split(
    xp: Namespace, rows: Rows, weight: Array, bias: Array | None, ones: Array
) -> tuple[Rows, tuple[Shared, ...]]:
    """Return the rows without what they share, and that. ``ones`` is a row for all classes."""
    rest, vectors = rows.without_shared(ones)
    shared = []
    for vector in vectors:
        u = vector.u
        offset = 0.0 if bias is None else row_sums(xp, product(xp, u, xp.astype(bias, u.dtype)))
        shared.append(Shared(vector.amount, u, _combine(xp, u, weight), offset, row_sums(xp, u)))
    return rest, tuple(shared)


def with_known(
    xp: Namespace, rows: Rows, shared: tuple[Shared, ...], features: Array, block: slice
) -> Rows:
    """Return the rows of a block with what they share of the logits of these features."""
    known = []
    for one in shared:
        y = xp.astype(features, one.u.dtype, copy=False)
        dot = xp.matmul(y, xp.permute_dims(one.weight, (1, 0))) + one.bias
        amount = one.of(block)
        known.append(Known(product(xp, amount, dot), amount * one.mass))
    return replace(rows, known=tuple(known))


def _combine(xp: Namespace, u: Array, weight: Array) -> Array:
    """Return u @ weight, a row of one number per feature, in the dtype of ``u``."""
    count, size = weight.shape
    step = count
    if weight.dtype != u.dtype:
        step = max(_RUN, _PIECE // max(1, size) // _RUN * _RUN)
    total = xp.zeros_like(u[:, :1])
    for start in range(0, count, step):
        stop = min(start + step, count)
        long = stop - (stop - start) % _RUN
        if long > start:
            runs = xp.reshape(u[:, start:long], ((long - start) // _RUN, 1, _RUN))
            block = xp.astype(weight[start:long, :], u.dtype, copy=False)
            block = xp.reshape(block, (runs.shape[0], _RUN, size))
            total = total + xp.sum(xp.matmul(runs, block), axis=0)
        if long < stop:
            block = xp.astype(weight[long:stop, :], u.dtype, copy=False)
            total = total + xp.matmul(u[:, long:stop], block)
    return total
