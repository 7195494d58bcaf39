"""Arrays of the libraries that are compared: made from one set of numbers, and read back."""

import importlib
from typing import Any

import numpy as np

Array = Any


class Unsupported(Exception):
    """A contestant has no such case; the message says why. It costs its cell only."""


def need(module: str) -> Any:
    """Import a module, or say that it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unsupported(f"{module.partition('.')[0]} is not installed") from error


def round_to_bfloat16(values: Array) -> Array:
    """Return float32 numbers rounded to those that bfloat16 has, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    bits += np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    bits &= np.uint32(0xFFFF0000)
    return bits.view(np.float32)


def convert(array: Array, library: str, dtype: str) -> Array:
    """Return an array for a library, without a copy where that can be had.

    ``array`` is of NumPy, with the numbers of bfloat16 in float32, or a tensor on a GPU.
    """
    on_gpu = not isinstance(array, np.ndarray)
    floating = array.dtype.is_floating_point if on_gpu else array.dtype.kind == "f"
    if library == "numpy":
        if on_gpu:
            raise Unsupported("NumPy has no arrays on a GPU")
        if floating and dtype == "bfloat16":
            raise Unsupported("NumPy has no bfloat16")
        return array
    if library == "torch":
        torch = need("torch")
        if on_gpu:
            return array
        tensor = torch.from_numpy(array)
        return tensor.to(getattr(torch, dtype)) if floating else tensor
    if library == "cupy":
        if not on_gpu:
            raise Unsupported("CuPy has no arrays on the host")
        if floating and dtype == "bfloat16":
            raise Unsupported("CuPy is measured without bfloat16")
        return need("cupy").from_dlpack(array)
    jnp = need("jax.numpy")
    if on_gpu:
        return need("jax.dlpack").from_dlpack(array)
    made = jnp.asarray(array)
    return made.astype(dtype) if floating else made


def to_numpy(array: Array) -> Array:
    """Return the values of an array of any library in NumPy's float64."""
    if type(array).__module__.partition(".")[0] == "torch":
        array = array.detach().double().cpu().numpy()
    elif hasattr(array, "get") and hasattr(array, "__cuda_array_interface__"):
        array = array.get()
    return np.asarray(array).astype(np.float64)
