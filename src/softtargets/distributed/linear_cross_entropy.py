"""Cross-entropy of a linear layer whose classes, or rows, several processes hold."""

from typing import Any

from softtargets.constants import IGNORE_INDEX
from softtargets.distributed.linear import make_linear_call, sharded_linear_value
from softtargets.distributed.places import Places
from softtargets.losses.linear import LinearCall
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def linear_cross_entropy(
    features: Array,
    weight: Array,
    targets: Array | Targets,
    *,
    bias: Array | None = None,
    block_bytes: int | None = None,
    class_group: Any = None,
    row_group: Any = None,
    reduce_features: bool = True,
    averaged: bool = True,
    first_class: int | None = None,
    num_classes: int | None = None,
    check: bool | None = None,
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
    z_loss: Amount = 0.0,
    confidence_penalty: Amount = 0.0,
    entropy_threshold: Amount | None = None,
) -> Array:
    """Return the cross-entropy of a linear layer of which each process holds some classes.

    It is that of :func:`softtargets.linear_cross_entropy` of the whole layer, on every process. The
    logits exist one block of rows at a time; they are made once for the loss and once more for the
    gradient. The collectives are those of :func:`cross_entropy`, for all rows at once.

    Parameters
    ----------
    features : array, real floating
        Shape ``(*rows, D)``, the same on all members of a ``class_group``.
    weight : array
        The rows of the weight that this process holds, at least one, of shape ``(k, D)``.
    targets : array or Targets
        As for :func:`cross_entropy`.
    bias : array, optional
        Shape ``(k,)``, of the same classes.
    block_bytes : int, optional
        As for :func:`softtargets.linear_cross_entropy`.
    class_group, row_group : process group, str or Group, optional
        As for :func:`cross_entropy`.
    reduce_features : bool, default True
        Whether the gradients for the features are added up over ``class_group``: one all-reduce of
        their size, in their dtype. False leaves to each process what its own classes contribute,
        for a model that adds up where the features come from, as Megatron's tensor-parallel regions
        do. JAX adds up by itself.
    averaged, first_class, num_classes, check
        As for :func:`cross_entropy`.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`.
    axis, reduction, denominator, z_loss, confidence_penalty, entropy_threshold
        As for :func:`softtargets.linear_cross_entropy`.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As :func:`cross_entropy` and :func:`softtargets.linear_cross_entropy`.

    Gradient
    --------
    With the gradient G of :func:`cross_entropy` for the logits of the classes of this process:

        sum over processes of G weight  for the features,    G.T features  for the weight,
        sum_n G_n  for the bias

    Choosing
    --------
    Where the logits fit into memory, :func:`cross_entropy` makes them once.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets import distributed
    >>> features = np.array([[1.0, 2.0], [0.5, -1.0]])
    >>> weight = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> labels = np.array([2, 0])
    >>> distributed.linear_cross_entropy(features, weight, labels, label_smoothing=0.1).round(6)
    np.float64(0.527654)

    References
    ----------
    M. Shoeybi et al., "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model
    Parallelism", 2019, section 3, for who adds up the gradients of the features.
    """
    options = {
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
        "z_loss": z_loss,
        "confidence_penalty": confidence_penalty,
        "entropy_threshold": entropy_threshold,
    }
    places = Places(class_group, row_group, averaged, check, first_class, num_classes)
    call = LinearCall(features, weight, bias, targets, block_bytes, options)
    call, group = make_linear_call(call, places)
    return sharded_linear_value(call, group, reduce_features=reduce_features)
