"""Online label smoothing: targets from what the model itself predicted in the epoch before."""

from collections.abc import Mapping

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape, to_rows
from softtargets._array.checks import (
    check_count,
    check_int,
    check_labels,
    check_shape,
)
from softtargets._array.dtypes import check_floating, index_dtype
from softtargets._array.namespaces import beside, check_follows, namespace_of
from softtargets._array.operations import is_label, quotient
from softtargets._array.scalars import check_share, widest_floating
from softtargets._array.traits import stop_gradient
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.probabilities import softmax
from softtargets.targets.value import Targets
from softtargets.typing import Array

STATE = ("rows", "sums", "counts")


class OnlineLabelSmoothing:
    """Targets  q = a onehot(y) + (1 - a) S_y,  where S_y is what is predicted for class y.

    In every epoch the softmax of each example that is predicted rightly is added to the row of its
    class; at the end the means become the rows S of the next epoch. A class of which no example was
    right keeps its row. Before the first epoch ends, S_y gives 1 - e to the label and the other
    classes share e.

    The state is three arrays, which are replaced and never written into: ``rows``, the S in use
    (None before the first epoch ends), ``sums`` and ``counts``, those of this epoch (None before
    its first update). They are of the library and device of the logits, float64 where there is one.
    Inside of compiled code use :meth:`count`, which changes nothing, and :meth:`add` outside of it;
    so do processes that add up their sums.

    Parameters
    ----------
    num_classes : int
        The number of classes K, at least 2.
    hard_weight : number, default 0.5
        The a, in [0, 1].
    label_smoothing : number, default 0.1
        The e of the first epoch, in [0, 1].
    ignore_index : int, default -100
        Labels that take no part.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> smoothing = st.OnlineLabelSmoothing(3)
    >>> logits, labels = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.array([0, 1])
    >>> smoothing.targets(labels).to_dense()
    array([[0.95 , 0.025, 0.025],
           [0.025, 0.95 , 0.025]])
    >>> smoothing.update(logits, labels)
    >>> smoothing.next_epoch()
    >>> smoothing.rows.round(3)
    array([[0.665, 0.245, 0.09 ],
           [0.05 , 0.9  , 0.05 ],
           [0.05 , 0.05 , 0.9  ]])
    >>> smoothing.targets(labels).to_dense().round(3)
    array([[0.833, 0.122, 0.045],
           [0.025, 0.95 , 0.025]])

    References
    ----------
    C.-B. Zhang et al., "Delving Deep into Label Smoothing", 2021.
    """

    rows: Array | None
    sums: Array | None
    counts: Array | None

    def __init__(
        self,
        num_classes: int,
        *,
        hard_weight: float = 0.5,
        label_smoothing: float = 0.1,
        ignore_index: int = IGNORE_INDEX,
    ) -> None:
        self.num_classes = check_count(num_classes, "num_classes")
        if self.num_classes < 2:
            errors.bad_value("num_classes", "be at least 2", self.num_classes)
        self.hard_weight = check_share(hard_weight, "hard_weight")
        self.label_smoothing = check_share(label_smoothing, "label_smoothing")
        self.ignore_index = check_int(ignore_index, "ignore_index")
        self.rows = self.sums = self.counts = None

    def targets(self, labels: Array) -> Targets:
        """Return the targets of this epoch for integer labels of any shape.

        Parameters
        ----------
        labels : array, any integer dtype
            Shape ``(*rows,)``.

        Returns
        -------
        Targets
            A label and a weight per row, over the K x K rows that all share.

        Raises
        ------
        TypeError
            If ``labels`` is not an array of integers of the library of the state.
        ValueError
            If a label is out of range, where values may be looked at.
        """
        hard = Targets.from_labels(labels, self.num_classes, ignore_index=self.ignore_index)
        soft, rows = 1.0 - self.hard_weight, self.rows
        # Past the checks of smooth(): these rows are distributions, made here.
        if rows is None:
            amount = soft * self.label_smoothing
            return hard._with(tuple(part.smoothed(amount, None, "others") for part in hard.parts))
        check_follows(hard._xp, labels, "labels", rows, "rows")
        return hard._with(tuple(part.smoothed(soft, rows, "all") for part in hard.parts))

    def count(self, logits: Array, labels: Array, *, axis: int = -1) -> tuple[Array, Array]:
        """Return what a batch adds to ``sums`` and to ``counts``, and change nothing.

        Parameters
        ----------
        logits : array, real floating
            The predictions for the labels, with the classes along ``axis``. A row with nan is no
            right prediction; of equal logits the first counts.
        labels : array, any integer dtype
            The shape of ``logits`` without its class axis.
        axis : int, default -1
            The class axis of ``logits``.

        Returns
        -------
        tuple of array
            The sum of the softmax of right predictions for each class, shape ``(K, K)``, and their
            numbers, shape ``(K,)``, integers.

        Raises
        ------
        TypeError
            If ``logits`` are not floats or ``labels`` not integers of their library.
        ValueError
            If shapes do not fit, or a label is out of range, where values may be looked at.
            Elsewhere a bad label counts nowhere.
        """
        xp = namespace_of(logits, "logits")
        check_floating(logits, "logits")
        position = check_class_axis(logits, "logits", axis)
        if logits.shape[position] != self.num_classes:
            rule = f"have {self.num_classes} classes"
            errors.bad_value("logits", rule, tuple(logits.shape), f"axis: {axis}")
        check_follows(xp, logits, "logits", labels, "labels")
        shape = row_shape(tuple(logits.shape), position)
        check_shape(labels, "labels", shape, context="the shape of logits without its class axis")
        index, kept, bad = check_labels(labels, self.num_classes, self.ignore_index, "labels")
        matrix = to_rows(xp, stop_gradient(logits), position)
        column = xp.reshape(index, (-1, 1))
        p = softmax(xp, matrix)
        best = xp.argmax(matrix, axis=1, keepdims=True)
        right = (best == column) & xp.all(xp.isfinite(p), axis=1, keepdims=True)
        if kept is not None:
            right = right & xp.reshape(kept, (-1, 1))
        if bad is not None:
            right = right & ~xp.reshape(bad, (-1, 1))
        mine = is_label(xp, column, self.num_classes) & right
        wide = widest_floating(xp)
        weights = xp.permute_dims(xp.astype(mine, wide), (1, 0))
        sums = xp.matmul(weights, xp.astype(xp.where(right, p, 0.0), wide))
        return sums, xp.sum(xp.astype(mine, index_dtype(xp, labels)), axis=0)

    def add(self, sums: Array, counts: Array) -> None:
        """Add sums and counts of :meth:`count`, of any number of batches, in any order.

        Parameters
        ----------
        sums, counts : array
            Shapes ``(K, K)`` and ``(K,)``.

        Returns
        -------
        None

        Raises
        ------
        ValueError
            If a shape is another one.
        """
        xp = namespace_of(sums, "sums")
        check_shape(sums, "sums", (self.num_classes, self.num_classes))
        check_follows(xp, sums, "sums", counts, "counts")
        check_shape(counts, "counts", (self.num_classes,))
        if self.sums is not None:
            check_follows(xp, sums, "sums", self.sums, "sums of before")
            sums, counts = self.sums + sums, self.counts + counts
        self.sums, self.counts = sums, counts

    def update(self, logits: Array, labels: Array, *, axis: int = -1) -> None:
        """Add a batch: :meth:`count`, then :meth:`add`.

        Parameters
        ----------
        logits, labels, axis
            As for :meth:`count`.

        Returns
        -------
        None
        """
        self.add(*self.count(logits, labels, axis=axis))

    def next_epoch(self) -> None:
        """Make the means of this epoch the rows of the next, and start to count anew."""
        if self.sums is None or self.counts is None:
            return
        xp = namespace_of(self.sums, "sums")
        before = self._first_rows(self.counts) if self.rows is None else self.rows
        seen = self.counts[:, None] > 0
        number = xp.astype(xp.where(seen, self.counts[:, None], 1), self.sums.dtype)
        self.rows = xp.where(seen, quotient(xp, self.sums, number), before)
        self.sums = self.counts = None

    def state_dict(self) -> dict[str, Array]:
        """Return the arrays of the state that there are, by name: nothing before any update."""
        return {name: value for name in STATE if (value := getattr(self, name)) is not None}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over a state of :meth:`state_dict`; arrays that it lacks are None.

        Parameters
        ----------
        state : mapping of str to array
            Any of "rows", "sums" and "counts".

        Returns
        -------
        None

        Raises
        ------
        ValueError
            If a name is unknown, sums come without counts, or a shape is another one.
        """
        unknown = set(state) - set(STATE)
        if unknown or ("sums" in state) != ("counts" in state):
            rule = "have the names rows, sums and counts, the last two together"
            errors.bad_value("state", rule, ", ".join(sorted(state)))
        for name, value in state.items():
            namespace_of(value, name)
            square = (self.num_classes, self.num_classes)
            check_shape(value, name, square[1:] if name == "counts" else square)
        self.rows, self.sums, self.counts = (state.get(name) for name in STATE)

    def _first_rows(self, like: Array) -> Array:
        xp = namespace_of(like, "labels")
        wide = widest_floating(xp)
        classes = xp.arange(self.num_classes, dtype=index_dtype(xp, like), **beside(like))
        own = Targets.from_labels(classes, self.num_classes)
        # As an array: an inverted smoothing is the user's to choose here.
        amount = xp.asarray(self.label_smoothing, dtype=wide, **beside(like))
        return own.smooth(amount, spread="others").to_dense(dtype=wide)
