"""The oracle itself: it reproduces published numbers, is stable, and its checks can fail."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath")

from mpmath import mp, mpf  # noqa: E402  (after importorskip)

from tests.golden import published  # noqa: E402
from tests.golden.build import make  # noqa: E402
from tests.golden.make_golden import all_cases, decimal  # noqa: E402
from tests.oracle import budget, exact, plain  # noqa: E402
from tests.oracle.case import Case, Labels, Mix, Recipe, Smooth, case_from_json, encode  # noqa: E402
from tests.oracle.exact_targets import dense_rows  # noqa: E402

Z4 = [2.0, 0.5, -1.0, 0.3]
FLOAT64 = {
    case.name.removesuffix("/float64"): case
    for case in published.cases()
    if case.dtype == "float64"
}
SMALL = [case for case in all_cases() if case.num_rows * case.num_classes <= 1000]


def shows(value: Any, printed: str) -> bool:
    """Whether `value`, rounded to as many digits as were printed, is what was printed."""
    step = mpf(10) ** Decimal(printed).as_tuple().exponent
    # Inputs such as 0.1 are floats, so a value may sit 1e-15 beside a tie.
    return abs(value - mpf(printed)) <= step / 2 + mpf("1e-15")


@pytest.mark.parametrize("name", published.PUBLISHED)
def test_published_losses(name: str) -> None:
    """The oracle gives each published loss to every printed digit."""
    printed = published.PUBLISHED[name]
    loss = exact.cross_entropy(FLOAT64[name]).loss
    if isinstance(printed, str):
        assert shows(loss, printed), (loss, printed)
    else:
        assert all(shows(a, b) for a, b in zip(loss, printed, strict=True))


@pytest.mark.parametrize("name", published.GRADIENTS)
def test_published_gradients(name: str) -> None:
    """The oracle gives each published gradient to every printed digit."""
    row = exact.cross_entropy(FLOAT64[name]).gradient[0]
    assert all(shows(a, b) for a, b in zip(row, published.GRADIENTS[name], strict=True))


@pytest.mark.parametrize("epsilon", published.GRADIENT_NORMS)
def test_gradient_norm_at_zero(epsilon: float) -> None:
    """At equal logits the norm of the gradient is (1 - eps) sqrt(1 - 1/K)."""
    row = exact.cross_entropy(FLOAT64[f"at zero, epsilon {epsilon}"]).gradient[0]
    norm = mp.sqrt(sum(value**2 for value in row))
    assert shows(norm, published.GRADIENT_NORMS[epsilon])


@pytest.mark.parametrize("num_classes", published.GAPS)
def test_optimal_gap_and_floor(num_classes: int) -> None:
    """At the gap log(1 + K (1 - eps) / eps) the gradient vanishes and the loss is its least."""
    gap = mp.log(1 + num_classes * (1 - mpf(0.1)) / mpf(0.1))
    assert shows(gap, published.GAPS[num_classes])
    result = exact.cross_entropy(FLOAT64[f"optimum, {num_classes} classes"])
    assert max(abs(value) for value in result.gradient[0]) < 1e-10
    assert shows(result.loss, published.FLOORS[num_classes])


@pytest.mark.parametrize(("key", "printed"), published.TARGETS.items())
def test_published_targets(key: tuple[int, float, str], printed: tuple[str, str]) -> None:
    """The smoothed target of a label is the published one in both conventions."""
    num_classes, epsilon, spread = key
    target = Smooth(Labels([0], num_classes), epsilon, spread=spread)
    row = dense_rows(target, 1, num_classes)[0]
    assert shows(row[0], printed[0])
    assert all(shows(value, printed[1]) for value in row[1:])


@pytest.mark.parametrize(("key", "printed"), published.MORE_GAPS.items())
def test_published_gaps(key: tuple[int, float], printed: str) -> None:
    """The logarithm of the ratio of two entries of a smoothed target is the published gap."""
    num_classes, epsilon = key
    row = dense_rows(Smooth(Labels([0], num_classes), epsilon), 1, num_classes)[0]
    assert shows(mp.log(row[0] / row[-1]), printed)


@pytest.mark.parametrize(("key", "printed"), published.MORE_FLOORS.items())
def test_published_floors(key: tuple[int, float, str], printed: str) -> None:
    """The entropy of a smoothed target is the published least loss."""
    num_classes, epsilon, spread = key
    row = dense_rows(Smooth(Labels([0], num_classes), epsilon, spread=spread), 1, num_classes)[0]
    assert shows(-sum(value * mp.log(value) for value in row), printed)


def test_published_parts() -> None:
    """Softmax, entropy, its gradient, z-loss and divergence of one row are the published ones."""

    def run(**keywords: Any) -> exact.ExactResult:
        return exact.cross_entropy(make("z4", "", Z4, Labels([0], 4), **keywords))

    hard, entropic, squared = run(), run(confidence_penalty=1.0), run(z_loss=1e-4)
    p = [value + (k == 0) for k, value in enumerate(hard.gradient[0])]
    printed = ["0.6870015684", "0.1532907700", "0.0342037941", "0.1255038675"]
    assert all(shows(a, b) for a, b in zip(p, printed, strict=True))
    assert shows(hard.loss - entropic.loss, "0.9213228157")
    printed = ["-0.3750369811", "0.1462540933", "0.0839393903", "0.1448434975"]
    slopes = [a - b for a, b in zip(hard.gradient[0], entropic.gradient[0], strict=True)]
    assert all(shows(a, b) for a, b in zip(slopes, printed, strict=True))
    assert shows(squared.loss - hard.loss, "5.642614018e-4")
    assert shows(squared.gradient[0][0] - hard.gradient[0][0], "3.263832750e-4")

    q = dense_rows(Smooth(Labels([0], 4), 0.1), 1, 4)[0]
    floor = -sum(value * mp.log(value) for value in q)
    assert shows(run(label_smoothing=0.1).loss - floor, "0.1816383189")


def test_published_divergences() -> None:
    """Cross-entropy minus the entropy of the target is the published divergence."""
    quarter = [mpf(0.25), mpf(0.75)]
    entropy = -sum(value * mp.log(value) for value in quarter)
    assert shows(exact.cross_entropy(FLOAT64["dense"]).loss - entropy, "0.095271")
    q = dense_rows(Smooth(Labels([0], 3), 0.1, spread="others"), 1, 3)[0]
    entropy = -sum(value * mp.log(value) for value in q)
    assert shows(exact.cross_entropy(FLOAT64["others"]).loss - entropy, "1.8632083")
    z_loss = exact.cross_entropy(FLOAT64["z-loss"]).loss - exact.cross_entropy(FLOAT64["hard"]).loss
    assert shows(z_loss, "0.116118")


def test_shows_can_fail() -> None:
    """A value that differs in the last printed digit is not what was printed."""
    assert shows(mpf("2.3076061"), "2.307606")
    assert not shows(mpf("2.3076066"), "2.307606")


@pytest.mark.parametrize("case", SMALL[::7], ids=lambda case: case.name)
def test_more_digits_change_nothing(case: Case) -> None:
    """With 130 instead of 80 working digits every stored digit stays the same."""
    first, second = exact.cross_entropy(case), exact.cross_entropy(case, digits=130)

    def strings(result: exact.ExactResult) -> list[str]:
        loss = result.loss if isinstance(result.loss, list) else [result.loss]
        return [decimal(v) for row in [loss, *result.gradient] for v in row if abs(v) > 1e-60]

    assert strings(first) == strings(second)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_plain_formula_agrees(case: Case) -> None:
    """The plain formula in float64, written separately, agrees with the oracle."""
    truth, ours = exact.cross_entropy(case), plain.cross_entropy(case, "float64")
    scale = budget.scale_of(case)
    loss = truth.loss if isinstance(truth.loss, list) else [truth.loss]
    for what, value, expected, size in (
        ("loss", np.ravel(ours.loss), loss, np.ravel(scale.loss)),
        (
            "gradient",
            ours.gradient.ravel(),
            [v for row in truth.gradient for v in row],
            scale.gradient.ravel(),
        ),
    ):
        known = budget.Exact([decimal(v) for v in expected])
        allowed = budget.allowance(np.zeros(size.shape), size, "float64", "float64", known.high)
        budget.assert_within(what, value, known, 2 * allowed)


def test_finite_differences() -> None:
    """The gradient of the oracle is the slope of its loss, for every keyword at once."""
    words = {
        "label_smoothing": 0.25,
        "spread": "others",
        "z_loss": 0.25,
        "reduction": "mean",
        "confidence_penalty": 0.5,
        "class_weight": [1.0, 2.0, 0.5],
        "sample_weight": [1.0, 3.0],
    }
    target = Mix(Labels([0, 2], 3), Labels([1, -100], 3), 0.75)
    logits = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]
    gradient = exact.cross_entropy(make("slope", "", logits, target, **words)).gradient
    step = 2.0**-20
    for row in range(2):
        for k in range(3):
            sides = []
            for sign in (1, -1):
                moved = [list(x) for x in logits]
                moved[row][k] += sign * step
                sides.append(exact.cross_entropy(make("slope", "", moved, target, **words)).loss)
            slope = (sides[0] - sides[1]) / (2 * step)
            assert abs(slope - gradient[row][k]) < 1e-11


def test_cases_survive_json() -> None:
    """A case read back from its JSON form is the same case, bit for bit."""
    for case in SMALL:
        assert repr(case_from_json(encode(case))) == repr(case)


def test_recipe_is_exact_in_its_dtype() -> None:
    """A recipe gives known integers scaled by a power of two, exact in float32."""
    values = Recipe(5, 13, -10, 10_000).values(1000)
    assert np.array_equal(values, values.astype(np.float32).astype(np.float64))
    assert values.min() < 9_997 < 10_003 < values.max()
    assert Recipe(1, 8, 0).values(4).tolist() == recipe_by_integers(1, 8, 4)


def recipe_by_integers(seed: int, bits: int, count: int) -> list[float]:
    """The generator of recipes in Python integers."""
    mask, state, made = (1 << 64) - 1, seed, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        made.append(float((z >> (64 - bits)) - (1 << (bits - 1))))
    return made


def test_encode_refuses_other_things() -> None:
    """Only the parts of a case can be written."""
    with pytest.raises(TypeError, match="cannot encode set"):
        encode({1})


def test_bfloat16_rounding() -> None:
    """Rounding to bfloat16 keeps 8 bits, to nearest even, and keeps nan and infinities."""
    values = np.array([1.0, 1 + 2.0**-8, 1 + 3 * 2.0**-8, np.inf, np.nan], dtype=np.float32)
    rounded = plain.round_to(values, "bfloat16")
    np.testing.assert_array_equal(rounded, [1.0, 1.0, 1 + 2.0**-6, np.inf, np.nan])


class TestBudget:
    """The checks of the error budget fail when they should."""

    def test_exact_keeps_what_a_float_leaves(self) -> None:
        """The error against a decimal is right far below one ulp."""
        known = budget.Exact(["1.00000000000000000001", "0.1"])
        np.testing.assert_allclose(known.error([1.0, 0.1]), [1e-20, 5.551115123125783e-18])

    def test_infinities_and_nan_must_match(self) -> None:
        """Infinity and nan are right only where the exact value is the same one."""
        known = budget.Exact(["inf", "inf", "inf", "nan", "nan", "1", "-inf"])
        error = known.error([np.inf, -np.inf, 1e300, np.nan, 0.0, np.nan, -np.inf])
        np.testing.assert_array_equal(error, [0, np.inf, np.inf, 0, np.inf, np.inf, 0])

    def test_one_entry_over_fails(self) -> None:
        """The message names the entry that is too far off, and by how much."""
        known = budget.Exact(["1", "2"])
        budget.assert_within("loss", [1.0, 2.0 + 1e-15], known, np.array([0.0, 1e-15]))
        with pytest.raises(AssertionError, match=r"loss\[1\] is .*2.1.*, exact .*allowed 1e-15"):
            budget.assert_within("loss", [1.0, 2.1], known, np.array([0.0, 1e-15]))

    def test_nan_fails(self) -> None:
        """A nan where a number is expected is over any budget."""
        with pytest.raises(AssertionError, match="nan"):
            budget.assert_within("loss", [np.nan], budget.Exact(["1"]), np.array([1e9]))

    def test_dropped_entries_have_no_allowance(self) -> None:
        """Where the scale is 0 only exactly 0 passes."""
        allowed = budget.allowance(
            np.zeros(2), np.array([0.0, 1.0]), "float32", "float16", np.array([0.0, 1.0])
        )
        assert allowed[0] == 0.0
        assert allowed[1] == pytest.approx(budget.ULPS * 2.0**-23 + 2.0**-10, rel=1e-3)

    def test_a_careless_formula_fails(self) -> None:
        """The formula that sums unshifted logits is over the budget at an offset of 1e4."""
        case = make(
            "offset",
            "",
            Recipe(14, 13, -10, 10_000),
            Labels([0, 49, 17], 50),
            dtype="float32",
            shape=(3, 50),
            label_smoothing=0.1,
        )
        x = case.matrix().astype(np.float32)
        top = x.max(axis=1)
        lse = top + np.log(np.exp(x - top[:, None]).sum(axis=1))
        label = x[np.arange(3), [0, 49, 17]]
        careless = np.mean(lse - np.float32(0.9) * label - np.float32(0.1) * x.mean(axis=1))
        known = budget.Exact([decimal(exact.cross_entropy(case).loss)])
        shifted = plain.cross_entropy(case)
        allowed = budget.allowance(
            known.error(shifted.loss),
            np.ravel(budget.scale_of(case).loss),
            "float32",
            "float32",
            known.high,
        )
        budget.assert_within("plain", shifted.loss, known, allowed)
        with pytest.raises(AssertionError, match="careless"):
            budget.assert_within("careless", careless, known, allowed)
