"""Label smoothing of either sign."""

from dataclasses import replace
from typing import Any

from softtargets._array.namespaces import namespace_of
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.arguments import as_value, rows_of
from softtargets.losses.evaluate import Call, value_of
from softtargets.losses.problem import Problem, make_problem
from softtargets.targets.smoothing import parts_at_any_rate
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction


def generalized_smoothing(
    logits: Array,
    targets: Array | Targets,
    rate: Amount,
    *,
    prior: Array | None = None,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
) -> Array:
    """Return the cross-entropy with label smoothing of any rate up to 1, also below 0; in nats.

    For a row with target q, class weights w, a = ((1 - rate) q + rate prior) w and A = sum a,

        loss = A logsumexp(x) - <a, x>

    **Below 0 the loss has no lower bound**: off the label the targets are negative, so the loss
    falls for ever as those logits fall. There are no optimal logits, and no least value. Stop
    early, or begin with a rate of 0.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        As for :func:`cross_entropy`.
    rate : number, 0-d array, or one value per row
        Finite and at most 1. From 0 to 1 it is the ``label_smoothing`` of :func:`cross_entropy`.
    prior, class_weight, sample_weight, where, class_mask, ignore_index
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
        As :func:`cross_entropy`; and if ``rate`` is above 1 or not finite.

    Gradient
    --------
    A softmax(x) - a, times v / denominator for the mean.

    Choosing
    --------
    :func:`backward_correction` for symmetric noise, where a label is resampled uniformly with
    probability s, is this loss at rate = -s / (1 - s).

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, labels = np.array([[2.0, 0.5, -1.0, 0.3]]), np.array([0])
    >>> st.generalized_smoothing(x, labels, -0.4).round(6)
    np.float64(-0.244581)

    References
    ----------
    J. Wei et al., "To Smooth or Not? When Label Smoothing Meets Noisy Labels", 2022.
    """
    options = {
        "rate": rate,
        "prior": prior,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": axis,
        "reduction": reduction,
        "denominator": denominator,
    }
    return value_of(Call(logits, targets, options, make_generalized))


def make_generalized(
    logits: Array,
    targets: Array | Targets,
    *,
    rate: Amount,
    prior: Array | None = None,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    **options: Any,
) -> Problem:
    """Return the problem of one call of :func:`generalized_smoothing`."""
    value = as_value(logits, targets, where, ignore_index, axis)
    rate = rows_of(where, rate)
    xp = namespace_of(logits, "logits")
    parts = parts_at_any_rate(xp, value.parts, value.num_classes, rate, prior)
    return make_problem(logits, replace(value, parts=parts), where=where, axis=axis, **options)
