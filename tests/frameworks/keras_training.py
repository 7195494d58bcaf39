"""Losses for Keras in models: configurations, training beside Keras's own losses, saved models."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

import softtargets as st
from softtargets.keras import BinaryCrossentropy, Crossentropy
from tests.frameworks.keras_values import BACKEND, MASK, WEIGHTS, K, N, Q, T, X, Y, check, close


@check
def configurations_come_back() -> None:
    """A loss that is made again from its configuration, which JSON can hold, is the same."""
    losses = (
        Crossentropy(
            from_logits=True,
            label_smoothing=np.float32(0.25),
            ignore_class=np.int64(-1),
            axis=-1,
            prior=np.full((K, K), 0.25),
            spread="others",
            class_weight=keras.ops.convert_to_tensor([1.0, 2.0, 3.0, 4.0]),
            per_class=(0.0, 0.1, 0.2, 0.3),
            z_loss=1,
            confidence_penalty=0.5,
            entropy_threshold=2.0,
            reduction="sum",
            name="mine",
            dtype="float64",
        ),
        BinaryCrossentropy(
            from_logits=False, prior=[0.5] * K, pos_weight=2.0, class_weight=[1] * K
        ),
    )
    for loss in losses:
        written = keras.saving.serialize_keras_object(loss)
        assert written["registered_name"] == f"softtargets>{type(loss).__name__}"
        again = keras.saving.deserialize_keras_object(written)
        assert type(again) is type(loss)
        assert again.get_config() == loss.get_config()
    names = {name for name in vars(losses[0]) if not name.startswith("_")}
    assert names <= set(losses[0].get_config())


def model() -> Any:
    keras.utils.set_random_seed(5)
    layers = [keras.Input((T, K)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(K)]
    return keras.Sequential(layers)


def fitted(loss: Any, y: Any, **words: Any) -> Any:
    """A small model after a few steps, and what it reports."""
    made = model()
    made.compile(keras.optimizers.SGD(0.5), loss=loss)
    log = made.fit(X, y, batch_size=3, epochs=4, verbose=0, shuffle=False, **words)
    return made, log.history["loss"]


@check
def training_is_that_of_keras() -> None:
    """`fit` gives the model that Keras's own loss gives: labels, mixup, weights, classes."""
    if BACKEND == "numpy":
        return
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    mine = Crossentropy(from_logits=True, label_smoothing=0.1)
    plan = st.Mixing.sample_mixup(N, alpha=1.0, rng=3)
    mixed = plan.mix_targets(Y, num_classes=K).to_dense()
    weights = WEIGHTS[:, 0]
    for y, dense, words in ((Y, Q, {"sample_weight": weights}), (mixed, mixed, {})):
        one, log = fitted(mine, y, **words)
        other, want = fitted(theirs, dense, **words)
        close(log, want, rtol=1e-5)
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        assert log[-1] < 0.95 * log[0]
    padded = np.where(MASK, 1 + Y, 0)
    sequence = keras.Sequential(
        [keras.layers.Embedding(K + 1, 4, mask_zero=True), keras.layers.Dense(K)]
    )
    sequence.compile("adam", loss=mine)
    first = sequence.evaluate(padded, Y, verbose=0)
    want = st.cross_entropy(sequence.predict(padded, verbose=0), Y, label_smoothing=0.1, where=MASK)
    close(first, want, rtol=1e-5)
    assert sequence.fit(padded, Y, epochs=3, verbose=0).history["loss"][-1] < first


@check
def saved_models_come_back() -> None:
    """A compiled model that is saved and loaded has its loss, and evaluates to the same."""
    loss = Crossentropy(from_logits=True, label_smoothing=0.1, prior=[0.4, 0.3, 0.2, 0.1])
    made = model()
    made.compile("sgd", loss=loss)
    want = made.evaluate(X, Y, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        made.save(path)
        again = keras.saving.load_model(path)
    assert again.loss.get_config() == loss.get_config()
    close(again.evaluate(X, Y, verbose=0), want)
    prior = np.asarray([0.4, 0.3, 0.2, 0.1])
    x = again.predict(X, verbose=0)
    close(want, np.mean(st.cross_entropy(x, Y, label_smoothing=0.1, prior=prior)))
