"""The cross-entropy with a penalty on logits that lie more than a margin below the largest."""

from dataclasses import dataclass
from typing import NamedTuple

from softtargets._array.sums import row_sums
from softtargets.softmax.kernel import Pass, forward, gradient
from softtargets.softmax.loss import NO_PENALTIES, RowLoss
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


class Excess(NamedTuple):
    """A pass, the distance of each logit beyond the margin (0 within it), the number of classes."""

    done: Pass
    beyond: Array
    count: Amount


@dataclass(frozen=True)
class Margin(RowLoss):
    """CE + s r mean_k max(0, max x - x_k - margin), with the weight r of the row."""

    strength: Amount
    margin: Amount = 0.0

    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Excess:
        """Return the pass and the distances."""
        done = forward(xp, x, rows)
        z, count = done.shifted, x.shape[1]
        if x.shape[0] == 0:
            return Excess(done, z, count)  # Dask has no maximum over no rows
        # It is 0, but has a derivative.
        distance = xp.max(z, axis=1, keepdims=True) - z - self.margin
        beyond = xp.where(distance <= 0, 0.0, distance)
        if rows.allowed is not None:
            beyond = xp.where(rows.allowed, beyond, 0.0)
            count = row_sums(xp, xp.astype(rows.allowed, x.dtype))
        return Excess(done, beyond, count)

    def losses(self, xp: Namespace, done: Excess, rows: Rows) -> Array:
        """Return the loss of each row as a column."""
        share = self._share(rows, done)
        return done.done.state.row_loss(NO_PENALTIES) + share * row_sums(xp, done.beyond)

    def gradient(self, xp: Namespace, done: Excess, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss."""
        z = done.done.shifted
        far = xp.astype(done.beyond > 0, z.dtype)
        # Classes that share the maximum share its derivative.
        top = xp.astype(z == 0, z.dtype)
        slope = top * (row_sums(xp, far) / row_sums(xp, top)) - far
        share = scale * self._share(rows, done)
        return gradient(xp, done.done, rows, NO_PENALTIES, scale) + share * slope

    def _share(self, rows: Rows, done: Excess) -> Amount:
        return rows.row_weight * self.strength / done.count
