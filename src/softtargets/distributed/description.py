"""A process's part of a problem in a few integers, which others compare with theirs."""

import math
import zlib
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from softtargets._array import errors
from softtargets._array.axes import check_axis, row_shape
from softtargets._array.checks import check_count, check_int, check_option
from softtargets._array.dtypes import FLOATING, check_floating, dtype_name
from softtargets._array.kinds import is_array, namespace
from softtargets._array.namespaces import namespace_of
from softtargets._array.read import read
from softtargets.losses.reductions import REDUCTIONS
from softtargets.typing import Array

DTYPES = sorted(FLOATING)
#: Entries of a large array that are compared.
_SAMPLE = 2**16


class Part(NamedTuple):
    """What all processes see of the part of one; -1 stands for what was not given."""

    failed: int = 0
    dtype: int = 0
    rows: int = 0
    shape: int = 0
    reduction: int = 0
    first_class: int = -1
    num_classes: int = -1
    classes: int = 0
    targets: int = 0
    options: int = 0


def describe(
    logits: Array,
    targets: Any,
    options: dict[str, Any],
    first_class: int | None,
    num_classes: int | None,
) -> Part:
    """Return the part without the values of its arrays, or raise where it does not fit itself."""
    namespace_of(logits, "logits")
    check_floating(logits, "logits")
    if logits.ndim == 0:
        errors.bad_value("logits", "have a class axis", ())
    axis = check_axis(options["axis"], logits.ndim)
    check_option(options["reduction"], "reduction", REDUCTIONS)
    shape = row_shape(tuple(logits.shape), axis)
    return Part(
        dtype=DTYPES.index(dtype_name(logits)),
        rows=math.prod(shape),
        shape=zlib.crc32(repr(shape).encode()),
        reduction=REDUCTIONS.index(options["reduction"]),
        first_class=-1 if first_class is None else check_int(first_class, "first_class"),
        num_classes=-1 if num_classes is None else check_count(num_classes, "num_classes"),
        classes=int(logits.shape[axis]),
        targets=_digest(targets, values=False),
        options=_digest(options, values=False),
    )


def with_values(part: Part, targets: Any, options: dict[str, Any]) -> Part:
    """Return the part with the values of its arrays: waits for a device."""
    return part._replace(
        targets=_digest(targets, values=True), options=_digest(options, values=True)
    )


def _digest(value: Any, *, values: bool) -> int:
    """Return a number that depends on all that is in a value; of a large array on a sample."""
    digest = 0
    for word in _words(value, values=values):
        digest = zlib.crc32(word, digest)
    return digest


def _words(value: Any, *, values: bool) -> list[bytes]:
    if is_array(value):
        words = [repr((tuple(value.shape), dtype_name(value))).encode()]
        return [*words, _sample(value)] if values else words
    if is_dataclass(value):
        parts: Any = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, dict):
        parts = [part for pair in sorted(value.items()) for part in pair]
    elif isinstance(value, tuple):
        parts = value
    else:
        return [repr(value).encode()]
    return [word for part in parts for word in _words(part, values=values)]


def _sample(array: Array) -> bytes:
    xp = namespace(array)
    flat = xp.reshape(array, (-1,))
    flat = flat[:: max(1, -(-flat.shape[0] // _SAMPLE))]
    if dtype_name(array) == "bfloat16":
        flat = xp.astype(flat, xp.float32)  # NumPy has no such numbers
    return read(flat, "targets").tobytes()
