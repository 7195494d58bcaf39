"""The numbers of the losses for Keras, beside those of Keras itself and of the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import softtargets as st
from softtargets.keras import BinaryCrossentropy, Crossentropy
from softtargets.keras.internals import get_keras_mask, set_keras_mask

BACKEND = keras.config.backend()
CHECKS: dict[str, Callable[[], None]] = {}
#: JAX compiles each operation for each shape, which takes most of the time: it gets fewer cases.
FEW = BACKEND == "jax"
REDUCTIONS = ("sum_over_batch_size", "mean_with_sample_weight", "sum", None)

RNG = np.random.default_rng(81)
N, T, K = 6, 3, 4
X = RNG.standard_normal((N, T, K)).astype("float32")
P = np.exp(X) / np.exp(X).sum(axis=-1, keepdims=True)
Y = RNG.integers(0, K, (N, T))
Q = np.eye(K)[Y]
SOFT = 0.75 * Q + 0.25 * Q[::-1]
WEIGHTS = RNG.uniform(0.5, 2.0, (N, T))
MASK = RNG.uniform(size=(N, T)) < 0.7
MASK[0] = False, True, True


def check(function: Callable[[], None]) -> Callable[[], None]:
    CHECKS[function.__name__] = function
    return function


def host(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)


def close(got: Any, want: Any, rtol: float = 3e-6) -> None:
    """Fail unless values are those of another formula in float32."""
    np.testing.assert_allclose(host(got), host(want), rtol=rtol, atol=1e-6)


def predictions(values: np.ndarray, mask: np.ndarray | None) -> Any:
    """A tensor as a layer with a mask returns it."""
    tensor = keras.ops.convert_to_tensor(values)
    if mask is not None:
        set_keras_mask(tensor, keras.ops.convert_to_tensor(mask))
    return tensor


@check
def values_are_those_of_keras() -> None:
    """Every reduction, with smoothing, weights and masks, gives Keras's number for dense targets,
    and the same for labels.
    """
    theirs = keras.losses.CategoricalCrossentropy
    for i, reduction in enumerate(REDUCTIONS):
        words = {"from_logits": True, "label_smoothing": 0.1 * (i % 2), "reduction": reduction}
        mine, other = Crossentropy(**words), theirs(**words)
        for weights in (WEIGHTS,) if FEW else (None, WEIGHTS):
            for mask in (None, MASK):
                x = predictions(X, mask)
                want = other(Q, x, weights)
                assert host(want).shape == (X.shape[:-1] if reduction is None else ())
                close(mine(Q, x, weights), want)
                close(mine(Y, x, weights), want)
                close(mine(Y[..., None], x, weights), want)
                close(mine(SOFT, x, weights), other(SOFT, x, weights))
    rows = Crossentropy(from_logits=True, reduction="sum")
    one = WEIGHTS[:, 0]
    close(
        rows(Y[:, 0], X[:, 0], one),
        theirs(from_logits=True, reduction="sum")(Q[:, 0], X[:, 0], one),
    )
    close(rows.call(Y, X), keras.losses.categorical_crossentropy(Q, X, from_logits=True))


@check
def probabilities_are_converted_as_keras_does() -> None:
    """Probabilities that need not sum to 1, zeros among them, give Keras's number."""
    for p in (P, 3 * P):
        want = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)(Q, p)
        close(Crossentropy(from_logits=False, label_smoothing=0.1)(Y, p), want)
    hard = np.asarray([[0.0, 0.0, 1.0, 0.0]], dtype="float32")
    for label in (1, 2):
        want = keras.losses.SparseCategoricalCrossentropy()(np.asarray([label]), hard)
        # The clipped ones sum to 1 + 3e-7.
        np.testing.assert_allclose(
            host(Crossentropy(from_logits=False)([label], hard)), host(want), rtol=1e-6, atol=5e-7
        )
    theirs, mine = keras.losses.BinaryCrossentropy(), BinaryCrossentropy(from_logits=False)
    close(mine(Q, P), theirs(Q, P))
    close(mine([[1, 0]], hard[:, 1:3]), theirs(np.asarray([[1, 0]]), hard[:, 1:3]))


@check
def ignored_labels_are_those_of_keras() -> None:
    """`ignore_class` is Keras's in every reduction, beside masks and weights too."""
    theirs = keras.losses.SparseCategoricalCrossentropy
    labels = np.where(RNG.uniform(size=Y.shape) < 0.3, -1, Y)
    for reduction in REDUCTIONS:
        words = {"from_logits": True, "ignore_class": -1, "reduction": reduction}
        for mask in (None, MASK):
            for weights in (None, WEIGHTS):
                x = predictions(X, mask)
                close(
                    Crossentropy(**words)(labels, x, weights), theirs(**words)(labels, x, weights)
                )
    losses = Crossentropy(from_logits=True, ignore_class=255).call(Y.astype("uint8"), X)
    assert host(get_keras_mask(losses)).all()
    with np.errstate(all="ignore"):  # Keras divides 0 by 0 there
        nothing = Crossentropy(from_logits=True, ignore_class=-1)(np.full(Y.shape, -1), X)
    assert float(nothing) == 0


@check
def what_does_not_count_may_hold_anything() -> None:
    """A nan in a row that is masked or ignored stays there."""
    nans = np.where(MASK[..., None], X, np.nan)
    loss = Crossentropy(from_logits=True, label_smoothing=0.1)
    close(loss(Y, predictions(nans, MASK)), loss(Y, predictions(X, MASK)))
    loss = Crossentropy(from_logits=True, ignore_class=-1)
    labels = np.where(MASK, Y, -1)
    close(loss(labels, nans), loss(labels, X))
    binary = BinaryCrossentropy(from_logits=True)
    close(binary(Q, predictions(nans, MASK)), binary(Q, predictions(X, MASK)))


@check
def binary_values_are_those_of_keras() -> None:
    """Shapes that differ by an axis of size 1, smoothing and weights are as in Keras."""
    theirs = keras.losses.BinaryCrossentropy
    answers = Y % 2
    words: dict[str, Any] = {"from_logits": True, "label_smoothing": 0.2}
    for reduction in REDUCTIONS:
        mine = BinaryCrossentropy(**words, reduction=reduction)
        x = predictions(X, MASK)
        close(mine(SOFT, x, WEIGHTS), theirs(**words, reduction=reduction)(SOFT, x, WEIGHTS))
    mine, other = (kind(**words, reduction=None) for kind in (BinaryCrossentropy, theirs))
    cases = (
        (Q.astype(bool), X, None),
        (answers, X[..., 0], WEIGHTS[:, 0]),
        (answers, X[..., :1], WEIGHTS[:, 0]),
        (answers[:, 0], X[:, 0, :1], WEIGHTS[:, 0]),
        (answers[:, :1], X[:, 0, 0], None),
    )
    for y, x, weights in cases[1:3] if FEW else cases:
        close(mine(y, x, weights), other(y, x, weights))
    words = {"from_logits": True, "axis": 1, "reduction": None}
    close(BinaryCrossentropy(**words)(Q, X), theirs(**words)(Q, X))
    extra = {"prior": [0.1, 0.2, 0.3, 0.4], "pos_weight": [1.0, 2.0, 3.0, 4.0]}
    extra |= {"class_weight": [1.0, 0.5, 2.0, 0.0]}
    mine = BinaryCrossentropy(from_logits=True, label_smoothing=0.2, reduction=None, **extra)
    arrays = {name: np.asarray(values) for name, values in extra.items()}
    want = st.binary_cross_entropy(X, Q, label_smoothing=0.2, reduction="none", **arrays)
    close(mine(Q, X), want / K)


@check
def more_keywords() -> None:
    """Priors, class weights, smoothing per class and penalties are those of `st.cross_entropy`."""
    prior, square = np.asarray([0.5, 0.25, 0.125, 0.125]), np.full((K, K), 1 / K)
    weight, amounts = np.asarray([1.0, 2.0, 0.5, 0.0]), np.asarray([0.0, 0.1, 0.2, 0.3])
    for words in (
        {"label_smoothing": 0.1, "prior": prior},
        {"label_smoothing": 0.1, "prior": square},
        {"label_smoothing": 0.1, "prior": prior, "spread": "others", "class_weight": weight},
        {"z_loss": 0.1, "confidence_penalty": 0.2, "entropy_threshold": 1.0},
    ):
        mine = Crossentropy(from_logits=True, reduction="none", **words)
        for targets in (Y, SOFT):
            close(mine(targets, X), st.cross_entropy(X, targets, reduction="none", **words))
    for targets, value in (
        (np.where(MASK, Y, -1), st.Targets.from_labels(np.where(MASK, Y, -1), K, ignore_index=-1)),
        (SOFT, st.Targets.from_distributions(SOFT)),
    ):
        ignored = -1 if targets.ndim == 2 else None
        mine = Crossentropy(
            from_logits=True, per_class=list(amounts), reduction="none", ignore_class=ignored
        )
        want = st.cross_entropy(X, value.smooth(per_class=amounts), reduction="none")
        close(mine(targets, X), want)


@check
def other_axes_and_dtypes() -> None:
    """The class axis may be any; a float of 16 bits loses no label; float64 is float64."""
    turned = np.moveaxis(X, -1, 1)
    mine = Crossentropy(from_logits=True, label_smoothing=0.1, axis=1, reduction="none")
    want = st.cross_entropy(X, Y, label_smoothing=0.1, reduction="none")
    close(mine(Y, turned), want)
    close(mine(Y[:, None, :], turned), want)
    close(mine(np.moveaxis(Q, -1, 1), turned), want)
    for dtype in ("int64", "uint8", "int8"):
        close(Crossentropy(from_logits=True)(Y.astype(dtype), X), np.mean(st.cross_entropy(X, Y)))
    for dtype in ("int32", "bool", "float64"):
        close(Crossentropy(from_logits=True)(Q.astype(dtype), X), np.mean(st.cross_entropy(X, Y)))
    logits = np.zeros((1, 300), dtype="float32")
    logits[0, 257] = 4.0
    low = Crossentropy(from_logits=True, dtype="bfloat16")
    want = st.cross_entropy(logits, np.asarray([257]))
    found = host(keras.ops.cast(low([257], logits), "float32"))
    np.testing.assert_allclose(found, want, rtol=2**-7)
    if BACKEND != "jax":
        # The mean of Keras itself is in float32.
        wide = Crossentropy(from_logits=True, dtype="float64", reduction="sum")
        found, x = host(wide(Y, X.astype("float64"))), X.astype("float64")
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, st.cross_entropy(x, Y, reduction="sum"), rtol=1e-14)
