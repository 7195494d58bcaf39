"""``torch.nn.functional.binary_cross_entropy_with_logits`` with the keywords of this library."""

from typing import Any

import torch

from softtargets._array import errors
from softtargets.losses.binary import make_binary_problem
from softtargets.losses.evaluate import Call, value_of
from softtargets.targets.value import Targets
from softtargets.torch.arguments import (
    as_given,
    broadcast,
    check_floats,
    class_axis,
    common_dtype,
    fraction_of,
    in_dtype,
    reduction_of,
    refusal,
)
from softtargets.typing import Amount, Array


def binary_cross_entropy_with_logits(
    input: Array,
    target: Array | Targets,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
    *,
    label_smoothing: Amount = 0.0,
    prior: Amount = 0.5,
    sample_weight: Array | None = None,
    where: Array | None = None,
    denominator: Amount | None = None,
) -> Array:
    """Return what torch's function of this name returns, and more where more is asked.

        loss = weight (pos_weight t' softplus(-x) + (1 - t') softplus(x)),
        t' = (1 - e) t + e prior,        mean = sum v loss / sum v

    for logits x, targets t, smoothing e and sample weights v, over all logits that take part.

    Parameters
    ----------
    input : Tensor, real floating
        Logits of any shape; each is a decision of its own.
    target : Tensor or Targets
        Floats of the shape of ``input``, of any value, or :class:`~softtargets.Targets` whose
        classes are on axis 1 of ``input``.
    weight, pos_weight : Tensor, optional
        Broadcast to the shape of ``input``; of any sign. Neither enters the denominator.
    size_average, reduce : bool, optional
        As in torch, which warns of them.
    reduction : {"mean", "sum", "none"}, default "mean"
        As in torch.
    label_smoothing : number or tensor, default 0
        The fraction e, broadcast to the shape of ``input``. A number below 0 counts as 0.
    prior : number or 0-d tensor, default 0.5
        The probability of yes to which targets are drawn.
    sample_weight, where : Tensor, optional
        Weights that enter the denominator, and which logits take part; broadcast likewise.
    denominator : number or 0-d tensor, optional
        Replaces the denominator of "mean".

    Returns
    -------
    Tensor
        0-d, or of the shape of ``input`` for "none"; of the dtype of ``target``, as in torch, or
        that of ``input`` for :class:`~softtargets.Targets`.

    Raises
    ------
    TypeError, ValueError
        As :func:`softtargets.binary_cross_entropy`, and where torch refuses an argument.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import binary_cross_entropy_with_logits
    >>> x, t = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
    >>> binary_cross_entropy_with_logits(x, t, pos_weight=torch.tensor([3.0, 1.0]))
    tensor(0.3470)
    >>> binary_cross_entropy_with_logits(x, t, label_smoothing=0.1)
    tensor(0.2951)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    try:
        check_floats(input, "input")
        if isinstance(target, Targets):
            target, dtype = dense(input, target), common_dtype(input)
        else:
            check_floats(target, "target")
            dtype = common_dtype(target)
        options: dict[str, Any] = {
            "label_smoothing": _each(fraction_of(label_smoothing), input, "label_smoothing"),
            "prior": prior,
            "pos_weight": 1.0 if pos_weight is None else _weight(pos_weight, input, "pos_weight"),
            "logit_weight": None if weight is None else _weight(weight, input, "weight"),
            "sample_weight": _each(sample_weight, input, "sample_weight"),
            "where": _each(where, input, "where"),
            "any_values": True,
            "axis": None,
            "reduction": reduction,
            "denominator": denominator,
        }
        with as_given(input):
            value = value_of(Call(input, target, options, make_binary_problem))
        return in_dtype(value, dtype)
    except (TypeError, ValueError) as error:
        raise refusal(error) from None


def dense(logits: Array, target: Targets) -> Array:
    """Return a value with all its classes, where torch has them, in float32 at least."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return target.to_dense(dtype=dtype, axis=class_axis(logits))


def _each(value: Amount | None, logits: Array, argument: str) -> Amount | None:
    """Return one value per logit, where there is not one for all."""
    if isinstance(value, torch.Tensor) and value.ndim:
        return broadcast(value, logits, argument)
    return value


def _weight(value: Array, logits: Array, argument: str) -> Array:
    """Return one weight of each logit."""
    value = broadcast(value, logits, argument)
    if value.is_complex() or (value.dtype == torch.bool and argument == "pos_weight"):
        errors.bad_type(argument, "have a real dtype", value.dtype)
    return value
