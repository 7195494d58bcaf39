"""How large may the smoothing be? Both conventions, two optimisers, two budgets."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import softtargets as st
from softtargets import plots
from softtargets.demo import data, network
from softtargets.demo.tables import over_seeds
from softtargets.plots.style import new_figure
from studies.findings import Finding, below, markdown, no_worse, points_differ, within
from studies.measures import accuracy, digits, logits_of, smoothed
from studies.results import Measured, Results
from studies.study import Settings, Study
from studies.training import Loss, Update, cross_entropy, momentum, side_by_side, train

EPSILONS = (0.0, 0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
OTHERS = (0.5, 0.8, 0.89, 0.9, 0.91, 0.95)
PATIENT = (0.0, 0.95, 0.99)
STEPS, MORE_STEPS = 400, 1600
#: What may be lost without notice, as a fraction of images.
MARGIN = 0.01
CHANCE = 1 / data.NUM_CLASSES


def measure(seed: int, settings: Settings) -> Measured:
    """Return the accuracy of every condition, and the gradient at the very start."""
    parts = data.split(digits(), seed)
    labels = parts.train.labels
    found: Measured = {}

    def run(names: list[str], loss: Loss, steps: int, update: Update = network.adam) -> None:
        taken = settings.steps(steps)
        weights = train(parts.train.images, loss, seed, taken, len(names), update=update)[-1]
        for name, logits in zip(names, logits_of(weights, parts.test.images), strict=True):
            found[name, "accuracy"] = accuracy(logits, parts.test.labels)

    def spread_over_all(amounts: Sequence[float]) -> Loss:
        return cross_entropy(labels, np.array(amounts, dtype=np.float32)[:, None])

    run([f"Adam, {smoothed(e)}" for e in EPSILONS], spread_over_all(EPSILONS), STEPS)
    run([f"SGD, {smoothed(e)}" for e in EPSILONS], spread_over_all(EPSILONS), STEPS, momentum)
    run([f"longer, {smoothed(e)}" for e in PATIENT], spread_over_all(PATIENT), MORE_STEPS)
    others = side_by_side([cross_entropy(labels, e, "others") for e in OTHERS])
    with warnings.catch_warnings():
        # The library warns of what is to be seen here.
        warnings.filterwarnings("ignore", "label_smoothing .* leaves the label no more mass")
        run([f"others, {smoothed(e)}" for e in OTHERS], others, STEPS)
    return found | at_start(labels)


def at_start(labels: np.ndarray) -> Measured:
    """Return the gradient at equal logits over that without smoothing, less 1 - e."""
    equal = np.zeros((len(labels), data.NUM_CLASSES))
    gradient = st.value_and_grad(st.cross_entropy)
    _, hard = gradient(equal, labels)
    found: Measured = {}
    for e in EPSILONS:
        _, soft = gradient(equal, labels, label_smoothing=e)
        off = np.max(np.abs(soft - (1 - e) * hard)) / np.max(np.abs(hard))
        found[f"start, {smoothed(e)}", "deviation"] = float(off)
    return found


def tables(results: Results) -> Sequence[str]:
    """Return the accuracies of both conventions."""

    def cell(kind: str, e: float, known: Sequence[float]) -> str:
        if e not in known:
            return ""
        return results.cell(f"{kind}, {smoothed(e)}", "accuracy", 1, 100)

    header = [
        *("e", f"Adam, {STEPS} steps", f"SGD with momentum, {STEPS} steps"),
        *(f"Adam, {MORE_STEPS} steps", f'spread="others", Adam, {STEPS} steps'),
    ]
    rows = [
        [
            f"{e:g}",
            cell("Adam", e, EPSILONS),
            cell("SGD", e, EPSILONS),
            cell("longer", e, PATIENT),
            cell("others", e, OTHERS),
        ]
        for e in sorted({*EPSILONS, *OTHERS})
    ]
    return ["Test accuracy in percent:", "", *markdown(header, rows)]


def findings(results: Results) -> Sequence[Finding]:
    """Judge where accuracy is lost."""

    def of(kind: str, e: float) -> str:
        return f"{kind}, {smoothed(e)}"

    def lost(claim: str, first: str, second: str) -> Finding:
        difference = results.difference("accuracy", first, second)
        return no_worse(claim, difference, MARGIN, 1, 100, "points")

    def less(claim: str, first: str, second: str, sign: int = -1) -> Finding:
        return points_differ(claim, results.difference("accuracy", first, second), sign)

    inverted = over_seeds(results.values(of("others", 0.95), "accuracy") - CHANCE)
    chance = over_seeds(results.values(of("Adam", 1.0), "accuracy") - CHANCE)
    deviation = np.concatenate([results.values(of("start", e), "deviation") for e in EPSILONS])
    return [
        lost("e = 0.5 loses nothing (Adam)", of("Adam", 0.5), of("Adam", 0.0)),
        lost("e = 0.8 loses nothing (Adam)", of("Adam", 0.8), of("Adam", 0.0)),
        lost("e = 0.8 loses nothing (SGD)", of("SGD", 0.8), of("SGD", 0.0)),
        less("e = 0.95 loses accuracy (Adam)", of("Adam", 0.95), of("Adam", 0.0)),
        less("e = 0.99 loses accuracy (Adam)", of("Adam", 0.99), of("Adam", 0.0)),
        less(
            f"e = 0.99 gains from {MORE_STEPS} instead of {STEPS} steps",
            of("longer", 0.99),
            of("Adam", 0.99),
            1,
        ),
        within("e = 1 is chance, within 5 points", chance, 0.05, 1, 100, "points"),
        points_differ('spread="others", e = 0.95 is below chance', inverted, -1),
        below("The first gradient is 1 - e times that without smoothing", deviation, 1e-14),
    ]


def draw(results: Results) -> Any:
    """Show accuracy over the amount of smoothing, all of it and its upper end."""
    figure = new_figure(8.6, 3.6)
    panels = figure.subplots(1, 2)
    for axes, words in zip(panels, ("test accuracy (%)", ""), strict=True):
        for kind, amounts, label in (
            ("Adam", EPSILONS, "Adam"),
            ("SGD", EPSILONS, "SGD with momentum"),
            ("others", OTHERS, 'Adam, spread="others"'),
        ):
            names = [f"{kind}, {smoothed(e)}" for e in amounts]
            values = np.stack([results.values(name, "accuracy") for name in names], axis=1)
            plots.sweep(amounts, 100 * values, label=label, ylabel=words, axes=axes)
    panels[0].axhline(100 * CHANCE, color="0.4", linestyle=":", linewidth=1, label="chance")
    panels[0].legend(frameon=False, fontsize=9, loc="center left")
    panels[1].set(xlim=(-0.02, 0.92), ylim=(86, 97))
    panels[1].set_title("The same, the highest accuracies", fontsize=10)
    panels[1].get_legend().remove()
    panels[0].set_title(f"{STEPS} steps, {data.TRAIN} images", fontsize=10)
    return figure


STUDY = Study(
    "large",
    measure,
    tables,
    findings,
    draw,
    "Accuracy over the amount of smoothing: level up to about 0.8, then falling to chance.",
)
