"""Features in the plane through the weights of three classes."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import softtargets as st
from softtargets import analysis
from tests.backends import Variant, assert_close, assert_follows
from tests.test_geometry import check, make
from tests.use_of_analysis import skip_what_is_single


def plane(weight: Any, triple: Any) -> tuple[Any, Any]:
    """Return the first weight, and a basis of the plane by Householder reflections."""
    a, b, c = (weight[k] for k in triple)
    basis, triangle = np.linalg.qr(np.stack([b - a, c - a], axis=1))
    return a, basis * np.sign(np.diag(triangle))


def test_projection(backend: Variant, rng: np.random.Generator) -> None:
    """Points are those of a QR factorisation, with the corners at 0, to the right, and above."""
    skip_what_is_single(backend)
    h, _, weight, _ = (a if a.dtype.kind == "i" else np.float32(a) for a in make(rng))
    features = backend.asarray(h, "float32")
    found = analysis.penultimate_projection(features, backend.asarray(weight, "float32"), (2, 0, 3))
    a, basis = plane(np.float64(weight), (2, 0, 3))
    for array, rows in ((found.points, h), (found.corners, weight[[2, 0, 3]])):
        assert_follows(array, features)
        assert_close(array, (np.float64(rows) - a) @ basis, ulps=16, scale=8.0)


@given(seed=some.integers(0, 2**32 - 1), near=some.sampled_from([0.0, 1.0, 1e4]))
def test_distances_in_the_plane_are_kept(seed: int, near: float) -> None:
    """Templates keep their distances, whatever their direction; a point loses what is off-plane."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(3, 5)) + near * rng.normal(size=5)
    weight[2] = weight[1] + 1e-3 * rng.normal(size=5)  # a thin triangle
    h = rng.normal(size=(7, 5)) + weight[0]
    points, corners = analysis.penultimate_projection(h, weight, [0, 1, 2])
    for j, k in itertools.combinations(range(3), 2):
        want = np.linalg.norm(weight[j] - weight[k])
        assert np.linalg.norm(corners[j] - corners[k]) == pytest.approx(want, rel=1e-9)
    # The nearest point of the plane, found by least squares.
    span = np.stack([weight[1] - weight[0], weight[2] - weight[0]], axis=1)
    rest = h - weight[0]
    off = rest - (span @ np.linalg.lstsq(span, rest.T, rcond=None)[0]).T
    np.testing.assert_allclose(
        np.sum(points**2, axis=1), np.sum(rest**2, axis=1) - np.sum(off**2, axis=1), rtol=1e-6
    )
    assert corners[1, 0] > 0
    assert corners[2, 1] > 0
    np.testing.assert_allclose(corners[[0, 0, 1], [0, 1, 1]], 0, atol=1e-12 * (1 + near))


def tightness(h: Any, y: Any, weight: Any, triples: Any) -> list[float]:
    """Return both measures plane by plane."""
    ratios, variations = [], []
    for triple in triples:
        a, basis = plane(weight, triple)
        points = [(h[y == k] - a) @ basis for k in triple]
        centres = [p.mean(axis=0) for p in points]
        square = sum(np.sum((p - c) ** 2) for p, c in zip(points, centres, strict=True))
        sides = [np.linalg.norm(s - t) for s, t in itertools.combinations(centres, 2)]
        ratios.append(math.sqrt(square / sum(map(len, points))) / np.mean(sides))
        variations.append(np.std(sides) / np.mean(sides))
    return [float(np.mean(ratios)), float(np.mean(variations))]


def test_tightness(backend: Variant, rng: np.random.Generator) -> None:
    """All planes are measured and averaged; ignored rows of nan change nothing."""
    skip_what_is_single(backend)
    h, y, weight, _ = (a if a.dtype.kind == "i" else np.float32(a) for a in make(rng))
    features = backend.asarray(np.concatenate([[[np.nan] * 6], h]), "float32")
    labels = backend.asarray(np.concatenate([[-100], y]))
    found = analysis.projection_tightness(features, labels, backend.asarray(weight, "float32"))
    triples = list(itertools.combinations(range(4), 3))
    check(found, tightness(np.float64(h), y, np.float64(weight), triples), features, ulps=64)


def test_some_triples(rng: np.random.Generator) -> None:
    """Triples may be named, and are drawn by a seed where there are many."""
    h, y, weight, _ = make(rng, rows=60, classes=6)
    chosen = [(0, 1, 5), (4, 2, 3)]
    found = analysis.projection_tightness(h, y, weight, triples=chosen)
    np.testing.assert_allclose(found, tightness(h, y, weight, chosen), rtol=1e-12)
    every = list(itertools.combinations(range(6), 3))
    whole = analysis.projection_tightness(h, y, weight, max_triples=20)
    np.testing.assert_allclose(whole, tightness(h, y, weight, every), rtol=1e-12)
    drawn = [analysis.projection_tightness(h, y, weight, max_triples=5, rng=s) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    ratios = [tightness(h, y, weight, [triple])[0] for triple in every]
    assert min(ratios) < drawn[0].ratio < max(ratios)
    # Of a thousand classes the triples are not listed.
    many = np.arange(1000)
    weight = rng.normal(size=(1000, 4))
    single = analysis.projection_tightness(weight, many, weight, max_triples=3)
    assert float(single.ratio) == pytest.approx(0, abs=1e-12)


def test_perfect_clusters() -> None:
    """Rows at the corners of a regular simplex are tight and equally far."""
    y = np.repeat(np.arange(5), 2)
    found = analysis.projection_tightness(3.0 * np.eye(5)[y], y, np.eye(5))
    np.testing.assert_allclose(found, [0, 0], atol=1e-12)


def test_templates_on_a_line_elsewhere() -> None:
    """Where values may not be looked at, points of a plane that is none are nan."""
    jax = pytest.importorskip("jax")
    line = jax.numpy.asarray([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    points, corners = jax.jit(lambda h: analysis.penultimate_projection(h, h, (0, 1, 2)))(line)
    assert bool(jax.numpy.all(jax.numpy.isnan(points[:, 1])))
    assert bool(jax.numpy.all(jax.numpy.isnan(corners[:, 1])))


def test_absent_class_elsewhere() -> None:
    """Where values may not be looked at, measures of a class that is not there are nan."""
    jax = pytest.importorskip("jax")
    h, labels = jax.numpy.eye(3), jax.numpy.asarray([0, 1, 1])
    found = jax.jit(lambda h, y: analysis.stability(h, y, from_logits=True))(h, labels)
    assert bool(jax.numpy.isnan(found))
    bad = jax.jit(lambda h, y: analysis.class_separation(h, y, 2).r2)(h, labels + 1)
    assert bool(jax.numpy.isnan(bad))


def test_smoothing_tightens() -> None:
    """A layer and free features that are trained with smoothing end in a tight triangle."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 8)
    found = []
    for smoothing in (0.0, 0.1):
        weight, features = rng.normal(size=(3, 4)), rng.normal(size=(24, 4))
        for _ in range(1500):
            _, (by_features, by_weight) = st.value_and_grad(st.linear_cross_entropy)(
                features, weight, labels, label_smoothing=smoothing
            )
            features, weight = features - 8.0 * by_features, weight - by_weight
        found.append(analysis.projection_tightness(features, labels, weight))
    assert float(found[1].ratio) < 0.5 * float(found[0].ratio)
