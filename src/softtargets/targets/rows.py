"""The normal form of targets beside a matrix of logits: all that the row kernel needs.

For every row,  a = sum_j amount_j * onehot(label_j) + uniform + sum_v amount_v * u_v + tails,  with
class weights, masks and ignored labels already in the amounts.
"""

import functools
import operator
from dataclasses import dataclass, replace
from typing import Self

from softtargets._array.memory import added, added_multiple, turned
from softtargets._array.namespaces import beside, is_number
from softtargets._array.operations import add_at, as_column, is_label, pick, product
from softtargets._array.pieces import by_pieces
from softtargets._array.sums import row_sums, total, weighted_sums
from softtargets.typing import Amount, Array, Namespace


@dataclass(frozen=True)
class Point:
    """Mass at labels: ``labels`` and ``amount`` have one column per label of a row."""

    labels: Array
    amount: Amount


@dataclass(frozen=True)
class Vector:
    """Mass along a vector: ``amount`` (one per row) times ``u`` (one row for all, or one per
    row, as dense targets have it).
    """

    amount: Amount
    u: Array


@dataclass(frozen=True)
class Other:
    """Mass along a vector that leaves out the label of the row (one column).

    It is a kind of its own because the difference of a vector and a point would cancel, and would
    be nan at a logit of -inf.
    """

    label: Array
    amount: Amount
    u: Array
    #: Whether the vector is known to be 1 everywhere.
    even: bool = False

    def without_label(self, xp: Namespace, values: Array) -> Array:
        """Return ``values`` (1 or rows x classes) with 0 at the label of each row."""
        return xp.where(is_label(xp, self.label, values.shape[1]), 0.0, values)

    def mass(self, xp: Namespace) -> Array:
        """Return the mass of each row."""
        rows, classes = self.label.shape[0], self.u.shape[1]
        if self.even:
            inside = (self.label >= 0) & (self.label < classes)
            count = as_column(xp, classes, self.u)
            return xp.where(inside, count - 1, count) * self.amount

        def sums(some: slice) -> Array:
            u = self.u if self.u.shape[0] == 1 else self.u[some, :]
            part = Other(self.label[some, :], 1.0, u)
            return row_sums(xp, part.without_label(xp, u))

        return self.amount * by_pieces(xp, sums, rows, classes, self.label)


@dataclass(frozen=True)
class Tail:
    """Mass of all classes that are not ``listed`` together, a mask of rows x classes."""

    amount: Amount
    listed: Array


@dataclass(frozen=True)
class Known:
    """Mass whose inner product ``dot`` with the logits of each row is known beforehand.

    What the loss gains from it is its ``mass`` per row; its gradient is added elsewhere.
    """

    dot: Array
    mass: Amount


@dataclass(frozen=True)
class Rows:
    """Targets of the rows of one matrix. Amounts are numbers or columns of one value per row.

    ``mass`` is the sum of a without the tails, ``row_weight`` the weighted mass before smoothing.
    The amounts have ``class_weight``, one row for all, in them.
    """

    points: tuple[Point, ...] = ()
    uniform: Amount = 0.0
    vectors: tuple[Vector, ...] = ()
    others: tuple[Other, ...] = ()
    tails: tuple[Tail, ...] = ()
    known: tuple[Known, ...] = ()
    mass: Amount = 0.0
    row_weight: Amount = 0.0
    kept: Array | None = None
    allowed: Array | None = None
    class_weight: Array | None = None

    @property
    def has_uniform(self) -> bool:
        """Whether any mass lies on all classes alike."""
        return not (is_number(self.uniform) and self.uniform == 0)

    def with_points(self, points: tuple[Point, ...]) -> Self:
        """Return the same with other points; ten times as quick as ``replace``."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.__dict__["points"] = points
        return other

    def turned(self) -> Self:
        """Return the same with vectors of each row that lie class after class in memory."""
        if not self.vectors:
            return self
        turn = tuple(
            v if v.u.shape[0] == 1 else Vector(v.amount, turned(v.u)) for v in self.vectors
        )
        return replace(self, vectors=turn)

    def two_masses(self) -> tuple[Amount, Amount] | None:
        """Return the mass of the label of each row and that of every other class, if that is all
        there is: smoothed labels, nothing masked or weighted.
        """
        plain = len(self.points) == 1 and self.points[0].labels.shape[1] == 1
        more = self.vectors or self.tails or not all(other.even for other in self.others)
        if not plain or more or self.allowed is not None or self.class_weight is not None:
            return None
        # What is given to the others comes from the one label that there is.
        each = sum((other.amount for other in self.others), self.uniform)
        return self.points[0].amount + self.uniform, each

    def known_dot(self, maximum: Array) -> Amount:
        """Return <a, logits - maximum> per row over the mass of which that is known."""
        result: Amount = 0.0
        for known in self.known:
            result = result + (known.dot - known.mass * maximum)
        return result

    def without_shared(self, ones: Array) -> tuple[Self, tuple[Vector, ...]]:
        """Return the rows without what lies along one vector for all of them, and those vectors.

        ``ones`` is the vector of what is uniform.
        """
        shared = [v for v in self.vectors if v.u.shape[0] == 1]
        vectors = tuple(v for v in self.vectors if v.u.shape[0] != 1)
        if self.has_uniform:
            shared.append(Vector(self.uniform, ones))
        return replace(self, uniform=0.0, vectors=vectors), tuple(shared)

    def dot(self, xp: Namespace, values: Array) -> Array:
        """Return <a, values> per row, without the tails and the known, with 0 * inf = 0."""
        terms = []
        for point in self.points:
            count = point.labels.shape[1]
            picked = product(xp, point.amount, pick(xp, values, point.labels))
            terms.append(total(xp, picked, count))
        if self.has_uniform:
            row_sum = row_sums(xp, values)
            terms.append(product(xp, self.uniform, row_sum))
        for vector in self.vectors:
            row_sum = weighted_sums(xp, vector.u, values)
            terms.append(product(xp, vector.amount, row_sum))
        for other in self.others:
            row_sum = weighted_sums(xp, other.u, other.without_label(xp, values))
            terms.append(product(xp, other.amount, row_sum))
        return functools.reduce(operator.add, terms) if terms else xp.zeros_like(values[:, :1])

    def dense(self, xp: Namespace, like: Array) -> tuple[Array, Array]:
        """Return a, without the tails, and the q that it has the class weights on: rows x classes
        in the place of ``like``.
        """
        a = self.add_to(xp, xp.zeros_like(like))
        if self.class_weight is None:
            return a, a
        return a, a / xp.where(self.class_weight == 0, 1.0, self.class_weight)

    def entropy(self, xp: Namespace, like: Array) -> Array:
        """Return -sum a log q per row, each tail as one class, with 0 log 0 = 0."""
        masses = self.two_masses()
        if masses is not None:
            own, other = (as_column(xp, mass, like) for mass in masses)
            rest = 0.0 - (like.shape[1] - 1) * other * log_or_zero(xp, other)
            return xp.broadcast_to(rest - own * log_or_zero(xp, own), (like.shape[0], 1))
        a, q = self.dense(xp, like)
        result = row_sums(xp, a * -log_or_zero(xp, q))
        for tail in self.tails:
            result = result - tail.amount * log_or_zero(xp, tail.amount)
        return result

    def add_to(
        self, xp: Namespace, matrix: Array, scale: Amount = 1.0, *, own: bool = False
    ) -> Array:
        """Return ``matrix + scale * a``, without the tails; in place where it is the caller's
        ``own``.
        """
        if self.has_uniform:
            matrix = added(matrix, scale * self.uniform, own=own)
        for vector in self.vectors:
            matrix = added_multiple(matrix, scale * vector.amount, vector.u, own=own)
        for other in self.others:
            share = (scale * other.amount) * other.without_label(xp, other.u)
            matrix = added(matrix, share, own=own)
        for point in self.points:
            matrix = add_at(xp, matrix, point.labels, scale * point.amount)
        return matrix

    def __getitem__(self, rows: slice) -> Self:
        """Return the same for a block of rows."""

        def cut(value: Amount) -> Amount:
            if value is None or is_number(value) or value.shape[0] == 1:
                return value  # one value for all rows
            return value[rows, :]

        return replace(
            self,
            points=tuple(Point(p.labels[rows, :], cut(p.amount)) for p in self.points),
            uniform=cut(self.uniform),
            vectors=tuple(Vector(cut(v.amount), cut(v.u)) for v in self.vectors),
            others=tuple(Other(cut(o.label), cut(o.amount), cut(o.u), o.even) for o in self.others),
            tails=tuple(Tail(cut(t.amount), cut(t.listed)) for t in self.tails),
            known=tuple(Known(cut(k.dot), cut(k.mass)) for k in self.known),
            mass=cut(self.mass),
            row_weight=cut(self.row_weight),
            kept=cut(self.kept),
            allowed=cut(self.allowed),
        )

    def classes(self, xp: Namespace, start: Amount, like: Array) -> Self:
        """Return the share of a block of classes: ``like`` holds those from ``start`` on.

        Where the block is known only when the code runs, ``start`` is an array.
        """
        count = like.shape[1]

        def cut(value: Array | None) -> Array | None:
            if value is None or is_number(start):
                return None if value is None else value[:, start : start + count]
            index = xp.arange(count, dtype=start.dtype, **beside(value))
            return xp.take(value, start + index, axis=1)

        if count == 0:
            tails = tuple(Tail(t.amount, t.listed[:, :0]) for t in self.tails)
            return type(self)(tails=tails, row_weight=self.row_weight, kept=self.kept)
        mass = self.uniform * count
        points = []
        for point in self.points:
            labels = point.labels - start
            inside = (labels >= 0) & (labels < count)
            amount = xp.where(inside, as_column(xp, point.amount, like), 0.0)
            points.append(Point(xp.where(inside, labels, 0), amount))
            mass = mass + total(xp, amount, labels.shape[1])
        vectors = tuple(Vector(v.amount, cut(v.u)) for v in self.vectors)
        for vector in vectors:
            mass = mass + vector.amount * row_sums(xp, vector.u)
        others = tuple(Other(o.label - start, o.amount, cut(o.u), o.even) for o in self.others)
        for other in others:
            mass = mass + other.mass(xp)
        tails = tuple(Tail(t.amount, cut(t.listed)) for t in self.tails)
        return replace(
            self,
            points=tuple(points),
            vectors=vectors,
            others=others,
            tails=tails,
            mass=mass,
            allowed=cut(self.allowed),
            class_weight=cut(self.class_weight),
        )


def log_or_zero(xp: Namespace, values: Array) -> Array:
    """Return the logarithm, and 0 for what is not above 0."""
    return xp.log(xp.where(values > 0, values, 1.0))
