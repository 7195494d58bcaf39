"""Losses of noisy labels for a known noise: forward and backward correction."""

from dataclasses import replace
from typing import Any

from softtargets._array import errors
from softtargets._array.checks import check_shape
from softtargets._array.distributions import check_distributions
from softtargets._array.dtypes import INTEGER, check_floating, dtype_name, promote
from softtargets._array.inverse import inverse
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets._array.operations import log_of
from softtargets._array.traits import look, quiet
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.arguments import as_value
from softtargets.losses.evaluate import Call, value_of
from softtargets.losses.problem import Problem, make_problem
from softtargets.softmax.corrected import ForwardCorrection
from softtargets.typing import Amount, Array, Namespace, Reduction


def forward_correction(
    logits: Array,
    labels: Array,
    transition: Array,
    *,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
) -> Array:
    """Return the cross-entropy of noisy labels with the softmax after the noise, in nats.

    For a row with the noisy label y, p = softmax(x), class weights w and a transition T, where
    T_ij is the probability of the label j for the class i,

        loss = -w_y log sum_k T_ky p_k

    Its minimum over all p is that of the cross-entropy with the clean labels.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    labels : array, any integer dtype
        Noisy labels of shape ``(*rows,)``.
    transition : array, real floating
        Shape ``(K, K)``, rows sum to 1; :func:`noise_transition` makes some.
    class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`. A masked class leaves the softmax; T stays as it is.
    axis, reduction, denominator
        As for :func:`cross_entropy`; the denominator of "mean" is the same.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cross_entropy`; and if ``labels`` are no integers, or ``transition`` does not have
        one distribution for each class.

    Gradient
    --------
    For the logits of a row, times v / denominator for the mean:

        w_y (softmax(x) - softmax(x + log T[:, y]))

    Choosing
    --------
    Unlike :func:`backward_correction` it is at least 0, but not convex in the logits, and it has a
    lower bound that no finite logits attain.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, labels = np.array([[2.0, 0.5, -1.0, 0.3]]), np.array([0])
    >>> st.forward_correction(x, labels, st.noise_transition(4, 0.2)).round(6)
    np.float64(0.561299)

    References
    ----------
    G. Patrini et al., "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", 2017, theorem 2.
    """
    options = {
        "transition": transition,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": axis,
        "reduction": reduction,
        "denominator": denominator,
    }
    return value_of(Call(logits, labels, options, make_forward_correction))


def make_forward_correction(
    logits: Array,
    labels: Array,
    *,
    transition: Array,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    **options: Any,
) -> Problem:
    """Return the problem of one call of :func:`forward_correction`."""
    _check_labels(logits, labels)
    value = as_value(logits, labels, where, ignore_index, axis, "labels")
    problem = make_problem(logits, value, where=where, axis=axis, **options)
    xp, count = problem.xp, int(problem.matrix.shape[1])
    table = _transition(xp, logits, count, transition)
    with quiet(xp):
        seen = xp.astype(xp.permute_dims(table, (1, 0)), problem.dtype, copy=False)
        return problem._replace(loss=ForwardCorrection(log_of(xp, seen)))


def backward_correction(
    logits: Array,
    labels: Array,
    transition: Array,
    *,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
) -> Array:
    """Return the loss of noisy labels whose mean over the noise is the cross-entropy, in nats.

    For a row with the noisy label y, p = softmax(x), class weights w and a transition T, where
    T_ij is the probability of the label j for the class i,

        loss = -sum_k (T^-1)_yk w_k log p_k

    The mean of the loss over the labels that the noise makes of a class is the cross-entropy for
    that class. **It has no lower bound**: T^-1 has entries below 0.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    labels : array, any integer dtype
        Noisy labels of shape ``(*rows,)``.
    transition : array, real floating
        Shape ``(K, K)``, invertible, rows sum to 1; :func:`noise_transition` makes some.
    class_weight, sample_weight, where, ignore_index
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
        As :func:`cross_entropy`; and if ``labels`` are no integers, or ``transition`` does not have
        one distribution for each class. Where values may be looked at: if it has no inverse;
        elsewhere the loss is not finite then.

    Gradient
    --------
    A softmax(x) - a  with a_k = (T^-1)_yk w_k and A = sum a, times v / denominator for the mean.

    Choosing
    --------
    For symmetric noise it is :func:`generalized_smoothing` with a rate below 0. Experiments prefer
    :func:`forward_correction`, and often plain label smoothing.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, labels = np.array([[2.0, 0.5, -1.0, 0.3]]), np.array([0])
    >>> st.backward_correction(x, labels, st.noise_transition(4, 0.2)).round(6)
    np.float64(-0.188218)

    References
    ----------
    G. Patrini et al., "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", 2017, theorem 1.
    """
    options = {
        "transition": transition,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "ignore_index": ignore_index,
        "axis": axis,
        "reduction": reduction,
        "denominator": denominator,
    }
    return value_of(Call(logits, labels, options, make_backward_correction))


def make_backward_correction(
    logits: Array,
    labels: Array,
    *,
    transition: Array,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    **options: Any,
) -> Problem:
    """Return the problem of one call of :func:`backward_correction`."""
    _check_labels(logits, labels)
    value = as_value(logits, labels, where, ignore_index, axis, "labels")
    xp = namespace_of(logits, "logits")
    table = _transition(xp, logits, value.num_classes, transition)
    with quiet(xp):
        found = inverse(xp, table)
        whole = xp.all(xp.isfinite(found))
    if look(whole) is False:
        errors.bad_value("transition", "have an inverse", "a singular matrix")
    parts = tuple(part.smoothed(1.0, found, "all") for part in value.parts)
    return make_problem(logits, replace(value, parts=parts), where=where, axis=axis, **options)


def _check_labels(logits: Array, labels: Array) -> None:
    check_follows(namespace_of(logits, "logits"), logits, "logits", labels, "labels")
    if dtype_name(labels) not in INTEGER:
        errors.bad_type("labels", "have an integer dtype", dtype_name(labels))


def _transition(xp: Namespace, logits: Array, count: int, transition: Array) -> Array:
    """Return the transition, checked; float32 for half precision."""
    check_follows(xp, logits, "logits", transition, "transition")
    check_floating(transition, "transition")
    check_shape(transition, "transition", (count, count))
    check_distributions(xp, transition, "transition")
    return promote(xp, transition)
