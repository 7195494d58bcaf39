"""The array libraries as the tests see them, and how results of any library are compared.

A *variant* is a library on one device with one setting. SOFTTARGETS_BACKENDS names the libraries or
variants to test, separated by commas; without it all of them are.

``python -m tests.backends torch`` checks that an environment holds NumPy, PyTorch and no other.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

from softtargets._array import backends

NARROWER = {"float64": "float32", "int64": "int32", "uint64": "uint32"}
NAMESPACES = {
    "numpy": "array_api_compat.numpy",
    "torch": "array_api_compat.torch",
    "cupy": "array_api_compat.cupy",
    "jax": "jax.numpy",
    "dask": "array_api_compat.dask.array",
    "array_api_strict": "array_api_strict",
}
#: Machine epsilon: the distance from 1 to the next number.
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


@dataclass(frozen=True)
class Variant:
    """One library on one device; what the fixture ``backend`` gives to a test."""

    name: str
    row: str
    device_kind: str = "cpu"
    #: JAX has neither float64 nor 64-bit integers unless told so.
    wide: bool = True
    #: The dtypes to test, if not all: JAX compiles every operation once per variant and shape.
    only: tuple[str, ...] = ()
    #: NumPy arrays that raise when they are written into.
    read_only: bool = False

    @property
    def backend(self) -> backends.Backend:
        """The row of the table of capabilities."""
        return backends.find(self.row)

    @property
    def xp(self) -> ModuleType:
        """The namespace of array-api-compat."""
        return importlib.import_module(NAMESPACES[self.row])

    @property
    def device(self) -> Any:
        """The device object of the library."""
        return array_api_compat.device(self.asarray([0]))

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The names of the real floating dtypes that tests shall use."""
        return self.only or tuple(dtype for dtype in self.backend.dtypes if self._has(dtype))

    @property
    def quick(self) -> bool:
        """Whether a call costs about what it computes: nothing is compiled or planned for it."""
        return self.row not in ("jax", "dask")

    @property
    def int_dtypes(self) -> tuple[str, ...]:
        """The names of the integer dtypes."""
        return tuple(dtype for dtype in INTEGERS if self._has(dtype))

    @property
    def may_look(self) -> bool:
        """Whether bad values raise here; where they do not, the row of a bad label is nan."""
        return self.backend.may_look(self.device_kind)

    def why_unusable(self) -> str | None:
        """Return None where the variant works, or else the reason."""
        why = self.backend.why_unusable()
        present = self.backend.devices_present() if why is None else ()
        if why is None and self.device_kind == "cuda" and "cuda" not in present:
            why = f"{self.backend.title} finds no cuda device"
        return why

    def left_out_quietly(self) -> bool:
        """Whether nobody needs to hear of it: the many machines that have PyTorch and no GPU."""
        return self.name == "torch-cuda" and self.why_unusable() is not None

    def asarray(self, data: Any, dtype: str | None = None) -> Any:
        """Return a fresh array of ``data``, a NumPy array or (nested) list.

        ``dtype`` is a name. None keeps the dtype that NumPy gives to the data, or the 32-bit one of
        its kind where there is no 64-bit one.
        """
        host = np.array(data)
        if dtype is None:
            dtype = host.dtype.name if self._has(host.dtype.name) else NARROWER[host.dtype.name]
        if not self._has(dtype):
            raise ValueError(f"{self.name} has no {dtype}")
        host = host.astype("float32" if dtype == "bfloat16" else dtype)
        if self.row == "numpy":
            host.flags.writeable = not self.read_only
            return host
        if self.row == "dask":
            return self.xp.from_array(host, chunks=_chunks(host.shape))
        return self.xp.asarray(host, dtype=getattr(self.xp, dtype), device=self._place())

    def to_numpy(self, array: Any) -> np.ndarray:
        """Return the values in NumPy; float16 and bfloat16 become float32."""
        return to_numpy(array)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Hold the settings of the library that belong to the variant."""
        if self.row == "jax":
            import jax

            with jax.enable_x64(self.wide):
                yield
        elif self.row == "array_api_strict":
            import array_api_strict

            with array_api_strict.ArrayAPIStrictFlags(
                api_version="2025.12",
                boolean_indexing=False,
                data_dependent_shapes=False,
                enabled_extensions=(),
            ):
                yield
        else:
            yield

    def _place(self) -> Any:
        if self.row == "array_api_strict":
            return self.xp.Device(self.device_kind)
        return self.device_kind if self.row == "torch" else None

    def _has(self, dtype: str) -> bool:
        known = dtype not in ("float16", "bfloat16") or dtype in self.backend.dtypes
        return known and (self.wide or dtype not in NARROWER)


VARIANTS = (
    Variant("numpy", "numpy"),
    Variant("numpy-readonly", "numpy", read_only=True),
    Variant("torch", "torch"),
    Variant("torch-cuda", "torch", device_kind="cuda"),
    Variant("cupy", "cupy", device_kind="cuda"),
    Variant("jax", "jax", wide=False),
    Variant("jax-x64", "jax", only=("float64",)),
    Variant("dask", "dask"),
    Variant("array_api_strict", "array_api_strict", device_kind="CPU_DEVICE"),
    Variant("array_api_strict-device1", "array_api_strict", device_kind="device1"),
)


def selected(names: str | None = None) -> list[Variant]:
    """Return the variants that ``names``, by default SOFTTARGETS_BACKENDS, asks for."""
    names = os.environ.get("SOFTTARGETS_BACKENDS", "") if names is None else names
    wanted = {name.strip() for name in names.split(",")} - {""}
    unknown = wanted - {v.name for v in VARIANTS} - {v.row for v in VARIANTS}
    if unknown:
        raise ValueError(
            f"SOFTTARGETS_BACKENDS names no such backend: {', '.join(sorted(unknown))}"
        )
    return [
        v
        for v in VARIANTS
        if v.name in wanted or ((not wanted or v.row in wanted) and not v.left_out_quietly())
    ]


def dtype_name(array: Any) -> str:
    """Return the name of the dtype: "float32", "bfloat16", "int64", ..."""
    return str(array.dtype).rpartition(".")[2]


def to_numpy(array: Any) -> np.ndarray:
    """Return the values of an array of any library. Nothing else in the tests moves data out."""
    if array_api_compat.is_torch_array(array):
        array = array.detach().cpu()
        return (array.float() if dtype_name(array) in ("float16", "bfloat16") else array).numpy()
    if array_api_compat.is_cupy_array(array):
        array = array.get()
    elif array_api_compat.is_dask_array(array):
        # One thread: a thread pool costs more than the small arrays of tests.
        array = array.compute(scheduler="synchronous")
    elif array_api_compat.is_jax_array(array) and dtype_name(array) == "bfloat16":
        array = array.astype("float32")
    elif type(array).__module__.startswith("array_api_strict"):
        array = array.to_device(type(array.device)("CPU_DEVICE"))
    host = np.asarray(array)
    return host.astype(np.float32) if host.dtype == np.float16 else host


def assert_close(
    actual: Any, expected: Any, *, ulps: float, scale: Any = 0.0, dtype: str | None = None
) -> None:
    """Fail unless ``|actual - expected| <= ulps * eps * max(|expected|, scale)``, entry by entry.

    eps belongs to ``dtype``, by default that of ``actual``. ``scale`` is the size of the numbers
    that a result was made from: what cancellation may leave behind. Infinities and nan must agree
    exactly, and so must the shapes.
    """
    eps = EPSILON[dtype or dtype_name(actual)]
    got = to_numpy(actual).astype(np.float64)
    want = np.asarray(expected if isinstance(expected, list | float) else to_numpy(expected))
    if got.shape != want.shape:
        raise AssertionError(f"shape {got.shape}, expected {want.shape}")
    odd = ~(np.isfinite(got) & np.isfinite(want))
    if not np.array_equal(got[odd], want[odd], equal_nan=True):
        raise AssertionError(f"expected {want}, got {got}: infinities or nan differ")
    with np.errstate(all="ignore"):
        error = np.where(odd, 0.0, np.abs(got - want))
        unit = eps * np.maximum(np.abs(want), scale)
        distance = np.where(error > 0, error / unit, 0.0)
    if np.any(distance > ulps):
        at = np.unravel_index(np.argmax(distance), distance.shape)
        at = tuple(int(i) for i in at)
        raise AssertionError(
            f"{distance[at]:.3g} ulp off, {ulps} allowed: got {got[at]!r}, expected {want[at]!r} "
            f"at {at}; {int(np.sum(distance > ulps))} of {distance.size} entries"
        )


def assert_same_bits(actual: Any, expected: Any) -> None:
    """Fail unless dtype, shape and every bit agree: 0.0 is not -0.0, and nan is nan."""
    if dtype_name(actual) != dtype_name(expected):
        raise AssertionError(f"dtype {dtype_name(actual)}, expected {dtype_name(expected)}")
    got, want = np.ascontiguousarray(to_numpy(actual)), np.ascontiguousarray(to_numpy(expected))
    if tuple(actual.shape) != tuple(expected.shape):
        raise AssertionError(f"shape {tuple(actual.shape)}, expected {tuple(expected.shape)}")
    unit = f"u{got.dtype.itemsize}"
    differ = (got.view(unit) != want.view(unit)) & ~((got != got) & (want != want))
    if np.any(differ):
        at = tuple(int(i) for i in np.argwhere(differ)[0])
        raise AssertionError(
            f"{int(np.sum(differ))} of {differ.size} entries differ: "
            f"got {got[at]!r}, expected {want[at]!r} at {at}"
        )


def assert_follows(result: Any, like: Any, *, dtype: str | None = None) -> None:
    """Fail unless ``result`` has library, device and dtype (or else ``dtype``) of ``like``."""
    for what, got, want in (
        ("library", *(array_api_compat.array_namespace(a).__name__ for a in (result, like))),
        ("device", *(str(array_api_compat.device(a)) for a in (result, like))),
        ("dtype", dtype_name(result), dtype or dtype_name(like)),
    ):
        if got != want:
            raise AssertionError(f"{what} {got}, expected {want}")


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Cut the rows into about three chunks, the last of another size, and nothing else."""
    return tuple(max(1, size // 3 + 1) if axis == 0 else size for axis, size in enumerate(shape))


def main(expected: list[str]) -> str | None:
    """Say what is wrong where the array libraries installed are not NumPy and ``expected``."""
    installed = {row.name for row in backends.BACKENDS if row.installed()}
    for row in backends.BACKENDS:
        if row.name in installed:
            print(f"{row.title} {row.version()}: {row.why_unusable() or 'usable'}")
    wanted = {"numpy", *expected}
    return None if installed == wanted else f"installed: {installed}, expected: {wanted}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
