"""The table of errors: what it measures, that it can fail, and the bits of built targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import accuracy
from tests.backends import VARIANTS, Variant, selected
from tests.golden import run
from tests.golden.builders import BUILDERS, PRODUCTS, build, differing_builders, same_bits
from tests.golden.load import Golden, check_gradient, goldens, yardstick

NUMPY = next(variant for variant in VARIANTS if variant.name == "numpy")
FINITE = [golden for golden in goldens() if np.all(np.isfinite(golden.loss.high))]
SOME = goldens()[::41]


def golden_named(name: str) -> Golden:
    return next(golden for golden in goldens() if golden.name == name)


@pytest.mark.parametrize("golden", FINITE[::7], ids=lambda golden: golden.name)
def test_autograd(golden: Golden, backend: Variant) -> None:
    """The gradient by torch or JAX autograd is within the same budget as the analytic one."""
    if backend.row not in accuracy.DIFFERENTIABLE:
        pytest.skip(f"{backend.name} has no autograd")
    if golden.case.dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {golden.case.dtype}")
    check_gradient(golden, run.autograd(golden.case, backend), "autograd")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", BUILDERS)
def test_built_targets_have_the_bits_of_numpy(name: str, dtype: str, backend: Variant) -> None:
    """Dense targets are the same in bits on every backend."""
    if dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    expected, ours = build(NUMPY, name, dtype), build(backend, name, dtype)
    ulps = np.abs(ours.astype(np.float64) - expected) / np.spacing(np.abs(expected))
    message = f"{np.sum(ulps > 0)} of {ulps.size} entries differ, by up to {np.max(ulps):.0f} ulp"
    assert same_bits(expected, ours), message


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_matrix_products_agree_to_rounding(name: str, dtype: str, backend: Variant) -> None:
    """Dense rows on a prior with a row per class are a matrix product: equal to a few ulp of 1."""
    if dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    expected, ours = build(NUMPY, name, dtype), build(backend, name, dtype)
    assert ours.dtype == expected.dtype
    assert np.max(np.abs(ours - expected)) <= 4 * np.finfo(dtype).eps


def test_same_bits_can_fail() -> None:
    """One ulp, the sign of zero, the dtype and the shape all make a difference."""
    one = np.ones(2)
    assert same_bits(one, np.ones(2))
    assert not same_bits(one, np.nextafter(one, 2))
    assert not same_bits(np.zeros(1), -np.zeros(1))
    assert not same_bits(one, one.astype(np.float32))
    assert not same_bits(one, np.ones((1, 2)))


def test_a_builder_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder whose bits depend on the backend is reported with dtype and backend."""
    other = next(variant for variant in VARIANTS if variant.name == "numpy-readonly")

    def impure(ingredients: object) -> np.ndarray:
        variant = ingredients.variant  # type: ignore[attr-defined]
        return np.full(1, 1.0 if variant is NUMPY else np.nextafter(1.0, 2))

    monkeypatch.setitem(BUILDERS, "impure", impure)
    found = differing_builders([NUMPY, other])
    assert found == ["impure (float64, numpy-readonly)", "impure (float32, numpy-readonly)"]


def test_measured_errors_are_within_the_budget() -> None:
    """The rows of the table for some cases on all backends: nothing is over its budget."""
    variants = [variant for variant in selected() if variant.why_unusable() is None]
    measured = {variant.name: accuracy.measure(variant, SOME) for variant in variants}
    rows = accuracy.rows_of(measured)
    assert {row.backend for row in rows} == set(measured)
    assert all(row.within for row in rows), [row for row in rows if not row.within]
    for spread in accuracy.spreads_of(measured):
        assert np.isfinite(spread.largest), spread


def test_a_wrong_value_is_over_the_budget() -> None:
    """A loss that is off by 100 units is measured as 100 and is not within the budget."""
    golden = golden_named("z4 smooth/float64")
    unit = accuracy.errors_of_loss(golden, golden.loss.high).unit
    wrong = accuracy.errors_of_loss(golden, golden.loss.high + 100 * unit)
    right = accuracy.errors_of_loss(golden, golden.loss.high)
    row = accuracy.summarise("loss", "numpy", "float64", [right, wrong])
    assert row.ours == pytest.approx(100, abs=1)
    assert (row.within, row.cases, row.worst) == (False, 2, "z4 smooth")
    assert accuracy.summarise("loss", "numpy", "float64", [right]).within


def test_a_wrong_gradient_entry_is_over_the_budget() -> None:
    """A gradient with one entry off is not within the budget, and neither is a nan."""
    golden = golden_named("z4 smooth/float64")
    exact = golden.gradient.high.reshape(1, 4)
    scale = yardstick(golden).gradient_scale[1]
    for wrong in (exact[0, 1] + 50 * 2.0**-52 * scale, np.nan):
        moved = exact.copy()
        moved[0, 1] = wrong
        found = accuracy.errors_of_gradient(golden, moved)
        assert not accuracy.summarise("gradient", "numpy", "float64", [found]).within


def test_an_ignored_row_must_be_exactly_zero() -> None:
    """Where nothing may be rounded, any error is infinitely many units."""
    units = accuracy.in_units(np.array([0.0, 1e-300, 2.0]), np.array([0.0, 0.0, 4.0]))
    np.testing.assert_array_equal(units, [0.0, np.inf, 0.5])


def test_differences_between_backends_are_measured() -> None:
    """The table of differences counts equal bits and finds the largest difference."""
    golden = golden_named("one epsilon per row/float64")
    exact = golden.loss.high
    unit = accuracy.errors_of_loss(golden, exact).unit
    moved = exact + np.array([0.0, 10.0, 0.0]) * unit
    measured = {
        name: {("loss", "float64"): [accuracy.errors_of_loss(golden, values)]}
        for name, values in (("a", exact), ("b", moved), ("c", exact))
    }
    (spread,) = accuracy.spreads_of(measured)
    assert (spread.backends, spread.values, spread.identical) == (3, 3, 2)
    assert spread.largest == pytest.approx(10, abs=1)
    assert spread.worst == "one epsilon per row"


def test_nan_beside_a_number_is_an_infinite_difference() -> None:
    """Backends that disagree about nan are infinitely far from each other."""
    golden = golden_named("hard/float64")
    measured = {
        name: {("loss", "float64"): [accuracy.errors_of_loss(golden, np.array([value]))]}
        for name, value in (("a", np.nan), ("b", 1.0))
    }
    assert accuracy.spreads_of(measured)[0].largest == np.inf


def test_the_written_file_holds_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--write` saves the tables with versions, and the exit status says whether all is well."""
    monkeypatch.setenv("SOFTTARGETS_BACKENDS", "numpy")
    path = tmp_path / "new" / "accuracy.md"
    shown: list[str] = []
    status = accuracy.main(["--every", "61", "--write", str(path)], shown.append)
    text = path.read_text(encoding="utf-8")
    assert status == 0
    assert shown == [text]
    assert f"NumPy {np.__version__}" in text
    assert "| loss | float64 | numpy |" in text


def test_the_exit_status_reports_a_value_over_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that were wrong would make the command fail."""
    monkeypatch.setenv("SOFTTARGETS_BACKENDS", "numpy")
    right = run.loss_and_gradient
    monkeypatch.setattr(run, "loss_and_gradient", lambda *a: (right(*a)[0] * 1.01, right(*a)[1]))
    shown: list[str] = []
    assert accuracy.main(["--every", "61"], shown.append) == 1
    assert "over the budget" in shown[0]
