"""The report as JSON, for programs."""

import json
import math
from typing import Any

import numpy as np

import softtargets as st
from softtargets.calibration import CalibrationReport
from softtargets.report.fitted import Fitted
from softtargets.report.measure import LEVEL, Findings
from softtargets.report.verdict import beyond_chance, sentences, side


def as_json(found: Findings) -> str:
    """Return one object. What is no finite number is null, so that every reader can read it."""
    return json.dumps(plain(contents(found)), indent=2, allow_nan=False)


def contents(found: Findings) -> dict[str, Any]:
    """Return everything that was measured, by name."""
    files, fitted = found.files, found.fitted
    return {
        "softtargets": st.__version__,
        "logits": str(files.scores),
        "labels": str(files.labels),
        "shape": files.shape,
        "dtype": files.dtype,
        "axis": files.axis,
        "from_probs": found.from_probs,
        "rows": files.rows,
        "ignored_rows": found.ignored,
        "classes": files.classes,
        "level": LEVEL,
        "smoothing": side(fitted),
        "beyond_chance": beyond_chance(found.metrics),
        "sentences": sentences(found),
        "metrics": record(found.metrics),
        "sampled_rows": found.sampled,
        **of_temperature(fitted),
        "missing_smoothing": None if found.missing is None else found.missing._asdict(),
    }


def of_temperature(fitted: Fitted | str) -> dict[str, Any]:
    """Return what is known of the temperature, the same names whether there is one or not."""
    if isinstance(fitted, str):
        names = ("temperature", "before", "after")
        return {**dict.fromkeys(names), "why_no_temperature": fitted}
    numbers = {
        name: value for name, value in fitted._asdict().items() if name not in ("before", "after")
    }
    return {
        "temperature": numbers,
        "before": record(fitted.before),
        "after": record(fitted.after),
        "why_no_temperature": None,
    }


def record(report: CalibrationReport) -> dict[str, Any]:
    """Return the numbers of a report and its curve by name."""
    return {**report._asdict(), "curve": report.curve._asdict()}


def plain(value: Any) -> Any:
    """Return the same in types that JSON has."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
