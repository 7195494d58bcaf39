"""Proper scores: lower is better, and lowest on average where the probabilities are right."""

from typing import Any

from softtargets.calibration.bins import CalibrationBins
from softtargets.calibration.inputs import Examples, Options, seen_from_host
from softtargets.calibration.murphy import BrierDecomposition
from softtargets.calibration.rowwise import logarithms, reduced, squares
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.typing import Array, Reduction, Scope


def brier_score(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
) -> Array:
    """Return the Brier score of K classes,  sum_k (p_k - y_k)^2  of each row, in [0, 2].

    Of soft targets q it is the mean over labels drawn from them: sum_k (p_k - q_k)^2 + 1 - sum q^2.

    Parameters
    ----------
    scores, targets, from_logits, where, ignore_index, axis
        As for :func:`calibration_error` with the scope "top".
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the number of rows that count, "none" gives 0 for those that do not.

    Returns
    -------
    array
        0-d, or of the shape of the rows for "none"; float64 for float64 scores and else float32; of
        the library and device of ``scores``.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`.

    Choosing
    --------
    For two classes it is twice :func:`binary_brier_score`, which takes scores of one class.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p, y = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]), np.array([0, 2])
    >>> st.calibration.brier_score(p, y, from_logits=False, reduction="none").round(4)
    array([0.14, 0.26])

    References
    ----------
    G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    options = Options(from_logits, "top", where, ignore_index, axis)
    return reduced(scores, targets, options, reduction, squares)


def binary_brier_score(
    scores: Array,
    targets: Array,
    *,
    from_logits: bool,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    reduction: Reduction = "mean",
) -> Array:
    """Return the Brier score of the class 1 alone,  (p - y)^2  of each row, in [0, 1].

    Of soft targets q it is the mean over labels drawn from them: (p - q)^2 + q (1 - q).

    Parameters
    ----------
    scores : array, real floating
        One logit or probability of class 1 per row.
    targets : array
        Labels 0 and 1, or floats in [0, 1], of the shape of ``scores``.
    from_logits, where, ignore_index
        As for :func:`calibration_error`.
    reduction : {"mean", "sum", "none"}, default "mean"
        As for :func:`brier_score`.

    Returns
    -------
    array
        As :func:`brier_score`.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p, y = np.array([0.7, 0.1]), np.array([1, 1])
    >>> st.calibration.binary_brier_score(p, y, from_logits=False, reduction="none").round(4)
    array([0.09, 0.81])

    References
    ----------
    G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    options = Options(from_logits, "positive", where, ignore_index)

    def half(some: Examples, from_logits: bool) -> Array:
        # Both classes are off by the same.
        return squares(some, from_logits) / 2

    return reduced(scores, targets, options, reduction, half)


def brier_decomposition(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    num_bins: int = 15,
    scope: Scope = "top",
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> BrierDecomposition:
    """Return the mean of (c - h)^2 over events with probability c and hit h, and its parts.

    With the mean probability c_b and the fraction a_b of hits of a bin, w_b its share of events,
    and a the fraction of all hits,

        score = sum w_b (c_b - a_b)^2 - sum w_b (a_b - a)^2 + a (1 - a) + residual
                reliability             resolution            uncertainty

    The residual is what bins cannot see, 0 where all probabilities of a bin are the same. For the
    scope "top" the score is that of the largest probability alone, not of all classes.

    Parameters
    ----------
    scores, targets, from_logits, num_bins, scope, where, ignore_index, axis
        As for :func:`calibration_error`; bins are of equal width.

    Returns
    -------
    BrierDecomposition
        A named tuple: ``score``, ``reliability``, ``resolution``, ``uncertainty``, ``residual``.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p, y = np.array([0.9, 0.9, 0.9, 0.9, 0.3, 0.3]), np.array([1, 1, 1, 0, 0, 1])
    >>> words = {"from_logits": False, "scope": "positive"}
    >>> parts = st.calibration.brier_decomposition(p, y, **words)
    >>> [round(float(part), 4) for part in parts[:4]]
    [0.2367, 0.0283, 0.0139, 0.2222]

    References
    ----------
    A. H. Murphy, "A New Vector Partition of the Probability Score", 1973.
    """
    bins = CalibrationBins(from_logits=from_logits, num_bins=num_bins, scope=scope)
    bins.update(scores, targets, where=where, ignore_index=ignore_index, axis=axis)
    return bins.brier()


def negative_log_likelihood(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
) -> Array:
    """Return  -sum_k q_k log p_k  of each row in nats, with 0 log 0 = 0.

    Of logits it is :func:`softtargets.cross_entropy`. Probabilities are not clipped: a label with
    probability 0 costs infinity.

    Parameters
    ----------
    scores, targets, from_logits, where, ignore_index, axis, reduction
        As for :func:`brier_score`.

    Returns
    -------
    array
        As :func:`brier_score`.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p, y = np.array([[0.5, 0.5], [0.75, 0.25]]), np.array([0, 1])
    >>> nll = st.calibration.negative_log_likelihood(p, y, from_logits=False, reduction="none")
    >>> nll.round(4)
    array([0.6931, 1.3863])

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, section 2.
    """
    options = Options(from_logits, "top", where, ignore_index, axis)
    if from_logits is not True:
        return reduced(scores, targets, options, reduction, logarithms)

    def of_logits(scores: Array, targets: Any, options: Options) -> Array:
        return cross_entropy(
            scores,
            targets,
            where=options.where,
            ignore_index=ignore_index,
            axis=axis,
            reduction=reduction,
        )

    return seen_from_host(of_logits, scores, targets, options)
