"""Targets that labels share with their neighbours, in space and in time."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits, to_numpy


def convolved(labels: Any, kernel: Any, count: int, ignored: Any = None) -> np.ndarray:
    """Return the convolution of the one-hot image with the kernel, padded with its edge."""
    labels, kernel = np.asarray(labels), np.asarray(kernel)
    ignored = np.zeros(labels.shape, bool) if ignored is None else ignored
    width = [(size // 2, size // 2) for size in kernel.shape]
    rest = [(0, 0)] * (labels.ndim - kernel.ndim)
    near, gone = (np.pad(a, rest + width, mode="edge") for a in (labels, ignored))
    q = np.zeros((*labels.shape, count))
    for offset in np.ndindex(kernel.shape):
        key = tuple(slice(None) for _ in rest) + tuple(
            slice(o, o + size) for o, size in zip(offset, labels.shape[len(rest) :], strict=True)
        )
        here = np.eye(count)[near[key]] * kernel[offset]
        q += np.where(gone[key][..., None], 0.0, here)
    q = np.where(ignored[..., None], 0.0, q)
    mass = q.sum(axis=-1, keepdims=True)
    return q / np.where(mass == 0, 1.0, mass)


@pytest.mark.parametrize("num_axes", [1, 2, 3])
def test_definition(backend: Variant, rng: np.random.Generator, num_axes: int) -> None:
    """The targets are the convolution of the one-hot labels with the kernel, edges repeated."""
    labels = rng.integers(0, 3, (2, 4, 3, 5)[-num_axes - 1 :])
    kernel = st.neighbour_kernel(0.3, num_axes, sigma=0.8)
    targets = st.Targets.from_neighbours(backend.asarray(labels, "uint8"), 3, kernel)
    assert targets.shape == (*labels.shape, 3)
    # 27 weights are added, in another order.
    assert_close(targets.to_dense(), convolved(labels, kernel, 3), ulps=27, scale=1.0)


def test_axes(backend: Variant, rng: np.random.Generator) -> None:
    """The kernel lies along any axes, and may be longer than they are."""
    labels = rng.integers(0, 3, (4, 2, 3))
    kernel = [[0.1, 0.0, 0.2, 0.05, 0.05], [0.1, 0.0, 0.3, 0.0, 0.0], [0.0, 0.1, 0.1, 0.0, 0.0]]
    moved = convolved(np.moveaxis(labels, 0, 1), np.array(kernel).T, 3)
    targets = st.Targets.from_neighbours(backend.asarray(labels), 3, kernel, axes=(2, 0))
    assert_close(targets.to_dense(), np.moveaxis(moved, 1, 0), ulps=16, scale=1.0)
    # Weights of 0 are not stored.
    assert targets.parts[0].entries.shape == (4, 2, 3, 8)


def test_published_kernel() -> None:
    """At 0.5 the kernel is that of SVLS: a Gaussian whose centre weighs as much as the rest."""
    for num_axes, size, sigma in ((3, 3, 1.0), (2, 3, 1.0), (2, 5, 2.0)):
        offsets = np.indices((size,) * num_axes) - size // 2
        gauss = np.exp(-np.sum(offsets**2, axis=0) / (2 * sigma**2))
        gauss /= gauss.sum()
        centre = (size // 2,) * num_axes
        gauss[centre] = 1 - gauss[centre]
        want = gauss / gauss.sum()
        got = st.neighbour_kernel(0.5, num_axes, size=size, sigma=sigma)
        np.testing.assert_allclose(got, want, rtol=1e-13)


def test_kernels() -> None:
    """A kernel sums to 1, and narrow or wide ones go to the nearest neighbours or to all alike."""
    for e in (0.0, 0.1, 1.0):
        for sigma in (1e-9, 1.0, 1e9):
            kernel = st.neighbour_kernel(e, size=5, sigma=sigma)
            assert abs(kernel.sum() - 1) < 1e-14
            assert kernel[2, 2] == 1 - e
    narrow, wide = (st.neighbour_kernel(0.4, sigma=sigma) for sigma in (1e-9, 1e9))
    assert narrow.tolist() == [[0.0, 0.1, 0.0], [0.1, 0.6, 0.1], [0.0, 0.1, 0.0]]
    np.testing.assert_allclose(wide, [[0.05] * 3, [0.05, 0.6, 0.05], [0.05] * 3], rtol=1e-14)


def test_inside_of_a_region(backend: Variant) -> None:
    """Targets are hard where all neighbours agree, and soft at borders only."""
    labels = np.zeros((6, 6), dtype=int)
    labels[:, 3:] = 1
    kernel = st.neighbour_kernel(0.5)
    dense = to_numpy(st.Targets.from_neighbours(backend.asarray(labels), 2, kernel).to_dense())
    hard = np.eye(2)[labels]
    np.testing.assert_allclose(dense[:, [0, 1, 4, 5]], hard[:, [0, 1, 4, 5]], atol=1e-6)
    across = kernel[:, 0].sum()
    np.testing.assert_allclose(dense[:, 2, 1], across, rtol=1e-6)


def test_ignored_neighbours(backend: Variant) -> None:
    """Ignored neighbours leave their weight to the others; an ignored pixel takes no part."""
    labels = np.array([[0, -100, 1, 1], [2, 0, -100, 1], [2, 2, 0, -100]])
    gone = labels == -100
    kernel = st.neighbour_kernel(0.4)
    targets = st.Targets.from_neighbours(backend.asarray(labels), 3, kernel)
    want = convolved(np.where(gone, 0, labels), kernel, 3, gone)
    assert_close(targets.to_dense(), want, ulps=16, scale=1.0)
    # A kernel without a centre, all of whose neighbours are ignored, leaves nothing.
    alone = st.Targets.from_neighbours(
        backend.asarray([-1, 1, -1]), 3, [0.5, 0, 0.5], ignore_index=-1
    )
    assert to_numpy(alone.mass()).tolist() == [0.0, 0.0, 0.0]


def test_trivial_kernel(backend: Variant) -> None:
    """A kernel of one entry leaves the labels as they are."""
    labels = backend.asarray([[0, 2], [-100, 1]])
    for kernel in ([1.0], [[1]], np.array([[0.0, 1.0, 0.0]])):
        targets = st.Targets.from_neighbours(labels, 3, kernel)
        assert_same_bits(targets.to_dense(), st.one_hot(labels, 3))


def test_loss(backend: Variant, rng: np.random.Generator) -> None:
    """The loss and its gradient are those of the convolved rows."""
    wide = backend.dtypes[-1]
    labels = rng.integers(0, 3, (4, 5))
    x = rng.standard_normal((4, 5, 3))
    kernel = st.neighbour_kernel(0.5)
    targets = st.Targets.from_neighbours(backend.asarray(labels), 3, kernel)
    loss, gradient = st.value_and_grad(st.cross_entropy)(backend.asarray(x, wide), targets)
    q, p = convolved(labels, kernel, 3), np.exp(x)
    p /= p.sum(axis=-1, keepdims=True)
    assert_close(loss, float(-np.sum(q * np.log(p)) / 20), ulps=32)
    assert_close(gradient, (p - q) / 20, ulps=32, scale=0.05)


@settings(max_examples=50)
@given(seed=some.integers(0, 10**6), fraction=some.floats(0, 1), sigma=some.floats(0.3, 5))
def test_properties(seed: int, fraction: float, sigma: float) -> None:
    """Mass is 1, and what the image is turned by, the targets are turned by."""
    rng = np.random.default_rng(seed)
    labels, order = rng.integers(0, 3, (4, 5)), rng.permutation(3)
    kernel = st.neighbour_kernel(fraction, sigma=sigma)
    dense = st.Targets.from_neighbours(labels, 3, kernel).to_dense()
    np.testing.assert_allclose(dense.sum(axis=-1), 1, rtol=1e-13)
    turned = st.Targets.from_neighbours(np.rot90(labels).copy(), 3, kernel).to_dense()
    np.testing.assert_allclose(turned, np.rot90(dense), rtol=0, atol=1e-14)
    renamed = st.Targets.from_neighbours(order[labels], 3, kernel).to_dense()
    np.testing.assert_allclose(renamed[..., order], dense, rtol=0, atol=1e-14)


def test_compiled() -> None:
    """With a kernel of plain numbers targets are made in code that PyTorch compiles."""
    torch = pytest.importorskip("torch")
    kernel = st.neighbour_kernel(0.4).tolist()

    def loss(x: Any, labels: Any) -> Any:
        return st.cross_entropy(x, st.Targets.from_neighbours(labels, 3, kernel))

    rng = np.random.default_rng(0)
    x, labels = (
        torch.tensor(rng.standard_normal((3, 4, 3))),
        torch.tensor(rng.integers(0, 3, (3, 4))),
    )
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    np.testing.assert_allclose(float(compiled(x, labels)), float(loss(x, labels)), rtol=1e-13)


def test_empty_images(backend: Variant) -> None:
    """No pixels have no targets."""
    labels = backend.asarray(np.zeros((0, 3), dtype=int))
    assert st.Targets.from_neighbours(labels, 2, st.neighbour_kernel(0.1)).shape == (0, 3, 2)


def test_bad_labels_where_nobody_may_look(backend: Variant) -> None:
    """A label out of range raises, or makes nan of every row that it has a share in."""
    labels = backend.asarray([0, 1, 1, 1, 7, -100])
    if backend.may_look:
        with pytest.raises(ValueError, match=r"^labels must be in \[0, 2\)"):
            st.Targets.from_neighbours(labels, 2, [0.25, 0.5, 0.25])
        return
    dense = to_numpy(st.Targets.from_neighbours(labels, 2, [0.25, 0.5, 0.25]).to_dense())
    assert dense[:3].tolist() == [[0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    assert np.all(np.isnan(dense[3:5]))
    assert dense[5].tolist() == [0.0, 0.0]
