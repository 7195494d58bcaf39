"""Mesh axes of JAX: classes and rows on several devices, in ``shard_map``, in another process.

There are four devices only where XLA is told so before it starts.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.frameworks.measured import ROOT, command, environment

pytest.importorskip("jax")


def test_four_devices() -> None:
    """Losses and gradients on four devices are those of one; each check says what it is about."""
    done = subprocess.run(
        command("distributed_devices"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(
            XLA_FLAGS="--xla_force_host_platform_device_count=4",
            JAX_PLATFORMS="cpu",
            JAX_ENABLE_X64="1",
        ),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["losses", "mesh", "layers", "merged", "refused"]
