"""Cross-entropy of the logits of a linear layer, which exist one block of rows at a time."""

from softtargets.constants import IGNORE_INDEX
from softtargets.losses.linear import LinearCall, linear_value
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def linear_cross_entropy(
    features: Array,
    weight: Array,
    targets: Array | Targets,
    *,
    bias: Array | None = None,
    block_bytes: int | None = None,
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
    """Return the cross-entropy between targets and softmax(features @ weight.T + bias), in nats.

    The same as :func:`cross_entropy` of these logits, of which only one block of rows exists at a
    time: memory does not grow with the number of rows. With targets a and features y of a row,

        x = weight y + bias,        loss = A logsumexp(x) - <a, x>

    Smoothing adds  e <u, x> = e (y . (u weight) + u . bias)  for a prior u, one vector of the size
    of the features for all rows, and no pass over the logits.

    Parameters
    ----------
    features : array, real floating
        Shape ``(*rows, D)``. The result follows them.
    weight : array
        Shape ``(K, D)``, one row per class, of the dtype of the features.
    targets : array or Targets
        As for :func:`cross_entropy`: labels of shape ``(*rows,)``, distributions of shape
        ``(*rows, K)``, or :class:`Targets`.
    bias : array, optional
        Shape ``(K,)``, of the dtype of the features.
    block_bytes : int, optional
        About how much memory the logits of a block may take, in the dtype in which they are
        computed; at least one row is. By default a block has about D rows, at least 256 and at
        most 1024 on the host, from 1024 to 4096 on a device.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`cross_entropy`.
    axis : int, default -1
        The axis of ``features`` with the D features, where logits and distributions have the
        classes.
    reduction, denominator, z_loss, confidence_penalty, entropy_threshold
        As for :func:`cross_entropy`.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cross_entropy`; and if the shape or dtype of ``weight`` or ``bias`` does not fit
        the features.

    Gradient
    --------
    With the gradient G of :func:`cross_entropy` for the logits, rows x classes:

        G weight  for the features,    G.T features  for the weight,    sum_n G_n  for the bias

    :func:`value_and_grad` returns them as a tuple, summed over the rows also with
    ``reduction="none"`` (the gradients of the sum of the losses). For half precision they are
    added up in float32.

    Choosing
    --------
    Without a gradient it saves memory and no time. PyTorch's ``linear_cross_entropy`` (2.13) makes
    all logits as soon as there is smoothing or targets are distributions. Where torch records more
    than first derivatives (double backward, forward mode, ``torch.func``, ``torch.compile``) all
    logits are made; so they are in Dask, one chunk of rows at a time. JAX runs a loop of its own
    and makes the logits of each block twice; call it inside ``jax.jit``.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> features = np.array([[1.0, 2.0], [0.5, -1.0]])
    >>> weight = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> labels = np.array([2, 0])
    >>> st.linear_cross_entropy(features, weight, labels, label_smoothing=0.1).round(6)
    np.float64(0.527654)
    >>> st.cross_entropy(features @ weight.T, labels, label_smoothing=0.1).round(6)
    np.float64(0.527654)

    References
    ----------
    E. Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", 2025, for the memory
    that logits take.
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
    return linear_value(LinearCall(features, weight, bias, targets, block_bytes, options))
