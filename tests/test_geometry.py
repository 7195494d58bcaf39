"""Geometry of features: neural collapse, separation, stability, erasure, mutual information.

The expected values come from the definitions, written as loops over rows and pairs.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from softtargets import analysis
from softtargets.targets import measures
from tests.backends import Variant, assert_close, assert_follows
from tests.use_of_analysis import skip_what_is_single, with_linalg

H = np.array([[1, 0], [1.2, 0.1], [-0.5, 0.9], [-0.4, 0.7], [-0.6, -0.8], [-0.5, -1]])
Y = np.array([0, 0, 1, 1, 2, 2])


def make(rng: np.random.Generator, rows: int = 40, classes: int = 4, width: int = 6) -> Any:
    """Return features, labels, weights and biases of clusters of unequal sizes."""
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    weight = rng.normal(size=(classes, width))
    features = 2.0 * weight[labels] + rng.normal(size=(rows, width)) + 3.0
    return features, labels, weight, rng.normal(size=classes)


def check(found: Any, want: Any, like: Any, ulps: float, scale: float = 1.0) -> None:
    """Compare the fields of a record that are arrays."""
    for name, value, right in zip(found._fields, found, want, strict=True):
        assert value.shape == (), name
        assert_follows(value, like)
        assert_close(value, float(right), ulps=ulps, scale=scale)


def collapse(h: Any, y: Any, weight: Any, bias: Any) -> list[float]:
    """Return the measures of neural collapse by their definitions."""
    count, classes = len(h), len(weight)
    means = np.array([h[y == k].mean(axis=0) for k in range(classes)])
    spread = means - means.mean(axis=0)
    within = sum(np.outer(a - means[k], a - means[k]) for a, k in zip(h, y, strict=True)) / count
    between = sum(np.outer(d, d) for d in spread) / classes
    norms = np.linalg.norm(spread, axis=1)
    pairs = [(j, k) for j in range(classes) for k in range(classes) if j != k]
    angles = [spread[j] @ spread[k] / (norms[j] * norms[k]) + 1 / (classes - 1) for j, k in pairs]
    centred = weight - weight.mean(axis=0)
    unit = [a / np.linalg.norm(a) for a in (centred, spread)]
    nearest = [np.argmin(np.linalg.norm(a - means, axis=1)) for a in h]
    return [
        np.trace(within @ np.linalg.pinv(between, rcond=1e-6, hermitian=True)) / classes,
        np.trace(within) / np.trace(between),
        np.std(norms) / np.mean(norms),
        np.mean(np.abs(angles)),
        np.linalg.norm(unit[0] - unit[1]),
        np.mean(np.argmax(h @ weight.T + bias, axis=1) == nearest),
    ]


def test_neural_collapse(backend: Variant, rng: np.random.Generator) -> None:
    """All measures are what their definitions say; ignored rows of nan change nothing."""
    h, y, weight, bias = (np.float32(a) if a.dtype.kind == "f" else a for a in make(rng))
    want = collapse(
        *(a.astype(np.float64) if a.dtype.kind == "f" else a for a in (h, y, weight, bias))
    )
    nan = np.full((1, 6), np.nan, dtype=np.float32)
    features = backend.asarray(np.concatenate([nan, h]), "float32")
    labels = backend.asarray(np.concatenate([[-100], y]))
    with with_linalg(backend):
        found = analysis.neural_collapse(
            features,
            labels,
            4,
            weight=backend.asarray(weight, "float32"),
            bias=backend.asarray(bias, "float32"),
        )
        check(found, want, features, ulps=64)


def test_published_collapse() -> None:
    """Six points have the measures that are known to ten digits."""
    found = analysis.neural_collapse(H, Y, 3)
    assert float(found.nc1) == pytest.approx(0.0084699509, abs=5e-11)
    assert float(found.scatter) == pytest.approx(0.0118545838, abs=5e-11)
    assert float(found.angle_deviation) == pytest.approx(0.0699798309, abs=5e-11)
    assert (found.nc3, found.nc4) == (None, None)
    assert analysis.neural_collapse(H, Y, 3, weight=H[::2]).nc4 == 1.0


def test_complete_collapse() -> None:
    """Rows at the corners of a regular simplex, which are also the weights, are at 0."""
    corners = np.eye(4) * 3 + 100  # not at 0
    y = np.repeat(np.arange(4), 3)
    found = analysis.neural_collapse(corners[y], y, 4, weight=np.eye(4))
    np.testing.assert_allclose(found, [0, 0, 0, 0, 0, 1], atol=1e-13)
    # A class mean that is no different from another leaves nothing to compare with.
    same = analysis.neural_collapse(np.ones((4, 2)), np.array([0, 0, 1, 1]), 2)
    assert math.isnan(float(same.nc1))
    noise = analysis.neural_collapse(np.array([[1.0], [-1], [1], [-1]]), np.array([0, 0, 1, 1]), 2)
    assert float(noise.nc1) == math.inf


def test_more_classes_than_features(rng: np.random.Generator) -> None:
    """Class means that do not span as many directions as there are classes are no difficulty."""
    h, y, weight, bias = make(rng, rows=60, classes=7, width=3)
    found = analysis.neural_collapse(h, y, 7, weight=weight, bias=bias)
    np.testing.assert_allclose(found, collapse(h, y, weight, bias), rtol=1e-10)


def test_cutoff() -> None:
    """Directions in which the means hardly differ are left out of the inverse."""
    h = np.array([[1.0, 1e-4], [-1.0, 0.0], [1.0, -1e-4], [-1.0, 0.0], [0.5, 1.0], [0.5, -1.0]])
    y = np.array([0, 1, 0, 1, 2, 2])
    h[:, 1] += np.array([1e-5, 0, 1e-5, 0, 0, 0])
    assert float(analysis.neural_collapse(h, y, 3).nc1) < 1e-6
    assert float(analysis.neural_collapse(h, y, 3, cutoff=0).nc1) > 1e6


@given(seed=some.integers(0, 2**32 - 1))
def test_collapse_does_not_depend_on_place_and_scale(seed: int) -> None:
    """A rotation, a shift and a scale of all features change no measure of the features."""
    rng = np.random.default_rng(seed)
    h, y, _, _ = make(rng)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    first = analysis.neural_collapse(h, y, 4)
    second = analysis.neural_collapse(7.0 * h @ rotation + rng.normal(size=6), y, 4)
    np.testing.assert_allclose(first[:4], second[:4], rtol=1e-9)


def separation(h: Any, y: Any) -> list[float]:
    """Return the cosine distances of all pairs, averaged."""
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    classes = range(max(y) + 1)
    within = np.mean([np.mean(distance[np.ix_(y == k, y == k)]) for k in classes])
    pairs = itertools.product(classes, classes)
    total = np.mean([np.mean(distance[np.ix_(y == j, y == k)]) for j, k in pairs])
    return [within, total, 1 - within / total]


def test_class_separation(backend: Variant, rng: np.random.Generator) -> None:
    """Distances are means over all pairs; features of any size have directions."""
    skip_what_is_single(backend)
    h, y, _, _ = make(rng)
    h = np.concatenate([np.zeros((1, 6)), h]) * np.where(np.arange(41) % 2, 1e-30, 1e30)[:, None]
    features = backend.asarray(h, "float32")
    labels = backend.asarray(np.concatenate([[-100], y]))
    found = analysis.class_separation(features, labels, 4)
    check(found, separation(np.float32(h[1:]).astype(np.float64), y), features, ulps=32)


def test_stability(backend: Variant, rng: np.random.Generator) -> None:
    """Squared distances of predictions from the mean of their class are averaged by class."""
    skip_what_is_single(backend)
    _, y, _, _ = make(rng)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    p = np.exp(x.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    lost = [np.mean(np.sum((p[y == k] - p[y == k].mean(axis=0)) ** 2, axis=1)) for k in range(4)]
    logits = backend.asarray(np.concatenate([x, [[np.nan] * 4]]), "float32")
    labels = backend.asarray(np.concatenate([y, [-100]]))
    found = analysis.stability(logits, labels, from_logits=True)
    assert_follows(found, logits)
    assert_close(found, 1 - float(np.mean(lost)), ulps=16)
    probabilities = backend.asarray(np.concatenate([p, [[np.nan] * 4]]), "float32")
    found = analysis.stability(probabilities, labels, from_logits=False)
    assert_close(found, 1 - float(np.mean(lost)), ulps=16)


def erasure(x: Any, y: Any) -> list[float]:
    """Return both indices from the rows of each class in turn."""
    x = x - x.mean(axis=1, keepdims=True)
    spreads, by_example, gaps = [], [], []
    for k in range(x.shape[1]):
        rows = np.delete(x[y == k], k, axis=1)
        spreads.append(np.std(rows.mean(axis=0)))
        by_example.append(np.mean(np.std(rows, axis=0)))
        gaps.append(np.mean(x[y == k, k]) - np.mean(rows))
    return [np.mean(spreads) / np.mean(gaps), np.mean(by_example) / np.mean(gaps)]


def test_erasure_index(backend: Variant, rng: np.random.Generator) -> None:
    """The other logits are compared with the gap, as means of a class and example by example."""
    skip_what_is_single(backend)
    _, y, _, _ = make(rng)
    x = (4.0 * np.eye(4)[y] + rng.normal(size=(40, 4)) + 5.0).astype(np.float32)
    logits = backend.asarray(np.concatenate([x, [[np.nan] * 4]]), "float32")
    found = analysis.erasure_index(logits, backend.asarray(np.concatenate([y, [-100]])))
    check(found, erasure(x.astype(np.float64), y), logits, ulps=64)


def test_nothing_but_the_label() -> None:
    """Logits that know the label only have nothing else to tell."""
    y = np.repeat(np.arange(5), 2)
    found = analysis.erasure_index(7.0 * np.eye(5)[y], y)
    np.testing.assert_allclose(found, [0, 0], atol=1e-15)


def information(f: Any) -> float:
    """Return the estimate by the formula of the paper, term by term."""
    means = f.mean(axis=1)
    variance = np.mean((f - means[:, None]) ** 2)
    terms = [
        -((value - means[i]) ** 2) / (2 * variance)
        - math.log(np.mean(np.exp(-((value - means) ** 2) / (2 * variance))))
        for i, row in enumerate(f)
        for value in row
    ]
    return float(np.mean(terms))


def test_mutual_information(backend: Variant, rng: np.random.Generator) -> None:
    """The estimate is that of the paper; inputs in two groups carry little more than log 2."""
    skip_what_is_single(backend)
    f = (np.repeat([-3.0, 4.0], 10)[:, None] + rng.normal(size=(20, 8))).astype(np.float32)
    samples = backend.asarray(f, "float32")
    found = analysis.mutual_information(samples)
    assert_follows(found.value, samples)
    want = information(f.astype(np.float64))
    assert_close(found.estimate, want, ulps=32, scale=4.0)
    assert_close(found.value, want, ulps=32, scale=4.0)
    assert found.bound == math.log(20)
    assert math.log(2) < want < 1


def test_information_in_blocks(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs too much memory at once is added up."""
    f = rng.normal(size=(30, 4)) + np.arange(30)[:, None]
    whole = analysis.mutual_information(f)
    monkeypatch.setattr(measures, "BLOCK_ENTRIES", 500)
    assert float(analysis.mutual_information(f).value) == pytest.approx(float(whole.value))
    assert float(whole.value) == pytest.approx(information(f), rel=1e-12)


def test_bounds_of_information() -> None:
    """Inputs far apart reach log N and no more; inputs that are alike tell nothing."""
    rng = np.random.default_rng(0)
    far = analysis.mutual_information(1000.0 * np.arange(6)[:, None] + rng.normal(size=(6, 4)))
    assert float(far.value) == pytest.approx(math.log(6), abs=1e-12)
    alike = analysis.mutual_information(np.array([[9.0, -9.0], [0.1, -0.1], [2.5, -2.5]]))
    assert float(alike.estimate) == pytest.approx(0, abs=1e-15)
    assert 0 <= float(alike.value) < 1e-15


@given(seed=some.integers(0, 2**32 - 1), scale=some.floats(1e-6, 1e6))
def test_information_does_not_depend_on_the_scale(seed: int, scale: float) -> None:
    """The unit of the number does not matter, nor where its 0 is."""
    f = np.random.default_rng(seed).normal(size=(6, 3))
    first, second = (analysis.mutual_information(g) for g in (f, scale * (f + 3.0)))
    assert float(second.estimate) == pytest.approx(float(first.estimate), abs=1e-8)


def test_compiled(rng: np.random.Generator) -> None:
    """All of it runs in compiled code, on values that nobody can look at."""
    jax = pytest.importorskip("jax")
    h, y, weight, _ = make(rng)

    def everything(h: Any, y: Any, weight: Any) -> tuple[Any, ...]:
        return (
            analysis.neural_collapse(h, y, 4, weight=weight)[:5],
            analysis.class_separation(h, y, 4),
            analysis.erasure_index(h[:, :4], y),
            analysis.stability(h[:, :4], y, from_logits=True),
            analysis.mutual_information(h).estimate,
            analysis.projection_tightness(h, y, weight),
            analysis.penultimate_projection(h, weight, (2, 0, 3)),
        )

    want = jax.tree.leaves(everything(h, y, weight))
    found = jax.tree.leaves(jax.jit(everything)(h, y, weight))
    for value, right in zip(found, want, strict=True):
        # In float32: erasure divides by a small gap of noise.
        np.testing.assert_allclose(np.asarray(value), right, rtol=2e-4, atol=1e-5)
