"""What each array library can do: one table for the tests, the documentation and the command line.

Nothing here imports a library before it is asked whether that library works.
"""

import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One array library and what this package may expect of its arrays."""

    name: str
    title: str
    #: What to import, and the packages that may provide it.
    module: str
    distributions: tuple[str, ...]
    #: Kinds of device, and those of them whose arrays lie in host memory.
    devices: tuple[str, ...]
    host_devices: tuple[str, ...]
    #: Whether operations run at once (outside of a compiled function).
    eager: bool
    #: Whether arrays may be changed in place, also at positions given by arrays.
    writable: bool
    #: Real floating dtypes.
    dtypes: tuple[str, ...]
    #: What differentiates and what compiles, if anything does.
    autograd: str | None = None
    compiler: str | None = None
    note: str = ""

    def may_look(self, device: str) -> bool:
        """Whether values on this kind of device are checked: looking must be free there."""
        return self.eager and device in self.host_devices

    def installed(self) -> bool:
        """Whether the library is installed, found out without importing it."""
        return importlib.util.find_spec(self.module.partition(".")[0]) is not None

    def version(self) -> str | None:
        """Return the installed version, or None."""
        for distribution in self.distributions:
            try:
                return importlib.metadata.version(distribution)
            except importlib.metadata.PackageNotFoundError:
                continue
        return None

    def devices_present(self) -> tuple[str, ...]:
        """Return the kinds of device that the installed library finds on this machine."""
        module = importlib.import_module(self.module)
        if self.name == "jax":
            return tuple(sorted({device.platform for device in module.devices()}))
        return tuple(kind for kind in self.devices if kind != "cuda" or module.cuda.is_available())

    def why_unusable(self) -> str | None:
        """Return None where the library works, or else the reason. This imports the library."""
        if not self.installed():
            return f"{self.title} is not installed"
        try:
            present = self.devices_present()
        except Exception as error:  # a broken installation may raise anything
            return f"{self.title} cannot be used: {type(error).__name__}: {error}"
        return None if present else f"{self.title} finds no {' or '.join(self.devices)} device"

    def capabilities(self) -> dict[str, str]:
        """Return the row of the documentation: column title to text, nothing of this machine."""
        looked_at = [device for device in self.devices if self.may_look(device)]
        return {
            "library": self.title,
            "devices": ", ".join(self.devices),
            "floating dtypes": ", ".join(self.dtypes),
            "evaluation": "at once" if self.eager else "lazy",
            "values checked": f"on {', '.join(looked_at)}" if looked_at else "never",
            "in place": "yes" if self.writable else "no",
            "autograd": self.autograd or "no",
            "compiler": self.compiler or "no",
            "note": self.note,
        }


BACKENDS = (
    Backend(
        name="numpy",
        title="NumPy",
        module="numpy",
        distributions=("numpy",),
        devices=("cpu",),
        host_devices=("cpu",),
        eager=True,
        writable=True,
        dtypes=("float16", "float32", "float64"),
    ),
    Backend(
        name="torch",
        title="PyTorch",
        module="torch",
        distributions=("torch",),
        devices=("cpu", "cuda"),
        host_devices=("cpu",),
        eager=True,
        writable=True,
        dtypes=("float16", "bfloat16", "float32", "float64"),
        autograd="loss.backward(), torch.func",
        compiler="torch.compile",
        note="under torch.compile and torch.func nothing is checked or changed in place",
    ),
    Backend(
        name="cupy",
        title="CuPy",
        module="cupy",
        distributions=("cupy-cuda12x", "cupy-cuda13x", "cupy"),
        devices=("cuda",),
        host_devices=(),
        eager=True,
        writable=True,
        dtypes=("float16", "float32", "float64"),
    ),
    Backend(
        name="jax",
        title="JAX",
        module="jax",
        distributions=("jax",),
        devices=("cpu", "gpu", "tpu"),
        host_devices=("cpu",),
        eager=True,
        writable=False,
        dtypes=("float16", "bfloat16", "float32", "float64"),
        autograd="jax.grad",
        compiler="jax.jit",
        note="float64 and 64-bit integers need jax_enable_x64; traced values are never checked",
    ),
    Backend(
        name="dask",
        title="Dask",
        module="dask.array",
        distributions=("dask",),
        devices=("cpu",),
        host_devices=("cpu",),
        eager=False,
        writable=False,
        dtypes=("float16", "float32", "float64"),
        note="nothing is computed until you ask",
    ),
    Backend(
        name="array_api_strict",
        title="array-api-strict",
        module="array_api_strict",
        distributions=("array-api-strict",),
        devices=("CPU_DEVICE", "device1"),
        host_devices=("CPU_DEVICE",),
        eager=True,
        writable=False,
        dtypes=("float32", "float64"),
        note="has nothing but the standard, and devices that only pretend to be elsewhere",
    ),
)


def find(name: str) -> Backend:
    """Return the row called ``name``."""
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    names = ", ".join(backend.name for backend in BACKENDS)
    raise ValueError(f"backend must be one of {names}, got {name!r}")


def table() -> list[dict[str, str]]:
    """Return one row per library, ready to print: what is installed here and what it can do."""
    rows = []
    for backend in BACKENDS:
        why_unusable = backend.why_unusable()
        here = "usable" if why_unusable is None else why_unusable
        row = {"name": backend.name, "version": backend.version() or "-", "here": here}
        rows.append(row | backend.capabilities())
    return rows
