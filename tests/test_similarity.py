"""Priors from the similarity of classes."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, to_numpy

S = np.array([[1.0, 0.75, -0.5, 0.0], [0.25, 2.0, 0.5, 0.5], [-1.0, 0.0, 1.0, 3.0], [0, 0, 0, 0]])


def exact(similarity: np.ndarray, temperature: float, *, include_self: bool) -> np.ndarray:
    """Return the prior with 50 digits."""
    with mpmath.workdps(50):
        rows = []
        for y, row in enumerate(similarity.tolist()):
            powers = [
                mpmath.exp(mpmath.mpf(s) / temperature) if include_self or k != y else 0
                for k, s in enumerate(row)
            ]
            rows.append([float(power / sum(powers)) for power in powers])
    return np.array(rows)


@pytest.mark.parametrize("include_self", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.125, 50.0])
def test_definition(backend: Variant, temperature: float, include_self: bool) -> None:
    """Each row is the softmax of its similarities, of the other classes unless told otherwise."""
    want = exact(S, temperature, include_self=include_self)
    for dtype in backend.dtypes:
        similarity = backend.asarray(S, dtype)
        prior = st.prior_from_similarity(
            similarity, temperature=temperature, include_self=include_self
        )
        wide = "float32" if dtype in ("float16", "bfloat16") else dtype
        assert_follows(prior, similarity, dtype=wide)
        # The exponent is at most 40 and carries its rounding into the power.
        assert_close(prior, want, ulps=48)
        if not include_self:
            assert np.all(np.diagonal(to_numpy(prior)) == 0)


@settings(max_examples=60)
@given(seed=some.integers(0, 10**6), temperature=some.floats(0.05, 20), own=some.booleans())
def test_properties(seed: int, temperature: float, own: bool) -> None:
    """Rows sum to 1; shifting a row changes nothing; renaming classes renames both axes."""
    rng = np.random.default_rng(seed)
    similarity, order = rng.standard_normal((5, 5)), rng.permutation(5)
    prior = st.prior_from_similarity(similarity, temperature=temperature, include_self=own)
    np.testing.assert_allclose(prior.sum(axis=1), 1, rtol=1e-14)
    words = {"temperature": temperature, "include_self": own}
    shifted = st.prior_from_similarity(similarity + np.arange(5.0)[:, None], **words)
    np.testing.assert_allclose(shifted, prior, rtol=1e-12)
    renamed = st.prior_from_similarity(similarity[np.ix_(order, order)], **words)
    np.testing.assert_allclose(renamed, prior[np.ix_(order, order)], rtol=1e-12)


def test_temperatures(backend: Variant) -> None:
    """Cold, all mass is at the most similar class; hot, it is uniform over the others."""
    similarity = backend.asarray(S[:3, :3], "float32")
    cold = st.prior_from_similarity(similarity, temperature=1e-30)
    assert_close(cold, [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], ulps=0)
    hot = st.prior_from_similarity(similarity, temperature=backend.asarray(1e30, "float32"))
    assert_close(hot, [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]], ulps=0)


def test_classes_that_are_never_alike(backend: Variant) -> None:
    """A similarity of -inf gets exactly 0."""
    similarity = S.copy()
    similarity[0, 1] = -np.inf
    prior = to_numpy(st.prior_from_similarity(backend.asarray(similarity, "float32")))
    assert prior[0, 1] == 0
    np.testing.assert_allclose(prior, exact(similarity, 1.0, include_self=False), rtol=1e-6)


def test_smoothing_with_it(backend: Variant) -> None:
    """Label smoothing with the prior gives its mass to the classes that are like the label."""
    prior = st.prior_from_similarity(backend.asarray(S, "float32"))
    soft = st.Targets.from_labels(backend.asarray([2, 0]), 4).smooth(0.5, prior=prior)
    want = 0.5 * np.eye(4)[[2, 0]] + 0.5 * to_numpy(prior)[[2, 0]]
    assert_close(soft.to_dense(dtype=backend.xp.float32), want, ulps=1)


def test_distances_to_soft_labels() -> None:
    """With the label included and s = -d the prior is the soft label of Bertinetto et al."""
    height = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [2.0, 2.0, 0.0]])
    prior = st.prior_from_similarity(-height, temperature=1 / 5, include_self=True)
    powers = np.exp(-5 * height)
    np.testing.assert_allclose(prior, powers / powers.sum(axis=1, keepdims=True), rtol=1e-14)
    soft = st.smooth_labels(np.array([1]), 1.0, num_classes=3, prior=prior)
    np.testing.assert_array_equal(soft[0], prior[1])


def test_rows_without_any(backend: Variant) -> None:
    """A row of only -inf has no distribution: it raises, or is nan where looking costs."""
    similarity = backend.asarray([[0.0, -np.inf], [1.0, 0.0]], "float32")
    if backend.may_look:
        with pytest.raises(ValueError, match=r"^rows of similarity must have an entry above -inf"):
            st.prior_from_similarity(similarity)
        return
    prior = to_numpy(st.prior_from_similarity(similarity))
    assert np.all(np.isnan(prior[0]))
    assert prior[1].tolist() == [1.0, 0.0]
