"""From the losses of rows to one number. The only file that knows a denominator.

    "none":  v * loss         "sum":  sum v * loss         "mean":  sum v * loss / sum v * r

over the rows that are kept, with sample weights v and r = <q before smoothing, class weights>: 1
for a label without class weights. A denominator that is handed in replaces the last sum.
"""

from collections.abc import Callable
from typing import NamedTuple

from softtargets._array import errors
from softtargets._array.checks import check_penalty
from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import as_array, is_number
from softtargets._array.operations import as_column
from softtargets._array.sums import column_sum
from softtargets._array.traits import quiet
from softtargets.typing import Amount, Array, Namespace, Reduction

REDUCTIONS = ("none", "sum", "mean")


class Elsewhere:
    """Other rows of the same loss, on other machines.

    ``total`` returns the sum of a 0-d array over all machines. Gradients are multiplied by
    ``factor``, for those who divide the sum of them by the number of machines.
    """

    def __init__(self, total: Callable[[Array], Array], factor: float = 1.0) -> None:
        self.total, self.factor = total, factor


class Reducer(NamedTuple):
    """The reduction of one call; ``sample_weight`` is a column, ``denominator`` is 0-d, a number
    (NumPy's, where that is quicker) or None.
    """

    xp: Namespace
    sample_weight: Array | None
    denominator: Amount | None
    row_shape: tuple[int, ...] | None
    elsewhere: Elsewhere | None = None

    def value(self, losses: Array) -> Array:
        """Return the reduced value of a column of losses."""
        if self.sample_weight is None and is_number(self.denominator):
            return self._value(losses)  # nothing here overflows
        with quiet(self.xp):
            return self._value(losses)

    def _value(self, losses: Array) -> Array:
        xp = self.xp
        if self.sample_weight is not None:
            losses = losses * self.sample_weight
        if self.row_shape is not None:
            return xp.reshape(losses, self.row_shape)
        total = column_sum(xp, losses)
        if self.elsewhere is not None:
            total = self.elsewhere.total(total)
        if self.denominator is None:
            return total
        if is_number(self.denominator):
            return total / self.denominator if self.denominator else total + xp.nan
        empty = self.denominator == 0
        # Dividing by 1 instead keeps the gradient of a mean over nothing at exactly 0.
        mean = total / xp.where(empty, 1.0, self.denominator)
        return xp.where(empty, xp.nan, mean)

    def scale(self) -> Amount:
        """Return the derivative of the value for the loss of each row: a number or a column."""
        xp = self.xp
        scale = 1.0 if self.sample_weight is None else self.sample_weight
        if self.elsewhere is not None:
            scale = scale * self.elsewhere.factor
        if self.denominator is None:
            return scale
        if is_number(self.denominator):
            return scale * (1 / self.denominator if self.denominator else 0.0)
        empty = self.denominator == 0
        inverse = xp.where(empty, 0.0, 1 / xp.where(empty, 1.0, self.denominator))
        return scale * xp.reshape(inverse, (1, 1))


def make_reducer(
    xp: Namespace,
    reduction: Reduction,
    row_weight: Amount,
    like: Array,
    row_shape: tuple[int, ...],
    sample_weight: Array | None,
    denominator: Amount | None,
    elsewhere: Elsewhere | None = None,
) -> Reducer:
    """Return the reducer of one call; ``like`` has its rows, and the dtype of its losses."""
    if denominator is not None:
        if reduction != "mean":
            errors.bad_value("denominator", "be None unless reduction is 'mean'", denominator)
        denominator = check_penalty(xp, denominator, "denominator", like, positive=True)
    if reduction != "mean":
        single = reduction == "none"
        shape = row_shape if single else None
        return Reducer(xp, sample_weight, None, shape, None if single else elsewhere)
    if denominator is None:
        denominator = _total_weight(xp, row_weight, like, sample_weight)
        if elsewhere is not None:
            denominator = elsewhere.total(as_array(xp, denominator, like.dtype, like))
    if not (is_number(denominator) and is_numpy(like)):
        denominator = as_array(xp, denominator, like.dtype, like)
    return Reducer(xp, sample_weight, denominator, None, elsewhere)


def _total_weight(
    xp: Namespace, row_weight: Amount, like: Array, sample_weight: Array | None
) -> Amount:
    """Return the sum of v * r over the rows; ignored rows have r = 0."""
    weight = row_weight if sample_weight is None else row_weight * sample_weight
    if is_number(weight):
        return weight * like.shape[0]
    return column_sum(xp, xp.broadcast_to(as_column(xp, weight, like), (like.shape[0], 1)))
