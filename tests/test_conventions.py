"""What an amount of smoothing means in each convention, and the way between them (trap T33)."""

import math
import re
from itertools import product

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows

NAMES = ("all", "others", "classy")


def masses(convention: str, epsilon: float, count: int) -> tuple[float, float]:
    """Return the mass of the label and of each other class: the table of the conventions."""
    if convention == "all":
        return 1 - epsilon + epsilon / count, epsilon / count
    if convention == "others":
        return 1 - epsilon, epsilon / (count - 1)
    return (1 + epsilon / count) / (1 + epsilon), (epsilon / count) / (1 + epsilon)


def test_known_conversions() -> None:
    """0.1 over the others of 3 classes is 0.15 over all, and back (T33)."""
    assert st.convert_smoothing(0.1, 3, source="others", to="all") == pytest.approx(0.15, rel=1e-15)
    assert st.convert_smoothing(0.15, 3, source="all", to="others") == pytest.approx(0.1, rel=1e-15)
    assert st.convert_smoothing(0.1, 3, source="classy") == pytest.approx(0.1 / 1.1, rel=1e-15)
    assert st.convert_smoothing(0.1, 3) == st.convert_smoothing(0.1, 3, source="others", to="all")
    # Keras' binary "half" e is "all" for two classes, "full" e is "others": full(e) = half(2e).
    assert st.convert_smoothing(0.1, 2, source="others", to="all") == pytest.approx(0.2, rel=1e-15)


@pytest.mark.parametrize("count", [2, 3, 10, 1000])
@pytest.mark.parametrize(("source", "to"), list(product(NAMES, NAMES)))
def test_the_targets_are_the_same(source: str, to: str, count: int) -> None:
    """The converted amount gives the label and the others the masses of the source (T33)."""
    for epsilon in (0.0, 0.05, 0.2, 0.24):
        converted = st.convert_smoothing(epsilon, count, source=source, to=to)
        expected = masses(source, epsilon, count)
        np.testing.assert_allclose(masses(to, converted, count), expected, rtol=1e-13, atol=1e-17)
        back = st.convert_smoothing(converted, count, source=to, to=source)
        assert back == pytest.approx(epsilon, rel=1e-14)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_conversion_and_spread_agree(backend: Variant, count: int) -> None:
    """Targets smoothed over the others equal targets smoothed over all by the converted amount."""
    labels = st.Targets.from_labels(backend.asarray([1, 0]), count)
    wide = backend.asarray([0], backend.dtypes[-1]).dtype
    others = labels.smooth(0.1, spread="others").to_dense(dtype=wide)
    uniform = labels.smooth(st.convert_smoothing(0.1, count)).to_dense(dtype=wide)
    assert_close(uniform, backend.to_numpy(others), ulps=4)
    own, other = masses("others", 0.1, count)
    assert_close(others, np.where(np.eye(count)[[1, 0]] == 1, own, other), ulps=4)


def test_arrays_of_amounts(backend: Variant) -> None:
    """An array of amounts of any shape is converted entry by entry, where it is."""
    for dtype in backend.dtypes:
        amounts = backend.asarray([[0.0, 0.25], [0.5, 0.125]], dtype)
        converted = st.convert_smoothing(amounts, 3)
        wide = "float64" if dtype == "float64" else "float32"
        assert_follows(converted, amounts, dtype=wide)
        assert_close(converted, [[0.0, 0.375], [0.75, 0.1875]], ulps=2)
        one = st.convert_smoothing(backend.asarray(0.25, dtype), 3, source="all", to="classy")
        assert_close(one, 1 / 3, ulps=2, dtype=wide)


def test_an_amount_without_an_equal(backend: Variant) -> None:
    """Where no amount in [0, 1] gives the same targets, it raises if looking is free."""
    for value, count, source, to in (
        (0.9, 3, "others", "all"),
        (0.75, 5, "all", "classy"),
        (1.0, 5, "all", "classy"),
        (1.0, 2, "others", "classy"),
    ):
        rule = f"have an equal in [0, 1] of the convention '{to}'"
        message = f"label_smoothing must {rule}, got {{}} [source: '{source}']"
        expected = re.escape(message.format(value)) + "$"
        with pytest.raises(ValueError, match=expected):
            st.convert_smoothing(value, count, source=source, to=to)
        if backend.may_look:
            with pytest.raises(ValueError, match=re.escape(message.format("an array")) + "$"):
                st.convert_smoothing(backend.asarray([0.0, value]), count, source=source, to=to)


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan, math.inf, -math.inf])
def test_amounts_outside_their_range(value: float) -> None:
    """An amount outside [0, 1] raises, whatever the conventions are (T26)."""
    for source, to in product(NAMES, NAMES):
        with pytest.raises(
            ValueError, match=rf"^label_smoothing must be in \[0, 1\], got {value}$"
        ):
            st.convert_smoothing(value, 3, source=source, to=to)


def test_other_bad_arguments() -> None:
    """Unknown conventions, too few classes and things that are no amounts raise."""
    names = "be one of 'all', 'others', 'classy'"
    with pytest.raises(ValueError, match=f"^source must {names}, got 'uniform'$"):
        st.convert_smoothing(0.1, 3, source="uniform")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^to must {names}, got 3$"):
        st.convert_smoothing(0.1, 3, to=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^num_classes must be at least 2, got 1$"):
        st.convert_smoothing(0.1, 1)
    with pytest.raises(ValueError, match=r"^num_classes must be at least 1, got 0$"):
        st.convert_smoothing(0.1, 0)
    with pytest.raises(TypeError, match=r"^num_classes must be an int, got float$"):
        st.convert_smoothing(0.1, 3.0)  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"^label_smoothing must be a number or an array, got True$"
    ):
        st.convert_smoothing(True, 3)
