"""Rows by class: their means, and how far they are from them."""

from typing import Any, NamedTuple

from softtargets._array import errors
from softtargets._array.checks import check_int, check_labels, check_shape, check_values
from softtargets._array.dtypes import check_floating, compute_dtype
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets._array.operations import is_label, lookup
from softtargets._array.traits import stop_gradient
from softtargets.typing import Array, Namespace


class Groups(NamedTuple):
    """Labels of rows: ``own`` has a column per class, 1 for its rows; ``live`` marks rows that
    count, as a column.
    """

    xp: Namespace
    labels: Array
    own: Array
    live: Array

    @property
    def counts(self) -> Array:
        """The number of rows of each class."""
        return self.xp.sum(self.own, axis=0)

    def sums(self, values: Array) -> Array:
        """Return the sum of a matrix over the rows of each class, classes x columns."""
        return self.xp.matmul(self.xp.permute_dims(self.own, (1, 0)), values)

    def means(self, values: Array) -> Array:
        """Return the mean over the rows of each class."""
        return self.sums(values) / self.counts[:, None]

    def mean(self, column: Array) -> Array:
        """Return the mean of a column, or of a matrix with one for each column, over all rows."""
        return self.xp.sum(self.kept(column), axis=0) / self.xp.sum(self.counts)

    def kept(self, values: Array) -> Array:
        """Return a matrix with 0 in rows that do not count."""
        return self.xp.where(self.live, values, 0.0)

    def deviations(self, values: Array, means: Array) -> Array:
        """Return each row less the mean of its class, 0 for rows that do not count."""
        return self.kept(values - lookup(self.xp, means, self.labels))


def check_matrix(matrix: Any, argument: str, columns: str) -> Namespace:
    """Return the namespace of a matrix of floats, rows x ``columns``."""
    xp = namespace_of(matrix, argument)
    check_floating(matrix, argument)
    if matrix.ndim != 2:
        errors.bad_value(argument, f"have shape (rows, {columns})", tuple(matrix.shape))
    return xp


def group(
    matrix: Array, argument: str, labels: Array, num_classes: int, ignore_index: int
) -> tuple[Array, Groups]:
    """Return a matrix in the compute dtype, 0 in rows that do not count, and its rows by class."""
    xp = namespace_of(matrix, argument)
    check_follows(xp, matrix, argument, labels, "labels")
    check_shape(labels, "labels", (matrix.shape[0],), context=f"the rows of {argument}")
    ignored = check_int(ignore_index, "ignore_index")
    index, kept, bad = check_labels(labels, num_classes, ignored, "labels")
    x = xp.astype(stop_gradient(matrix), compute_dtype(xp, matrix))
    own = is_label(xp, index[:, None], num_classes)
    live = xp.ones_like(own[:, :1]) if kept is None else kept[:, None]
    own = xp.astype(own & live, x.dtype)
    if bad is not None:
        own = xp.where(bad[:, None], xp.nan, own)
    groups = Groups(xp, index, own, live)
    absent = groups.counts == 0
    check_values(xp, groups.counts, "labels of each class", "be there at least once", absent)
    return groups.kept(x), groups
