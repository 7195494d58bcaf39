"""``torch.nn.functional.kl_div`` with the keywords of this library."""

from typing import Any

import torch

from softtargets._array import errors
from softtargets._array.namespaces import is_number
from softtargets.losses.evaluate import Call, value_of
from softtargets.losses.log_divergence import make_log_divergence
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
from softtargets.torch.binary import dense
from softtargets.typing import Amount, Array, Reduction, Spread


def kl_div(
    input: Array,
    target: Array | Targets,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
    *,
    label_smoothing: Amount = 0.0,
    prior: Array | None = None,
    spread: Spread = "all",
    where: Array | None = None,
    denominator: Amount | None = None,
) -> Array:
    """Return what ``torch.nn.functional.kl_div`` returns, and more where more is asked.

        loss = t (log t - x)  of every entry,        gradient = -t

    for log-probabilities x and targets t. A target of 0 counts as 0, also at an x of -inf.

    Parameters
    ----------
    input : Tensor, real floating
        Log-probabilities, such as ``log_softmax`` gives. They may be any numbers.
    target : Tensor or Targets
        Probabilities, broadcast against ``input``, or :class:`~softtargets.Targets` whose classes
        are on axis 1 of ``input``.
    size_average, reduce : bool, optional
        As in torch, which warns of them.
    reduction : {"mean", "batchmean", "sum", "none"}, default "mean"
        "mean" divides by the number of entries (that take part), "batchmean" by the size of the
        first axis of ``input``: only the latter is a divergence. Torch warns of "mean", this does
        not.
    log_target : bool, default False
        Whether ``target`` holds logarithms.
    label_smoothing, prior, spread
        Smoothing of the targets, whose classes are on axis 1 then, as for
        :meth:`softtargets.Targets.smooth`.
    where : Tensor of bool, optional
        Which entries take part, broadcast.
    denominator : number or 0-d tensor, optional
        Replaces the denominator of "mean" or "batchmean".

    Returns
    -------
    Tensor
        0-d, or of the common shape of both for "none"; of their common dtype.

    Raises
    ------
    TypeError, ValueError
        If shapes, dtypes, devices or options do not fit.

    Choosing
    --------
    :func:`softtargets.kl_divergence` takes logits, and weights rows and classes.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import kl_div
    >>> x, q = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.0, 0.25, 0.75]])
    >>> kl_div(x.log_softmax(1), q, reduction="batchmean")
    tensor(0.0953)
    """
    try:
        check_floats(input, "input")
        chosen, denominator, later = _reduction(input, size_average, reduce, reduction, denominator)
        if isinstance(target, Targets):
            target, log_target, dtype = dense(input, target), False, common_dtype(input)
        else:
            check_floats(target, "target")
            dtype = common_dtype(input, target)
        amount = fraction_of(label_smoothing)
        if not is_number(amount) or amount or prior is not None or spread != "all":
            axis = class_axis(input)
            q = target.exp() if log_target else target
            value = Targets.from_distributions(q, axis=axis, check=False)
            target = value.smooth(amount, prior=prior, spread=spread).to_dense(axis=axis)
            log_target = False
        x = in_dtype(input, torch.promote_types(input.dtype, target.dtype))
        if x.shape != target.shape:
            x, target = _together(x, target)
        options: dict[str, Any] = {
            "log_targets": bool(log_target),
            "where": None if where is None else broadcast(where, x, "where"),
            "axis": None,
            "reduction": chosen,
            "denominator": denominator,
        }
        with as_given(input):
            loss = in_dtype(value_of(Call(x, target, options, make_log_divergence)), dtype)
        return loss if later is None else loss / later
    except (TypeError, ValueError) as error:
        raise refusal(error) from None


def _reduction(
    log_probs: Array,
    size_average: bool | None,
    reduce: bool | None,
    reduction: str,
    denominator: Amount | None,
) -> tuple[Reduction, Amount | None, int | None]:
    """Return the reduction, its denominator, and by what torch divides whatever comes of it."""
    if reduction != "batchmean":
        return reduction_of(size_average, reduce, reduction), denominator, None
    size = int(log_probs.shape[0]) if log_probs.ndim else None
    if not (size_average is None and reduce is None):
        return reduction_of(size_average, reduce, reduction), denominator, size
    if denominator is None:
        # The mean of no rows is nan whatever it is divided by.
        denominator = 1 if size is None else size or None
    return "mean", denominator, None


def _together(x: Array, target: Array) -> tuple[Array, Array]:
    """Return both with their common shape."""
    try:
        x_there, target_there = torch.broadcast_tensors(x, target)
    except RuntimeError:
        rule = f"broadcast with the shape {tuple(x.shape)} of input"
        errors.bad_value("target", rule, tuple(target.shape))
    return x_there, target_there
