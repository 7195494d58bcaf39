"""A student's softmax between that of a teacher and labels, a block of rows at a time."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from softtargets._array.namespaces import is_number
from softtargets._array.sums import row_sums
from softtargets.softmax.divergence import ForwardKL
from softtargets.softmax.kernel import Pass
from softtargets.softmax.loss import CrossEntropy, RowLoss
from softtargets.softmax.teacher import Layer, Scores
from softtargets.targets.probabilities import softmax
from softtargets.targets.rows import Rows, Vector
from softtargets.typing import Amount, Array, Namespace

_HARD = CrossEntropy()
_SOFT = ForwardKL()


class Passes(NamedTuple):
    """What the passes over the logits / T and over the logits leave."""

    soft: Pass
    rows: Rows
    hard: Pass | None


@dataclass(frozen=True)
class Distillation(RowLoss):
    """(1 - h) T^2 KL(q || softmax(x / T)) + h CE(x, labels), for a teacher with logits or with q in
    the rows. T and h are numbers or arrays of one entry.
    """

    per_row: ClassVar[bool] = True
    temperature: Amount
    hard_weight: Amount = 0.0
    hard: Rows | None = None
    teacher: Scores | Layer | None = None

    def __getitem__(self, rows: slice) -> Self:
        """Return the loss of a block of rows."""
        hard = None if self.hard is None else self.hard[rows]
        teacher = None if self.teacher is None else self.teacher[rows]
        return replace(self, hard=hard, teacher=teacher)

    def with_teacher(self, xp: Namespace, rows: Rows, dtype: object) -> Rows:
        """Return the rows with the softmax of the teacher, if it gave logits, as their mass."""
        if self.teacher is None:
            return rows
        scores = self.teacher.logits(xp, dtype)
        if rows.allowed is not None:
            scores = xp.where(rows.allowed, scores, -xp.inf)
        if rows.kept is not None:
            scores = xp.where(rows.kept, scores, 0.0)
        q = softmax(xp, scores, self.temperature)
        if rows.class_weight is not None:
            q = q * rows.class_weight
        if rows.kept is not None:
            q = xp.where(rows.kept, q, 0.0)
        return replace(rows, vectors=(Vector(1.0, q),), mass=row_sums(xp, q))

    def forward(self, xp: Namespace, x: Array, rows: Rows, into: Array | None = None) -> Passes:
        """Return both passes, or the one where there are no labels."""
        rows = self.with_teacher(xp, rows, x.dtype)
        soft = _SOFT.forward(xp, x / self.temperature, rows)
        hard = None if self.hard is None else _HARD.forward(xp, x, self.hard)
        return Passes(soft, rows, hard)

    def losses(self, xp: Namespace, done: Passes, rows: Rows) -> Array:
        """Return the loss of each row as a column."""
        loss = _SOFT.losses(xp, done.soft, done.rows) * self.temperature**2
        if self.hard is not None and done.hard is not None:
            hard = _HARD.losses(xp, done.hard, self.hard)
            loss = (1 - self.hard_weight) * loss + self.hard_weight * hard
        return loss if rows.kept is None else xp.where(rows.kept, loss, 0.0)

    def gradient(self, xp: Namespace, done: Passes, rows: Rows, scale: Amount) -> Array:
        """Return ``scale`` times the gradient of each row's loss."""
        share = scale * self.temperature
        if self.hard is None or done.hard is None:
            return _SOFT.gradient(xp, done.soft, done.rows, share)
        share = share * (1 - self.hard_weight)
        hard = _HARD.gradient(xp, done.hard, self.hard, scale * self.hard_weight)
        result = _SOFT.gradient(xp, done.soft, done.rows, share) + hard
        return result if rows.kept is None else xp.where(rows.kept, result, 0.0)

    def row_weight(self, rows: Rows) -> Amount:
        """Return the weighted mass of each row before smoothing, of teacher and labels together."""
        weight = rows.row_weight
        if self.hard is None or (is_number(self.hard_weight) and self.hard_weight == 0):
            return weight
        return (1 - self.hard_weight) * weight + self.hard_weight * self.hard.row_weight
