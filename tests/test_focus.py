"""Focal and Poly-1 losses: what is left of the cross-entropy, and hard places."""

from __future__ import annotations

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close
from tests.losses import once_per_library, silent_on_dask
from tests.reference import widest

once = once_per_library()
RNG = np.random.default_rng(12)
X = RNG.standard_normal((6, 5)) * 3
LABELS = np.array([0, 3, 1, 1, 2, 4])
BOTH = ((st.focal_loss, "gamma"), (st.poly_loss, "strength"))


@pytest.mark.parametrize(("function", "name"), BOTH)
def test_zero_is_the_cross_entropy(backend: Variant, function: object, name: str) -> None:
    """At 0 both are the cross-entropy, for a number and an array, with smoothing too."""
    dtype = widest(backend)[0]
    x, labels = backend.asarray(X, dtype), backend.asarray(LABELS)
    for words in ({}, {"label_smoothing": 0.1}):
        want = st.value_and_grad(st.cross_entropy)(x, labels, **words)
        for zero in (0.0, backend.asarray(0.0, dtype)):
            found = st.value_and_grad(function)(x, labels, **{name: zero}, **words)
            for got, expected in zip(found, want, strict=True):
                assert_close(got, expected, ulps=32, scale=4.0)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@silent_on_dask
def test_hard_places(backend: Variant, gamma: float) -> None:
    """A sure prediction costs 0 when right; when wrong it costs what the cross-entropy does."""
    dtype = widest(backend)[0]
    x = backend.asarray([[200.0, 0.0, -np.inf], [np.inf, 0.0, 0.0]], dtype)
    focal = st.value_and_grad(st.focal_loss)
    for label, losses in ((0, [0.0, 0.0]), (1, [200.0, np.inf])):
        labels = backend.asarray([label, label])
        loss, slope = focal(x, labels, gamma=gamma, reduction="none")
        assert_close(loss, losses, ulps=4)
        assert np.all(np.isfinite(backend.to_numpy(slope)))
        loss = st.poly_loss(x, labels, strength=2.0, reduction="none")
        assert_close(loss, np.array(losses) + 2.0 * label, ulps=4)
    nothing = backend.asarray([[-np.inf] * 3, [np.nan, 0.0, 0.0]], dtype)
    for function in (st.focal_loss, st.poly_loss):
        loss, slope = st.value_and_grad(function)(nothing, labels, reduction="none")
        assert np.all(np.isnan(backend.to_numpy(loss)))
        assert np.all(np.isnan(backend.to_numpy(slope)).any(axis=1))


def test_torchvision_formula() -> None:
    """With two classes the focal loss is the binary one that torch users write."""
    torch = pytest.importorskip("torch")
    z = torch.tensor(X[:, 0])
    answers = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(z, answers, reduction="none")
    theirs = plain * (1 - torch.exp(-plain)) ** 2
    pairs = torch.stack([torch.zeros_like(z), z], dim=1)
    ours = st.focal_loss(pairs, answers.long(), gamma=2.0, reduction="none")
    assert_close(ours, theirs, ulps=64, scale=0.1)
