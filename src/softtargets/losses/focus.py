"""Losses that weigh sure and unsure predictions otherwise than the cross-entropy: focal, Poly-1."""

from typing import Any

from softtargets._array.checks import check_penalty
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.evaluate import Call, value_of
from softtargets.losses.problem import Problem, as_entry, make_problem
from softtargets.softmax.focus import Focal, Poly
from softtargets.targets.measures import refuse_bucket
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def focal_loss(
    logits: Array,
    targets: Array | Targets,
    *,
    gamma: Amount = 2.0,
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
    """Return the focal loss of soft targets, in nats.

    For a row with target q after smoothing, p = softmax(x) and a = q times class weights,

        loss = -sum_k a_k (1 - p_k)^gamma log p_k

    For a label this is the focal loss of its authors. A term without target mass counts as 0.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        As for :func:`cross_entropy`, without a tail bucket.
    gamma : number or 0-d array, default 2
        How little predictions that are sure count, finite and at least 0; 0 is the cross-entropy.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`.
    axis, reduction, denominator
        As for :func:`cross_entropy`; the denominator of "mean" is the same.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cross_entropy`; and if ``gamma`` is not finite and at least 0, or the targets
        have a tail bucket.

    Gradient
    --------
    For the logits of a row, times v / denominator for the mean:

        h - p sum h  with h = a ((1 - p)^(gamma - 1) (gamma p log p) - (1 - p)^gamma)

    Choosing
    --------
    It is not convex in the logits, and its least value for soft targets does not lie at p = q.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, labels = np.array([[2.0, 0.5, -1.0, 0.3]]), np.array([0])
    >>> st.focal_loss(x, labels).round(6)
    np.float64(0.036779)
    >>> st.focal_loss(x, labels, gamma=0.0).round(6)
    np.float64(0.375419)

    References
    ----------
    T.-Y. Lin et al., "Focal Loss for Dense Object Detection", 2017, equation 4.
    """
    options = {
        "gamma": gamma,
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
    return value_of(Call(logits, targets, options, make_focal))


def make_focal(
    logits: Array, targets: Array | Targets, *, gamma: Amount = 2.0, **options: Any
) -> Problem:
    """Return the problem of one call of :func:`focal_loss`."""
    return _make(Focal, "gamma", gamma, logits, targets, options)


def poly_loss(
    logits: Array,
    targets: Array | Targets,
    *,
    strength: Amount = 1.0,
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
    """Return the Poly-1 loss of soft targets, in nats.

    For a row with target q after smoothing, p = softmax(x) and a = q times class weights,

        loss = sum_k a_k (-log p_k + strength (1 - p_k))

    It is the cross-entropy with another weight on the first term, 1 - p, of its series. A term
    without target mass counts as 0.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        As for :func:`cross_entropy`, without a tail bucket.
    strength : number or 0-d array, default 1
        The weight of 1 - p, finite and at least 0; 0 is the cross-entropy.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`.
    axis, reduction, denominator
        As for :func:`cross_entropy`; the denominator of "mean" is the same.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cross_entropy`; and if ``strength`` is not finite and at least 0, or the targets
        have a tail bucket.

    Gradient
    --------
    For the logits of a row, times v / denominator for the mean:

        h - p sum h  with h = -a (1 + strength p)

    Choosing
    --------
    The gradient for predictions that are nearly right is larger than that of the cross-entropy;
    with :func:`focal_loss` it is smaller.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, labels = np.array([[2.0, 0.5, -1.0, 0.3]]), np.array([0])
    >>> st.poly_loss(x, labels).round(6)
    np.float64(0.688417)
    >>> st.poly_loss(x, labels, strength=0.0).round(6)
    np.float64(0.375419)

    References
    ----------
    Z. Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions",
    2022, section 4.
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
    return value_of(Call(logits, targets, options, make_poly))


def make_poly(
    logits: Array, targets: Array | Targets, *, strength: Amount = 1.0, **options: Any
) -> Problem:
    """Return the problem of one call of :func:`poly_loss`."""
    return _make(Poly, "strength", strength, logits, targets, options)


def _make(
    kind: type[Focal | Poly],
    name: str,
    amount: Amount,
    logits: Array,
    targets: Array | Targets,
    options: dict[str, Any],
) -> Problem:
    problem = make_problem(logits, targets, **options)
    refuse_bucket(problem.rows)
    amount = check_penalty(problem.xp, amount, name, logits)
    return problem._replace(loss=kind(as_entry(problem, amount)))
