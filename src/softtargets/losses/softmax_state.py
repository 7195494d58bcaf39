"""The mergeable softmax state as users see it."""

from dataclasses import dataclass, replace
from typing import Any, Self

from softtargets._array import errors
from softtargets._array.checks import check_option
from softtargets._array.dtypes import MAXIMUM, dtype_name
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets._array.traits import quiet
from softtargets.execution.states import row_states
from softtargets.losses.problem import check_penalties, make_problem
from softtargets.losses.reductions import REDUCTIONS, make_reducer
from softtargets.softmax.state import RowState
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction


@dataclass(frozen=True, eq=False, repr=False)
class SoftmaxState:
    """What one pass over the logits leaves: a few numbers per row, from which losses follow.

    States of blocks of classes merge into the state of all classes, on one machine or on many. With
    m = max x and z = x - m a row holds  m, sum e^z, sum e^z z, sum e^z z^2, <a, z> and sum a.

    Examples
    --------
    Classes in two blocks, as two machines would hold them:

    >>> import numpy as np
    >>> import softtargets as st
    >>> x = np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> t = st.Targets.from_labels(np.array([2]), 4).smooth(0.1)
    >>> left = st.SoftmaxState.of(x[:, :2], t, first_class=0)
    >>> right = st.SoftmaxState.of(x[:, 2:], t, first_class=2)
    >>> round(float(left.merge(right).loss()), 6)
    1.49019
    >>> round(float(st.cross_entropy(x, t)), 6)
    1.49019

    References
    ----------
    M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax", 2018, for the merge
    of maximum and sum.
    """

    state: RowState
    row_shape: tuple[int, ...]
    sample_weight: Array | None

    @classmethod
    def of(
        cls,
        logits: Array,
        targets: Array | Targets,
        *,
        first_class: Amount = 0,
        num_classes: int | None = None,
        **options: Any,
    ) -> Self:
        """Return the state of logits, or of a block of their classes.

        Parameters
        ----------
        logits : array, real floating
            All classes, or those from ``first_class`` on, along ``axis``; with ``num_classes``
            also none.
        targets : array or Targets
            Of all classes: labels, distributions or a :class:`Targets`.
        first_class : int or 0-d array of integers, default 0
            The class that comes first in ``logits``; an array where compiled code finds it.
        num_classes : int, optional
            The number of all classes; by default that of a :class:`Targets`, or of ``logits``.
        **options
            The keywords of :func:`cross_entropy` that concern single rows and classes:
            ``label_smoothing``, ``prior``, ``spread``, ``class_weight``, ``sample_weight``,
            ``where``, ``class_mask``, ``ignore_index`` and ``axis``. Class weights and masks are
            those of all classes.

        Returns
        -------
        SoftmaxState

        Raises
        ------
        TypeError, ValueError
            As :func:`cross_entropy`, and if the block does not lie within the classes.
        """
        for name in (
            "reduction",
            "denominator",
            "z_loss",
            "confidence_penalty",
            "entropy_threshold",
        ):
            if name in options:
                errors.bad_type(name, "be given to loss()", "a keyword of of()")
        if num_classes is None and isinstance(targets, Targets):
            num_classes = targets.num_classes
        problem = make_problem(
            logits,
            targets,
            reduction="none",
            first_class=first_class,
            num_classes=num_classes,
            **options,
        )
        state, reducer = row_states(problem.work, moments=2), problem.reducer
        return cls(state, reducer.row_shape or (), reducer.sample_weight)

    def merge(self, other: Self) -> Self:
        """Return the state of the classes of both. The order does not matter beyond rounding.

        Parameters
        ----------
        other : SoftmaxState
            Of other classes of the same rows, made with the same targets and keywords.

        Returns
        -------
        SoftmaxState

        Raises
        ------
        TypeError
            If ``other`` is not a :class:`SoftmaxState`.
        ValueError
            If ``other`` has other rows.
        """
        if not isinstance(other, SoftmaxState):
            errors.bad_type("other", "be a SoftmaxState", type(other).__name__)
        like = self.state.exp_sum
        check_follows(namespace_of(like, "state"), like, "state", other.state.exp_sum, "other")
        if other.row_shape != self.row_shape:
            errors.bad_value("other", f"have rows of shape {self.row_shape}", other.row_shape)
        with quiet(namespace_of(self.state.exp_sum, "state")):
            return replace(self, state=self.state.merge(other.state))

    def loss(
        self,
        *,
        reduction: Reduction = "mean",
        denominator: Amount | None = None,
        z_loss: Amount = 0.0,
        confidence_penalty: Amount = 0.0,
        entropy_threshold: Amount | None = None,
    ) -> Array:
        """Return the cross-entropy, reduced as :func:`cross_entropy` does it.

        Parameters
        ----------
        reduction, denominator, z_loss, confidence_penalty, entropy_threshold
            As for :func:`cross_entropy`.

        Returns
        -------
        array
            0-d, or of the shape of the rows for "none".

        Raises
        ------
        TypeError, ValueError
            As :func:`cross_entropy`.
        """
        state = self.state
        like = state.exp_sum
        xp = namespace_of(like, "state")
        check_option(reduction, "reduction", REDUCTIONS)
        penalties = check_penalties(xp, z_loss, confidence_penalty, entropy_threshold, like)
        reducer = make_reducer(
            xp, reduction, state.row_weight, like, self.row_shape, self.sample_weight, denominator
        )
        with quiet(xp):
            return reducer.value(state.row_loss(penalties))

    def logsumexp(self) -> Array:
        """Return log sum_k exp(x_k) of each row."""
        return self._true_infinity(self.state.logsumexp())

    def entropy(self) -> Array:
        """Return the entropy of the softmax of each row, in nats."""
        return self._rows(self.state.entropy())

    def mean_logit(self) -> Array:
        """Return the mean of the logits of each row under its softmax."""
        return self._true_infinity(self.state.mean_logit())

    def variance(self) -> Array:
        """Return the variance of the logits of each row under its softmax."""
        return self._rows(self.state.variance())

    def _true_infinity(self, column: Array) -> Array:
        """Return a column with the infinity that the largest finite number stands for."""
        xp = namespace_of(column, "state")
        infinite = self.state.maximum == MAXIMUM[dtype_name(column)]
        return self._rows(xp.where(infinite, xp.inf, column))

    def _rows(self, column: Array) -> Array:
        return namespace_of(column, "state").reshape(column, self.row_shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rows={self.row_shape})"
