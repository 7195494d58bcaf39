"""The same training on every array library: how far do the learning curves agree?"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from softtargets.demo import data, network, training
from softtargets.demo.libraries import Place
from softtargets.typing import Array


@dataclass(frozen=True)
class Curve:
    """The losses (steps, networks) of one training, as they came out, and its duration."""

    title: str
    version: str
    dtype: str
    losses: Array
    seconds: float

    def digits(self, reference: "Curve") -> float:
        """Return to how many decimal digits the losses agree with others, infinity for the same."""
        error = np.max(np.abs(self.losses / reference.losses - 1))
        return math.inf if error == 0 else -math.log10(error)


def learning_curve(
    place: Place,
    dtype: str,
    part: data.Part,
    epsilons: tuple[float, ...],
    steps: int,
    advance: Callable[[], None],
) -> Curve:
    """Train one network for each amount of smoothing, all with the weights and batches of seed 0.

    What goes in is made by NumPy, what comes out is read after the last step.
    """
    begin = time.perf_counter()
    state = place.asarray(network.start(0, len(epsilons)), dtype)
    smoothing = place.asarray(np.array(epsilons)[:, None], dtype)
    batches = (
        data.Part(place.asarray(images, dtype), place.asarray(labels))
        for images, labels in data.batches(part, 0, steps)
    )
    curve = []
    step = place.compiled(training.step)
    for _, losses in training.train(state, smoothing, batches, training.cosine(steps), step):
        curve.append(losses)
        advance()
    values = np.stack([place.to_numpy(losses) for losses in curve]).astype(np.float64)
    seconds = time.perf_counter() - begin
    return Curve(place.title, place.backend.version() or "", dtype, values, seconds)
