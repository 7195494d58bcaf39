"""``torch.nn.functional.linear_cross_entropy`` with the keywords of this library."""

import math
from typing import Any

import torch

from softtargets._array import errors
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.linear import LinearCall, linear_value
from softtargets.targets.value import Targets
from softtargets.torch.arguments import (
    as_given,
    autocasts,
    check_tensor,
    fraction_of,
    in_dtype,
    reduction_of,
    refusal,
)
from softtargets.torch.cross_entropy import as_torch_has_it, cross_entropy
from softtargets.typing import Amount, Array, Spread

NAMES = {
    "features": "input",
    "targets": "target",
    "class_weight": "weight",
    "weight": "linear_weight",
    "bias": "linear_bias",
}


def linear_cross_entropy(
    input: Array,
    linear_weight: Array,
    target: Array | Targets,
    *,
    linear_bias: Array | None = None,
    weight: Array | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: Amount = 0.0,
    options: Any = None,
    prior: Array | None = None,
    spread: Spread = "all",
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    denominator: Amount | None = None,
    z_loss: Amount = 0.0,
    confidence_penalty: Amount = 0.0,
    entropy_threshold: Amount | None = None,
) -> Array:
    """Return what ``torch.nn.functional.linear_cross_entropy`` returns, and more where asked.

    The same as :func:`softtargets.torch.cross_entropy` of ``linear(input, linear_weight)``, of
    which only one block of rows exists at a time, whatever the targets and the smoothing are.

    Parameters
    ----------
    input : Tensor, real floating
        Shape (D,) or (N, D).
    linear_weight : Tensor
        Shape (C, D), or (C, d1, ..., dK, D) for logits of shape (N, C, d1, ..., dK), all of which
        are made then.
    target : Tensor or Targets
        As for :func:`softtargets.torch.cross_entropy` of the logits.
    linear_bias : Tensor, optional
        Shape (C,), or (C, d1, ..., dK).
    weight, reduction, label_smoothing
        As for :func:`softtargets.torch.cross_entropy`; so are those after ``options``.
    ignore_index : int, optional
        For labels only; -100 if not given.
    options : torch.nn.LinearCrossEntropyOptions, optional
        Its ``batch_chunk_size`` is the number of rows of a block; nothing else of it is used.

    Returns
    -------
    Tensor
        As :func:`softtargets.torch.cross_entropy`. Under autocast the layer is computed in its
        dtype.

    Raises
    ------
    TypeError, ValueError
        As :func:`softtargets.linear_cross_entropy`, and where torch refuses an argument.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import linear_cross_entropy
    >>> x, y = torch.tensor([[1.0, 2.0], [0.5, -1.0]]), torch.tensor([2, 0])
    >>> w = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> linear_cross_entropy(x, w, y, label_smoothing=0.1)
    tensor(0.5277)
    """
    call: dict[str, Any] = {
        "label_smoothing": fraction_of(label_smoothing),
        "prior": prior,
        "spread": spread,
        "class_weight": weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": IGNORE_INDEX if ignore_index is None else ignore_index,
        "axis": -1,
        "reduction": reduction_of(None, None, reduction),
        "denominator": denominator,
        "z_loss": z_loss,
        "confidence_penalty": confidence_penalty,
        "entropy_threshold": entropy_threshold,
    }
    try:
        shape = _check_layer(input, linear_weight, linear_bias)
        if ignore_index is not None and tuple(getattr(target, "shape", ())) == shape:
            errors.bad_value("ignore_index", "be None for probabilities", ignore_index)
        if len(shape) > 2:
            logits = _all_logits(input, linear_weight, linear_bias, shape)
        else:
            dtype = as_torch_has_it(input, shape, target, call)
            x, w, b = (_cast(array, input) for array in (input, linear_weight, linear_bias))
            block = None if options is None else _block_bytes(options, shape, input)
            with as_given(input):
                value = linear_value(LinearCall(x, w, b, target, block, call))
            return in_dtype(value, dtype)
    except (TypeError, ValueError) as error:
        raise refusal(error, NAMES) from None
    del call["axis"]
    return cross_entropy(logits, target, call.pop("class_weight"), **call)


def _check_layer(features: Array, weight: Array, bias: Array | None) -> tuple[int, ...]:
    """Return the shape of the logits, if the arrays of the layer fit."""
    check_tensor(features, "features")
    check_tensor(weight, "weight")
    given, shape = tuple(features.shape), tuple(weight.shape)
    if len(given) not in (1, 2):
        errors.bad_value("features", "have shape (D,) or (N, D)", given)
    if len(shape) < 2 or shape[-1] != given[-1] or (len(shape) > 2 and len(given) == 1):
        rule = f"have shape (C, {given[-1]})"
        rule += f" or (C, *places, {given[-1]})" if len(given) == 2 else ""
        errors.bad_value("weight", rule, shape, f"features: {given}")
    if bias is not None:
        check_tensor(bias, "bias")
        if tuple(bias.shape) != shape[:-1]:
            errors.bad_value("bias", f"have shape {shape[:-1]}", tuple(bias.shape))
    return (*given[:-1], *shape[:-1])


def _all_logits(
    features: Array, weight: Array, bias: Array | None, shape: tuple[int, ...]
) -> Array:
    """Return the logits of a layer with several places."""
    outputs = math.prod(shape[1:])
    flat = None if bias is None else bias.reshape(outputs)
    matrix = weight.reshape(outputs, weight.shape[-1])
    logits = torch.nn.functional.linear(features, matrix, flat)
    return logits.reshape(shape)


def _cast(array: Array | None, features: Array) -> Array | None:
    """Return an array of the layer in the dtype of autocast, where there is one."""
    if array is None or array.dtype == torch.float64 or not autocasts(features):
        return array
    return array.to(torch.get_autocast_dtype(features.device.type))


def _block_bytes(options: Any, shape: tuple[int, ...], features: Array) -> int | None:
    """Return how much memory so many rows of logits take, in the dtype in which they are made."""
    rows: int | None = options.batch_chunk_size
    return None if rows is None else rows * shape[-1] * max(4, int(features.element_size()))
