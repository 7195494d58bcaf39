"""Label smoothing that grows during training."""

from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, to_numpy


def test_definition(backend: Variant) -> None:
    """The smoothing goes in a straight line from start to e, and stays there."""
    wide = "float64" if "float64" in backend.dtypes else "float32"
    for step, fraction in ((0, 0.0), (3, 0.3), (10, 1.0), (11, 1.0), (10**6, 1.0)):
        for start, end in ((0.0, 0.1), (0.3, 0.05)):
            want = (1 - fraction) * start + fraction * end
            number = st.linear_warmup(step, 10, end, start=start)
            assert type(number) is float
            np.testing.assert_allclose(number, want, rtol=1e-15)
            counter = backend.asarray(step, "int32")
            for value in (
                st.linear_warmup(counter, 10, end, start=start),
                st.linear_warmup(step, 10, end, start=start, like=counter),
            ):
                assert_follows(value, counter, dtype=wide)
                assert_close(value, want, ulps=2)
    # The end is reached exactly, whatever the start is.
    assert st.linear_warmup(7, 7, 0.1, start=0.7) == 0.1
    assert_close(st.linear_warmup(backend.asarray(2.5, "float32"), 10, 0.4), 0.1, ulps=2)


def test_as_label_smoothing(backend: Variant) -> None:
    """The 0-d array goes into a loss as it is, and gives what the number gives."""
    x = backend.asarray([[1.0, 2.0, 3.0]], "float32")
    labels = backend.asarray([0])
    for step in (0, 5, 10):
        epsilon = st.linear_warmup(backend.asarray(step), 10, 0.2)
        got = st.cross_entropy(x, labels, label_smoothing=epsilon)
        number = st.linear_warmup(step, 10, 0.2)
        want = st.cross_entropy(x, labels, label_smoothing=number)
        assert_close(got, float(to_numpy(want)), ulps=4)


def test_wide_smoothing_of_narrow_logits(backend: Variant) -> None:
    """A 0-d array of a wider dtype than the logits makes neither loss nor gradient wider."""
    x, labels = backend.asarray([[1.0, 2.0, 3.0]], "float32"), backend.asarray([0])
    for value in (0.0, 0.1):
        epsilon = backend.asarray(value, backend.dtypes[-1])
        loss, gradient = st.value_and_grad(st.cross_entropy)(x, labels, label_smoothing=epsilon)
        assert_follows(loss, x)
        assert_follows(gradient, x)
        assert_close(loss, 2.4076059644443806 - value, ulps=4)


def test_compiled_once_in_jax() -> None:
    """In JAX a training step is compiled once, whatever the smoothing is."""
    jax = pytest.importorskip("jax")
    traces = []

    @jax.jit
    def loss(x: Any, labels: Any, step: Any) -> Any:
        traces.append(None)
        epsilon = st.linear_warmup(step, 4, 0.2)
        return st.cross_entropy(x, labels, label_smoothing=epsilon)

    x, labels = jax.numpy.asarray([[1.0, 2.0, 3.0]]), jax.numpy.asarray([0])
    got = [float(loss(x, labels, jax.numpy.asarray(step))) for step in range(6)]
    # Each hundredth of smoothing takes 0.01 off 2.407606.
    want = [2.407606 - 0.05 * min(step, 4) for step in range(6)]
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert len(traces) == 1


def test_compiled_once_in_torch() -> None:
    """In PyTorch a compiled loss takes the smoothing of each step without compiling again."""
    torch = pytest.importorskip("torch")
    compiled = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(None)
        return graph.forward

    @torch.compile(backend=backend, fullgraph=True)
    def loss(x: Any, labels: Any, epsilon: Any) -> Any:
        return st.cross_entropy(x, labels, label_smoothing=epsilon)

    x, labels = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([0])
    got = [float(loss(x, labels, st.linear_warmup(step, 4, 0.2, like=x))) for step in range(6)]
    np.testing.assert_allclose(got, [2.407606 - 0.05 * min(step, 4) for step in range(6)], 1e-6)
    assert len(compiled) == 1
