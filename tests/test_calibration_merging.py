"""Counters of calibration: exact, whatever the order and however the rows are cut."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from softtargets.calibration import counters
from tests import calibration_oracle as oracle
from tests.backends import Variant, assert_same_bits, to_numpy
from tests.use_of_calibration import once_on_jax

Bins = st.calibration.CalibrationBins


def state(bins: Bins) -> dict[str, np.ndarray]:
    return {name: to_numpy(array) for name, array in bins.state_dict().items()}


def assert_same(one: Bins, other: Bins) -> None:
    """Fail unless all counters are equal."""
    a, b = state(one), state(other)
    assert a.keys() == b.keys() == {"counts", "sums", "bad"}
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def total(bins: Bins, which: int, backend: Variant) -> list[Fraction]:
    """Return the sums of one kind, of bins with a state, as exact numbers."""
    unit = 2 ** (26 if backend.wide else 12)
    parts = state(bins)["sums"][which].tolist()
    return [
        Fraction(a) + Fraction(b, unit) + Fraction(c, unit**2)
        for a, b, c in zip(*parts, strict=True)
    ]


CASES = {
    "top": {"from_logits": True},
    "classwise": {"from_logits": True, "scope": "classwise"},
    "probabilities": {"from_logits": False},
}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=40)
@given(
    seed=some.integers(0, 10**6),
    cuts=some.lists(some.integers(0, 97), max_size=6),
    classes=some.sampled_from([2, 3, 10, 40, 64, 65, 130]),
    dtype=some.sampled_from(["float32", "float64", "float16"]),
)
def test_any_split(name: str, seed: int, cuts: list[int], classes: int, dtype: str) -> None:
    """Any batches, in any order, merged in any order, leave the same bits in every counter."""
    rng = np.random.default_rng(seed)
    x = (3 * rng.standard_normal((97, classes))).astype(dtype)
    if name == "probabilities":
        x = rng.dirichlet(np.ones(classes), 97).astype(dtype)
    y = rng.integers(-1, classes, 97)
    words: dict[str, Any] = {"num_bins": 7, **CASES[name]}
    whole = Bins(**words)
    whole.update(x, y, ignore_index=-1)
    merged = Bins(**words)
    running = Bins(**words)
    for part in np.split(rng.permutation(97), sorted(cuts)):
        running.update(x[part], y[part], ignore_index=-1)
        one = Bins(**words)
        one.update(x[part], y[part], ignore_index=-1)
        merged = one.merge(merged)
    assert_same(running, whole)
    assert_same(merged, whole)
    assert float(merged.error()) == float(whole.error())


def test_large_batches_are_cut(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    """Arrays are read a chunk of rows at a time, wherever their class axis is."""
    x = rng.standard_normal((5, 4, 30, 3))
    y = rng.integers(0, 4, (5, 30, 3))
    y[2, 7, 1] = -100
    soft = np.moveaxis(rng.dirichlet(np.ones(4), (5, 30, 3)), -1, 1)
    where = rng.random((5, 30, 3)) < 0.8
    found = []
    for chunk in (2**22, 100):
        monkeypatch.setattr("softtargets.calibration.inputs.CHUNK", chunk)
        monkeypatch.setattr("softtargets.calibration.tally.EVENTS", chunk)
        bins = Bins(from_logits=True)
        for targets in (y, soft):
            bins.update(x, targets, where=where, axis=1)
            bins.update(np.moveaxis(x, 1, 0), _first(targets), where=where, axis=0)
        found.append(bins)
        scores = st.calibration.brier_score(x, soft, from_logits=True, axis=1, where=where)
        found.append(scores)
        found.append(
            st.calibration.ks_calibration_error(x, y, from_logits=True, axis=1, where=where)
        )
    assert_same(found[0], found[3])
    assert float(found[1]) == pytest.approx(float(found[4]), rel=1e-15)
    assert float(found[2]) == float(found[5])


def _first(targets: np.ndarray) -> np.ndarray:
    return targets if targets.ndim == 3 else np.moveaxis(targets, 1, 0)


def test_sums_are_exact(backend: Variant) -> None:
    """Sums of confidences, squares and products are those of numbers rounded once."""
    rng = np.random.default_rng(7)
    p = rng.integers(0, 2**11 + 1, 200) / 2**11
    y = rng.integers(0, 2, 200)
    bins = Bins(from_logits=False, num_bins=4, scope="positive")
    bins.update(backend.asarray(p, "float32"), backend.asarray(y))
    bins.update(backend.asarray(p[::-1], "float32"), backend.asarray(y[::-1]))
    events = [*zip(oracle.exact(p), oracle.exact(y), strict=True)]
    parts = oracle.of_width(events + events, oracle.edges(4))
    assert state(bins)["counts"].tolist() == [len(part) for part in parts]
    assert total(bins, 0, backend) == [sum(h for _, h in part) for part in parts]
    assert total(bins, 1, backend) == [sum(c for c, _ in part) for part in parts]
    assert total(bins, 3, backend) == [sum(c * h for c, h in part) for part in parts]
    # 24 bits hold the squares of 11.
    assert total(bins, 2, backend) == [sum(c * c for c, _ in part) for part in parts]


def test_soft_targets(backend: Variant) -> None:
    """A soft target is a part of a hit, as labels drawn from it are on average."""
    once_on_jax(backend)
    x = np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 3.0], [1.0, 4.0, 0.0]])
    q = np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75], [0.25, 0.25, 0.5]])
    bins = Bins(from_logits=True, num_bins=1)
    bins.update(backend.asarray(x, "float32"), backend.asarray(q, "float32"))
    assert total(bins, 0, backend) == [Fraction(3, 2)]
    if not backend.quick:
        return
    smooth = st.Targets.from_labels(backend.asarray([0, 2, 2]), 3).smooth(0.75)
    bins = Bins(from_logits=True, num_bins=1)
    bins.update(backend.asarray(x, "float32"), smooth)
    assert total(bins, 0, backend) == [Fraction(1, 2) + Fraction(1, 2) + Fraction(1, 4)]
    bins = Bins(from_logits=True, num_bins=2, scope="positive")
    bins.update(backend.asarray([1.0, -2.0], "float32"), backend.asarray([0.25, 0.5], "float32"))
    assert total(bins, 0, backend) == [Fraction(1, 2), Fraction(1, 4)]


def test_equal_logits(backend: Variant) -> None:
    """Of equal logits the first class is the prediction: a constant model is right by chance."""
    labels = np.array([0, 1, 2, 0, 2])
    x = np.zeros((5, 3))
    x[4] = [0.0, 1.0, 1.0]
    for dtype in backend.dtypes if backend.quick else backend.dtypes[:1]:
        bins = Bins(from_logits=True, num_bins=1)
        bins.update(backend.asarray(x, dtype), backend.asarray(labels))
        assert total(bins, 0, backend) == [2]


def test_state(backend: Variant) -> None:
    """The state can be kept, added up and taken over again."""
    once_on_jax(backend)
    bins = Bins(from_logits=False, num_bins=2, scope="positive")
    assert bins.state_dict() == {}
    p, y = backend.asarray([0.25, 0.75, 1.0], "float32"), backend.asarray([0, 1, 0])
    bins.update(p, y)
    kept = bins.state_dict()
    twice = Bins(from_logits=False, num_bins=2, scope="positive")
    twice.load_state_dict({name: array + array for name, array in kept.items()})
    assert_same(twice, bins.merge(bins))
    twice.load_state_dict({})
    assert twice.state_dict() == {}
    assert_same(twice.merge(bins), bins)
    assert_same(bins.merge(twice), bins)
    for name, array in kept.items():
        assert_same_bits(array, bins.state_dict()[name])


def test_coarser_bins(rng: np.random.Generator) -> None:
    """Fewer bins made of whole ones are those that would have been counted."""
    p, y = rng.random(500), rng.integers(0, 2, 500)
    p[:20] = np.arange(20) / 15
    p = np.minimum(p, 1.0)
    fine, coarse = (Bins(from_logits=False, num_bins=count, scope="positive") for count in (60, 15))
    fine.update(p, y)
    coarse.update(p, y)
    assert_same(fine.coarsen(15), coarse)
    assert fine.coarsen(60).num_bins == 60
    assert Bins(from_logits=True, num_bins=4).coarsen(2).state_dict() == {}


def test_halves_are_carried() -> None:
    """Halves of a fraction that run over are carried to the next part, and nothing is lost."""
    import array_api_compat.numpy as xp

    unit = 2**26
    parts = np.array([[3], [unit + 5], [3 * unit + 7]])
    carried = counters.carried(xp, parts)
    assert carried[:, 0].tolist() == [4, 8, 7]
    assert counters.as_floats(xp, carried)[0] == 4 + 8 / unit + 7 / unit**2


def test_memory_of_an_update(tmp_path: Path) -> None:
    """Of a file of logits no more than a few blocks are held at a time."""
    rng = np.random.default_rng(11)
    x = np.lib.format.open_memmap(
        tmp_path / "logits.npy", mode="w+", dtype="float32", shape=(160_000, 100)
    )
    x[...] = rng.standard_normal((1, 100), dtype="float32")
    y = rng.integers(0, 100, 160_000)
    bins = Bins(from_logits=True)
    st.set_num_threads(2)
    tracemalloc.start()
    try:
        bins.update(x, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert int(bins.state_dict()["counts"].sum()) == 160_000
    # Two blocks of 2 MiB, and some numbers per row of a chunk.
    assert peak < x.nbytes / 4
