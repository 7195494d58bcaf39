"""From arrays of any library to numbers for people: a few at a time, and only when asked for."""

from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.kinds import device, is_cupy, is_dask, is_jax, is_numpy, is_torch
from softtargets._array.traits import is_eager
from softtargets.typing import Array


def check_concrete(array: Array, argument: str) -> None:
    """Raise for an array inside of compiled or transformed code: it has no values yet."""
    if not is_eager(array) and not is_dask(array):
        rule = "have values to read, outside of compiled code"
        errors.bad_type(argument, rule, type(array).__name__)


def check_sortable(array: Array, argument: str) -> None:
    """Raise for an array whose library cannot sort."""
    if is_dask(array):
        rule = "be sorted for this, which lazy arrays cannot be"
        errors.bad_type(argument, rule, type(array).__name__)


def read(array: Array, argument: str) -> np.ndarray[Any, Any]:
    """Return the values in NumPy: waits for a device, and computes what is lazy."""
    check_concrete(array, argument)
    host = array.get() if is_cupy(array) else array
    if is_numpy(host) or is_dask(host) or is_jax(host):
        return np.asarray(host)
    if is_torch(host):
        found: np.ndarray[Any, Any] = host.detach().cpu().numpy()
        return found
    # What is left has nothing but the standard, and devices that only pretend to be elsewhere.
    return np.asarray(host.to_device(type(device(host))("CPU_DEVICE")))
