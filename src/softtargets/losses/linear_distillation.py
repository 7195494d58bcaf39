"""Distillation into a linear layer whose logits exist one block of rows at a time."""

from softtargets.constants import IGNORE_INDEX
from softtargets.losses.distillation import make_distillation
from softtargets.losses.linear import LinearCall, linear_value
from softtargets.losses.teachers import Teacher
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def linear_distillation(
    features: Array,
    weight: Array,
    teacher: Teacher,
    *,
    bias: Array | None = None,
    block_bytes: int | None = None,
    temperature: Amount = 1.0,
    labels: Array | Targets | None = None,
    hard_weight: Amount = 0.0,
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
    """Return the loss of a student, a linear layer, that follows a teacher; in nats.

    The same as :func:`distillation` of the logits x = features @ weight.T + bias, of which only
    one block of rows exists at a time. With the logits t of the teacher, a temperature T and a
    hard weight h,

        loss = (1 - h) T^2 KL(softmax(t / T) || softmax(x / T)) + h CE(x, labels)

    A teacher that is a linear layer too never has all of its logits either: memory does not grow
    with rows x classes on any side.

    Parameters
    ----------
    features, weight, bias, block_bytes
        The layer of the student, and the memory of a block, as for :func:`linear_cross_entropy`.
        A block has a few more matrices of its size: the teacher, and the student at T.
    teacher : array, Targets or tuple of arrays
        As for :func:`distillation`: logits of shape ``(*rows, K)``, :class:`Targets` such as the
        best classes of each row, or the last layer ``(features, weight)`` or
        ``(features, weight, bias)`` of the teacher, with as many features as it has.
    temperature, labels, hard_weight
        As for :func:`distillation`.
    label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask, ignore_index
        As for :func:`distillation`.
    axis : int, default -1
        The axis of ``features`` with the D features, where logits have the classes.
    reduction, denominator
        As for :func:`distillation`.

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`distillation` and :func:`linear_cross_entropy`.

    Gradient
    --------
    As for :func:`linear_cross_entropy`, with the gradient of :func:`distillation` for the logits.
    PyTorch and JAX differentiate for the layer of the teacher too, PyTorch then with all logits:
    detach it unless it is to be trained.

    Choosing
    --------
    With class weights the teacher is evaluated twice, once for the denominator. Teacher and
    student need the same classes; they may have features of different sizes.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> features, weight = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> teacher = np.array([[0.5]]), np.array([[2.0], [1.0], [4.0]])
    >>> st.linear_distillation(features, weight, teacher, temperature=2.0).round(6)
    np.float64(0.150021)
    >>> st.distillation(features @ weight.T, teacher, temperature=2.0).round(6)
    np.float64(0.150021)

    References
    ----------
    G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, section 2.
    """
    options = {
        "temperature": temperature,
        "labels": labels,
        "hard_weight": hard_weight,
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
    call = LinearCall(features, weight, bias, teacher, block_bytes, options, make_distillation)
    return linear_value(call)
