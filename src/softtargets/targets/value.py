"""The :class:`Targets` value: a few integers and numbers per row instead of rows x classes."""

from dataclasses import replace

from softtargets._array import errors
from softtargets._array.axes import check_class_axis
from softtargets._array.checks import (
    check_class_vector,
    check_count,
    check_fraction,
    check_int,
    check_option,
    same_values,
)
from softtargets._array.namespaces import check_follows, is_number, namespace_of
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.builders import Built
from softtargets.targets.sources import TAILS, dense_part, label_part, top_k_parts
from softtargets.typing import Amount, Array, Tail


class Targets(Built):
    """Soft targets of many rows, each held in a few numbers.

    Every row is  q = sum_j weight_j * onehot(label_j) + background * prior, times class weights if
    there are any. Make one with :meth:`from_labels`, :meth:`from_distributions` or
    :meth:`from_top_k`; the other methods return new values and change nothing. A value remembers
    what it was before smoothing, so that a mean has the same denominator with and without it.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> t = st.Targets.from_labels(np.array([0, 2]), num_classes=4)
    >>> t
    Targets(shape=(2, 4): labels)
    >>> t.smooth(0.1).to_dense()
    array([[0.925, 0.025, 0.025, 0.025],
           [0.025, 0.025, 0.925, 0.025]])
    >>> t.mix(t[::-1], 0.75).to_dense(dtype=np.float32)
    array([[0.75, 0.  , 0.25, 0.  ],
           [0.25, 0.  , 0.75, 0.  ]], dtype=float32)
    """

    @classmethod
    def from_labels(
        cls, labels: Array, num_classes: int, *, ignore_index: int = IGNORE_INDEX
    ) -> "Targets":
        """Return one-hot targets of integer labels: O(rows) memory.

        Parameters
        ----------
        labels : array, any integer dtype
            Shape ``(*rows,)``. Any width gives the same result.
        num_classes : int
            The number of classes K.
        ignore_index : int, default -100
            Rows with this label have no mass: loss, gradient and denominator leave them out.

        Returns
        -------
        Targets
            Of shape ``(*rows, num_classes)``.

        Raises
        ------
        TypeError
            If ``labels`` is not an array of integers.
        ValueError
            If a label is outside [0, K) and not ``ignore_index``, where values may be looked at
            (eager arrays in host memory). Elsewhere the loss and the gradient of that row are nan.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> st.Targets.from_labels(np.array([1, -100], dtype=np.int8), 3).to_dense()
        array([[0., 1., 0.],
               [0., 0., 0.]])
        """
        return cls._from_integers(labels, num_classes, ignore_index, "labels")

    @classmethod
    def _from_integers(
        cls, labels: Array, num_classes: int, ignore_index: int, argument: str
    ) -> "Targets":
        count = check_count(num_classes, "num_classes")
        part = label_part(labels, count, check_int(ignore_index, "ignore_index"), argument)
        return cls((part,), count, tuple(labels.shape))

    @classmethod
    def from_distributions(cls, q: Array, *, axis: int = -1, check: bool = True) -> "Targets":
        """Return targets that hold dense rows; they are not renormalised.

        Parameters
        ----------
        q : array, real floating
            One distribution along ``axis`` for each row.
        axis : int, default -1
            The class axis of ``q``. The rows keep the order of the other axes.
        check : bool, default True
            Whether to raise on entries below 0 and on rows that do not sum to 1 within the square
            root of the machine epsilon of their dtype, where values may be looked at.

        Returns
        -------
        Targets

        Raises
        ------
        TypeError
            If ``q`` is not an array of floating-point numbers.
        ValueError
            If a row is not a distribution.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> st.Targets.from_distributions(np.array([[0.2, 0.8]])).entropy()
        array([0.50040242])
        """
        return cls._from_dense(q, axis, "q", check=check)

    @classmethod
    def _from_dense(cls, q: Array, axis: int, argument: str, *, check: bool = True) -> "Targets":
        xp = namespace_of(q, argument)
        position = check_class_axis(q, argument, axis)
        if position != q.ndim - 1:
            q = xp.moveaxis(q, position, -1)
        part = dense_part(q, argument, check=check)
        return cls((part,), int(q.shape[-1]), tuple(q.shape[:-1]))

    @classmethod
    def from_top_k(
        cls,
        labels: Array,
        weights: Array,
        num_classes: int,
        *,
        tail: Tail,
        ignore_index: int = IGNORE_INDEX,
    ) -> "Targets":
        """Return the targets of a teacher of which only the k best classes of each row are known.

        Parameters
        ----------
        labels : array, any integer dtype
            Shape ``(*rows, k)``: the classes. One that equals ``ignore_index`` is padding; one
            that is named twice counts twice.
        weights : array, real floating
            Shape ``(*rows, k)``: their probabilities, at least 0, at most 1 in sum.
        num_classes : int
            The number of classes K.
        tail : {"bucket", "drop", "renormalize"}
            What becomes of the missing mass ``1 - sum(weights)``. "drop": nothing, the row has
            less mass. "renormalize": the weights are divided by their sum and the softmax runs
            over the listed classes only. "bucket": it is compared with the probability that the
            model gives to all other classes together.
        ignore_index : int, default -100
            The label that marks padding.

        Returns
        -------
        Targets

        Raises
        ------
        ValueError
            If weights are negative or sum to more than 1, or a label is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> x = np.array([[1.0, 2.0, 3.0]])
        >>> for tail in ("drop", "renormalize", "bucket"):
        ...     t = st.Targets.from_top_k(np.array([[0, 1]]), np.array([[0.6, 0.3]]), 3, tail=tail)
        ...     print(f"{tail}: {st.cross_entropy(x, t, reduction='sum'):.6f}")
        drop: 1.866845
        renormalize: 0.979928
        bucket: 1.907606
        """
        check_option(tail, "tail", TAILS)
        count = check_count(num_classes, "num_classes")
        ignored = check_int(ignore_index, "ignore_index")
        parts, support = top_k_parts(labels, weights, count, tail, ignored)
        return cls(parts, count, tuple(labels.shape[:-1]), support=support)

    def mix(self, other: "Targets", lam: Amount) -> "Targets":
        """Return ``lam * self + (1 - lam) * other``, the targets of mixup and cutmix.

        The loss is linear in it. An ignored label of one side has no mass; a row is left out where
        both sides ignore it.

        Parameters
        ----------
        other : Targets
            Of the same shape, for example ``self[permutation]``.
        lam : number or array
            In [0, 1]: one for all rows, or one per row with shape ``(*rows,)`` or ``(*rows, 1)``.

        Returns
        -------
        Targets

        Raises
        ------
        ValueError
            If the shapes or class weights differ or ``lam`` is outside [0, 1].

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> t = st.Targets.from_labels(np.array([0, 1]), 2)
        >>> t.mix(t[::-1], np.array([0.75, 1.0])).to_dense()
        array([[0.75, 0.25],
               [0.  , 1.  ]])

        References
        ----------
        H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
        """
        return self._mix(other, lam, "targets", "other")

    def _mix(self, other: "Targets", lam: Amount, mine: str, theirs: str) -> "Targets":
        """Mix, calling the two sides what the caller calls them."""
        if not isinstance(other, Targets):
            errors.bad_type(theirs, "be Targets", type(other).__name__)
        check_follows(self._xp, self._like, mine, other._like, theirs)
        if other.shape != self.shape:
            errors.bad_value(theirs, f"have shape {self.shape}", other.shape)
        if not same_values(self._xp, self.class_weight, other.class_weight):
            errors.bad_value(theirs, "have the same class weights", "other class weights")
        if self.support is not other.support:
            errors.bad_value(theirs, "have the same renormalized classes", "other classes")
        shapes = [(), self.row_shape, (*self.row_shape, 1)]
        lam = check_fraction(self._xp, lam, "lam", self._like, mine, shapes)
        if not is_number(lam) and 0 < lam.ndim == len(self.row_shape):
            lam = lam[..., None]
        parts = tuple(part.scaled(lam) for part in self.parts)
        return self._with((*parts, *(part.scaled(1.0 - lam) for part in other.parts)))

    def weighted(self, class_weight: Array) -> "Targets":
        """Return ``a = q * class_weight``; the weights move the optimum and the denominator.

        Parameters
        ----------
        class_weight : array
            Shape ``(K,)``, finite and at least 0.

        Returns
        -------
        Targets

        Raises
        ------
        TypeError
            If ``class_weight`` is not an array of numbers of the library of the targets.
        ValueError
            If it has another shape, or a weight is negative or not finite.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> t = st.Targets.from_labels(np.array([1]), 2).smooth(0.5)
        >>> t.weighted(np.array([1.0, 4.0])).to_dense()
        array([[0.25, 3.  ]])
        """
        like, count = self._like, self.num_classes
        class_weight = check_class_vector(
            self._xp, class_weight, "class_weight", like, "targets", count
        )
        if self.class_weight is not None:
            class_weight = self.class_weight * class_weight
        return replace(self, class_weight=class_weight)
