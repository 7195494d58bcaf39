"""The report on files: its numbers are those of the library, whatever the files and the blocks."""

import functools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.calibration import calibration_report, fit_temperature
from softtargets.report import files, fitted, sample
from softtargets.report.sample import Sample
from tests.reports import as_object, coarse, predictions, printed


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    coarse(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The command on arrays, saved before: what it prints."""
    return functools.partial(printed, capsys)


def numbers_of(report: st.calibration.CalibrationReport) -> dict[str, Any]:
    """Return the numbers of a report as they come back from JSON."""
    return {name: value for name, value in report._asdict().items() if name != "curve"}


def assert_same(found: dict[str, Any], expected: st.calibration.CalibrationReport) -> None:
    for name, value in numbers_of(expected).items():
        assert found[name] == pytest.approx(value, rel=1e-12), name
    for name, value in expected.curve._asdict().items():
        column = np.array(found["curve"][name], dtype=float)  # null becomes nan
        np.testing.assert_allclose(column, value, rtol=1e-12)


def test_numbers_are_those_of_the_library(report: Callable[..., str]) -> None:
    """Metrics and temperature are what the functions give for the whole arrays."""
    x, y = predictions(2.0)
    found = as_object(report(x, y, "--json"))
    assert_same(found["metrics"], calibration_report(x, y))
    assert_same(found["before"], calibration_report(x, y))
    assert found["temperature"]["temperature"] == fit_temperature(x, y).temperature
    first, second = (fit_temperature(x[i::2], y[i::2]).temperature for i in (0, 1))
    other = np.where(np.arange(2000) % 2 == 0, second, first)[:, None]
    assert_same(found["after"], calibration_report(x / other, y))
    assert (found["rows"], found["classes"], found["sampled_rows"]) == (2000, 4, 2000)
    assert (found["ignored_rows"], found["why_no_temperature"]) == (0, None)


def test_the_interval_of_the_temperature(report: Callable[..., str]) -> None:
    """It is that of an M-estimator: the spread of the slopes over the curvature, in log T."""
    x, y = predictions(2.0)
    found = as_object(report(x, y, "--json"))["temperature"]
    t, rows = 1 / found["temperature"], np.arange(2000)

    def losses(t: float) -> np.ndarray:
        return np.log(np.sum(np.exp(t * x), axis=1)) - t * x[rows, y]

    h = 1e-4
    slopes = (losses(t + h) - losses(t - h)) / (2 * h)
    curvature = np.sum(losses(t + h) - 2 * losses(t) + losses(t - h)) / h**2
    error = 1.959964 * np.sqrt(np.sum(slopes**2)) / curvature / t
    assert found["low"] == pytest.approx(found["temperature"] * np.exp(-error), rel=1e-5)
    assert found["high"] == pytest.approx(found["temperature"] * np.exp(error), rel=1e-5)


@pytest.mark.parametrize(("order", "axis"), [("C", -1), ("C", 0), ("F", -1), ("F", 1)])
def test_blocks_give_what_the_whole_gives(
    report: Callable[..., str], monkeypatch: pytest.MonkeyPatch, order: str, axis: int
) -> None:
    """Neither the size of blocks, nor the order of the file, nor the class axis matter."""
    x, y = predictions(1.5, rows=600)
    y[::50] = -100
    y[200:230] = -100  # whole blocks of rows that do not count
    options = f"--json --axis {axis}"
    cube, labels = x.reshape(20, 30, 4), y.reshape(20, 30)
    stored = np.asarray(np.moveaxis(cube, -1, axis), order=order)
    whole = as_object(report(stored, labels, options))
    monkeypatch.setattr(files, "ENTRIES", 25)
    monkeypatch.setattr(fitted, "ENTRIES", 100)
    split = as_object(report(stored, labels, options))
    for part in ("metrics", "before", "after"):
        for name, value in numbers_of(calibration_report(x, y)).items():
            assert split[part][name] == pytest.approx(whole[part][name], rel=1e-12), name
            if part == "metrics":
                assert split[part][name] == pytest.approx(value, rel=1e-12), name
    for name, value in whole["temperature"].items():
        assert split["temperature"][name] == pytest.approx(value, rel=1e-9), name
    assert split["ignored_rows"] == 41


@pytest.mark.parametrize(
    ("dtype", "labels"),
    [("float16", "int8"), ("float32", "uint8"), ("float64", "uint64"), (">f4", ">i4")],
)
def test_dtypes(report: Callable[..., str], dtype: str, labels: str) -> None:
    """Any floats and any integers give the numbers of their values."""
    x, y = predictions(1.0, rows=200)
    x = x.astype(dtype)
    found = as_object(report(x, y.astype(labels), "--json"))
    expected = calibration_report(x.astype("float64"), y)
    for name in ("accuracy", "calibration_error", "negative_log_likelihood", "brier_score"):
        assert found["metrics"][name] == pytest.approx(getattr(expected, name), abs=2e-6), name
    exact = fit_temperature(x.astype("float64"), y).temperature
    assert found["temperature"]["temperature"] == pytest.approx(exact, rel=2e-5)
    assert found["dtype"] == np.dtype(dtype).name


def test_probabilities(report: Callable[..., str]) -> None:
    """Probabilities give what their logits give; a class of probability 0 is no trouble."""
    x, y = predictions(2.0)
    x[y == 0, 1] = -np.inf
    p = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
    y[7] = -100
    found = as_object(report(x, y, "--json"))
    p[7] = -1.0  # padding may be anything
    other = as_object(report(p, y, "--json --from-probs"))
    for part in ("metrics", "temperature", "after"):
        for name, value in found[part].items():
            if name != "curve":
                assert other[part][name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert (found["from_probs"], other["from_probs"]) == (False, True)


@pytest.mark.parametrize(
    ("scale", "side", "words"),
    [
        (2.0, "under-smoothed", "looks under-smoothed, that is too sure: the best temperature is"),
        (0.5, "over-smoothed", "looks over-smoothed, that is not sure enough: the best"),
        (1.0, "neither", "looks neither over- nor under-smoothed: the best temperature is"),
    ],
)
def test_the_side(report: Callable[..., str], scale: float, side: str, words: str) -> None:
    """A model that is too sure lacks smoothing, one that is not sure enough has too much."""
    x, y = predictions(scale)
    found = as_object(report(x, y, "--json"))
    assert found["smoothing"] == side
    assert words in found["sentences"][0]
    assert found["beyond_chance"] == (scale != 1)
    assert ("more than chance" in found["sentences"][1]) == (scale != 1)
    missing = found["missing_smoothing"]
    assert (missing is not None) == (scale == 2)
    assert len(found["sentences"]) == 3 + (scale == 2)
    if missing:
        assert (
            missing["label_smoothing"] == st.analysis.choose_label_smoothing(x, y).label_smoothing
        )


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (4 * np.eye(4), np.arange(4), "these predictions are as if always right"),
        (-np.eye(4), np.arange(4), "these predictions are as if no better than chance"),
        (np.where(np.eye(4) > 0, -np.inf, 0), np.arange(4), "No temperature could be fitted: "),
        (np.array([[0.0, 1.0, 3.0]]), np.array([1]), "these predictions are as if no better"),
        (np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1]), "as if no better than chance"),
    ],
)
def test_without_a_temperature(
    report: Callable[..., str], x: np.ndarray, y: np.ndarray, words: str
) -> None:
    """Where no finite temperature is best the report says so, and nothing of smoothing."""
    found = as_object(report(x, y, "--json"))
    assert found["smoothing"] == "unknown"
    assert words in found["sentences"][0]
    assert words in " ".join(report(x, y).split())
    if found["temperature"] is None:
        assert found["why_no_temperature"] in found["sentences"][0]
        assert found["metrics"]["negative_log_likelihood"] is None  # infinite
        assert found["before"] is found["after"] is None


def test_few_rows(report: Callable[..., str]) -> None:
    """A half without rows cannot be fitted to: then it is said that this was not done."""
    x, y = predictions(1.0, rows=60)
    y[1::2] = -100
    found = as_object(report(x, y, "--json"))
    assert not found["temperature"]["crossed"]
    assert "the rows that it was fitted to, so that this says too much" in found["sentences"][2]


@pytest.mark.parametrize(("rows", "classes"), [(50, 4), (1000, 3), (7, 100), (7, 300)])
def test_sample(monkeypatch: pytest.MonkeyPatch, rows: int, classes: int) -> None:
    """One row of each stretch of equal length is kept, whole, with its label: all of a small file,
    and no more of a large one than there is room for.
    """
    monkeypatch.setattr(sample, "ENTRIES", 200)
    monkeypatch.setattr(sample, "ROWS", 40)
    x, y = np.arange(rows * classes).reshape(rows, classes), np.arange(rows)
    some = Sample(rows, classes)
    for start in range(0, rows, 9):
        some.add(x[start : start + 9].T, y[start : start + 9], 0)
    found, labels = some.arrays()
    size = min(rows, max(1, 200 // classes), rows if rows * classes <= 200 else 40)
    assert found.shape == (size, classes)
    np.testing.assert_array_equal(found, x[labels])
    stretches = np.searchsorted(np.arange(size + 1) * rows // size, labels, side="right") - 1
    np.testing.assert_array_equal(stretches, np.arange(size))


def test_a_sample_is_said(report: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large file the temperature is that of a sample, and the report says of how many rows."""
    monkeypatch.setattr(sample, "ENTRIES", 2000)
    x, y = predictions(2.0)
    found = as_object(report(x, y, "--json"))
    assert found["sampled_rows"] == found["before"]["num_rows"] == 500
    assert "(500 rows drawn evenly from the file, each half" in found["sentences"][2]
    assert_same(found["metrics"], calibration_report(x, y))
    exact = fit_temperature(x, y).temperature
    fit = found["temperature"]
    assert fit["low"] < exact < fit["high"]
    assert fit["temperature"] != exact


def test_memory(report: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory is a block and the sample, however large the file is."""
    monkeypatch.setattr(files, "ENTRIES", 2**14)
    monkeypatch.setattr(sample, "ENTRIES", 2**14)
    x, y = predictions(1.0, rows=2**10, classes=64)
    report(np.tile(x, (2, 1)), np.tile(y, 2))  # what is allocated once
    peaks = []
    for times in (4, 32):  # 2 and 16 MB
        tracemalloc.start()
        more = np.tile(x, (times, 1)), np.tile(y, times)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        report(*more)
        peaks.append(tracemalloc.get_traced_memory()[1] - held)
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**19
    assert peaks[1] < 2**22
