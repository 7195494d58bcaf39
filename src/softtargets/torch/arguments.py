"""What the drop-ins for torch's losses share: its options, its dtypes, its autocast, its errors."""

import contextlib
import re
from typing import Any

import torch
from torch.nn import _reduction

from softtargets._array import errors
from softtargets.typing import Amount, Array, Reduction

LABELS = frozenset({torch.int64, torch.uint8})
HALF = frozenset({torch.float16, torch.bfloat16})
#: How the arguments of this library are called in torch.
NAMES = {
    "logits": "input",
    "targets": "target",
    "class_weight": "weight",
    "logit_weight": "weight",
}


class ArgumentError(ValueError, RuntimeError, IndexError):
    """An argument has a value that it cannot have.

    Torch raises one of these three, depending on which of its kernels notices: whoever catches
    that one catches this.
    """


class ArgumentTypeError(TypeError, RuntimeError):
    """An argument has a type or dtype that it cannot have."""


def refusal(error: Exception, names: dict[str, str] = NAMES) -> Exception:
    """Return an error of this library as one of torch's kinds, with torch's ``names``."""
    words = re.compile(rf"\b({'|'.join(names)})\b")
    message = words.sub(lambda found: names[found[1]], str(error))
    kind = ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
    return kind(message).with_traceback(error.__traceback__)


def check_tensor(value: Any, argument: str) -> None:
    """Raise unless ``value`` is a tensor."""
    if not isinstance(value, torch.Tensor):
        errors.bad_type(argument, "be a tensor", type(value).__name__)


def check_floats(value: Any, argument: str) -> None:
    """Raise unless ``value`` is a tensor of real floating-point numbers."""
    check_tensor(value, argument)
    if not value.is_floating_point():
        errors.bad_type(argument, "have a real floating-point dtype", value.dtype)


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> Reduction:
    """Return the reduction that is meant, with torch's warnings for what it no longer wants."""
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    elif reduction == "elementwise_mean":
        _reduction.get_enum(reduction)
        reduction = "mean"
    return reduction  # type: ignore[return-value]  # checked where it is used


def fraction_of(label_smoothing: Amount) -> Amount:
    """Return an amount of smoothing: torch takes a number below 0, and nan, for 0."""
    if isinstance(label_smoothing, float | int):
        amount = float(label_smoothing)
        return amount if amount > 0 else 0.0
    return label_smoothing


def class_axis(array: Array) -> int:
    """Return where torch has the classes."""
    return 1 if array.ndim > 1 else 0


def autocasts(array: Array) -> bool:
    """Whether torch would compute losses in float32 here, whatever half precision it is given."""
    return bool(torch.is_autocast_enabled(array.device.type))


def as_given(array: Array) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which nothing is cast behind our back."""
    context: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if autocasts(array):
        context = torch.autocast(array.device.type, enabled=False)
    return context


def common_dtype(first: Array, *others: Array | None) -> Any:
    """Return the dtype of what torch makes of these, of float32 at least under autocast."""
    dtype = first.dtype
    for other in others:
        if other is not None and other.is_floating_point():
            dtype = torch.promote_types(dtype, other.dtype)
    return torch.float32 if dtype in HALF and autocasts(first) else dtype


def in_dtype(value: Array, dtype: Any) -> Array:
    """Return ``value`` in a dtype."""
    return value if value.dtype == dtype else value.to(dtype)


def broadcast(value: Array, like: Array, argument: str) -> Array:
    """Return a tensor with the shape of ``like``, as torch broadcasts it."""
    check_tensor(value, argument)
    shape = tuple(like.shape)
    if tuple(value.shape) == shape:
        return value
    try:
        return value.expand(shape)
    except RuntimeError:
        errors.bad_value(argument, f"broadcast to {shape}", tuple(value.shape))
