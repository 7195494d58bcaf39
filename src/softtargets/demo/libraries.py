"""Where a network can be trained: each usable library, on each kind of device."""

import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import to_device

from softtargets._array.backends import BACKENDS, Backend
from softtargets.demo.needs import DemoError
from softtargets.typing import Array, Namespace

#: The array API namespace of each row of the table of capabilities.
NAMESPACES = {
    "numpy": "array_api_compat.numpy",
    "torch": "array_api_compat.torch",
    "cupy": "array_api_compat.cupy",
    "jax": "jax.numpy",
    "dask": "array_api_compat.dask.array",
    "array_api_strict": "array_api_strict",
}
#: Libraries that compile every operation that they meet: one step at a time is much faster.
COMPILED = {"jax"}


@dataclass(frozen=True)
class Place:
    """A library and a kind of device; ``default`` if its arrays are made there anyway."""

    backend: Backend
    device: str
    default: bool = True

    @property
    def title(self) -> str:
        """The name of the library, and the device unless it is the host."""
        on_host = self.device in self.backend.host_devices
        return self.backend.title if on_host else f"{self.backend.title} on {self.device}"

    @property
    def xp(self) -> Namespace:
        """The namespace of the library."""
        return importlib.import_module(NAMESPACES[self.backend.name])

    def dtypes(self) -> list[str]:
        """Return the floating dtypes in which networks are trained here."""
        known = self.xp.__array_namespace_info__().dtypes(kind="real floating")
        return [name for name in ("float64", "float32") if name in known]

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, compiled by the library where that is the way to use it."""
        if self.backend.name not in COMPILED or self.backend.compiler is None:
            return function
        module, _, name = self.backend.compiler.rpartition(".")
        compiled: Callable[..., Any] = getattr(importlib.import_module(module), name)(function)
        return compiled

    def asarray(self, values: Array, dtype: str | None = None) -> Array:
        """Return a copy of a NumPy array in this library, on this device."""
        values = np.array(values, dtype=dtype)
        if self.default:
            return self.xp.asarray(values)
        return self.xp.asarray(values, device=self.device)

    def to_numpy(self, array: Array) -> Array:
        """Return the values of an array of this library."""
        return np.asarray(to_device(array, "cpu") if self.device == "cuda" else array)


def places(
    names: Collection[str] | None, advance: Callable[[], None]
) -> tuple[list[Place], list[str]]:
    """Return where the named libraries (None: all) can train, and why others cannot.

    NumPy always takes part. A library that was named and cannot be used is an error.
    """
    found, missing = [], []
    for backend in BACKENDS:
        wanted = not names or backend.name in {*names, "numpy"}
        why = backend.why_unusable() if wanted else None
        if wanted and why is None:
            first, *others = backend.devices_present()
            found.append(Place(backend, first))
            found += [Place(backend, kind, default=False) for kind in others if kind == "cuda"]
        elif why is not None and names:
            raise DemoError(f"backend {backend.name}: {why}")
        elif why is not None:
            missing.append(why)
        advance()
    return found, missing
