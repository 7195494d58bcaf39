"""The sigmoid twin of the row kernel: every class is a decision of its own, yes or no.

With targets t in [0, 1], A = w u t and B = w (1 - t) for class weights w and weights u of yes,

    loss = sum_k A softplus(-x) + B softplus(x)         gradient = B sigmoid(x) - A sigmoid(-x)

A row without a class has none of its sum; a weight of 0 switches an infinite softplus off.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from softtargets._array.namespaces import beside, is_number
from softtargets._array.operations import product
from softtargets._array.sums import row_sums
from softtargets._array.traits import may_look
from softtargets.softmax.loss import Curved
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


class Decisions(NamedTuple):
    """Weights of yes and no, whether x >= 0, and e^-|x|, of each entry."""

    x: Array
    yes: Array
    no: Array
    positive: Array
    e: Array


def is_one_for_all(amount: Amount) -> bool:
    """Whether an amount is the same in all rows."""
    return amount is None or is_number(amount) or amount.shape[0] == 1


@dataclass(frozen=True)
class BinaryCrossEntropy(Curved):
    """``smoothing`` (a number or a column) of t goes to ``prior`` (a number or a row); weights are
    a number, a row, or a column.
    """

    per_row: ClassVar[bool] = True
    smoothing: Amount = 0.0
    prior: Amount = 0.5
    class_weight: Array | None = None
    pos_weight: Amount = 1.0

    def __getitem__(self, rows: slice) -> Self:
        """Return the loss of a block of rows."""
        amounts = {
            name: amount[rows, :]
            for name in ("smoothing", "class_weight", "pos_weight")
            if not is_one_for_all(amount := getattr(self, name))
        }
        return replace(self, **amounts) if amounts else self

    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Decisions:
        """Return the weights of yes and no, and the one exponential of each entry."""
        t = rows.add_to(xp, xp.zeros_like(x))
        if rows.points and not is_number(rows.mass) and not may_look(x):
            # A bad label that nobody could look at: it says no to all classes that it is not.
            t = xp.where(xp.isnan(rows.mass), xp.nan, t)
        if not is_number(self.smoothing) or self.smoothing != 0:
            t = (1 - self.smoothing) * t + self.smoothing * self.prior
        weight = self.weight(xp, x, rows)
        yes, no = weight * (self.pos_weight * t), weight * (1 - t)
        for mask in (rows.allowed, rows.kept):
            if mask is not None:  # what takes no part may hold anything
                x, yes, no = (xp.where(mask, values, 0.0) for values in (x, yes, no))
        positive = x >= 0
        return Decisions(x, yes, no, positive, xp.exp(xp.where(positive, -x, x)))

    def weight(self, xp: Namespace, like: Array, rows: Rows) -> Array:
        """Return the weight of each entry, 0 for those that take no part."""
        weight = self.class_weight
        if weight is None:
            weight = xp.ones((1, like.shape[1]), dtype=like.dtype, **beside(like))
        for mask in (rows.allowed, rows.kept):
            if mask is not None:
                weight = xp.where(mask, weight, 0.0)
        return weight

    def losses(self, xp: Namespace, done: Decisions, rows: Rows) -> Array:
        """Return the sum over the classes of each row as a column."""
        x, yes, no, positive, e = done
        # Selected, not cut off at 0, for the sake of the derivatives there.
        terms = product(xp, no, xp.where(positive, x, 0.0))
        terms = terms + product(xp, yes, xp.where(positive, 0.0, -x))
        return row_sums(xp, terms + (yes + no) * xp.log1p(e))

    def gradient(self, xp: Namespace, done: Decisions, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss."""
        _, yes, no, positive, e = done
        large = 1 / (1 + e)
        small = e * large
        slope = no * xp.where(positive, large, small) - yes * xp.where(positive, small, large)
        return scale * slope

    def curvature(self, xp: Namespace, done: Decisions, scale: Amount) -> Array:
        """Return ``scale`` times the diagonal of the Hessian of each row's loss, which is all."""
        large = 1 / (1 + done.e)
        return scale * ((done.yes + done.no) * (done.e * large * large))
