"""Dtypes by name, the same for every library, and the dtype in which a loss is computed."""

import math
import sys

import numpy as np

from softtargets._array import errors
from softtargets.typing import Array, Namespace

HALF = frozenset({"float16", "bfloat16"})
FLOATING = HALF | {"float32", "float64"}
INTEGER = frozenset({f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)})
#: Machine epsilon, the distance from 1 to the next number.
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}

#: The largest finite number of the dtypes in which losses are computed.
MAXIMUM = {"float64": sys.float_info.max, "float32": (2 - 2.0**-23) * 2.0**127}
#: And the one below it.
BELOW_MAXIMUM = {
    "float64": math.nextafter(sys.float_info.max, 0),
    "float32": (2 - 2.0**-22) * 2.0**127,
}


#: NumPy spells out the name of a dtype at every call, at a microsecond each.
_NUMPY_NAMES = {np.dtype(name): name for name in (INTEGER | FLOATING | {"bool"}) - {"bfloat16"}}


def dtype_name(array: Array) -> str:
    """Return ``"float32"``, ``"int64"``, ``"bool"``, ... for an array of any library."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return _NUMPY_NAMES.get(dtype) or str(dtype)
    return str(dtype).rpartition(".")[2]


def check_floating(array: Array, argument: str) -> None:
    """Raise a TypeError unless ``array`` holds floating point numbers."""
    if dtype_name(array) not in FLOATING:
        errors.bad_type(argument, "have a real floating-point dtype", dtype_name(array))


def compute_dtype(xp: Namespace, array: Array) -> object:
    """Return float64 for float64 arrays and float32 for all others, half precision included."""
    return array.dtype if dtype_name(array) == "float64" else xp.float32


def promote(xp: Namespace, array: Array) -> Array:
    """Return half precision as float32, and anything else as it is."""
    return xp.astype(array, xp.float32) if dtype_name(array) in HALF else array


def index_dtype(xp: Namespace, array: Array) -> object:
    """Return the widest signed integer dtype: int64, or int32 where JAX runs without 64 bits."""
    return xp.asarray(0).dtype if xp.__name__.startswith("jax") else xp.int64


def default_floating(xp: Namespace) -> object:
    """Return the floating dtype that the library gives to arrays made without one."""
    return xp.__array_namespace_info__().default_dtypes()["real floating"]
