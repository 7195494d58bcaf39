"""Losses that suppress the largest logit: MaxSup and margin-based label smoothing."""

from typing import Any

from softtargets._array.checks import check_penalty
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.evaluate import Call, value_of
from softtargets.losses.problem import Problem, as_entry, make_problem
from softtargets.softmax.margin import Margin
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def max_suppression(
    logits: Array,
    targets: Array | Targets,
    *,
    strength: Amount = 0.1,
    label_smoothing: Amount = 0.0,
    prior: Array | None = None,
    spread: Spread = "all",
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
) -> Array:
    """Return the cross-entropy and a penalty on the largest logit (MaxSup), in nats.

    For a row with logits x and r = <q before smoothing, class weights>,

        loss = CE + strength r (max_k x_k - mean_k x_k)

    Label smoothing of the same strength has the logit of the label in place of the largest: both
    are the same wherever the prediction is right.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        As for :func:`cross_entropy`.
    strength : number or 0-d array, default 0.1
        The weight of the penalty, finite and at least 0.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`. The mean is over the classes that ``class_mask`` keeps.
    axis, reduction, denominator
        As for :func:`cross_entropy`; the denominator of "mean" is the same.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cross_entropy`; and if ``strength`` is not finite and at least 0.

    Gradient
    --------
    That of the cross-entropy, and for the logits of a row, times v / denominator for the mean,

        strength r (onehot(argmax x) - 1/K)

    Classes that share the maximum share its derivative.

    Choosing
    --------
    Where a prediction is wrong, label smoothing draws the logit of the label down, and this the
    largest one. :func:`margin_smoothing` with a margin of 0 is the same loss.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, labels = np.array([[2.0, 0.5, -1.0, 0.3]]), np.array([0])
    >>> st.max_suppression(x, labels, strength=0.1).round(6)
    np.float64(0.530419)
    >>> st.cross_entropy(x, labels, label_smoothing=0.1).round(6)
    np.float64(0.530419)

    References
    ----------
    Y. Zhou et al., "MaxSup: Overcoming Representation Collapse in Label Smoothing", 2025.
    """
    options = {
        "strength": strength,
        "label_smoothing": label_smoothing,
        "prior": prior,
        "spread": spread,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": axis,
        "reduction": reduction,
        "denominator": denominator,
    }
    return value_of(Call(logits, targets, options, make_suppression))


def margin_smoothing(
    logits: Array,
    targets: Array | Targets,
    *,
    margin: Amount = 10.0,
    strength: Amount = 0.1,
    label_smoothing: Amount = 0.0,
    prior: Array | None = None,
    spread: Spread = "all",
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
) -> Array:
    """Return the cross-entropy and a penalty on logits far below the largest (MbLS), in nats.

    For a row with logits x and r = <q before smoothing, class weights>,

        loss = CE + strength r mean_k max(0, max_j x_j - x_k - margin)

    The mean is over all classes, as in the authors' code; what others write as a sum over classes
    is K times this penalty.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        As for :func:`cross_entropy`.
    margin : number or 0-d array, default 10
        The distance from the largest logit that costs nothing, finite and at least 0.
    strength : number or 0-d array, default 0.1
        The weight of the penalty, finite and at least 0.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`. The mean is over the classes that ``class_mask`` keeps.
    axis, reduction, denominator
        As for :func:`cross_entropy`; the denominator of "mean" is the same.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cross_entropy`; and if ``margin`` or ``strength`` is not finite and at least 0.

    Gradient
    --------
    That of the cross-entropy, and for the logits of a row, times v / denominator for the mean,
    with h_k = 1 where max x - x_k > margin and 0 elsewhere,

        strength r / K (onehot(argmax x) sum h - h)

    Classes that share the maximum share its derivative.

    Choosing
    --------
    The margin caps the logit gap; the optimum for a hard label lies at
    max(margin, log(1 + K (1 - s) / s)) for a strength s. A margin of 0 is :func:`max_suppression`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, labels = np.array([[12.0, 0.0, 8.0, 2.0]]), np.array([0])
    >>> st.margin_smoothing(x, labels).round(6)
    np.float64(0.068201)
    >>> st.cross_entropy(x, labels).round(6)
    np.float64(0.018201)

    References
    ----------
    B. Liu et al., "The Devil is in the Margin: Margin-based Label Smoothing for Network
    Calibration", 2022.
    """
    options = {
        "margin": margin,
        "strength": strength,
        "label_smoothing": label_smoothing,
        "prior": prior,
        "spread": spread,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": axis,
        "reduction": reduction,
        "denominator": denominator,
    }
    return value_of(Call(logits, targets, options, make_margin))


def make_margin(
    logits: Array,
    targets: Array | Targets,
    *,
    margin: Amount = 10.0,
    strength: Amount = 0.1,
    **options: Any,
) -> Problem:
    """Return the problem of one call of :func:`margin_smoothing`."""
    problem = make_problem(logits, targets, **options)
    xp = problem.xp
    margin = check_penalty(xp, margin, "margin", logits)
    strength = check_penalty(xp, strength, "strength", logits)
    loss = Margin(as_entry(problem, strength), as_entry(problem, margin))
    return problem._replace(loss=loss)


def make_suppression(
    logits: Array, targets: Array | Targets, *, strength: Amount = 0.1, **options: Any
) -> Problem:
    """Return the problem of one call of :func:`max_suppression`."""
    return make_margin(logits, targets, margin=0.0, strength=strength, **options)
