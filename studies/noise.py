"""Label smoothing is label noise in expectation, and training on noise is not training on it.

The same study runs on every library in ``LIBRARIES`` that is installed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from matplotlib.ticker import MaxNLocator

import softtargets as st
from softtargets._array import backends
from softtargets.analysis import smoothing_for_noise
from softtargets.demo import data, network
from softtargets.demo.libraries import Place
from softtargets.demo.tables import over_seeds
from softtargets.plots.style import new_figure, series, tidy
from softtargets.typing import Array
from studies.findings import NOT_SHOWN, Finding, below, markdown, points_differ, within
from studies.measures import accuracy, keyed
from studies.results import Measured, Results
from studies.study import Settings, Study
from studies.training import Loss, cross_entropy, flipped, train

LIBRARIES = ("numpy", "torch")
RATE, STEPS = 0.2, 600
CONDITIONS = ("no noise", "smoothing", "noise anew in each step", "noise once and for all")
CLEAN, SMOOTH, FRESH, FIXED = CONDITIONS
FIXED_ROW = CONDITIONS.index(FIXED)
#: How many draws of the noise are averaged.
DRAWS = (1, 10, 100, 1000)
#: Accuracies that differ by less count as the same, as fractions; exponents likewise.
MARGIN, EXPONENT_MARGIN = 0.01, 0.1
ROUNDING = 1e-12
#: By how much the libraries may differ in the numbers of trained networks, relatively.
AGREEMENT = 1e-6


def measure(seed: int, settings: Settings) -> Measured:
    """Return the numbers from every library that is installed."""
    found: Measured = {}
    for name in LIBRARIES:
        backend = backends.find(name)
        if backend.why_unusable() is None:
            numbers = measure_on(Place(backend, backend.devices_present()[0]), seed, settings)
            found |= {(f"{name}: {where}", what): x for (where, what), x in numbers.items()}
    return found


def measure_on(place: Place, seed: int, settings: Settings) -> Measured:
    """Train and measure one seed in one library, in float64."""
    parts = data.split(data.load_digits(), seed)
    labels = parts.train.labels
    own = np.stack([labels, labels, labels, flipped(labels, RATE, seed)])
    amount = smoothing_for_noise(RATE, data.NUM_CLASSES)
    amounts = place.asarray(np.array([[0.0], [amount], [0.0], [0.0]]))
    rng = np.random.default_rng((seed, 4))

    def gradient(logits: Array, rows: Array) -> Array:
        batch = np.stack([given[place.to_numpy(rows)] for given in own])
        batch[2] = flipped_by(rng, batch[2])
        return cross_entropy(place.asarray(batch), amounts)(logits, everything(place, batch))

    loss: Loss = gradient
    steps = settings.steps(STEPS)
    weights = train(parts.train.images, loss, seed, steps, len(CONDITIONS), bring=place.asarray)[-1]
    fitted, test = (
        network.forward(weights, place.asarray(part.images))[-1]
        for part in (parts.train, parts.test)
    )
    found = identities(fitted[1, ...], place.asarray(labels), amount)
    on_train, on_test = (place.to_numpy(each) for each in (fitted, test))
    for index, name in enumerate(CONDITIONS):
        held_out = st.analysis.loss_report(on_test[index], parts.test.labels)
        numbers = {
            "accuracy": held_out.accuracy,
            "nll": held_out.nll,
            "training gap": st.analysis.loss_report(on_train[index], labels).gap,
            "fit of the noise": accuracy(on_train[index], own[FIXED_ROW]),
        }
        found |= keyed(name, numbers.items())
    return found | averages(on_train[1], labels, amount, seed)


def everything(place: Place, batch: Array) -> Array:
    """Return the numbers of all columns."""
    return place.asarray(np.arange(batch.shape[1]))


def flipped_by(rng: np.random.Generator, labels: Array) -> Array:
    """Return labels with noise from a generator that goes on."""
    step = rng.integers(1, data.NUM_CLASSES, labels.shape)
    wrong = rng.uniform(size=labels.shape) < RATE
    return np.where(wrong, (labels + step) % data.NUM_CLASSES, labels)


def identities(logits: Array, labels: Array, amount: float) -> Measured:
    """Return how far the expectation over the noise is from smoothing: loss and gradient."""
    xp = array_namespace(logits)
    differentiate = st.value_and_grad(st.cross_entropy)
    transition = st.noise_transition(data.NUM_CLASSES, RATE, like=logits)
    chances = xp.take(transition, labels, axis=0)
    expected, slope = xp.zeros_like(logits[:, 0]), xp.zeros_like(logits)
    for k in range(data.NUM_CLASSES):
        one = xp.zeros_like(labels) + k
        losses, gradient = differentiate(logits, one, reduction="none")
        expected = expected + chances[:, k] * losses
        slope = slope + chances[:, k : k + 1] * gradient
    losses, gradient = differentiate(logits, labels, label_smoothing=amount, reduction="none")
    return {
        ("identity", "loss"): float(xp.max(xp.abs(expected / losses - 1))),
        ("identity", "gradient"): float(xp.max(xp.abs(slope - gradient))),
    }


def averages(logits: Array, labels: Array, amount: float, seed: int) -> Measured:
    """Return how far averages over draws of the noise are from smoothing, over rows."""
    rng = np.random.default_rng((seed, 5))
    exact = st.cross_entropy(logits, labels, label_smoothing=amount, reduction="none")
    classes = np.arange(data.NUM_CLASSES)
    losses = np.stack(
        [st.cross_entropy(logits, 0 * labels + k, reduction="none") for k in classes], axis=1
    )
    found: Measured = {}
    for count in DRAWS:
        drawn = flipped_by(rng, np.tile(labels, (count, 1)))
        mean = np.mean(losses[np.arange(len(labels)), drawn], axis=0)
        found["average", f"error of {count}"] = float(np.sqrt(np.mean((mean - exact) ** 2)))
    return found


def tables(results: Results) -> Sequence[str]:
    """Return what was trained, and how fast averages approach the expectation."""
    header = [
        *("trained with", "test accuracy %", "test NLL", "training gap"),
        "fits the labels with fixed noise, %",
    ]
    formats = {"accuracy": (1, 100), "nll": (3, 1), "training gap": (2, 1)}
    formats["fit of the noise"] = (1, 100)
    rows = [
        [name, *(results.cell(f"numpy: {name}", what, *form) for what, form in formats.items())]
        for name in CONDITIONS
    ]
    lines = [*markdown(header, rows), ""]
    header = ["draws of the noise", *(str(count) for count in DRAWS)]
    cells = [results.cell("numpy: average", f"error of {count}", 4) for count in DRAWS]
    return [*lines, *markdown(header, [["error of their mean loss, nats", *cells]])]


def agreement(results: Results) -> Finding:
    """Judge whether PyTorch gives the numbers of NumPy."""
    claim = f"The same study on PyTorch gives the same numbers, to {AGREEMENT:g} of each"
    pairs = [
        (values, results.table[f"torch: {where.removeprefix('numpy: ')}", what])
        for (where, what), values in results.table.items()
        if where.startswith("numpy: ") and "identity" not in where
        and (f"torch: {where.removeprefix('numpy: ')}", what) in results.table
    ]  # fmt: skip
    if not pairs:
        return Finding(claim, "PyTorch was not installed", NOT_SHOWN)
    return below(claim, np.concatenate([other / mine - 1 for mine, other in pairs]), AGREEMENT)


def findings(results: Results) -> Sequence[Finding]:
    """Judge the identity, the averages, and what training makes of them."""
    worst = {
        what: np.concatenate(
            [row for (where, name), row in results.table.items()
             if where.endswith("identity") and name == what]
        )
        for what in ("loss", "gradient")
    }  # fmt: skip
    first, last = (results.values("numpy: average", f"error of {n}") for n in (1, DRAWS[-1]))
    exponent = over_seeds(np.log10(last / first) / np.log10(DRAWS[-1]) + 0.5)

    def change(measure: str, name: str, base: str) -> Any:
        return results.difference(measure, f"numpy: {name}", f"numpy: {base}")

    return [
        below(
            "The mean of the hard loss over the noise is the smoothed loss", worst["loss"], ROUNDING
        ),
        below("Its gradient is that of the smoothed loss", worst["gradient"], ROUNDING),
        within(
            "The error of an average over n draws falls as n to the power -0.5 (deviation)",
            exponent,
            EXPONENT_MARGIN,
            3,
        ),
        within(
            "Noise anew in each step is as accurate as smoothing, within a point",
            change("accuracy", FRESH, SMOOTH),
            MARGIN,
            1,
            100,
            "points",
        ),
        points_differ(
            "Noise once and for all is less accurate than smoothing",
            change("accuracy", FIXED, SMOOTH),
            -1,
        ),
        points_differ(
            "Noise once and for all is learnt by heart: smoothing fits its labels less",
            change("fit of the noise", FIXED, SMOOTH),
            1,
        ),
        agreement(results),
    ]


def draw(results: Results) -> Any:
    """Show how averages approach the expectation, and what was trained."""
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2)
    values = [results.values("numpy: average", f"error of {count}") for count in DRAWS]
    error = [np.std(each, ddof=1) / results.seeds**0.5 for each in values]
    left.errorbar(DRAWS, np.mean(values, axis=1), error, capsize=3, label="measured", **series(1))
    line = np.mean(values[0]) / np.sqrt(DRAWS)
    left.plot(DRAWS, line, color="0.4", linestyle=":", label="one over the root of n")
    left.set(xscale="log", yscale="log", xlabel="draws of the noise n")
    left.set_ylabel("error of their mean loss (nats)")
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter("{x:g}")
    left.legend(frameon=False, fontsize=9)
    for row, name in enumerate(CONDITIONS):
        found = 100 * results.values(f"numpy: {name}", "accuracy")
        spread = np.std(found, ddof=1) / results.seeds**0.5
        right.errorbar(np.mean(found), row, xerr=spread, capsize=3, **series(row))
    right.set_yticks(range(len(CONDITIONS)), CONDITIONS, fontsize=9)
    right.invert_yaxis()
    right.set_xlabel("test accuracy (%)")
    right.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    left.set_title("Averages of the hard loss", fontsize=10)
    right.set_title(f"Trained networks, {results.seeds} seeds", fontsize=10)
    for axes in (left, right):
        tidy(axes)
    return figure


STUDY = Study(
    "noise",
    measure,
    tables,
    findings,
    draw,
    "The average loss over draws of the noise approaches the smoothed loss; networks that are "
    "trained with smoothing, fresh noise and fixed noise differ in accuracy.",
)
