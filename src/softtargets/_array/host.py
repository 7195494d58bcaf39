"""Torch tensors in host memory, seen as NumPy arrays: the same memory, nothing is copied.

NumPy's operations begin sooner, and run on the library's own threads beside each other.
"""

from typing import Any

import numpy as np

from softtargets._array.kinds import is_torch
from softtargets._array.traits import is_plain_torch
from softtargets._array.trees import with_arrays
from softtargets.typing import Array


class _NoView(Exception):
    """Raised for an array that NumPy cannot see."""


def numpy_views(first: Array, value: Any) -> Any:
    """Return ``value`` with all its arrays as NumPy views, or None if one of them has none.

    So it is if ``first``, one of them, is no torch tensor. An array that appears twice is seen
    twice as the same array.
    """
    if not is_torch(first):
        return None
    seen: dict[int, Array] = {}

    def view(array: Array) -> Array:
        if id(array) not in seen:
            seen[id(array)] = _view(array)
        return seen[id(array)]

    try:
        return with_arrays(value, view)
    except _NoView:
        return None


def _view(array: Array) -> Array:
    if isinstance(array, np.generic):
        return array  # a number
    if not is_torch(array) or not is_plain_torch(array) or not array.is_cpu:
        raise _NoView
    try:
        view = array.detach().numpy()
    except (TypeError, RuntimeError):  # bfloat16, sparse, lazily negated
        raise _NoView from None
    if view.dtype == np.float16:  # at which NumPy is slow
        raise _NoView
    return view


def from_view(array: Array) -> Array:
    """Return a NumPy array or scalar as a tensor of the same memory."""
    import torch

    return torch.from_numpy(np.asarray(array))


def was_changed(array: Array) -> None:
    """Tell torch that the memory of a tensor was written into: its autograd counts that."""
    import torch

    torch.autograd.graph.increment_version(array)
