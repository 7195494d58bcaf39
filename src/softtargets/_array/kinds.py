"""Which library an array belongs to, and its namespace and device.

Torch and NumPy are recognised here, the rest by array-api-compat: its questions remember their
answers in a cache that torch.compile warns of, and cost a microsecond each.
"""

import sys
from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np

from softtargets.typing import Array, Namespace

#: A tuple: torch.compile cannot trace a union of types.
_NUMPY = (np.ndarray, np.generic)


def is_torch(value: object) -> bool:
    """Whether ``value`` is a torch tensor. Does not import torch."""
    if type(value) is np.ndarray:
        return False  # the most frequent answer, given first
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_numpy(value: object) -> bool:
    """Whether ``value`` is a NumPy array or scalar."""
    return type(value) is np.ndarray or isinstance(value, _NUMPY)


def _is_other(value: object) -> bool:
    return not is_numpy(value) and not is_torch(value)


def is_jax(value: object) -> bool:
    """Whether ``value`` is a JAX array or tracer."""
    return _is_other(value) and bool(array_api_compat.is_jax_array(value))


def is_dask(value: object) -> bool:
    """Whether ``value`` is a Dask array."""
    return _is_other(value) and bool(array_api_compat.is_dask_array(value))


def is_cupy(value: object) -> bool:
    """Whether ``value`` is a CuPy array."""
    return _is_other(value) and bool(array_api_compat.is_cupy_array(value))


def is_array(value: object) -> bool:
    """Whether ``value`` is an array of a library that follows the standard."""
    return not _is_other(value) or bool(array_api_compat.is_array_api_obj(value))


def namespace(array: Array) -> Namespace:
    """Return the array API namespace of an array."""
    if is_numpy(array):
        return array_api_compat.numpy
    if is_torch(array):
        from array_api_compat import torch

        return torch
    return array_api_compat.array_namespace(array)


def device(array: Array) -> Any:
    """Return the device of an array, in the terms of its library."""
    if is_numpy(array):
        return "cpu"
    return array.device if is_torch(array) else array_api_compat.device(array)
