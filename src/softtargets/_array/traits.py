"""What may be done with an array: look at its values, write into it.

Looking is free only for eager arrays in host memory. On a device it would wait for the device, on
a traced or lazy array there is nothing to see yet.
"""

import contextlib
from typing import Any

import numpy as np

from softtargets._array.kinds import is_cupy, is_dask, is_jax, is_numpy, is_torch
from softtargets.typing import Array, Namespace


def is_plain_torch(array: Array) -> bool:
    """Whether a tensor is an eager one: no compilation, no subclass, no functional transform."""
    import torch  # the user has imported it: there is a tensor

    if torch.compiler.is_compiling() or type(array) not in (torch.Tensor, torch.nn.Parameter):
        return False
    # The only way to see that vmap or another torch.func transform wraps the tensor.
    return not torch._C._functorch.is_functorch_wrapped_tensor(array)


def _is_host_jax(array: Array) -> bool:
    import jax  # the user has imported it: there is an array

    if isinstance(array, jax.core.Tracer):
        return False
    return all(place.platform == "cpu" for place in array.devices())


def _is_host_strict(array: Array) -> bool:
    return "CPU_DEVICE" in str(getattr(array, "device", ""))


def may_look(array: Array) -> bool:
    """Whether the values of ``array`` can be read without waiting for anything."""
    if is_numpy(array):
        return True
    if is_torch(array):
        return is_plain_torch(array) and array.device.type == "cpu"
    if is_jax(array):
        return _is_host_jax(array)
    return _is_host_strict(array)


def is_eager(array: Array) -> bool:
    """Whether operations run at once, so that a gather is cheaper than a pass over the classes."""
    if is_torch(array):
        return is_plain_torch(array)
    if is_jax(array):
        import jax

        return not isinstance(array, jax.core.Tracer)
    return not is_dask(array)


def may_write(array: Array) -> bool:
    """Whether arrays of this kind may be changed in place, also at positions in arrays."""
    if is_numpy(array):
        return True
    if is_torch(array):
        import torch

        recorded = array.requires_grad and torch.is_grad_enabled()
        return is_plain_torch(array) and not recorded
    # CuPy follows NumPy here; the others are immutable, lazy, or refuse index arrays.
    return is_cupy(array)


def may_fill(array: Array) -> bool:
    """Whether a caller's array may be written into."""
    return may_write(array) and not (is_numpy(array) and not array.flags.writeable)


def computed_once(array: Array) -> Array:
    """Return an array whose values are there: a lazy one that is used many times is computed."""
    return array.persist() if is_dask(array) else array


def look(flag: Array) -> bool | None:
    """Return the truth of a 0-d boolean array, or None where its value may not be looked at."""
    return bool(flag) if may_look(flag) else None


def stop_gradient(array: Array) -> Array:
    """Return ``array`` as a constant for automatic differentiation."""
    if is_jax(array):
        import jax

        return jax.lax.stop_gradient(array)
    return array.detach() if is_torch(array) else array


def unrecorded(array: Array) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which torch's autograd records nothing, if ``array`` is a tensor."""
    if is_torch(array):
        import torch

        context: contextlib.AbstractContextManager[Any] = torch.no_grad()
        return context
    return contextlib.nullcontext()


def quiet(xp: Namespace) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which NumPy does not warn of overflow: infinities are results here."""
    if xp.__name__.endswith(("numpy", "array_api_strict")) and "jax" not in xp.__name__:
        return np.errstate(all="ignore")
    return contextlib.nullcontext()
