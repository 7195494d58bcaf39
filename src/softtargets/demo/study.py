"""What label smoothing does to a network: several amounts, each with the same seeds, in NumPy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from softtargets.calibration import fit_temperature
from softtargets.demo import data, measures, network, training
from softtargets.typing import Array

DTYPE = "float32"


@dataclass(frozen=True)
class Result:
    """What was measured of one network."""

    #: The test set, as trained and with all logits divided by the temperature.
    raw: measures.Scores
    scaled: measures.Scores
    #: Fitted on the validation set.
    temperature: float
    #: The mean logit gap on the training set at each of the moments, and at the end.
    gaps: list[float]
    gap: float


@dataclass(frozen=True)
class Study:
    """The results of networks: one row for each amount of smoothing, one column for each seed."""

    epsilons: tuple[float, ...]
    #: Numbers of steps after which the gap was measured; the last is that of all steps.
    moments: list[int]
    results: list[list[Result]]

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len(self.results[0])

    def values(self, name: str) -> Array:
        """Return a measure such as "gap" or "raw.ece", of shape (amounts, seeds, ...)."""
        read = attrgetter(name)
        return np.array([[read(result) for result in row] for row in self.results])


def moments(steps: int) -> list[int]:
    """Return about 30 numbers of steps, from 1 to all, evenly spaced on a logarithmic axis."""
    return [int(step) for step in np.unique(np.geomspace(1, steps, 30).round())]


def run_study(
    digits: data.Part,
    epsilons: tuple[float, ...],
    seeds: int,
    steps: int,
    advance: Callable[[], None],
) -> Study:
    """Train a network for each amount and seed. Networks of one seed see the same images."""
    columns = [run_seed(digits, epsilons, seed, steps, advance) for seed in range(seeds)]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Study(epsilons, moments(steps), rows)


def run_seed(
    digits: data.Part,
    epsilons: tuple[float, ...],
    seed: int,
    steps: int,
    advance: Callable[[], None],
) -> list[Result]:
    """Train the networks of one seed side by side and measure each."""
    digits = data.Part(digits.images.astype(DTYPE), digits.labels)
    parts = data.split(digits, seed)
    state = network.start(seed, len(epsilons)).astype(DTYPE)
    smoothing = np.array(epsilons, dtype=DTYPE)[:, None]
    batches = data.batches(parts.train, seed, steps)
    gaps = []
    when = set(moments(steps))
    trained = training.train(state, smoothing, batches, training.cosine(steps))
    for step, (state, _) in enumerate(trained, start=1):
        if step in when:
            gaps.append(gaps_of(state[0], parts.train))
        advance()
    logits = [network.forward(state[0], part.images)[-1].astype(np.float64) for part in parts]
    return [
        assess([part[index] for part in logits], parts, [gap[index] for gap in gaps])
        for index in range(len(epsilons))
    ]


def gaps_of(weights: Array, part: data.Part) -> list[float]:
    """Return the mean logit gap of each network."""
    logits = network.forward(weights, part.images)[-1]
    return [measures.logit_gap(each, part.labels) for each in logits]


def assess(logits: Sequence[Array], parts: data.Split, gaps: list[float]) -> Result:
    """Return the measures of one network from its logits for each part."""
    train, validation, test = logits
    temperature = fit_temperature(validation, parts.validation.labels).temperature
    return Result(
        raw=measures.scores(test, parts.test.labels),
        scaled=measures.scores(test / temperature, parts.test.labels),
        temperature=temperature,
        gaps=gaps,
        gap=measures.logit_gap(train, parts.train.labels),
    )
