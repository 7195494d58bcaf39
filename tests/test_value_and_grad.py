"""Loss and gradient in one pass: closed form, buffers, partial losses, and what never changes."""

import functools
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.execution import plan
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
X = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]
LABELS = [2, 0, 3]
W = [1.0, 2.0, 0.5, 4.0]
TERMS = {"z_loss": 0.125, "confidence_penalty": 0.25}


def everything(backend: Variant, dtype: str = "float32") -> dict[str, Any]:
    """Return every keyword that takes an array, with the targets."""
    return {
        "targets": backend.asarray([2, -100, 3]),
        "label_smoothing": backend.asarray([0.25, 0.5, 0.0], dtype),
        "prior": backend.asarray([0.5, 0.25, 0.0, 0.25], dtype),
        "class_weight": backend.asarray(W, dtype),
        "sample_weight": backend.asarray([1.0, 0.5, 2.0], dtype),
        "where": backend.asarray([True, True, True]),
        "class_mask": backend.asarray([True, False, True, True]),
        "denominator": backend.asarray(8.0, dtype),
        "z_loss": backend.asarray(0.125, dtype),
        "confidence_penalty": backend.asarray(0.25, dtype),
    }


@pytest.mark.parametrize("weighted", [False, True])
def test_closed_form(backend: Variant, weighted: bool) -> None:
    """The gradient of a row is A softmax(x) - q w (T42)."""
    w = np.array(W) if weighted else np.ones(4)
    x = np.array(X)
    p = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
    a = (0.75 * np.eye(4)[LABELS] + 0.0625) * w
    expected = a.sum(axis=1, keepdims=True) * p - a
    for dtype in backend.dtypes:
        words = {"class_weight": backend.asarray(W, dtype)} if weighted else {}
        given = backend.asarray(X, dtype)
        loss, gradient = BOTH(
            given, backend.asarray(LABELS), label_smoothing=0.25, reduction="sum", **words
        )
        assert_follows(gradient, given)
        assert_close(gradient, expected, ulps=4, scale=1.0)
        alone = st.cross_entropy(
            given, backend.asarray(LABELS), label_smoothing=0.25, reduction="sum", **words
        )
        assert_same_bits(alone, loss)


@pytest.mark.parametrize("kind", ["labels", "mixed", "bucket"])
def test_gradient_is_the_slope(backend: Variant, kind: str) -> None:
    """The gradient is the slope of the loss, measured by finite differences, penalties included."""
    if "float64" not in backend.dtypes:
        pytest.skip(f"{backend.name} has no float64")
    labels = st.Targets.from_labels(backend.asarray(LABELS), 4)
    targets: Any = labels
    words: dict[str, Any] = {"class_weight": backend.asarray(W, "float64")}
    if kind == "mixed":
        targets = labels.mix(st.Targets.from_labels(backend.asarray([1, 1, -100]), 4), 0.75)
    if kind == "bucket":
        weights = backend.asarray([[0.5, 0.25]] * 3, "float64")
        listed = backend.asarray([[2, 1], [0, 3], [3, 0]])
        targets, words = st.Targets.from_top_k(listed, weights, 4, tail="bucket"), {}
    words |= {"label_smoothing": 0.25, **TERMS}
    where = np.array([True, True, False])
    _, gradient = BOTH(
        backend.asarray(X, "float64"),
        targets,
        where=backend.asarray(where),
        reduction="none",
        **words,
    )
    # Each row once for every class, with a step up and down at that class.
    step, order = 2.0**-14, np.repeat(np.arange(3), 8)
    steps = np.tile(np.kron(np.eye(4), [[1.0], [-1.0]]), (3, 1)) * step
    losses = st.cross_entropy(
        backend.asarray(np.array(X)[order] + steps),
        targets[backend.asarray(order)],
        where=backend.asarray(where[order]),
        reduction="none",
        **words,
    )
    up, down = np.moveaxis(backend.to_numpy(losses).reshape(3, 4, 2), -1, 0)
    np.testing.assert_allclose(
        backend.to_numpy(gradient), (up - down) / (2 * step), rtol=0, atol=1e-8
    )


def test_gradients_of_rows(backend: Variant) -> None:
    """With "none" each row has its own gradient, times its own weight (T42)."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    upstream = np.array([3.0, 0.0, -0.5])
    _, plain = BOTH(x, labels, label_smoothing=0.1, reduction="none", **TERMS)
    v = backend.asarray(np.abs(upstream), "float32")
    _, ours = BOTH(x, labels, label_smoothing=0.1, reduction="none", sample_weight=v, **TERMS)
    expected = np.abs(upstream)[:, None] * backend.to_numpy(plain)
    assert_close(ours, expected, ulps=4, scale=1.0)
    for row in range(3):
        alone = BOTH(
            x[row : row + 1, :],
            labels[row : row + 1],
            label_smoothing=0.1,
            reduction="sum",
            **TERMS,
        )
        assert_close(alone[1], backend.to_numpy(plain)[row : row + 1], ulps=4, scale=1.0)


def test_out(backend: Variant) -> None:
    """A buffer takes the gradient and is returned; it may be the array of logits."""
    if not backend.backend.writable or backend.read_only:
        pytest.skip(f"{backend.name}: arrays cannot be written into")
    labels = backend.asarray(LABELS)
    for dtype in backend.dtypes:
        for shape, axis in (((3, 4), 1), ((4, 3), 0)):
            x = backend.asarray(np.array(X).reshape(shape), dtype)
            y = labels if axis else backend.asarray([2, 0, 3])
            expected = BOTH(x, y, axis=axis, label_smoothing=0.1)
            buffer = backend.xp.full_like(x, 7.0)
            loss, gradient = st.value_and_grad(st.cross_entropy, out=buffer)(
                x, y, axis=axis, label_smoothing=0.1
            )
            assert gradient is buffer
            assert_same_bits(loss, expected[0])
            assert_same_bits(buffer, expected[1])
            loss, gradient = st.value_and_grad(st.cross_entropy, out=x)(
                x, y, axis=axis, label_smoothing=0.1
            )
            assert gradient is x
            assert_same_bits(loss, expected[0])
            assert_same_bits(x, expected[1])


def test_partial_losses(backend: Variant) -> None:
    """A functools.partial of a loss is one, and later keywords win."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    expected = BOTH(x, labels, label_smoothing=0.25, reduction="sum")
    once = functools.partial(st.cross_entropy, label_smoothing=0.25)
    twice = functools.partial(once, reduction="sum")
    over = functools.partial(functools.partial(once, label_smoothing=0.5), reduction="none")
    for ours in (
        st.value_and_grad(once)(x, labels, reduction="sum"),
        st.value_and_grad(twice)(x, labels),
        st.value_and_grad(over)(x, labels, reduction="sum", label_smoothing=0.25),
    ):
        assert_same_bits(ours[0], expected[0])
        assert_same_bits(ours[1], expected[1])
    half = st.value_and_grad(over)(x, labels)
    assert_same_bits(half[0], st.cross_entropy(x, labels, label_smoothing=0.5, reduction="none"))


def test_inputs_are_never_changed(backend: Variant) -> None:
    """After every call the bytes of all arguments are what they were (T42)."""
    for dtype in backend.dtypes:
        words = everything(backend, dtype)
        x = backend.asarray(X, dtype)
        before = {name: backend.to_numpy(value).tobytes() for name, value in words.items()}
        logits = backend.to_numpy(x).tobytes()
        st.cross_entropy(x, **words)
        BOTH(x, **words)
        st.cross_entropy(x, words["targets"], reduction="none")
        others = {k: v for k, v in words.items() if k not in ("denominator", *TERMS)}
        st.SoftmaxState.of(x, **others).loss()
        targets = st.Targets.from_labels(words["targets"], 4)
        mixed = targets.smooth(words["label_smoothing"], prior=words["prior"]).mix(targets, 0.5)
        BOTH(x, mixed.weighted(words["class_weight"]))
        dense = backend.asarray(np.eye(4)[LABELS], dtype)
        rows = backend.to_numpy(dense).tobytes()
        BOTH(x, dense, label_smoothing=0.1)
        BOTH(x, st.Targets.from_distributions(dense).smooth(per_class=words["prior"]))
        mixed.dot(x), mixed.entropy(), mixed.to_dense()
        assert backend.to_numpy(dense).tobytes() == rows
        assert backend.to_numpy(x).tobytes() == logits
        for name, value in words.items():
            assert backend.to_numpy(value).tobytes() == before[name], name


def test_torch_records_nothing() -> None:
    """value_and_grad has no history in autograd, whichever argument asks for gradients."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    words = {
        "label_smoothing": torch.tensor(0.25, requires_grad=True),
        "class_weight": torch.tensor(W, requires_grad=True),
        "sample_weight": torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
        "z_loss": torch.tensor(0.125, requires_grad=True),
    }
    buffer = torch.empty(3, 4)
    for evaluate in (BOTH, st.value_and_grad(st.cross_entropy, out=buffer)):
        loss, gradient = evaluate(x, torch.tensor(LABELS), **words)
        assert not loss.requires_grad
        assert not gradient.requires_grad
    assert all(value.grad is None for value in (x, *words.values()))


def test_same_bits_twice(backend: Variant, rng: np.random.Generator) -> None:
    """The same call gives the same bits again."""
    data = rng.normal(0, 3, (50, 1000)).astype(np.float32)
    labels = rng.integers(0, 1000, 50)
    x, y = backend.asarray(data), backend.asarray(labels)
    first, second = (BOTH(x, y, label_smoothing=0.1, **TERMS) for _ in range(2))
    assert_same_bits(first[0], second[0])
    assert_same_bits(first[1], second[1])


@pytest.mark.parametrize("classes", [3, 17, 1000])
@pytest.mark.parametrize("kind", ["labels", "dense", "prior", "bucket", "masked"])
def test_blocks_change_nothing(
    backend: Variant, kind: str, classes: int, monkeypatch: pytest.MonkeyPatch, rng: Any
) -> None:
    """Blocks of one row, of a few rows and of all rows give the same bits."""
    if not (backend.backend.writable and backend.may_look):
        pytest.skip(f"{backend.name}: always run as a whole")
    x = backend.asarray(rng.normal(0, 3, (11, classes)).astype(np.float32))
    y = rng.integers(0, classes, 11)
    y[4] = -100
    targets: Any = backend.asarray(y)
    prior = rng.random(classes).astype(np.float32)
    v = backend.asarray(rng.random(11).astype(np.float32))
    words: dict[str, Any] = {"sample_weight": v, "label_smoothing": 0.1, **TERMS}
    if kind == "dense":
        targets = backend.asarray(rng.dirichlet(np.ones(classes), 11).astype(np.float32))
    if kind == "prior":
        words["prior"] = backend.asarray(prior / prior.sum())
        words["class_weight"] = backend.asarray(prior)
    if kind == "bucket":
        weights = backend.asarray(np.full((11, 2), 0.25, np.float32))
        pairs = backend.asarray(np.stack([y, (y + 1) % classes], axis=1))
        targets = st.Targets.from_top_k(pairs, weights, classes, tail="bucket")
    if kind == "masked":
        mask = rng.random((11, classes)) < 0.8
        mask[np.arange(11), np.maximum(y, 0)] = True
        words["class_mask"] = backend.asarray(mask)
    results = []
    for entries in (10**9, 1, 4 * classes, plan.HOST_ENTRIES):
        monkeypatch.setattr(plan, "HOST_ENTRIES", entries)
        monkeypatch.setattr(plan, "DEVICE_ENTRIES", entries)
        for reduction in ("none", "mean"):
            alone = st.cross_entropy(x, targets, reduction=reduction, **words)
            results.append((reduction, alone, *BOTH(x, targets, reduction=reduction, **words)))
    for reduction, alone, loss, gradient in results:
        first = next(entry for entry in results if entry[0] == reduction)
        assert_same_bits(alone, first[1])
        assert_same_bits(loss, first[1])
        assert_same_bits(gradient, first[3])


@pytest.mark.parametrize("shape", [(64, 20_000), (500, 40)])
def test_layout_in_memory(backend: Variant, shape: tuple[int, int], rng: Any) -> None:
    """Rows, columns, views with steps and a class axis in front give the same bits."""
    if not (backend.backend.writable and backend.may_look):
        pytest.skip(f"{backend.name}: arrays have no layout")
    data = rng.normal(0, 3, shape).astype(np.float32)
    labels = backend.asarray(rng.integers(0, shape[1], shape[0]))
    x = backend.asarray(data)
    expected = BOTH(x, labels, label_smoothing=0.1, reduction="none")
    columns = backend.asarray(np.ascontiguousarray(data.T))
    steps = backend.asarray(np.repeat(data, 2, axis=1))[:, ::2]
    for given, axis in ((columns.T, 1), (steps, 1), (columns, 0)):
        loss, gradient = BOTH(given, labels, label_smoothing=0.1, reduction="none", axis=axis)
        assert_same_bits(loss, expected[0])
        assert_same_bits(gradient if axis else gradient.T, expected[1])
    states = [st.SoftmaxState.of(given, labels).loss(reduction="none") for given in (x, columns.T)]
    assert_same_bits(states[1], states[0])


@pytest.mark.parametrize("shape", [(300_000, 2), (1, 400_000), (3, 50_000)])
def test_threads_change_nothing(shape: tuple[int, int], rng: np.random.Generator) -> None:
    """The number of threads of torch changes no bit."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    for _ in range(4):  # by chance the bits of one sum may agree
        x = torch.from_numpy(rng.normal(0, 3, shape).astype(np.float32))
        labels = torch.from_numpy(rng.integers(0, shape[1], shape[0]))
        results = []
        try:
            for count in (1, 2, 3):
                torch.set_num_threads(count)
                results.append(BOTH(x, labels, label_smoothing=0.1, reduction="sum"))
        finally:
            torch.set_num_threads(before)
        for loss, gradient in results[1:]:
            assert_same_bits(loss, results[0][0])
            assert_same_bits(gradient, results[0][1])


@pytest.mark.parametrize(("loss", "name"), [(len, "len"), (3, "int"), (st.Targets, "Targets")])
def test_only_losses_of_this_library(loss: Any, name: str) -> None:
    """Other functions are refused before they are called."""
    with pytest.raises(TypeError, match=f"^loss must be a loss of softtargets, got {name}$"):
        st.value_and_grad(loss)
