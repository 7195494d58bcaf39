"""Kullback-Leibler divergence of the logits of a linear layer, a block of rows at a time."""

from softtargets.constants import IGNORE_INDEX
from softtargets.losses.divergences import make_kl
from softtargets.losses.linear import LinearCall, linear_value
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Direction, Reduction, Spread


def linear_kl_divergence(
    features: Array,
    weight: Array,
    targets: Array | Targets,
    *,
    bias: Array | None = None,
    block_bytes: int | None = None,
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
    """Return the divergence between targets and softmax(features @ weight.T + bias), in nats.

    The same as :func:`kl_divergence` of these logits, of which only one block of rows exists at a
    time. For a row with features y and target q after smoothing,

        p = softmax(weight y + bias),        loss = KL(q || p), or KL(p || q) in reverse

    Parameters
    ----------
    features, weight, bias, block_bytes
        The layer, and the memory of a block, as for :func:`linear_cross_entropy`.
    targets, direction
        As for :func:`kl_divergence`.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`.
    axis : int, default -1
        The axis of ``features`` with the D features, where logits and distributions have the
        classes.
    reduction, denominator
        As for :func:`cross_entropy`.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`kl_divergence` and :func:`linear_cross_entropy`.

    Gradient
    --------
    As for :func:`linear_cross_entropy`, with the gradient of :func:`kl_divergence` for the logits.

    Choosing
    --------
    The targets of one block exist as rows x classes at a time, also those of labels: where the
    least value does not matter, :func:`linear_cross_entropy` has the same gradient as the forward
    divergence and is quicker. There is no form of it over blocks of classes: the entropy of the
    targets is no part of :class:`SoftmaxState`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> features = np.array([[1.0, 2.0], [0.5, -1.0]])
    >>> weight = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> q = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])
    >>> st.linear_kl_divergence(features, weight, q).round(6)
    np.float64(0.308246)
    >>> st.kl_divergence(features @ weight.T, q).round(6)
    np.float64(0.308246)

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
    call = LinearCall(features, weight, bias, targets, block_bytes, options, make_kl)
    return linear_value(call)
