"""Objectives and metrics for LightGBM: soft targets, smoothing, weights, noisy labels.

Each fits ``lightgbm.train({"objective": ...}, feval=)`` and the scikit-learn wrappers
(``LGBMClassifier(objective=).fit(eval_metric=)``). With no smoothing the gradient and the Hessian
are those of LightGBM's own objectives.
"""

from dataclasses import dataclass
from typing import Any

from softtargets import _boosting
from softtargets.targets.value import Targets
from softtargets.typing import Array

__all__ = [
    "BinaryCrossEntropyMetric",
    "BinaryCrossEntropyObjective",
    "CrossEntropyMetric",
    "CrossEntropyObjective",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossEntropyObjective(_boosting.CrossEntropy):
    """The cross-entropy with soft targets as an objective of LightGBM, for any number of classes.

    The gradient is that of :func:`softtargets.cross_entropy`, summed over the rows, and

        hessian = hessian_factor A p (1 - p)

    with A the mass of the targets of a row after weights and p = softmax(scores).
    For two classes LightGBM has one score per row, the logit of class 1 where that of class 0 is 0.

    Parameters
    ----------
    label_smoothing, prior, spread, class_weight
        As for :func:`softtargets.cross_entropy`, for two classes too.
    transition : array, optional
        Shape ``(K, K)``: the probabilities of labels for each class. The loss is then
        :func:`softtargets.forward_correction`, which takes no smoothing. Its second derivatives may
        be negative; here they are those of the cross-entropy, which are never less.
    targets : array or Targets, optional
        Distributions or :class:`softtargets.Targets` for the rows of the training data, in place of
        its labels.
    hessian_factor : number, optional
        By default that of LightGBM: K / (K - 1) for ``multiclass``, 1 for ``binary``.

    Returns
    -------
    tuple of array
        Called with ``(scores, data)`` or ``(labels, scores, sample_weight=None)``: gradient and
        Hessian of the shape and dtype of the scores, which are rows x classes for more than two
        classes. ``data`` has ``get_label`` and ``get_weight``, as ``lightgbm.Dataset``.

    Raises
    ------
    TypeError, ValueError
        As :func:`softtargets.cross_entropy`; if labels are not whole numbers; or if there is
        smoothing beside a transition.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets.lightgbm import CrossEntropyObjective
    >>> scores = np.array([[1.0, 2.0, 3.0]])
    >>> gradient, hessian = CrossEntropyObjective(label_smoothing=0.1)(np.array([0.0]), scores)
    >>> gradient.round(4)
    array([[-0.8433,  0.2114,  0.6319]])
    >>> hessian.round(4)
    array([[0.1229, 0.2773, 0.334 ]])
    """

    targets: Array | Targets | None = None
    hessian_factor: float | None = None

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Return gradient and Hessian for (scores, data) or (labels, scores, sample_weight)."""
        rows = _boosting.Rows.of(first, second, sample_weight)
        gradient, diagonal = self.derivatives(rows, self.targets)
        factor = self.hessian_factor
        if factor is None:
            count = 2 if rows.scores.ndim == 1 else int(rows.scores.shape[1])
            factor = 1.0 if rows.scores.ndim == 1 else count / (count - 1)
        return gradient, factor * diagonal


@dataclass(frozen=True, kw_only=True, eq=False)
class BinaryCrossEntropyObjective(_boosting.BinaryCrossEntropy):
    """The binary cross-entropy as an objective of LightGBM, whose labels may be probabilities.

    Without smoothing and weights it is LightGBM's ``cross_entropy``, and with labels 0 and 1 its
    ``binary``.

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
    >>> from softtargets.lightgbm import BinaryCrossEntropyObjective
    >>> scores, labels = np.array([2.0, -1.0]), np.array([1.0, 0.25])
    >>> gradient, hessian = BinaryCrossEntropyObjective(label_smoothing=0.1)(labels, scores)
    >>> gradient.round(4)
    array([-0.0692, -0.0061])
    """

    targets: Array | Targets | None = None

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Return gradient and Hessian for (scores, data) or (labels, scores, sample_weight)."""
        return self.derivatives(_boosting.Rows.of(first, second, sample_weight), self.targets)


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossEntropyMetric(_boosting.CrossEntropy):
    """The mean cross-entropy as a metric of LightGBM, for models with an objective of this module.

    It takes scores, which LightGBM gives to metrics beside an objective that is a function; beside
    its own objectives it gives probabilities.

    Parameters
    ----------
    label_smoothing, prior, spread, class_weight, transition
        As for :class:`CrossEntropyObjective`. Without any of them it is the negative
        log-likelihood.
    name : str, default "cross_entropy"
        What LightGBM calls it.

    Returns
    -------
    tuple of str, float and bool
        The name, the value, and False: less is better. The denominator is that of
        :func:`softtargets.cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets.lightgbm import CrossEntropyMetric
    >>> metric = CrossEntropyMetric(label_smoothing=0.1)
    >>> name, value, is_higher_better = metric(np.array([0]), np.array([[1.0, 2.0, 3.0]]))
    >>> name, round(value, 4)
    ('cross_entropy', 2.3076)
    """

    name: str = "cross_entropy"

    def __call__(
        self, first: Any, second: Any, sample_weight: Any = None
    ) -> tuple[str, float, bool]:
        """Return the metric for (scores, data) or (labels, scores, sample_weight)."""
        return self.name, self.value(_boosting.Rows.of(first, second, sample_weight)), False


@dataclass(frozen=True, kw_only=True, eq=False)
class BinaryCrossEntropyMetric(_boosting.BinaryCrossEntropy):
    """The mean binary cross-entropy as a metric of LightGBM, beside an objective of this module.

    Parameters
    ----------
    label_smoothing, prior, pos_weight
        As for :class:`BinaryCrossEntropyObjective`.
    name : str, default "binary_cross_entropy"
        What LightGBM calls it.

    Returns
    -------
    tuple of str, float and bool
        As :class:`CrossEntropyMetric`.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets.lightgbm import BinaryCrossEntropyMetric
    >>> _, value, _ = BinaryCrossEntropyMetric()(np.array([1.0, 0.0]), np.array([2.0, -1.0]))
    >>> round(value, 4)
    0.2201
    """

    name: str = "binary_cross_entropy"

    def __call__(
        self, first: Any, second: Any, sample_weight: Any = None
    ) -> tuple[str, float, bool]:
        """Return the metric for (scores, data) or (labels, scores, sample_weight)."""
        return self.name, self.value(_boosting.Rows.of(first, second, sample_weight)), False
