"""Mesh axes of JAX: classes and rows on several devices, in ``shard_map``, in another process.

There are four devices only where XLA is told so before it starts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.frameworks.measured import measured

pytest.importorskip("jax")
ROOT = Path(__file__).parent.parent.parent


def test_four_devices() -> None:
    """Losses and gradients on four devices are those of one; each check says what it is about."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.frameworks.distributed_devices"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=measured(
            XLA_FLAGS="--xla_force_host_platform_device_count=4",
            JAX_PLATFORMS="cpu",
            JAX_ENABLE_X64="1",
        ),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["losses", "mesh", "layers", "merged", "refused"]
