"""The digits of scikit-learn: 1797 pictures of 8 x 8 pixels, cut into parts and batches by seed."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from softtargets.demo.needs import need
from softtargets.typing import Array

NUM_CLASSES = 10
BATCH = 64
#: Images to train on, and to choose a temperature with; all others are the test set.
TRAIN, VALIDATION = 300, 300


class Part(NamedTuple):
    """Images as rows of pixels in [0, 1], and their labels."""

    images: Array
    labels: Array


class Split(NamedTuple):
    """The parts of one seed."""

    train: Part
    validation: Part
    test: Part


def load_digits() -> Part:
    """Return all digits."""
    datasets = need("sklearn.datasets", "scikit-learn", "the demo")
    images, labels = datasets.load_digits(return_X_y=True)
    return Part(images / 16, labels)


def split(digits: Part, seed: int, train: int = TRAIN, validation: int = VALIDATION) -> Split:
    """Return three parts of the digits, drawn at random; what is left is the test set."""
    order = np.random.default_rng((seed, 0)).permutation(len(digits.labels))
    pieces = np.split(order, [train, train + validation])
    return Split(*(Part(digits.images[rows], digits.labels[rows]) for rows in pieces))


def batches(part: Part, seed: int, steps: int) -> Iterator[Part]:
    """Yield batches that go through the part again and again, each time in another order."""
    rng = np.random.default_rng((seed, 1))
    waiting = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        while len(waiting) < BATCH:
            waiting = np.concatenate([waiting, rng.permutation(len(part.labels))])
        rows, waiting = waiting[:BATCH], waiting[BATCH:]
        yield Part(part.images[rows], part.labels[rows])
