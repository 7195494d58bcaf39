"""Which library an array belongs to. Everything follows the first array; nothing is ever moved."""

import numbers
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.kinds import device, is_array, is_dask, is_jax, is_numpy, namespace
from softtargets.typing import Array, Namespace


def is_number(value: object) -> bool:
    """Whether ``value`` is a plain real number: NumPy scalars are, bool is not."""
    if type(value) is float or type(value) is int:
        return True
    if value is None or type(value) is np.ndarray:
        return False  # what follows is slow
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_integer(value: object) -> bool:
    """Whether ``value`` is a plain whole number: NumPy integers are, bool and arrays are not."""
    if type(value) is int:
        return True
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def namespace_of(array: Array, argument: str) -> Namespace:
    """Return the array API namespace of ``array``, or raise a TypeError that names ``argument``."""
    if not is_array(array):
        errors.bad_type(argument, "be an array", type(array).__name__)
    return namespace(array)


def library_name(xp: Namespace) -> str:
    """Return the name under which users know a namespace: ``"numpy"``, ``"torch"``, ..."""
    name: str = xp.__name__.removeprefix("array_api_compat.")
    return name.split(".")[0]


def check_follows(xp: Namespace, array: Array, argument: str, other: Array, name: str) -> None:
    """Raise unless ``other`` (called ``name``) has the library and the device of ``array``."""
    if type(other) is type(array) is np.ndarray:
        return
    if type(other) is not type(array):
        other_xp = namespace_of(other, name)
        if other_xp is not xp:
            errors.mixed_libraries(argument, name, library_name(xp), library_name(other_xp))
    # JAX places arrays itself and refuses what it cannot join; its tracers have no device.
    if not is_jax(array) and device(array) != device(other):
        errors.mixed_devices(argument, name, device(array), device(other))


def beside(array: Array) -> dict[str, Any]:
    """Return the keyword that makes a new array on the device of ``array``."""
    # JAX tracers and Dask arrays have no device of their own, and need none; nor does NumPy.
    if is_numpy(array) or is_jax(array) or is_dask(array):
        return {}
    return {"device": device(array)}


def as_array(xp: Namespace, value: Array, dtype: object, like: Array) -> Array:
    """Return ``value``, a number or an array, as an array of ``dtype`` beside ``like``."""
    if is_number(value):
        return xp.asarray(float(value), dtype=dtype, **beside(like))
    return value if value.dtype == dtype else xp.astype(value, dtype)
