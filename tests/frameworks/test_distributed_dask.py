"""Dask: losses and counts of arrays in chunks, here and on a cluster of two workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets import distributed
from tests.backends import assert_close, assert_same_bits

da = pytest.importorskip("dask.array")
cluster = pytest.importorskip("distributed")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 3, 8))
LABELS = RNG.integers(0, 8, (40, 3))
LABELS[::7] = -100
WHERE = RNG.random((40, 3)) < 0.8
Q = RNG.random((40, 3, 8))
Q = Q / np.sum(Q, axis=-1, keepdims=True)
Bins, Summary = st.calibration.CalibrationBins, st.calibration.CalibrationSummary


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers, which are threads of this process."""
    with (
        cluster.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as workers,
        cluster.Client(workers) as found,
    ):
        yield found


def lazy(array: Any, *chunks: int) -> Any:
    return da.from_array(array, chunks=chunks or array.shape)


def assert_same(one: Bins, other: Bins) -> None:
    """Fail unless all counters are the same bits, in NumPy."""
    for name, array in other.state_dict().items():
        assert isinstance(array, np.ndarray | np.generic)
        assert_same_bits(one.state_dict()[name], array)


def test_losses_on_a_cluster(client: Any) -> None:
    """Loss and gradient of chunks that workers hold are those of the whole."""
    words = {"label_smoothing": 0.1, "spread": "others"}
    want = st.value_and_grad(st.cross_entropy)(X, LABELS, **words)
    x, labels = lazy(X, 7, 3, 4), lazy(LABELS, 7, 2)
    loss, gradient = st.value_and_grad(st.cross_entropy)(x, labels, **words)
    loss, gradient = client.gather(client.compute([loss, gradient]))
    assert_close(loss, want[0], ulps=16)
    assert_close(gradient, want[1], ulps=32, scale=1.0)


def test_counts_on_a_cluster(client: Any) -> None:
    """Chunks are counted by workers; beside what was counted before they give the counts of all
    rows, bit for bit, and what was counted before stays as it is.
    """
    first, second = slice(0, 15), slice(15, 40)
    whole, before = Summary(from_logits=True), Summary(from_logits=True)
    whole.update(X, LABELS, where=WHERE)
    before.update(X[first], LABELS[first], where=WHERE[first])
    held = before.report()
    arrays = lazy(X[second], 4, 2, 5), lazy(LABELS[second], 9, 3)
    counts = distributed.count_chunks(before, *arrays, where=lazy(WHERE[second], 25, 1))
    found = client.compute(counts).result()
    assert_same(found.bins, whole.bins)
    for one, other in zip(found.proper, whole.proper, strict=True):
        assert_close(one, other, ulps=16)
    assert str(before.report()) == str(held)


@pytest.mark.parametrize("scope", ["top", "classwise", "positive"])
def test_any_chunks(scope: Any) -> None:
    """However scores and targets are cut, counters are those of the whole, for every scope, kind of
    targets and class axis.
    """
    words = {"from_logits": scope != "positive", "num_bins": 5, "scope": scope}
    cases = [(X, LABELS, -1), (X, Q, -1), (np.moveaxis(X, -1, 0), LABELS, 0)]
    if scope == "positive":
        cases = [(Q[..., 0], np.where(LABELS < 0, LABELS, LABELS % 2), -1)]
    for scores, targets, axis in cases:
        whole = Bins(**words)
        whole.update(scores, targets, axis=axis)
        for sizes in ((3,) * scores.ndim, scores.shape):
            counts = distributed.count_chunks(
                Bins(**words), lazy(scores, *sizes), lazy(targets, *(5,) * targets.ndim), axis=axis
            )
            assert_same(counts.compute(scheduler="synchronous"), whole)
