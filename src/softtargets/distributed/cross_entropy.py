"""Cross-entropy of logits whose classes, or rows, several processes hold."""

from typing import Any

from softtargets.constants import IGNORE_INDEX
from softtargets.distributed.evaluate import make_call, sharded_value
from softtargets.distributed.places import Places
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def cross_entropy(
    logits: Array,
    targets: Array | Targets,
    *,
    class_group: Any = None,
    row_group: Any = None,
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
    """Return the cross-entropy of logits whose classes, or rows, several processes hold.

    It is that of :func:`softtargets.cross_entropy` of all of them, on every process. With m = max x
    over all classes, found first, the sums of the classes of a process add up:

        loss = A log(sum e^(x - m)) - <a, x - m>

    That takes 16 bytes per row and process for float32 logits, and for half precision: the maximum,
    and the sums of e^(x - m), of a (x - m) and of a. A confidence penalty takes 4 more, a top-k
    target with a tail bucket 8; float64 takes twice as many. The gradient takes none.

    Parameters
    ----------
    logits : array, real floating
        The logits that this process holds. With a ``class_group`` a block of the classes along
        ``axis``, as many as one likes or none; with a ``row_group`` some of the rows.
    targets : array or Targets
        Of the rows of ``logits``, and of all classes: labels count from the first class of all.
    class_group : process group, str or Group, optional
        Those who hold the classes of the same rows: a ``torch.distributed`` process group or
        one-dimensional ``DeviceMesh`` for tensors and for NumPy arrays; the name, or names, of mesh
        axes for JAX inside of ``shard_map``; or a :class:`Group`.
    row_group : process group, str or Group, optional
        Those who hold other rows: "mean" and "sum" are those of all of them.
    averaged : bool, default True
        Whether the gradients of the members of ``row_group`` will be averaged, as
        ``DistributedDataParallel`` and FSDP do, rather than added up. Then each is multiplied by
        their number, so that the average is the gradient of the mean of all rows. JAX adds up.
    first_class : int, optional
        The first class of this process. By default blocks follow each other by rank.
    num_classes : int, optional
        The number of all classes; by default those of all processes together.
    check : bool, optional
        Whether processes compare their parts before each call, which takes one more, small,
        collective. True: always. False: never, except to find ``first_class`` if it is not given,
        once. By default on each call in host memory, and on devices, where the comparison waits for
        the device, on the first call of its kind. JAX needs no check.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`softtargets.cross_entropy`. What there is per class is given for all classes.
    axis, reduction, denominator, z_loss, confidence_penalty, entropy_threshold
        As for :func:`softtargets.cross_entropy`.

    Returns
    -------
    array
        As :func:`softtargets.cross_entropy`, the same on all members of a ``class_group``. With
        ``reduction="none"`` the losses of the rows of this process.

    Raises
    ------
    TypeError, ValueError
        As :func:`softtargets.cross_entropy`. With a check, also if dtypes, rows, reductions,
        targets or other arguments differ within a ``class_group``, or their blocks leave out a
        class or hold one twice: on all processes, and naming a rank.
    RuntimeError
        If a process does not answer any more: within the timeout of its process group, and naming
        the ranks to which gloo has lost the connection.

    Gradient
    --------
    For the logits of this process, as for :func:`softtargets.cross_entropy`: A softmax(x) - a of
    its own classes, which takes no collective. PyTorch's ``backward`` and double ``backward``, and
    JAX, differentiate for the logits; other tensors must not require grad.

    Choosing
    --------
    :func:`linear_cross_entropy` makes the logits of a linear layer a few rows at a time.
    :func:`merge` does the same to a :class:`softtargets.SoftmaxState`, which serves metrics.

    Examples
    --------
    Two processes with the blocks of classes ``x[:, :2]`` and ``x[:, 2:]`` each call
    ``distributed.cross_entropy(block, labels, class_group=group)``. Without groups there is only
    this process:

    >>> import numpy as np
    >>> from softtargets import distributed
    >>> x, labels = np.array([[1.0, 2.0, 3.0]]), np.array([0])
    >>> distributed.cross_entropy(x, labels, label_smoothing=0.1).round(6)
    np.float64(2.307606)

    References
    ----------
    M. Shoeybi et al., "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model
    Parallelism", 2019, section 3, for logits that stay where they are.
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
    return sharded_value(*make_call(logits, targets, options, places))
