"""Kullback-Leibler and Jensen-Shannon divergences between targets and the softmax of logits."""

from typing import Any

from softtargets._array import errors
from softtargets._array.checks import check_option
from softtargets._array.namespaces import is_number
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.evaluate import Call, value_of
from softtargets.losses.problem import Problem, make_problem
from softtargets.softmax.divergence import ForwardKL, JensenShannon, ReverseKL
from softtargets.targets.measures import refuse_bucket
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Direction, Reduction, Spread

DIRECTIONS = ("forward", "reverse")


def kl_divergence(
    logits: Array,
    targets: Array | Targets,
    *,
    direction: Direction = "forward",
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
    """Return the Kullback-Leibler divergence between targets and the softmax of logits, in nats.

    For a row with target q after smoothing, p = softmax(x) and class weights w,

        forward:  KL(q || p) = sum_k w_k q_k (log q_k - log p_k)
        reverse:  KL(p || q) = sum_k w_k p_k (log p_k - log q_k)

    A term whose first factor is 0 counts as 0, also at a logit of -inf.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        As for :func:`cross_entropy`.
    direction : {"forward", "reverse"}, default "forward"
        Whether the targets or the softmax weigh the terms. The reverse is infinite where a target
        without any mass meets a probability above 0: smooth the targets.
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
        As :func:`cross_entropy`; and for the reverse of top-k targets with a tail bucket.

    Gradient
    --------
    For the logits of a row, times v / denominator for the mean:

        forward:  A p - a  with a = q w and A = sum a, that of the cross-entropy
        reverse:  h - p sum h  with h = w p (log p - log q + 1)

    Choosing
    --------
    The forward divergence is the cross-entropy less the entropy of the targets: its least value is
    0 for any smoothing, and training is the same. For a teacher with a temperature use
    :func:`distillation`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, q = np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.25, 0.75]])
    >>> st.kl_divergence(x, q).round(6)
    np.float64(0.095271)
    >>> st.kl_divergence(x, q, direction="reverse", label_smoothing=0.1).round(6)
    np.float64(0.034459)

    References
    ----------
    S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.
    """
    options = {
        "direction": direction,
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
    return value_of(Call(logits, targets, options, make_kl))


def make_kl(
    logits: Array, targets: Array | Targets, *, direction: Direction = "forward", **options: Any
) -> Problem:
    """Return the problem of one call of :func:`kl_divergence`."""
    check_option(direction, "direction", DIRECTIONS)
    problem = make_problem(logits, targets, **options)
    if direction == "forward":
        return problem._replace(loss=ForwardKL())
    refuse_bucket(problem.rows)
    return problem._replace(loss=ReverseKL())


def js_divergence(
    logits: Array,
    targets: Array | Targets,
    *,
    weight: float = 0.5,
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
    """Return the Jensen-Shannon divergence between targets and the softmax of logits, in nats.

    For a row with target q after smoothing, p = softmax(x), class weights w, a weight b of the
    targets and their mixture m = b q + (1 - b) p,

        loss = sum_k w_k (b q_k log(q_k / m_k) + (1 - b) p_k log(p_k / m_k))

    It is finite for all q and p. For b = 1/2 it is symmetric, and at most log 2.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        As for :func:`cross_entropy`, without a tail bucket.
    weight : number, default 0.5
        The weight b of the targets in the mixture, above 0 and below 1.
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
        As :func:`cross_entropy`; and if ``weight`` is not above 0 and below 1, or the targets have
        a tail bucket.

    Gradient
    --------
    For the logits of a row, times v / denominator for the mean:

        h - p sum h  with h = (1 - b) w p log(p / m)

    Choosing
    --------
    At the ends of the range of b the loss would be 0 everywhere. Divided by b it tends to
    KL(q || p) for b to 0, divided by 1 - b to KL(p || q) for b to 1: use :func:`kl_divergence`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, q = np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.25, 0.75]])
    >>> st.js_divergence(x, q).round(6)
    np.float64(0.032486)

    References
    ----------
    J. Lin, "Divergence Measures Based on the Shannon Entropy", 1991, with weights.
    """
    options = {
        "weight": weight,
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
    return value_of(Call(logits, targets, options, make_js))


def make_js(
    logits: Array, targets: Array | Targets, *, weight: float = 0.5, **options: Any
) -> Problem:
    """Return the problem of one call of :func:`js_divergence`."""
    if not is_number(weight):
        errors.bad_type("weight", "be a number", type(weight).__name__)
    if not 0 < weight < 1:
        errors.bad_value("weight", "be above 0 and below 1", weight)
    problem = make_problem(logits, targets, **options)
    refuse_bucket(problem.rows)
    return problem._replace(loss=JensenShannon(float(weight)))
