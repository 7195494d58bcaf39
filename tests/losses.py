"""Every loss of logits in one table: how it is called, and what it is in the oracle."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from mpmath import mpf  # type: ignore[import-untyped]

import softtargets as st
from softtargets._array.kinds import namespace
from tests.backends import Variant
from tests.oracle import rows as oracle

Array = Any
Words = dict[str, Any]
#: Logits, targets after smoothing, class weights, keywords and weight of a row, to its loss.
Exact = Callable[[list[Any], list[Any], list[Any], Words, Any], Any]
RATE = 0.25


def _plain(logits: Array, targets: Any, words: Words) -> tuple[Any, Words]:
    return targets, words


@dataclass(frozen=True)
class Loss:
    """One loss with keywords of its own, which are numbers."""

    name: str
    function: Callable[..., Any]
    exact: Exact
    words: Words = field(default_factory=dict)
    #: Whether each class is a decision of its own.
    binary: bool = False
    #: What label smoothing is called; None where there is none, and labels are all it takes.
    smoothing: str | None = "label_smoothing"
    #: Makes what the function takes of logits, targets and keywords.
    prepare: Callable[[Array, Any, Words], tuple[Any, Words]] = _plain

    def arguments(self, logits: Array, targets: Any, words: Words) -> tuple[Any, Words]:
        """What the function takes beside the logits."""
        words = dict(words)
        amount = words.pop("label_smoothing", None)
        if amount is not None and self.smoothing is not None:
            words[self.smoothing] = amount
        return self.prepare(logits, targets, self.words | words)

    def __call__(self, logits: Array, targets: Any, **words: Any) -> Array:
        """The value."""
        targets, words = self.arguments(logits, targets, words)
        return self.function(logits, targets, **words)

    def with_gradient(
        self, logits: Array, targets: Any, *, out: Array = None, **words: Any
    ) -> tuple[Array, Array]:
        """The value and the gradient."""
        targets, words = self.arguments(logits, targets, words)
        return st.value_and_grad(self.function, out=out)(logits, targets, **words)

    def smoothed(self, q: Array, amount: Array) -> Array:
        """Dense targets with a fraction per row moved to where this loss moves it."""
        if self.smoothing is None:
            return q
        share = 0.5 if self.binary else 1 / q.shape[1]
        return (1 - amount[:, None]) * q + amount[:, None] * share

    def row_weight(self, q: Array, w: Array) -> Array:
        """What each row counts in a mean."""
        if self.function is st.distillation:
            return (q @ w + np.mean(w)) / 2
        return np.sum(w) + 0 * q[:, 0] if self.binary else q @ w

    def expected(self, x: Array, q: Array, w: Array, amount: Array) -> tuple[Array, Array]:
        """Loss and gradient of each row for targets before smoothing, from the oracle."""
        found = []
        weights = self.row_weight(q, w)
        for row, target, weight in zip(x, self.smoothed(q, amount), weights, strict=True):
            given = oracle.numbers(target), oracle.numbers(w), self.words, mpf(float(weight))
            found.append(oracle.loss_and_slopes(lambda v, g=given: self.exact(v, *g), row))
        losses, gradients = zip(*found, strict=True)
        return np.array(losses), np.array(gradients)


def _binary(x: Any, q: Any, w: Any, words: Words, r: Any) -> Any:
    return oracle.binary(x, q, w, [mpf(words.get("pos_weight", 1.0))] * len(x))


def _kl(x: Any, q: Any, w: Any, words: Words, r: Any) -> Any:
    p = oracle.softmax(x)
    return oracle.kl(p, q, w) if words.get("direction") == "reverse" else oracle.kl(q, p, w)


def _js(x: Any, q: Any, w: Any, words: Words, r: Any) -> Any:
    return oracle.js(q, oracle.softmax(x), w, mpf(words.get("weight", 0.5)))


def _distillation(x: Any, q: Any, w: Any, words: Words, r: Any) -> Any:
    """Half of it from a teacher that knows nothing."""
    warm = mpf(words["temperature"])
    p = oracle.softmax([value / warm for value in x])
    soft = oracle.kl([mpf(1) / len(x)] * len(x), p, w)
    return (warm**2 * soft + oracle.cross_entropy(x, q, w)) / 2


def _taught(logits: Array, targets: Any, words: Words) -> tuple[Any, Words]:
    zeros = namespace(logits).zeros_like(logits)
    return zeros, words | {"labels": targets}


def _noisy(logits: Array, targets: Any, words: Words) -> tuple[Any, Words]:
    count = logits.shape[words.get("axis", -1)]
    return targets, words | {"transition": st.noise_transition(count, RATE, like=logits)}


def _beyond(x: Any, q: Any, w: Any, words: Words, r: Any) -> Any:
    share = mpf(words["strength"]) * oracle.beyond(x, mpf(words.get("margin", 0.0)))
    return oracle.cross_entropy(x, q, w) + r * share


def _unsure(x: Any, q: Any, w: Any, words: Words, r: Any) -> Any:
    share = oracle.missing(x, mpf(words["entropy_threshold"])) * mpf(words["confidence_penalty"])
    return oracle.cross_entropy(x, q, w) + r * share


LOSSES = (
    Loss("plain", st.cross_entropy, lambda x, q, w, o, r: oracle.cross_entropy(x, q, w)),
    Loss("unsure", st.cross_entropy, _unsure,
         {"confidence_penalty": 0.5, "entropy_threshold": 1.0}),
    Loss("binary", st.binary_cross_entropy, _binary, binary=True),
    Loss("binary, weighted", st.binary_cross_entropy, _binary, {"pos_weight": 2.5}, binary=True),
    Loss("kl", st.kl_divergence, _kl),
    Loss("reverse kl", st.kl_divergence, _kl, {"direction": "reverse", "label_smoothing": 0.1}),
    Loss("js", st.js_divergence, _js),
    Loss("js, weighted", st.js_divergence, _js, {"weight": 0.125}),
    Loss("distillation", st.distillation, _distillation, {"temperature": 2.0, "hard_weight": 0.5},
         prepare=_taught),
    Loss("maximum", st.max_suppression, _beyond, {"strength": 0.3}),
    Loss("margin", st.margin_smoothing, _beyond, {"strength": 0.3, "margin": 1.5}),
    Loss("focal", st.focal_loss, lambda x, q, w, o, r: oracle.focal(x, q, w, mpf(o["gamma"])),
         {"gamma": 1.5}),
    Loss("poly", st.poly_loss, lambda x, q, w, o, r: oracle.poly(x, q, w, mpf(o["strength"])),
         {"strength": 0.75}),
    Loss("generalized", st.generalized_smoothing,
         lambda x, q, w, o, r: oracle.cross_entropy(x, q, w), {"rate": -0.5}, smoothing="rate"),
    Loss("forward correction", st.forward_correction,
         lambda x, q, w, o, r: oracle.seen(x, q, w, mpf(RATE)), smoothing=None, prepare=_noisy),
    Loss("backward correction", st.backward_correction,
         lambda x, q, w, o, r: oracle.cross_entropy(x, oracle.unseen(q, mpf(RATE)), w),
         smoothing=None, prepare=_noisy),
)  # fmt: skip


def silent_on_dask(test: Callable[..., None]) -> Callable[..., None]:
    """Let a test meet infinities: Dask computes after the library could tell NumPy to be silent."""

    @functools.wraps(test)
    def wrapper(backend: Variant, **words: Any) -> None:
        with warnings.catch_warnings():
            if backend.row == "dask":
                warnings.simplefilter("ignore", RuntimeWarning)
            test(backend, **words)

    return wrapper


def once_per_library(*but: str) -> Any:
    """A fixture for all tests of a module ``but`` some: of JAX they get that in 64 bits alone. In
    32 it is the same expression, and takes as long again.
    """

    @pytest.fixture(autouse=True)
    def once(request: pytest.FixtureRequest) -> None:
        if "backend" not in request.fixturenames or request.node.originalname in but:
            return
        if request.getfixturevalue("backend").name == "jax":
            pytest.skip("jax: the same expression in 64 bits is enough")

    return once


def use_all_losses(backend: Variant) -> None:
    """Call every loss in several ways, for tests of what they ask of a library."""
    rng = np.random.default_rng(3)
    data, shares = rng.standard_normal((4, 5)), np.full((4, 1), 0.5)
    x, q, w, e, v = (
        backend.asarray(values, "float32")
        for values in (data, rng.dirichlet(np.ones(5), 4), rng.random(5), np.full(4, 0.2), data[0])
    )
    labels = backend.asarray([2, 0, -100, 4])
    mask = backend.asarray([True, True, True, False, True])
    best = backend.asarray([[0], [1], [2], [4]])
    bucket = st.Targets.from_top_k(best, backend.asarray(shares, "float32"), 5, tail="bucket")
    for loss in LOSSES:
        masks = {"class_mask": mask, "class_weight": w, "label_smoothing": e}
        if loss.smoothing is None:
            del masks["class_mask"], masks["label_smoothing"]
        for words in ({}, masks):
            loss.with_gradient(x, labels, **words)
        if loss.smoothing is not None:
            loss.with_gradient(x, q, reduction="none", class_weight=w)
    answers = backend.asarray([[1, 0, -100, 1, 0]] * 4)
    st.value_and_grad(st.binary_cross_entropy)(x, answers, axis=None, reduction="none")
    where = backend.asarray([True, True, False, True])
    st.binary_cross_entropy(x, answers, where=where, prior=backend.asarray(0.25, "float32"))
    st.kl_divergence(x, bucket)
    layer = (x, x)
    words = {"temperature": 2.0, "labels": labels, "hard_weight": 0.5}
    both = st.value_and_grad(st.linear_distillation)
    both(x[:, :3], w[:, None] * e[None, :3], (x[:, 1:], q[:1, :4] * w[:, None]), **words)
    st.value_and_grad(st.linear_kl_divergence)(*layer, labels % 4, label_smoothing=0.1)
    words = {"z_loss": 0.1, "confidence_penalty": 0.1, "entropy_threshold": 1.0}
    st.value_grad_hessian(st.cross_entropy)(x, bucket, **words)
    st.value_grad_hessian(st.binary_cross_entropy)(v, backend.asarray([1, 0, 0, 1, 1]), axis=None)
