"""What can be computed of targets alone: their dense form, mass, entropy, inner product."""

import math
from dataclasses import replace

from softtargets._array import errors
from softtargets._array.axes import check_axis, to_rows
from softtargets._array.checks import check_shape
from softtargets._array.dtypes import (
    HALF,
    check_floating,
    compute_dtype,
    default_floating,
    dtype_name,
)
from softtargets._array.namespaces import beside, check_follows, is_number
from softtargets._array.operations import as_column
from softtargets._array.traits import is_eager, may_look, quiet
from softtargets.targets.parts import Dense
from softtargets.targets.rows import Rows
from softtargets.targets.structure import Structure, normal_form
from softtargets.typing import Array, Namespace

#: Entries of a block in which dense rows exist when only a number per row is wanted.
BLOCK_ENTRIES = 2**22


class Measured(Structure):
    """Targets that can be measured. All methods speak of a = q * class weights."""

    def to_dense(self, *, dtype: object = None, axis: int = -1) -> Array:
        """Return the targets as an array with one entry per class.

        Built from sums and products of single numbers only: the same bits on every backend.

        Parameters
        ----------
        dtype : optional
            A real floating dtype of the library; by default the one of dense targets, or the
            default of the library. Half precision is computed in float32 and rounded once.
        axis : int, default -1
            Where to put the class axis.

        Returns
        -------
        array
            The shape of the rows, with the classes at ``axis``.

        Raises
        ------
        TypeError
            If ``dtype`` is not a real floating dtype.
        ValueError
            If ``axis`` is out of range, or the targets have a tail bucket, whose mass belongs to no
            single class.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> st.Targets.from_labels(np.array([0]), 2).to_dense(dtype=np.float32)
        array([[1., 0.]], dtype=float32)
        """
        position = check_axis(axis, len(self.shape))
        xp = self._xp
        wanted = self._default_dtype() if dtype is None else dtype
        rows, like = self._form(self._compute_dtype(wanted))
        refuse_bucket(rows)
        matrix = rows.add_to(xp, xp.zeros_like(like))
        if not is_number(rows.mass) and not may_look(self._like):
            # A bad label that nobody could look at: no part of the row is to be trusted.
            matrix = xp.where(xp.isnan(rows.mass), xp.nan, matrix)
        array = xp.reshape(xp.astype(matrix, wanted, copy=False), self.shape)
        return array if position == len(self.row_shape) else xp.moveaxis(array, -1, position)

    def mass(self) -> Array:
        """Return the sum of each row: 1 for a label, 0 for an ignored one.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> st.Targets.from_labels(np.array([0, -100]), 2).mass()
        array([1., 0.])
        """
        xp = self._xp
        rows, like = self._form(self._compute_dtype(self._default_dtype()))
        total = as_column(xp, rows.mass, like)
        for tail in rows.tails:
            total = total + tail.amount
        return xp.reshape(xp.broadcast_to(total, (like.shape[0], 1)), self.row_shape)

    def entropy(self) -> Array:
        """Return -sum_k a_k log a_k of each row in nats, with 0 log 0 = 0.

        For rows that sum to 1 it is the minimum of their cross-entropy.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> t = st.Targets.from_labels(np.array([3]), 10)
        >>> t.entropy(), t.smooth(0.1).entropy()
        (array([0.]), array([0.50028804]))
        """
        rows, like = self._form(self._compute_dtype(self._default_dtype()))
        return self._xp.reshape(row_entropies(self._xp, rows, like), self.row_shape)

    def dot(self, x: Array) -> Array:
        """Return the inner product of each row with ``x``, where 0 * inf is 0.

        Parameters
        ----------
        x : array, real floating
            Of the shape of the targets, classes last.

        Returns
        -------
        array
            The shape of the rows; float32 for half precision.

        Raises
        ------
        TypeError
            If ``x`` is not a floating-point array of the library of the targets.
        ValueError
            If ``x`` has another shape, or the targets have a tail bucket.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> st.Targets.from_labels(np.array([1]), 3).smooth(0.3).dot(np.array([[1.0, 2.0, 3.0]]))
        array([2.])
        """
        xp = self._xp
        check_follows(xp, self._like, "targets", x, "x")
        check_floating(x, "x")
        check_shape(x, "x", self.shape)
        wide = xp.astype(x, compute_dtype(xp, x), copy=False)
        matrix = to_rows(xp, wide, wide.ndim - 1)
        rows = normal_form(self, matrix)
        refuse_bucket(rows)
        with quiet(xp):
            return xp.reshape(rows.dot(xp, matrix), self.row_shape)

    def _default_dtype(self) -> object:
        like = self._like
        return like.dtype if isinstance(self.parts[0], Dense) else default_floating(self._xp)

    def _compute_dtype(self, dtype: object) -> object:
        probe = self._xp.zeros((), dtype=dtype, **beside(self._like))
        check_floating(probe, "dtype")
        return self._xp.float32 if dtype_name(probe) in HALF else dtype

    def _form(self, dtype: object) -> tuple[Rows, Array]:
        """Return the normal form, and the matrix of zeros (held as one number) beside it."""
        zero = self._xp.zeros((1, 1), dtype=dtype, **beside(self._like))
        like = self._xp.broadcast_to(zero, (math.prod(self.row_shape), self.num_classes))
        return normal_form(self, like), like


def refuse_bucket(rows: Rows) -> None:
    """Raise for mass that belongs to no single class."""
    if rows.tails:
        errors.bad_value("targets", "have one mass per class", "top-k targets with a tail bucket")


def row_blocks(like: Array) -> list[slice]:
    """Return slices of the rows of a matrix that may be made dense one after the other; a lazy or
    traced one is not cut.
    """
    count, classes = like.shape
    step = max(1, BLOCK_ENTRIES // classes) if is_eager(like) else max(1, count)
    return [slice(start, min(start + step, count)) for start in range(0, max(1, count), step)]


def row_entropies(xp: Namespace, rows: Rows, like: Array) -> Array:
    """Return -sum_k a_k log a_k of each row as a column; ``like`` has the shape and the dtype."""
    refuse_bucket(rows)
    rows = replace(rows, class_weight=None)  # of a itself
    blocks = [rows[block].entropy(xp, like[block, :]) for block in row_blocks(like)]
    return blocks[0] if len(blocks) == 1 else xp.concat(blocks)
