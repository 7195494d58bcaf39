"""Objectives and metrics for XGBoost: soft targets, smoothing, weights, noisy labels.

Each fits ``xgboost.train(..., obj=, custom_metric=)`` and the scikit-learn wrappers
(``XGBClassifier(objective=, eval_metric=)``). With no smoothing the gradient and the Hessian are
those of XGBoost's own objectives.
"""

from dataclasses import dataclass
from typing import Any

from softtargets import _boosting
from softtargets._array.namespaces import namespace_of
from softtargets.targets.value import Targets
from softtargets.typing import Array

__all__ = [
    "BinaryCrossEntropyMetric",
    "BinaryCrossEntropyObjective",
    "CrossEntropyMetric",
    "CrossEntropyObjective",
]

#: XGBoost's own objectives let no second derivative be smaller.
_LEAST = 1e-16


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossEntropyObjective(_boosting.CrossEntropy):
    """The cross-entropy with soft targets as an objective of XGBoost, for any number of classes.

    The gradient is that of :func:`softtargets.cross_entropy`, summed over the rows, and

        hessian = max(hessian_factor A p (1 - p), 1e-16)

    with A the mass of the targets of a row after weights and p = softmax(scores).
    For two classes XGBoost has one score per row, the logit of class 1 where that of class 0 is 0.

    Parameters
    ----------
    label_smoothing, prior, spread, class_weight
        As for :func:`softtargets.cross_entropy`, for two classes too. Arrays of NumPy go where the
        scores are.
    transition : array, optional
        Shape ``(K, K)``: the probabilities of labels for each class. The loss is then
        :func:`softtargets.forward_correction`, which takes no smoothing. Its second derivatives may
        be negative; here they are those of the cross-entropy, which are never less.
    targets : array or Targets, optional
        Distributions or :class:`softtargets.Targets` for the rows of the training data, in place of
        its labels.
    hessian_factor : number, optional
        By default that of XGBoost: 2 for ``multi:softprob``, 1 for ``binary:logistic``. With 1 a
        step is Newton's for each class alone.

    Returns
    -------
    tuple of array
        Called with ``(scores, data)``, or ``(labels, scores, sample_weight=None)``: gradient and
        Hessian of the shape and dtype of the scores. ``data`` has ``get_label`` and ``get_weight``,
        as ``xgboost.DMatrix``.
        Labels are whole numbers, or a distribution for each row, flattened or not.

    Raises
    ------
    TypeError, ValueError
        As :func:`softtargets.cross_entropy`; if labels are not whole numbers; or if there is
        smoothing beside a transition.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets.xgboost import CrossEntropyObjective
    >>> scores = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    >>> gradient, hessian = CrossEntropyObjective(label_smoothing=0.1)(np.array([0.0]), scores)
    >>> gradient.round(4)
    array([[-0.8433,  0.2114,  0.6319]], dtype=float32)
    >>> hessian.round(4)
    array([[0.1639, 0.3697, 0.4454]], dtype=float32)
    """

    targets: Array | Targets | None = None
    hessian_factor: float | None = None

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Return gradient and Hessian for (scores, data) or (labels, scores, sample_weight)."""
        rows = _boosting.Rows.of(first, second, sample_weight)
        gradient, diagonal = self.derivatives(rows, self.targets)
        factor = self.hessian_factor
        if factor is None:
            factor = 2.0 if rows.scores.ndim == 2 else 1.0
        return gradient, _at_least(factor * diagonal)


@dataclass(frozen=True, kw_only=True, eq=False)
class BinaryCrossEntropyObjective(_boosting.BinaryCrossEntropy):
    """The binary cross-entropy as an objective of XGBoost, whose labels may be probabilities.

    One score per row (the ``binary:logistic`` of XGBoost), or one per row and label where each row
    has several labels. The Hessian is that of :func:`softtargets.binary_cross_entropy`, at least
    1e-16.

    Parameters
    ----------
    label_smoothing, prior, pos_weight
        As for :func:`softtargets.binary_cross_entropy`.
    targets : array, optional
        Probabilities for the training data, in place of its labels.

    Returns
    -------
    tuple of array
        As :class:`CrossEntropyObjective`. Labels are in [0, 1].

    Raises
    ------
    TypeError, ValueError
        As :func:`softtargets.binary_cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets.xgboost import BinaryCrossEntropyObjective
    >>> scores, labels = np.array([2.0, -1.0]), np.array([1.0, 0.25])
    >>> gradient, hessian = BinaryCrossEntropyObjective(label_smoothing=0.1)(labels, scores)
    >>> gradient.round(4)
    array([-0.0692, -0.0061])
    """

    targets: Array | Targets | None = None

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Return gradient and Hessian for (scores, data) or (labels, scores, sample_weight)."""
        rows = _boosting.Rows.of(first, second, sample_weight)
        gradient, diagonal = self.derivatives(rows, self.targets)
        return gradient, _at_least(diagonal)


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossEntropyMetric(_boosting.CrossEntropy):
    """The mean cross-entropy as a metric of XGBoost, for models with an objective of this module.

    It takes scores, which XGBoost gives to metrics beside an objective that is a function; beside
    its own objectives it gives probabilities.

    Parameters
    ----------
    label_smoothing, prior, spread, class_weight, transition
        As for :class:`CrossEntropyObjective`. Without any of them it is the negative
        log-likelihood.
    name : str, default "cross_entropy"
        What XGBoost calls it.

    Returns
    -------
    tuple of str and float, or float
        The name and the value for ``(scores, data)``; the value alone for ``(labels, scores,
        sample_weight=None)``. The denominator is that of :func:`softtargets.cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets.xgboost import CrossEntropyMetric
    >>> metric = CrossEntropyMetric(label_smoothing=0.1)
    >>> round(metric(np.array([0]), np.array([[1.0, 2.0, 3.0]])), 4)
    2.3076
    """

    name: str = "cross_entropy"

    @property
    def __name__(self) -> str:
        """What the scikit-learn wrapper asks a metric for."""
        return self.name

    def __call__(
        self, first: Any, second: Any, sample_weight: Any = None
    ) -> tuple[str, float] | float:
        """Return the metric for (scores, data) or (labels, scores, sample_weight)."""
        rows = _boosting.Rows.of(first, second, sample_weight)
        value = self.value(rows)
        return (self.name, value) if rows.native else value


@dataclass(frozen=True, kw_only=True, eq=False)
class BinaryCrossEntropyMetric(_boosting.BinaryCrossEntropy):
    """The mean binary cross-entropy as a metric of XGBoost, beside an objective of this module.

    Parameters
    ----------
    label_smoothing, prior, pos_weight
        As for :class:`BinaryCrossEntropyObjective`.
    name : str, default "binary_cross_entropy"
        What XGBoost calls it.

    Returns
    -------
    tuple of str and float, or float
        As :class:`CrossEntropyMetric`.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets.xgboost import BinaryCrossEntropyMetric
    >>> round(BinaryCrossEntropyMetric()(np.array([1.0, 0.0]), np.array([2.0, -1.0])), 4)
    0.2201
    """

    name: str = "binary_cross_entropy"

    @property
    def __name__(self) -> str:
        """What the scikit-learn wrapper asks a metric for."""
        return self.name

    def __call__(
        self, first: Any, second: Any, sample_weight: Any = None
    ) -> tuple[str, float] | float:
        """Return the metric for (scores, data) or (labels, scores, sample_weight)."""
        rows = _boosting.Rows.of(first, second, sample_weight)
        value = self.value(rows)
        return (self.name, value) if rows.native else value


def _at_least(diagonal: Array) -> Array:
    xp = namespace_of(diagonal, "scores")
    return xp.where(diagonal > _LEAST, diagonal, _LEAST)
