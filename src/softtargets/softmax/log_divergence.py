"""The divergence of numbers that already are log-probabilities: no softmax, every entry a row.

With targets t and log-probabilities x,

    loss = t (log t - x)         gradient = -t

A target of 0 counts as 0, also at an x of -inf; the logarithm of a negative one is nan.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from softtargets._array.operations import product
from softtargets._array.sums import row_sums
from softtargets.softmax.loss import RowLoss
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


class Terms(NamedTuple):
    """The targets, and the terms of the loss."""

    t: Array
    losses: Array


@dataclass(frozen=True)
class LogDivergence(RowLoss):
    """``log_t`` has the logarithms of the targets, if they are known, beside the matrix."""

    per_row: ClassVar[bool] = True
    log_t: Array | None = None

    def __getitem__(self, rows: slice) -> Self:
        """Return the loss of a block of rows."""
        return self if self.log_t is None else type(self)(self.log_t[rows, :])

    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Terms:
        """Return the targets and the terms of the loss."""
        t = rows.add_to(xp, xp.zeros_like(x))
        if self.log_t is None:
            log_t = xp.log(xp.where(t == 0, 1.0, t))
        else:
            log_t = xp.where(t == 0, 0.0, self.log_t)
        terms = product(xp, t, log_t - x)
        if rows.kept is not None:  # what takes no part may hold anything
            t, terms = xp.where(rows.kept, t, 0.0), xp.where(rows.kept, terms, 0.0)
        return Terms(t, terms)

    def losses(self, xp: Namespace, done: Terms, rows: Rows) -> Array:
        """Return the loss of each row as a column."""
        return row_sums(xp, done.losses)

    def gradient(self, xp: Namespace, done: Terms, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss."""
        return -scale * done.t
