"""What tests of calibration share."""

import pytest

from tests.backends import Variant


def once_on_jax(backend: Variant) -> None:
    """Leave out a test in double precision that has run in single: compiling it takes seconds."""
    if backend.name == "jax-x64":
        pytest.skip("jax-x64: has run in single precision; others test its float64")
