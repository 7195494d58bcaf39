"""Where, with what and when it was measured."""

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Settings that change what is measured; those that are set are recorded.
PREFIXES = ("MALLOC_", "OMP_", "OPENBLAS_", "MKL_", "XLA_", "JAX_", "NPY_", "SOFTTARGETS_", "THP_")
COMPILER_PREFIX = "TORCHINDUCTOR_"


@cache
def processor() -> str:
    """Return the name of the processor, its cores, and its vector instructions."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores, {instructions()}"


def cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def instructions() -> str:
    """Return the widest vector instructions of the processor."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return "unknown vector instructions"
    for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON")):
        if flag in flags:
            return name
    return "no AVX2"


@cache
def gpu() -> str:
    """Return the name of the GPU that torch computes on."""
    import torch

    return str(torch.cuda.get_device_name())


def has(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def versions(packages: Iterable[str]) -> str:
    """Return the versions of packages that are installed, in one line."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "; ".join(found)


def settings() -> str:
    """Return the settings in the environment that matter, in one line."""
    names = sorted(name for name in os.environ if name.startswith((*PREFIXES, COMPILER_PREFIX)))
    kept = (name for name in names if not name.endswith(("_DIR", "_PATH")))
    return "; ".join(f"{name}={os.environ[name]}" for name in kept)


def commit(tree: Path = ROOT) -> str:
    """Return the commit of a source tree, marked if files were changed since."""
    try:
        name = git("rev-parse", "--short=12", "HEAD", tree=tree)
        changed = git("status", "--porcelain", "--untracked-files=no", tree=tree)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}+changes" if changed else name


def git(*arguments: str, tree: Path = ROOT) -> str:
    """Return what git prints."""
    command = ("git", "-C", str(tree), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def today() -> str:
    """Return the date."""
    return datetime.now(tz=UTC).date().isoformat()
