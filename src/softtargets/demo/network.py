"""A network of ReLU layers and the optimiser Adam, written once in array API operations.

Several networks run side by side in each operation: they start from the same weights and see the
same images, and differ in their label smoothing. With n networks of P parameters the state of
training is one array of shape (3, n, P): weights, and Adam's two moving averages.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from array_api_compat import array_namespace

import softtargets as st
from softtargets.typing import Array

#: Pixels, two hidden layers, classes.
SIZES = (64, 128, 64, 10)
#: Of Adam's averages of the gradient and of its square.
DECAY = (0.9, 0.999)


def start(seed: int, networks: int, sizes: Sequence[int] = SIZES) -> Array:
    """Return the state before the first step, in NumPy: the same random weights for all."""
    rng = np.random.default_rng((seed, 2))
    pieces = []
    for inputs, outputs in pairwise(sizes):
        pieces += [rng.normal(0, (2 / inputs) ** 0.5, inputs * outputs), np.zeros(outputs)]
    weights = np.tile(np.concatenate(pieces), (networks, 1))
    return np.stack([weights, np.zeros_like(weights), np.zeros_like(weights)])


def layers(weights: Array, sizes: Sequence[int] = SIZES) -> list[tuple[Array, Array]]:
    """Return matrix and bias of each layer, of shapes (n, inputs, outputs) and (n, 1, outputs)."""
    xp = array_namespace(weights)
    found, at = [], 0
    for inputs, outputs in pairwise(sizes):
        matrix = weights[:, at : at + inputs * outputs]
        at += inputs * outputs
        bias = weights[:, None, at : at + outputs]
        at += outputs
        found.append((xp.reshape(matrix, (-1, inputs, outputs)), bias))
    return found


def forward(weights: Array, images: Array, sizes: Sequence[int] = SIZES) -> list[Array]:
    """Return the images, the outputs of the hidden layers, and the logits (n, images, classes)."""
    xp = array_namespace(weights)
    outputs = [images]
    *hidden, last = layers(weights, sizes)
    for matrix, bias in hidden:
        x = xp.matmul(outputs[-1], matrix) + bias
        outputs.append(xp.where(x > 0, x, 0.0))
    matrix, bias = last
    return [*outputs, xp.matmul(outputs[-1], matrix) + bias]


def loss_and_gradient(
    weights: Array, images: Array, labels: Array, label_smoothing: Array
) -> tuple[Array, Array]:
    """Return the mean loss of each network and its gradient for the weights of that network.

    ``label_smoothing`` has shape (n, 1).
    """
    xp = array_namespace(weights)
    outputs = forward(weights, images)
    logits = outputs[-1]
    rows = tuple(logits.shape[:-1])
    # Each network has rows of its own, so that one call can smooth each by another amount.
    losses, delta = st.value_and_grad(st.cross_entropy)(
        logits,
        xp.broadcast_to(labels, rows),
        label_smoothing=xp.broadcast_to(label_smoothing, rows),
        reduction="none",
    )
    return xp.mean(losses, axis=1), backward(weights, outputs, delta / rows[1])


def backward(
    weights: Array, outputs: Sequence[Array], delta: Array, sizes: Sequence[int] = SIZES
) -> Array:
    """Return the gradient for the weights, from that for the logits, ``delta``.

    ``outputs`` are what :func:`forward` returned.
    """
    xp = array_namespace(weights)
    pieces: list[Array] = []
    found = list(zip(outputs[:-1], layers(weights, sizes), strict=True))
    for depth, (x, (matrix, _)) in reversed(list(enumerate(found))):
        matrix_part = xp.matmul(xp.matrix_transpose(x), delta)
        flat = xp.reshape(matrix_part, (weights.shape[0], -1))
        pieces = [flat, xp.sum(delta, axis=1), *pieces]
        if depth:
            delta = xp.where(x > 0, xp.matmul(delta, xp.matrix_transpose(matrix)), 0.0)
    return xp.concat(pieces, axis=1)


def adam(state: Array, gradient: Array, rate: float, corrections: tuple[float, float]) -> Array:
    """Return the state after a step (Kingma and Ba 2015, algorithm 1)."""
    xp = array_namespace(state)
    weights, first, second = state[0, ...], state[1, ...], state[2, ...]
    first = DECAY[0] * first + (1 - DECAY[0]) * gradient
    second = DECAY[1] * second + (1 - DECAY[1]) * gradient**2
    size = xp.sqrt(second / corrections[1]) + 1e-8
    return xp.stack([weights - (rate / corrections[0]) * (first / size), first, second])


def corrections(count: int) -> tuple[float, float]:
    """Return what the averages of step ``count`` = 1, 2, ... lack, having begun with zero."""
    return 1 - DECAY[0] ** count, 1 - DECAY[1] ** count
