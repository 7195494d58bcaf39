"""Training with optax: donated buffers, mixup inside and outside, a schedule, one compilation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softtargets as st

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
sj = pytest.importorskip("softtargets.jax")

ROWS, SIZE, K, STEPS = 48, 8, 4, 12


def batches() -> list[tuple[Any, Any]]:
    """The same images and labels in another order each time."""
    rng = np.random.default_rng(73)
    centres = 2.0 * rng.standard_normal((K, SIZE))
    labels = rng.integers(0, K, ROWS)
    images = centres[labels] + rng.standard_normal((ROWS, SIZE))
    orders = [rng.permutation(ROWS) for _ in range(STEPS)]
    return [(jnp.asarray(images[o], jnp.float32), jnp.asarray(labels[o])) for o in orders]


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_training(where: str) -> None:
    """A mixup batch, made on either side of `jit`, trains a model whose buffers are donated.

    The smoothing grows from step to step; nothing is compiled twice.
    """
    optimizer = optax.adam(0.05)
    loss_of = sj.analytic(st.cross_entropy)
    count = []

    def update(parameters: Any, state: Any, images: Any, targets: Any, amount: Any) -> Any:
        count.append(1)
        if where == "inside":
            plan = st.Mixing(jnp.arange(ROWS)[::-1], jnp.asarray(0.9))
            images, targets = plan.mix_inputs(images), plan.mix_targets(targets, num_classes=K)

        def loss(parameters: Any) -> Any:
            logits = images @ parameters["w"] + parameters["b"]
            return loss_of(logits, targets, label_smoothing=amount)

        value, gradient = jax.value_and_grad(loss)(parameters)
        changes, state = optimizer.update(gradient, state, parameters)
        return optax.apply_updates(parameters, changes), state, value

    step = jax.jit(update, donate_argnums=(0, 1))
    parameters = {"w": jnp.zeros((SIZE, K)), "b": jnp.zeros(K)}
    state, losses = optimizer.init(parameters), []
    for i, (images, labels) in enumerate(batches()):
        batch: tuple[Any, Any] = images, labels
        if where == "outside":
            # The share of a batch is a number, another one each time.
            batch = st.mixup(images, labels, num_classes=K, alpha=0.2, rng=i)
        amount = st.linear_warmup(i, STEPS, 0.1, like=images)
        given = parameters["w"]
        parameters, state, value = step(parameters, state, *batch, amount)
        assert given.is_deleted()
        losses.append(float(value))
    assert len(count) == 1
    assert losses[0] == pytest.approx(np.log(K), rel=1e-5)
    assert losses[-1] < 0.6 * losses[0]
    right = jnp.argmax(images @ parameters["w"] + parameters["b"], axis=1) == labels
    assert float(jnp.mean(right)) > 0.9
