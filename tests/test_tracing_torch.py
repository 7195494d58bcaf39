"""Every loss compiles into one graph with `torch.compile`, and runs under `torch.func`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import assert_close, selected

torch = pytest.importorskip("torch")
if not any(variant.row == "torch" for variant in selected()):
    pytest.skip("SOFTTARGETS_BACKENDS leaves torch out", allow_module_level=True)

pytestmark = [
    # Forward mode: torch decorates its own decompositions with what it deprecates.
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
]
func = torch.func
Loss = Callable[..., Any]
RNG = np.random.default_rng(11)
ROWS, COUNT = 6, 5
DTYPE = torch.float64


def tensor(values: Any) -> Any:
    return torch.asarray(values, dtype=DTYPE)


X = tensor(RNG.standard_normal((ROWS, COUNT)))
LABELS = torch.tensor([0, 1, -100, 3, 4, 2])
OTHERS = torch.tensor([1, 1, 0, 0, 2, 4])
Q = torch.softmax(tensor(RNG.standard_normal((ROWS, COUNT))), -1)
TABLE = torch.softmax(tensor(RNG.standard_normal((COUNT, COUNT))), -1)
BEST = torch.tensor([[0, 1], [2, 1], [3, 4], [0, -100], [2, 3], [4, 0]])
SHARES = tensor([[0.6, 0.3], [0.5, 0.25], [0.4, 0.4], [0.9, 0.0], [0.5, 0.5], [0.7, 0.1]])
#: Every keyword of the loss that an array can be handed to.
WORDS: dict[str, Any] = {
    "label_smoothing": tensor([0.1, 0.0, 0.3, 0.5, 1.0, 0.2]),
    "prior": TABLE[0],
    "class_weight": tensor([1.0, 2.0, 0.5, 0.0, 1.5]),
    "sample_weight": tensor([1.0, 0.5, 2.0, 0.0, 1.0, 3.0]),
    "where": torch.tensor([True, True, True, True, True, False]),
    "class_mask": torch.tensor([True] * COUNT),
    "denominator": tensor(7.5),
    "z_loss": tensor(0.01),
    "confidence_penalty": tensor(0.1),
}


def of(labels: Any) -> st.Targets:
    return st.Targets.from_labels(labels, COUNT)


def merged(x: Any, labels: Any) -> Any:
    left = st.SoftmaxState.of(x[:, :2], of(labels), first_class=0)
    right = st.SoftmaxState.of(x[:, 2:], of(labels), first_class=2)
    return left.merge(right).loss(z_loss=0.01, confidence_penalty=0.1)


#: Losses of the logits and whether an offset of the logits leaves them as they are.
LOSSES: dict[str, tuple[Loss, bool]] = {
    "labels": (lambda x: st.cross_entropy(x, LABELS), True),
    "smoothed": (lambda x: st.cross_entropy(x, LABELS, label_smoothing=0.1), True),
    "everything": (lambda x: st.cross_entropy(x, LABELS, **WORDS), False),
    "others": (
        lambda x: st.cross_entropy(
            x, LABELS, label_smoothing=0.1, prior=TABLE, spread="others", confidence_penalty=0.1
        ),
        True,
    ),
    "dense": (lambda x: st.cross_entropy(x, Q, label_smoothing=0.1), True),
    "mixed": (
        lambda x: st.cross_entropy(x, st.mix(of(LABELS).smooth(0.1), of(OTHERS), 0.3)),
        True,
    ),
    "per class": (
        lambda x: st.cross_entropy(x, of(LABELS).smooth(per_class=TABLE[1], prior=TABLE)),
        True,
    ),
    "merged": (lambda x: merged(x, LABELS), False),
} | {
    tail: (
        lambda x, tail=tail: st.cross_entropy(
            x, st.Targets.from_top_k(BEST, SHARES, COUNT, tail=tail)
        ),
        True,
    )
    for tail in ("drop", "bucket", "renormalize")
}


@pytest.fixture
def dynamo() -> Iterator[Any]:
    """A compiler without memory of other tests."""
    import torch._dynamo

    torch._dynamo.reset()
    yield torch._dynamo
    torch._dynamo.reset()


@pytest.mark.parametrize("name", LOSSES)
def test_func_grad(name: str) -> None:
    """`torch.func.grad` gives what `backward` gives, and `jvp` its inner product."""
    loss, _ = LOSSES[name]
    x = X.clone().requires_grad_(True)
    loss(x).backward()
    gradient, value = func.grad_and_value(loss)(X)
    assert_close(value, loss(X), ulps=4)
    assert_close(gradient, x.grad, ulps=4, scale=1.0)
    direction = tensor(RNG.standard_normal(X.shape))
    value, slope = func.jvp(loss, (X,), (direction,))
    assert_close(value, loss(X), ulps=4)
    assert_close(slope, torch.sum(gradient * direction), ulps=64, scale=1.0)


@pytest.mark.parametrize("name", LOSSES)
def test_func_hessian(name: str) -> None:
    """`torch.func.hessian` is symmetric, and 0 along the offset of a row."""
    loss, invariant = LOSSES[name]
    hessian = func.hessian(loss)(X).reshape(ROWS * COUNT, -1)
    assert bool(torch.any(hessian != 0))
    assert_close(hessian, hessian.T, ulps=16, scale=1.0)
    offset = torch.eye(ROWS, dtype=DTYPE).repeat_interleave(COUNT, 0)
    assert (float(torch.max(torch.abs(hessian @ offset))) < 2.0**-46) is invariant


def row(x: Any, label: Any) -> Any:
    return st.cross_entropy(x, label, label_smoothing=0.1, z_loss=0.01, reduction="none")


def test_vmap_over_rows() -> None:
    """One row at a time under `vmap` is all rows at once: loss, gradient and Hessian."""
    assert_close(func.vmap(row)(X, LABELS), row(X, LABELS), ulps=4)
    value_and_grad = st.value_and_grad(st.cross_entropy)
    words = {"label_smoothing": 0.1, "z_loss": 0.01, "reduction": "none"}
    _, analytic = value_and_grad(X, LABELS, **words)
    gradient = func.vmap(func.grad(row))(X, LABELS)
    assert_close(gradient, analytic, ulps=4, scale=1.0)
    _, mapped = func.vmap(lambda x, y: value_and_grad(x, y, **words))(X, LABELS)
    assert_close(mapped, analytic, ulps=4, scale=1.0)
    blocks = func.vmap(func.hessian(row))(X, LABELS)
    whole = func.hessian(lambda x: torch.sum(row(x, LABELS)))(X)
    for i in range(ROWS):
        assert_close(blocks[i], whole[i, :, i, :], ulps=16, scale=1.0)


def test_vmap_over_arguments() -> None:
    """Any array argument may be the mapped one."""
    schedule = tensor([0.0, 0.1, 1.0])
    got = func.vmap(lambda e: st.cross_entropy(X, LABELS, label_smoothing=e))(schedule)
    want = [float(st.cross_entropy(X, LABELS, label_smoothing=float(e))) for e in schedule]
    assert_close(got, want, ulps=8)
    got = func.vmap(lambda lam: st.cross_entropy(X, of(OTHERS).mix(of(LABELS), lam)))(schedule)
    want = [float(st.cross_entropy(X, of(OTHERS).mix(of(LABELS), float(e)))) for e in schedule]
    assert_close(got, want, ulps=8)
    both = torch.stack([LABELS, OTHERS])
    got = func.vmap(lambda labels: st.cross_entropy(X, labels))(both)
    assert_close(got, [float(st.cross_entropy(X, labels)) for labels in both], ulps=8)

    def listed(x: Any, labels: Any, shares: Any) -> Any:
        return st.cross_entropy(x, st.Targets.from_top_k(labels, shares, COUNT, tail="bucket"))

    got = func.vmap(listed)(X, BEST, SHARES)
    want = [float(listed(X[i], BEST[i], SHARES[i])) for i in range(ROWS)]
    assert_close(got, want, ulps=8)
    names = ("label_smoothing", "sample_weight", "where")
    fixed = {name: value for name, value in WORDS.items() if name not in (*names, "denominator")}

    def one(x: Any, label: Any, *values: Any) -> Any:
        words = dict(zip(names, values, strict=True))
        return st.cross_entropy(x, label, reduction="none", **words, **fixed)

    values = [WORDS[name] for name in names]
    assert_close(func.vmap(one)(X, LABELS, *values), one(X, LABELS, *values), ulps=8)


def test_bad_label_under_vmap_is_nan() -> None:
    """Where nobody may look, a row with a bad label is nan, loss and gradient, and no other row."""
    labels = torch.tensor([0, 5, -1, 3, -100, 2])
    for values in (func.vmap(row)(X, labels)[:, None], func.vmap(func.grad(row))(X, labels)):
        assert torch.isnan(values[1:3]).all()
        assert torch.isfinite(values[[0, 3, 4, 5]]).all()
        assert bool(torch.all(values[4] == 0))


def test_vmap_of_the_mean_of_nothing() -> None:
    """A mapped mean over an ignored row is nan with a gradient of 0."""
    gradient, value = func.vmap(func.grad_and_value(lambda x, y: st.cross_entropy(x, y)))(X, LABELS)
    assert torch.isnan(value).tolist() == (LABELS == -100).tolist()
    assert bool(torch.all(gradient[2] == 0))


@pytest.mark.parametrize("name", LOSSES)
def test_compiled_in_one_graph(name: str, dynamo: Any) -> None:
    """Loss and gradient compile into one graph without a break, and give the same numbers."""
    loss, _ = LOSSES[name]
    explained = dynamo.explain(loss)(X)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)
    dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    x, y = X.clone().requires_grad_(True), X.clone().requires_grad_(True)
    got, want = compiled(x), loss(y)
    assert_close(got.detach(), want.detach(), ulps=8)
    got.backward()
    want.backward()
    assert_close(x.grad, y.grad, ulps=8, scale=1.0)
