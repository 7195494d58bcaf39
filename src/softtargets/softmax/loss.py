"""What a loss does with one block of rows, and the cross-entropy as the first of the losses.

Why it is so: docs/decisions/0015-losses.md.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from softtargets.softmax.curvature import curvature
from softtargets.softmax.kernel import Pass, again, forward, gradient
from softtargets.softmax.state import Penalties, RowState
from softtargets.targets.rows import Rows
from softtargets.typing import Amount, Array, Namespace


class RowLoss(ABC):
    """The loss and the gradient of a block of rows: ``x``, rows x classes in the compute dtype.

    What :meth:`forward` leaves is for the other methods alone. It may overwrite ``into``, which may
    be ``x`` itself, and the gradient may come back in that memory.
    """

    #: Whether of some mass no more than its inner product with the logits, ``rows.known``, will do.
    takes_known: ClassVar[bool] = False
    #: Whether the loss holds anything per row.
    per_row: ClassVar[bool] = False

    def __getitem__(self, rows: slice) -> Self:
        """Return the loss of a block of rows, where it holds anything per row."""
        return self

    @abstractmethod
    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Any:
        """Return what one pass over the logits leaves."""

    @abstractmethod
    def losses(self, xp: Namespace, done: Any, rows: Rows) -> Array:
        """Return the loss of each row as a column."""

    @abstractmethod
    def gradient(self, xp: Namespace, done: Any, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss; ``done`` is used up."""

    def kept(self, done: Any) -> Any:
        """Return what :meth:`again` shall have beside the logits: a few numbers per row."""
        return None

    def again(
        self, xp: Namespace, x: Array, rows: Rows, kept: Any, into: Array | None = None
    ) -> Any:
        """Return what :meth:`forward` left, for the gradient."""
        return self.forward(xp, x, rows, into)


class Curved(RowLoss):
    """A loss with second derivatives."""

    @abstractmethod
    def curvature(self, xp: Namespace, done: Any, scale: Amount) -> Array:
        """Return ``scale`` times the diagonal of the Hessian of each row's loss. It comes before
        the gradient, which uses ``done`` up.
        """


NO_PENALTIES = Penalties()


@dataclass(frozen=True)
class CrossEntropy(Curved):
    """A logsumexp(x) - <a, x>, and penalties."""

    takes_known: ClassVar[bool] = True
    penalties: Penalties = NO_PENALTIES

    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Pass:
        """Return the softmax state, and the exponentials."""
        moments = 1 if self.penalties.uses_entropy else 0
        return forward(xp, x, rows, moments=moments, into=into)

    def losses(self, xp: Namespace, done: Pass, rows: Rows) -> Array:
        """Return the loss of each row as a column."""
        return done.state.row_loss(self.penalties)

    def gradient(self, xp: Namespace, done: Pass, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss."""
        return gradient(xp, done, rows, self.penalties, scale)

    def curvature(self, xp: Namespace, done: Pass, scale: Amount) -> Array:
        """Return ``scale`` times the diagonal of the Hessian of each row's loss."""
        return curvature(xp, done, self.penalties, scale)

    def kept(self, done: Pass) -> RowState:
        """Return the softmax state."""
        return done.state

    def again(
        self, xp: Namespace, x: Array, rows: Rows, kept: RowState, into: Array | None = None
    ) -> Pass:
        """Return the pass that left the state, without its sums."""
        return again(xp, x, rows, kept, into)


#: The cross-entropy of most calls.
PLAIN = CrossEntropy()
