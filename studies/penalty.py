"""The confidence penalty beside label smoothing, and at the strength of the same optimal gap."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import softtargets as st
from softtargets.analysis import (
    confidence_penalty_for_gap,
    gap_for_confidence_penalty,
    optimal_logit_gap,
)
from softtargets.demo import data
from softtargets.plots.style import new_figure, series, tidy
from studies.findings import Finding, markdown, points_differ, reaches
from studies.measures import digits, keyed, logits_of, predictions, smoothed
from studies.results import Measured, Results
from studies.study import Settings, Study
from studies.training import cross_entropy, of_rows, side_by_side, train

STEPS = 1500
USUAL = 0.1
#: The penalty whose optimal gap is that of the usual smoothing.
MATCHED = round(confidence_penalty_for_gap(optimal_logit_gap(USUAL, data.NUM_CLASSES), 10), 6)
PENALTIES = (0.0, 0.03, 0.1, MATCHED, 1.0)
#: How near the mean gap has to come, in nats.
MARGIN = 0.02


def penalised(penalty: float) -> str:
    """Return the name of a condition."""
    return f"b = {penalty:.3g}"


def measure(seed: int, settings: Settings) -> Measured:
    """Return predictions and gaps of every network."""
    parts = data.split(digits(), seed)
    labels = parts.train.labels
    losses = [
        of_rows(st.cross_entropy, labels, confidence_penalty=penalty) for penalty in PENALTIES
    ]
    losses.append(cross_entropy(labels, USUAL))
    names = [*(penalised(penalty) for penalty in PENALTIES), smoothed(USUAL)]
    steps = settings.steps(STEPS)
    weights = train(parts.train.images, side_by_side(losses), seed, steps, len(losses))[-1]
    test, fitted = (logits_of(weights, part.images) for part in (parts.test, parts.train))
    found: Measured = {}
    for name, on_test, on_train in zip(names, test, fitted, strict=True):
        report = st.analysis.loss_report(on_train, labels)
        found |= keyed(name, predictions(on_test, parts.test.labels).items())
        found |= {(name, "gap"): float(report.gap), (name, "spread"): float(report.gap_std)}
    return found


def tables(results: Results) -> Sequence[str]:
    """Return predictions and gaps."""
    header = [
        *("condition", "accuracy %", "confidence %", "NLL", "ECE %", "its floor %"),
        *("training gap", "closed form"),
    ]
    rows = []
    for name, exact in [
        *((penalised(b), gap_for_confidence_penalty(b, data.NUM_CLASSES)) for b in PENALTIES),
        (smoothed(USUAL), optimal_logit_gap(USUAL, data.NUM_CLASSES)),
    ]:
        rows.append(
            [
                name,
                results.cell(name, "accuracy", 1, 100),
                results.cell(name, "confidence", 1, 100),
                results.cell(name, "nll", 3),
                results.cell(name, "ece", 1, 100),
                results.cell(name, "floor", 1, 100),
                results.cell(name, "gap", 2),
                f"{exact:.2f}" if np.isfinite(exact) else "infinite",
            ]
        )
    return markdown(header, rows)


def findings(results: Results) -> Sequence[Finding]:
    """Judge the penalty against nothing, and against smoothing with the same optimum."""
    plain, weak, matched = (penalised(b) for b in (0.0, 0.1, MATCHED))
    return [
        points_differ("b = 0.1 raises accuracy", results.difference("accuracy", weak, plain), 1),
        points_differ("b = 0.1 lowers the ECE", results.difference("ece", weak, plain), -1),
        points_differ(
            f"{matched}, the optimal gap of e = {USUAL:g}, raises accuracy",
            results.difference("accuracy", matched, plain),
            1,
        ),
        points_differ(
            f"{matched} is less accurate than e = {USUAL:g}",
            results.difference("accuracy", matched, smoothed(USUAL)),
            -1,
        ),
        points_differ(
            f"{matched} has a lower ECE than e = {USUAL:g}",
            results.difference("ece", matched, smoothed(USUAL)),
            -1,
        ),
        *(
            reaches(
                f"With {penalised(b)} the mean gap comes within {MARGIN} of the closed form",
                results.values(penalised(b), "gap"),
                gap_for_confidence_penalty(b, data.NUM_CLASSES),
                MARGIN,
                3,
            )
            for b in PENALTIES[2:]
        ),
    ]


def draw(results: Results) -> Any:
    """Show accuracy and calibration error for each condition."""
    figure = new_figure(8.4, 3.4)
    names = [*(penalised(b) for b in PENALTIES), smoothed(USUAL)]
    for axes, measure_of, words in zip(
        figure.subplots(1, 2), ("accuracy", "ece"), ("accuracy (%)", "ECE (%)"), strict=True
    ):
        for place, name in enumerate(names):
            values = 100 * results.values(name, measure_of)
            look = series(2 if name == smoothed(USUAL) else 1)
            error = np.std(values, ddof=1) / results.seeds**0.5
            axes.errorbar(place, np.mean(values), error, capsize=3, **look)
        axes.set_xticks(range(len(names)), names, fontsize=8, rotation=20)
        axes.set_ylabel(words)
        tidy(axes)
    figure.suptitle("Test set: confidence penalty b, and label smoothing e", fontsize=10)
    return figure


STUDY = Study(
    "penalty",
    measure,
    tables,
    findings,
    draw,
    "Accuracy and calibration error for several strengths of the confidence penalty and for label "
    "smoothing of 0.1.",
)
