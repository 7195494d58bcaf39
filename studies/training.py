"""Training of several networks side by side, with any loss: the loop that all studies share."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from array_api_compat import array_namespace

import softtargets as st
from softtargets.demo import data, network
from softtargets.demo.training import compute_now, cosine
from softtargets.typing import Array

#: From logits (networks, batch, classes) and the numbers of the rows in the training set to the
#: gradient of the mean loss of each network.
Loss = Callable[[Array, Array], Array]
#: From the state of training, the gradient, the rate and Adam's corrections to the next state.
Update = Callable[[Array, Array, float, tuple[float, float]], Array]
MOMENTUM, SGD_RATE = 0.9, 0.05


def as_is(values: Array) -> Array:
    """Return an array of NumPy, for studies that stay there."""
    return values


def train(
    images: Array,
    loss: Loss,
    seed: int,
    steps: int,
    networks: int,
    *,
    sizes: Sequence[int] = network.SIZES,
    update: Update = network.adam,
    moments: Collection[int] = (),
    bring: Callable[[Array], Array] = as_is,
) -> list[Array]:
    """Return the weights at some moments and after all steps.

    ``images`` are NumPy's, and their dtype is that of training; ``bring`` carries arrays to the
    library that trains.
    """
    state = bring(network.start(seed, networks, sizes).astype(images.dtype))
    numbered = data.Part(images, np.arange(len(images)))
    batches = data.batches(numbered, seed, steps)
    kept = []
    for count, (batch, rate) in enumerate(zip(batches, cosine(steps), strict=True), start=1):
        weights = state[0, ...]
        outputs = network.forward(weights, bring(batch.images), sizes)
        delta = loss(outputs[-1], bring(batch.labels))
        gradient = network.backward(weights, outputs, delta, sizes)
        state = compute_now(update(state, gradient, rate, network.corrections(count)))
        if count in moments or count == steps:
            kept.append(state[0, ...])
    return kept


def momentum(state: Array, gradient: Array, rate: float, _: tuple[float, float]) -> Array:
    """Return the state after a step of gradient descent with momentum, instead of Adam's.

    The rate has the shape of Adam's over time and a size of its own.
    """
    xp = array_namespace(state)
    velocity = MOMENTUM * state[1, ...] + gradient
    rate = rate / cosine(1)[0] * SGD_RATE
    return xp.stack([state[0, ...] - rate * velocity, velocity, state[2, ...]])


def cross_entropy(labels: Array, label_smoothing: Array | float = 0.0, spread: str = "all") -> Loss:
    """Return the smoothed loss of labels (rows,) or, a row for each network, (networks, rows).

    ``label_smoothing`` has shape (networks, 1), or is one number.
    """

    def gradient(logits: Array, rows: Array) -> Array:
        xp = array_namespace(logits)
        shape = tuple(logits.shape[:-1])
        amount = label_smoothing
        if not isinstance(amount, float):
            amount = xp.broadcast_to(amount, shape)
        _, delta = st.value_and_grad(st.cross_entropy)(
            logits,
            xp.broadcast_to(xp.take(labels, rows, axis=labels.ndim - 1), shape),
            label_smoothing=amount,
            spread=spread,
            reduction="none",
        )
        return delta / shape[1]

    return gradient


def of_rows(loss: Callable[..., Array], targets: Array, **options: object) -> Loss:
    """Return any loss of the library, called with the targets of the batch and these options."""

    def gradient(logits: Array, rows: Array) -> Array:
        chosen = np.broadcast_to(targets[rows], (*logits.shape[:2], *targets.shape[1:]))
        _, delta = st.value_and_grad(loss)(logits, chosen, reduction="none", **options)
        return delta / logits.shape[1]

    return gradient


def side_by_side(losses: Sequence[Loss]) -> Loss:
    """Return the loss that gives each network one of its own."""

    def gradient(logits: Array, rows: Array) -> Array:
        xp = array_namespace(logits)
        parts = [loss(logits[n : n + 1, ...], rows) for n, loss in enumerate(losses)]
        return xp.concat(parts, axis=0)

    return gradient


def flipped(labels: Array, rate: float, seed: int, num_classes: int = data.NUM_CLASSES) -> Array:
    """Return labels of which some are another class: symmetric noise."""
    rng = np.random.default_rng((seed, 3))
    wrong = rng.uniform(size=labels.shape) < rate
    step = rng.integers(1, num_classes, labels.shape)
    return np.where(wrong, (labels + step) % num_classes, labels)
