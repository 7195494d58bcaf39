"""Divergences between targets q and p = softmax(x), with class weights w on every term."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from softtargets._array.namespaces import is_number
from softtargets._array.operations import log_of
from softtargets._array.sums import row_sums
from softtargets.softmax.kernel import Pass, forward
from softtargets.softmax.loss import CrossEntropy, RowLoss
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


class ForwardKL(CrossEntropy):
    """sum w q (log q - log p): the cross-entropy without the entropy of the targets."""

    takes_known: ClassVar[bool] = False

    def losses(self, xp: Namespace, done: Pass, rows: Rows) -> Array:
        """Return the loss of each row as a column."""
        return super().losses(xp, done, rows) - rows.entropy(xp, done.exponentials)


class Terms(NamedTuple):
    """Of every class its share of the loss and the derivative of the loss for its log p."""

    p: Array
    losses: Array
    slopes: Array


class Pointwise(RowLoss):
    """A loss that is a sum over the classes of a function of p_k, with h_k = d loss / d log p_k:

    gradient = h - p sum h
    """

    @abstractmethod
    def terms(
        self, xp: Namespace, p: Array, log_p: Array, a: Array, q: Array, w: Amount
    ) -> tuple[Array, Array]:
        """Return the share of each class in the loss, and h.

        A class that is masked has p = q = 0 and must have none; log p is then -inf.
        """

    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Terms:
        """Return the terms of all classes."""
        done = forward(xp, x, rows)
        state = done.state
        log_p = state.defined(state.true_distance(done.shifted) - state.log_exp_sum())
        p = done.exponentials / state.exp_sum
        a, q = rows.dense(xp, p)
        w = 1.0 if rows.class_weight is None else rows.class_weight
        losses, slopes = self.terms(xp, p, log_p, a, q, w)
        for mask in (rows.allowed, rows.kept):
            if mask is not None:
                losses, slopes = xp.where(mask, losses, 0.0), xp.where(mask, slopes, 0.0)
        return Terms(p, losses, slopes)

    def losses(self, xp: Namespace, done: Terms, rows: Rows) -> Array:
        """Return the loss of each row as a column."""
        return row_sums(xp, done.losses)

    def gradient(self, xp: Namespace, done: Terms, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss."""
        return scale * (done.slopes - done.p * row_sums(xp, done.slopes))


class ReverseKL(Pointwise):
    """sum w p (log p - log q)."""

    def terms(
        self, xp: Namespace, p: Array, log_p: Array, a: Array, q: Array, w: Amount
    ) -> tuple[Array, Array]:
        """Return the share of each class in the loss, and its derivative."""
        # Of a class without weight nothing is known of q.
        off = (p == 0) if is_number(w) else (p == 0) | (w == 0)
        ratio = _apart(xp, off, log_p, log_of(xp, q))
        return w * p * ratio, w * p * (ratio + 1)


@dataclass(frozen=True)
class JensenShannon(Pointwise):
    """sum w (b q log(q / m) + (1 - b) p log(p / m)) with m = b q + (1 - b) p and a weight b."""

    weight: float = 0.5

    def terms(
        self, xp: Namespace, p: Array, log_p: Array, a: Array, q: Array, w: Amount
    ) -> tuple[Array, Array]:
        """Return the share of each class in the loss, and its derivative."""
        b = self.weight
        log_m = log_of(xp, b * q + (1 - b) * p)
        of_q = q * _apart(xp, q == 0, log_of(xp, q), log_m)
        of_p = p * _apart(xp, p == 0, log_p, log_m)
        return w * (b * of_q + (1 - b) * of_p), w * ((1 - b) * of_p)


def _apart(xp: Namespace, off: Array, first: Array, second: Array) -> Array:
    """Return ``first - second``, and 0 where both may be -inf."""
    return xp.where(off, 0.0, first) - xp.where(off, 0.0, second)
