"""What torch's graph keeps on a device: a few numbers per row, from which the gradient follows.

A GPU is not needed to see it: the loss is told that host memory is a device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import softtargets as st
from softtargets.execution import plan
from softtargets.losses import evaluate
from tests.backends import Variant, assert_close, assert_same_bits, selected
from tests.differentiable import FUNCTIONS, function_of
from tests.golden import run
from tests.oracle import budget
from tests.oracle.plain import compute_dtype
from tests.reference import assert_near, examples, host
from tests.strategies import Call, calls

torch = pytest.importorskip("torch")
VARIANTS = [variant for variant in selected() if variant.row == "torch"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves torch out", allow_module_level=True)


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Variant:
    """Torch, with nothing made beforehand, and blocks of few rows."""
    if why := request.param.why_unusable():
        pytest.skip(why)
    monkeypatch.setattr(evaluate, "may_look", lambda array: False)
    return request.param


def test_a_plain_sum(backend: Variant) -> None:
    """A sum of plain labels, where every amount is a number, has its gradient, too."""
    x, labels = backend.asarray([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]]), backend.asarray([0, 2])
    want = st.value_and_grad(st.cross_entropy)(x, labels, reduction="sum")[1]
    x.requires_grad_(True)
    st.cross_entropy(x, labels, reduction="sum").backward()
    assert_same_bits(x.grad, want)


@pytest.mark.parametrize("entries", [4, 2**20])
def test_any_call(backend: Variant, entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any call gives the analytic gradient times that from above, in blocks of any size."""
    for name in ("HOST_ENTRIES", "DEVICE_ENTRIES"):
        monkeypatch.setattr(plan, name, entries)

    @examples(backend, 0.5)
    @given(call=calls(("float64", "float32", "bfloat16")), seed=some.integers(0, 99))
    def try_one(call: Call, seed: int) -> None:
        case = call.case
        rows = case.rows_shape if case.keywords["reduction"] == "none" else ()
        above = np.random.default_rng(seed).standard_normal(rows)
        logits, targets, words = call.arguments(backend)
        logits.requires_grad_(True)
        loss = st.cross_entropy(logits, targets, **words)
        compute = compute_dtype(case.dtype)
        loss.backward(backend.asarray(above, dtype=compute))
        want, analytic = call.evaluate(backend)
        scale = budget.scale_of(case)
        assert_near("loss", host(loss), host(want), np.reshape(scale.loss, rows), compute)
        factor = above.reshape(-1, 1) if rows else above
        expected = factor * run.to_matrix(case, host(analytic))
        size = np.abs(factor) * scale.gradient
        if case.dtype != compute:  # the analytic one is rounded before it is multiplied
            size = size + budget.eps(case.dtype) / budget.eps(compute) * np.abs(expected)
        got = run.to_matrix(case, host(logits.grad))
        assert logits.grad.dtype == logits.dtype
        assert_near("gradient", got, expected, size, compute, case.dtype)

    try_one()


def test_a_graph_that_is_kept(backend: Variant) -> None:
    """The states give the same gradient as often as one asks, to the last bit."""
    x = backend.asarray(np.cos(np.arange(12.0)).reshape(3, 4), "float32").requires_grad_(True)
    loss = st.cross_entropy(x, backend.asarray([2, -100, 0]), label_smoothing=0.1, z_loss=0.1)
    found = [torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(3)]
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])
    with torch.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match=r"^one of the variables needed for gradient"):
        loss.backward()


def test_no_gradient_is_kept(backend: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the size of the logits is made before the backward pass."""
    made = []
    original = evaluate.row_gradient

    def noted(*arguments: Any) -> Any:
        made.append(1)
        return original(*arguments)

    monkeypatch.setattr(evaluate, "row_gradient", noted)
    x = backend.asarray(np.ones((3, 4))).requires_grad_(True)
    loss = st.cross_entropy(x, backend.asarray([2, 1, 0]))
    assert made == []
    loss.backward()
    assert made == [1]


@pytest.mark.parametrize("name", ["weights", "others", "bucket", "penalties"])
def test_second_derivatives(backend: Variant, name: str) -> None:
    """The plain expression takes over where the gradient is differentiated."""
    loss, (x, *rest) = function_of(name, backend)
    assert name in FUNCTIONS
    x.requires_grad_(True)

    def of(x: Any) -> Any:
        return loss(x, *rest)

    assert torch.autograd.gradcheck(of, (x,), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(of, (x,))
    (gradient,) = torch.autograd.grad(of(x).sum(), x)
    assert_close(gradient, torch.func.grad(lambda x: of(x).sum())(x.detach()), ulps=32, scale=1.0)
