"""What tests of the command ``softtargets report`` share."""

import json
from typing import Any

import numpy as np
import pytest

from softtargets import cli
from softtargets.calibration import report as calibration_of_rows
from softtargets.calibration import smooth


def predictions(scale: float, rows: int = 2000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return logits whose best temperature is about ``scale``, and labels."""
    rng = np.random.default_rng(0)
    x = 1.5 * rng.normal(size=(rows, classes))
    gumbel = -np.log(-np.log(rng.random(size=x.shape)))
    return scale * x, np.argmax(x + gumbel, axis=1)


def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make smECE coarse and quick; what it is, is for other tests."""
    monkeypatch.setattr(smooth, "FREQUENCIES", 32)
    monkeypatch.setattr(smooth, "POINTS", 16)
    monkeypatch.setattr(calibration_of_rows, "CELLS", 60)


def printed(
    capsys: pytest.CaptureFixture[str], x: np.ndarray, y: np.ndarray, options: str = ""
) -> str:
    """Save arrays, run the command on them, and return what it prints."""
    np.save("x.npy", x)
    np.save("y.npy", y)
    status = cli.main(["report", "x.npy", "y.npy", *options.split()])
    output, error = capsys.readouterr()
    assert (status, error) == (0, "")
    return str(output)


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def as_object(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text, parse_constant=refuse_constant)
    return found
