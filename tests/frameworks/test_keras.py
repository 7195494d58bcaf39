"""`softtargets.keras` on each backend: this process has one, and the others have their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("jax")
sk = pytest.importorskip("softtargets.keras")
checks = pytest.importorskip("tests.frameworks.keras_checks")

ROOT = Path(__file__).parents[2]
X, Q = np.zeros((2, 3), dtype="float32"), np.eye(3)[[0, 1]]


@pytest.mark.parametrize("name", checks.CHECKS)
def test_on_this_backend(name: str) -> None:
    """Each check holds with the backend of this process."""
    checks.run(name)


@pytest.mark.parametrize("other", sorted({"jax", "numpy", "torch"} - {checks.BACKEND}))
def test_on_other_backends(other: str) -> None:
    """Each check holds with the other backends."""
    if other != "numpy":
        pytest.importorskip(other)
    path = os.pathsep.join(filter(None, [str(ROOT), *sys.path]))
    environment = {**os.environ, "KERAS_BACKEND": other, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "tests.frameworks.keras_checks"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.split() == list(checks.CHECKS)


def make(**words: Any) -> Any:
    return sk.Crossentropy(**({"from_logits": True} | words))


ERRORS = [
    (TypeError, "from_logits must be True or False, got str", {"from_logits": "no"}),
    (ValueError, "label_smoothing must be in [0, 1], got 1.5", {"label_smoothing": 1.5}),
    (TypeError, "label_smoothing must be a number, got list", {"label_smoothing": [0.1]}),
    (TypeError, "ignore_class must be an int, got float", {"ignore_class": 1.5}),
    (TypeError, "axis must be an int, got str", {"axis": "last"}),
    (ValueError, "spread must be one of 'all', 'others', got 'both'", {"spread": "both"}),
    (ValueError, "z_loss must be finite and at least 0, got -1", {"z_loss": -1}),
]


@pytest.mark.parametrize(("error", "message", "words"), ERRORS)
def test_messages(error: type[Exception], message: str, words: dict[str, Any]) -> None:
    """A bad argument raises when the loss is made, and says what it must be."""
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make(**words)


def test_whether_logits_is_never_guessed() -> None:
    """Without `from_logits` no loss is made."""
    for kind in (sk.Crossentropy, sk.BinaryCrossentropy):
        with pytest.raises(TypeError, match="from_logits"):
            kind()


def test_bad_targets() -> None:
    """Targets of no known form raise what the library says of them."""
    text = "ignore_class must be None unless y_true are integer labels, got -1"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make(ignore_class=-1)(Q, X)
    with pytest.raises(TypeError, match="targets must have an integer dtype for labels"):
        make()(np.asarray([0.0, 1.0]), X)
    with pytest.raises(ValueError, match=re.escape("targets must have shape (2,) for labels")):
        make()(np.asarray([0, 1, 2]), X)


def test_backends_without_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend whose tensors are no arrays of this library is refused."""
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    text = "the backend of Keras must be one of 'jax', 'numpy', 'torch', got 'tensorflow'"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make()
