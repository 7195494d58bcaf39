"""On Dask nothing is computed before it is asked for, and chunks of any kind change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits, dtype_name, selected
from tests.differentiable import FUNCTIONS, function_of
from tests.strategies import ONE_SHAPE, Call, calls

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
VARIANTS = [variant for variant in selected() if variant.row == "dask"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves dask out", allow_module_level=True)

RNG = np.random.default_rng(31)
X = RNG.standard_normal((6, 8))
LABELS = np.asarray([0, 7, -100, 3, 4, 2])
CHUNKS = [(6, 8), (2, 8), (4, 8), (6, 3), (1, 1), (5, (1, 7)), ((1, 2, 3), (4, 1, 3))]


class Computed(Exception):
    """Somebody asked for values."""


def refuse(*_: Any, **__: Any) -> Any:
    """A scheduler that computes nothing."""
    raise Computed


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def backend(request: pytest.FixtureRequest) -> Variant:
    """Dask."""
    return request.param


@pytest.fixture
def lazy() -> Iterator[None]:
    """Nothing can be computed."""
    with dask.config.set(scheduler=refuse):
        yield


def arrays_in(value: Any) -> list[Any]:
    return [a for v in value for a in arrays_in(v)] if isinstance(value, tuple | list) else [value]


def assert_lazy(*results: Any) -> None:
    """Fail unless all results are Dask arrays of known shape that wait to be computed."""
    for array in arrays_in(results):
        assert isinstance(array, da.Array)
        assert all(isinstance(size, int) for size in array.shape)
        with dask.config.set(scheduler=refuse), pytest.raises(Computed):
            array.compute()


def test_any_call_computes_nothing(backend: Variant, lazy: None) -> None:
    """Loss, gradient and state of any call are built without a look at any value."""

    @settings(max_examples=25)
    @given(call=calls(shapes=ONE_SHAPE))
    def try_one(call: Call) -> None:
        logits, targets, words = call.arguments(backend)
        assert_lazy(st.cross_entropy(logits, targets, **words), call.evaluate(backend))
        for name in ("reduction", "denominator", "z_loss", "confidence_penalty"):
            words.pop(name, None)
        state = st.SoftmaxState.of(logits, targets, **words)
        assert_lazy(state.merge(state).loss(confidence_penalty=0.1), state.variance())

    try_one()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_that_wait(backend: Variant, lazy: None, name: str) -> None:
    """No argument of a loss is looked at, whichever it is."""
    loss, values = function_of(name, backend)
    assert_lazy(loss(*values))


def test_targets_compute_nothing(backend: Variant, lazy: None) -> None:
    """Targets are built, mixed, indexed and measured without a look at any value."""
    labels = backend.asarray(LABELS)
    targets = st.Targets.from_labels(labels, 8)
    share = backend.asarray(np.linspace(0.0, 1.0, 6))
    prior = backend.asarray(np.full((8, 8), 0.125))
    mixed = targets.mix(targets[::-1].smooth(0.2, prior=prior), share).weighted(prior[0, :])
    for some in (targets, mixed, mixed[1:3], mixed[backend.asarray([4, 0])]):
        assert_lazy(some.to_dense(), some.mass(), some.entropy())
    assert_lazy(mixed.dot(backend.asarray(X)), st.one_hot(labels, 8))
    assert_lazy(st.smooth_labels(labels, share, num_classes=8), st.convert_smoothing(share / 2, 8))


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_chunks_change_nothing(chunks: Any) -> None:
    """However rows and classes are cut into chunks, the results are those of NumPy."""
    mask = np.ones((6, 8), dtype=bool)
    mask[:, 6] = False
    words = {
        "label_smoothing": np.linspace(0.0, 0.5, 6),
        "prior": np.full(8, 0.125),
        "class_weight": np.arange(8.0),
        "sample_weight": np.arange(6.0),
        "class_mask": mask,
    }
    rows, columns = da.core.normalize_chunks(chunks, (6, 8))
    kinds = {
        "label_smoothing": rows,
        "prior": columns,
        "class_weight": columns,
        "sample_weight": rows,
        "class_mask": (rows, columns),
    }
    lazy = {name: da.from_array(words[name], chunks=kinds[name]) for name in words}
    x, labels = da.from_array(X, chunks=chunks), da.from_array(LABELS, chunks=rows)
    for reduction in ("none", "mean"):
        options = {"z_loss": 0.1, "confidence_penalty": 0.1, "reduction": reduction}
        evaluate = st.value_and_grad(st.cross_entropy)
        loss, gradient = evaluate(x, labels, **lazy, **options)
        want = evaluate(X, LABELS, **words, **options)
        assert_close(loss, want[0], ulps=16)
        assert_close(gradient, want[1], ulps=16, scale=1.0)
        assert gradient.shape == (6, 8)
    q = RNG.random((6, 8))
    q = q / np.sum(q, axis=1, keepdims=True)
    loss, gradient = evaluate(x, da.from_array(q, chunks=chunks), label_smoothing=0.1)
    want = evaluate(X, q, label_smoothing=0.1)
    assert_close(loss, want[0], ulps=16)
    assert_close(gradient, want[1], ulps=16, scale=1.0)
    best = da.from_array(np.asarray([[0, 1]] * 6), chunks=(rows, 1))
    shares = da.from_array(np.asarray([[0.5, 0.25]] * 6), chunks=(rows, 2))
    got = st.Targets.from_top_k(best, shares, 8, tail="bucket")
    want = st.Targets.from_top_k(best.compute(), shares.compute(), 8, tail="bucket")
    for one, other in zip(evaluate(x, got), evaluate(X, want), strict=True):
        assert_close(one, other, ulps=16, scale=1.0)


@pytest.mark.parametrize("chunks", [(6, 8), (2, 3)], ids=str)
def test_targets_in_chunks_have_the_same_bits(chunks: Any) -> None:
    """Dense targets are the same bits however their labels are cut into chunks."""
    rows = da.core.normalize_chunks(chunks, (6, 8))[0]
    lazy = st.Targets.from_labels(da.from_array(LABELS, chunks=rows), 8)
    eager = st.Targets.from_labels(LABELS, 8)
    for spread in ("all", "others"):
        got, want = (t.mix(t[::-1], 0.3).smooth(0.1, spread=spread) for t in (lazy, eager))
        assert_same_bits(got.to_dense(), want.to_dense())
        assert_same_bits(got.mass(), want.mass())


@pytest.mark.parametrize("chunks", [(6, 8), (2, 8), (4, 3)], ids=str)
def test_rows_with_a_bad_label_are_nan(chunks: Any, lazy: None) -> None:
    """A label out of range makes its row nan, loss and gradient, and no other row."""
    rows = da.core.normalize_chunks(chunks, (6, 8))[0]
    labels = np.asarray([0, 8, -100, 3, -1, 2])
    loss, gradient = st.value_and_grad(st.cross_entropy)(
        da.from_array(X, chunks=chunks),
        da.from_array(labels, chunks=rows),
        label_smoothing=0.1,
        reduction="none",
    )
    assert_lazy(loss, gradient)
    with dask.config.set(scheduler="synchronous"):
        loss, gradient = dask.compute(loss, gradient)
    bad = [False, True, False, False, True, False]
    assert np.isnan(loss).tolist() == bad
    assert np.isnan(gradient).all(axis=1).tolist() == bad
    assert np.isnan(gradient).any(axis=1).tolist() == bad
    assert loss[2] == 0
    assert np.all(gradient[2] == 0)


def test_dtypes_are_known_before_computing(backend: Variant, lazy: None) -> None:
    """The dtypes that the arrays announce are those that they have."""
    for dtype in backend.dtypes:
        x = backend.asarray(X, dtype)
        results = st.value_and_grad(st.cross_entropy)(x, backend.asarray(LABELS))
        announced = [dtype_name(array) for array in results]
        assert announced == ["float64" if dtype == "float64" else "float32", dtype]
        with dask.config.set(scheduler="synchronous"):
            assert [array.compute().dtype.name for array in results] == announced


def test_rows_of_unknown_number_are_refused() -> None:
    """Logits whose shape nobody knows yet raise; they are not computed to find out."""
    x, labels = da.from_array(X, chunks=(2, 8)), da.from_array(LABELS, chunks=2)
    some = x[:, 0] > 0
    with (
        dask.config.set(scheduler=refuse),
        pytest.raises(ValueError, match=r"logits must .* shape"),
    ):
        st.cross_entropy(x[some], labels[some])
