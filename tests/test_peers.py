"""What the library and its peers both define has the same value and the same gradient in both."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import assert_close, dtype_name

RNG = np.random.default_rng(41)
X = RNG.standard_normal((7, 5)) * 3
LABELS = np.asarray([0, 4, 2, 2, 1, 3, 0])
SOME = np.asarray([0, -100, 2, 2, -100, 3, 0])
WEIGHT = np.asarray([1.0, 2.0, 0.5, 0.25, 4.0])
Q = np.exp(RNG.standard_normal((7, 5)))
Q = Q / np.sum(Q, axis=1, keepdims=True)
EPSILONS = (0.0, 0.1, 1.0)
REDUCTIONS = ("none", "sum", "mean")


def combinations(*options: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return list(itertools.product(*options))


class TestTorch:
    """`torch.nn.functional.cross_entropy`."""

    torch: Any = None

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        self.torch = pytest.importorskip("torch")

    def compare(self, x: Any, targets: Any, axis: int = 1, **words: Any) -> None:
        """Fail unless value and gradient agree, with a gradient from above that is not uniform."""
        peers_words = {
            {"class_weight": "weight"}.get(name, name): value for name, value in words.items()
        }
        results = []
        for ours in (True, False):
            leaf = self.torch.tensor(x, requires_grad=True)
            if ours:
                loss = st.cross_entropy(leaf, targets, axis=axis, **words)
            else:
                loss = self.torch.nn.functional.cross_entropy(leaf, targets, **peers_words)
            loss.backward(self.torch.linspace(1, 2, loss.numel()).to(loss).reshape(loss.shape))
            results.append((loss.detach(), leaf.grad))
        size = 8.0 * float(np.max(WEIGHT))
        assert_close(results[0][0], results[1][0], ulps=16, scale=size)
        assert_close(results[0][1], results[1][1], ulps=16, scale=size)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(
        ("epsilon", "reduction", "weighted", "labels"),
        combinations(EPSILONS, REDUCTIONS, (False, True), (LABELS, SOME)),
    )
    def test_labels(
        self, epsilon: float, reduction: str, weighted: bool, labels: Any, dtype: str
    ) -> None:
        """Labels with class weights, smoothing, ignored rows: the denominator, too."""
        words: dict[str, Any] = {"label_smoothing": epsilon, "reduction": reduction}
        if weighted:
            words["class_weight"] = self.torch.tensor(WEIGHT.astype(dtype))
        self.compare(X.astype(dtype), self.torch.tensor(labels), **words)

    @pytest.mark.parametrize("ignored", [-1, 0, 4, 255])
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    def test_ignore_index(self, ignored: int, reduction: str) -> None:
        """Any label may mark the rows that are left out."""
        labels = np.where(SOME == -100, ignored, SOME)
        self.compare(X, self.torch.tensor(labels), ignore_index=ignored, reduction=reduction)

    @pytest.mark.parametrize(("epsilon", "reduction"), combinations(EPSILONS, REDUCTIONS))
    def test_distributions(self, epsilon: float, reduction: str) -> None:
        """Distributions with smoothing."""
        q = self.torch.tensor(Q)
        self.compare(X, q, label_smoothing=epsilon, reduction=reduction)

    @pytest.mark.parametrize(("epsilon", "reduction"), combinations(EPSILONS, ("none", "sum")))
    def test_weighted_distributions(self, epsilon: float, reduction: str) -> None:
        """Distributions with class weights, where no denominator is at stake."""
        weight = self.torch.tensor(WEIGHT)
        q = self.torch.tensor(Q)
        self.compare(X, q, label_smoothing=epsilon, reduction=reduction, class_weight=weight)

    def test_mean_of_weighted_distributions(self) -> None:
        """Torch divides by the number of rows there; `denominator=` says so."""
        x, q, weight = (self.torch.tensor(values) for values in (X, Q, WEIGHT))
        ours = st.cross_entropy(x, q, class_weight=weight, denominator=7.0)
        theirs = self.torch.nn.functional.cross_entropy(x, q, weight=weight)
        assert_close(ours, theirs, ulps=16)

    @pytest.mark.parametrize(("epsilon", "reduction"), combinations((0.0, 0.1), REDUCTIONS))
    def test_class_axis(self, epsilon: float, reduction: str) -> None:
        """Images: the class axis of torch is the second one."""
        x = RNG.standard_normal((2, 5, 3, 4))
        labels = self.torch.tensor(RNG.integers(0, 5, (2, 3, 4)))
        words = {"label_smoothing": epsilon, "reduction": reduction}
        self.compare(x, labels, **words)
        q = self.torch.softmax(self.torch.tensor(RNG.standard_normal(x.shape)), 1)
        self.compare(x, q, **words)

    def test_nothing_kept(self) -> None:
        """All labels ignored: a mean of nan with a gradient of 0, a sum of 0."""
        labels = self.torch.full((7,), -100)
        for reduction in REDUCTIONS:
            self.compare(X, labels, reduction=reduction, label_smoothing=0.1)


def with_optax() -> tuple[Any, Any, Any]:
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    return jax, jax.numpy, optax


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_optax(epsilon: float) -> None:
    """optax: integer labels, distributions, smoothed one-hots, masks of rows and of classes."""
    jax, jnp, optax = with_optax()
    with jax.enable_x64(True):
        x, labels, q = (jnp.asarray(values) for values in (X, LABELS, Q))
        soft = st.smooth_labels(q, epsilon)
        assert_close(soft, optax.smooth_labels(q, epsilon), ulps=4)
        hard = st.smooth_labels(labels, epsilon, num_classes=5)
        assert_close(hard, optax.smooth_labels(jax.nn.one_hot(labels, 5), epsilon), ulps=4)

        def ours(x: Any, targets: Any, **words: Any) -> Any:
            return st.cross_entropy(x, targets, reduction="none", **words)

        mask = jnp.asarray(Q > 0.05).at[jnp.arange(7), labels].set(True)
        pairs = [
            (
                lambda x: ours(x, labels, label_smoothing=epsilon),
                lambda x: optax.softmax_cross_entropy(x, hard),
            ),
            (
                lambda x: ours(x, q, label_smoothing=epsilon),
                lambda x: optax.softmax_cross_entropy(x, soft),
            ),
            (
                lambda x: ours(x, labels, class_mask=mask),
                lambda x: optax.softmax_cross_entropy_with_integer_labels(x, labels, where=mask),
            ),
            (
                lambda x: ours(x, labels, axis=0),
                lambda x: optax.softmax_cross_entropy_with_integer_labels(x, labels, axis=0),
            ),
        ]
        for (mine, theirs), logits in zip(pairs, (x, x, x, x.T), strict=True):
            assert_close(mine(logits), theirs(logits), ulps=16, scale=8.0)
            slopes = [jax.grad(lambda x, f=f: f(x).sum())(logits) for f in (mine, theirs)]
            assert_close(slopes[0], slopes[1], ulps=16, scale=1.0)


def test_scipy() -> None:
    """SciPy: logsumexp, log_softmax, softmax and entropy."""
    special = pytest.importorskip("scipy.special")
    stats = pytest.importorskip("scipy.stats")
    for x in (X, X + 1e4, X * 100, np.where(X > 4, -np.inf, X)):
        log_p = special.log_softmax(x, axis=1)
        loss = st.cross_entropy(x, LABELS, reduction="none")
        # The offset is rounded in both.
        scale = 8.0 + np.max(np.abs(x[np.isfinite(x)]))
        np.testing.assert_allclose(
            loss, -log_p[np.arange(7), LABELS], rtol=2.0**-50, atol=scale * 2.0**-50
        )
        state = st.SoftmaxState.of(x, LABELS)
        assert_close(state.logsumexp(), special.logsumexp(x, axis=1), ulps=8, scale=scale)
        p = special.softmax(x, axis=1)
        entropy = np.asarray(stats.entropy(p, axis=1))
        assert_close(state.entropy(), entropy, ulps=16, scale=scale)
        _, gradient = st.value_and_grad(st.cross_entropy)(x, LABELS, reduction="sum")
        assert_close(gradient, p - np.eye(5)[LABELS], ulps=16, scale=1.0)
    assert_close(st.Targets.from_distributions(Q).entropy(), stats.entropy(Q, axis=1), ulps=8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scikit_learn(dtype: str) -> None:
    """scikit-learn: the half multinomial loss and its gradient, with sample weights."""
    module = pytest.importorskip("sklearn._loss.loss")
    weight = np.linspace(0.0, 3.0, 7).astype(dtype)
    x, labels = X.astype(dtype), LABELS.astype(dtype)
    theirs = module.HalfMultinomialLoss(n_classes=5)
    want = theirs.loss_gradient(y_true=labels, raw_prediction=x, sample_weight=weight)
    got = st.value_and_grad(st.cross_entropy)(x, LABELS, sample_weight=weight, reduction="none")
    for one, other in zip(got, want, strict=True):
        assert dtype_name(one) == dtype
        assert_close(one, other, ulps=16, scale=8.0)


def test_scikit_learn_log_loss() -> None:
    """scikit-learn: `log_loss` of the probabilities, weighted, is the weighted mean."""
    metrics = pytest.importorskip("sklearn.metrics")
    special = pytest.importorskip("scipy.special")
    weight = np.linspace(0.5, 3.0, 7)
    want = metrics.log_loss(LABELS, special.softmax(X, axis=1), sample_weight=weight)
    got = st.cross_entropy(X, LABELS, sample_weight=weight)
    np.testing.assert_allclose(got, want, rtol=2.0**-48)


def test_formulas_of_timm() -> None:
    """timm's losses, written as it writes them: smoothed labels, soft targets, sigmoids."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    labels, q, e = torch.tensor(LABELS), torch.tensor(Q), 0.1
    log_p = torch.log_softmax(x, dim=-1)
    nll = -log_p.gather(dim=-1, index=labels.unsqueeze(1)).squeeze(1)
    on, off = 1 - e + e / 5, e / 5
    hot = torch.full((7, 5), off, dtype=x.dtype).scatter_(1, labels.unsqueeze(1), on)
    binary = torch.nn.functional.binary_cross_entropy_with_logits
    pairs = (
        (((1 - e) * nll + e * -log_p.mean(dim=-1)).mean(),
         lambda x: st.cross_entropy(x, labels, label_smoothing=e)),
        (torch.sum(-q * log_p, dim=-1).mean(), lambda x: st.cross_entropy(x, q)),
        (binary(x, hot),
         lambda x: st.binary_cross_entropy(x, labels, label_smoothing=e, prior=0.2)),
        (binary(x, q * (1 - e) + e / 2),
         lambda x: st.binary_cross_entropy(x, q, label_smoothing=e)),
    )  # fmt: skip
    for theirs, ours in pairs:
        (want,) = torch.autograd.grad(theirs, x, retain_graph=True)
        value = ours(x)
        (slope,) = torch.autograd.grad(value, x)
        assert_close(value, theirs, ulps=16, scale=1.0)
        assert_close(slope, want, ulps=16, scale=1.0)
