"""The loss of noisy labels whose noise is known: the softmax goes through it before the loss."""

from dataclasses import dataclass
from typing import NamedTuple

from softtargets._array.operations import as_column, lookup, product
from softtargets.softmax.kernel import Pass, forward, gradient
from softtargets.softmax.loss import NO_PENALTIES, RowLoss
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


class Corrected(NamedTuple):
    """The softmax, and that of the logits x_k + log T_ky of the label y."""

    plain: Pass
    seen: Pass
    amount: Array


@dataclass(frozen=True)
class ForwardCorrection(RowLoss):
    """-a log sum_k T_ky p_k  =  a (logsumexp(x) - logsumexp(x + log T_y))  for one label y of mass
    a; row y of ``log_seen`` is log T_.y.
    """

    log_seen: Array

    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Corrected:
        """Return both passes."""
        (point,) = rows.points
        alone = Rows(mass=1.0, kept=rows.kept, allowed=rows.allowed)
        plain = forward(xp, x, alone)
        # From the shifted logits, so that no large numbers cancel.
        seen = plain.shifted + lookup(xp, self.log_seen, point.labels[:, 0])
        amount = as_column(xp, point.amount, x)
        return Corrected(plain, forward(xp, seen, alone, block=True), amount)

    def losses(self, xp: Namespace, done: Corrected, rows: Rows) -> Array:
        """Return the loss of each row as a column."""
        log_plain = done.plain.state.row_loss(NO_PENALTIES)  # without the maximum; checks it
        log_seen = done.seen.state.logsumexp()
        return product(xp, done.amount, log_plain - log_seen)

    def gradient(self, xp: Namespace, done: Corrected, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss."""
        nothing = Rows(mass=1.0)
        plain, seen = (
            gradient(xp, part, nothing, NO_PENALTIES, scale * done.amount)
            for part in (done.plain, done.seen)
        )
        return plain - seen
