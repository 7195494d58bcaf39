"""What a smoothed teacher does to its students, and what it has forgotten."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import softtargets as st
from softtargets.demo import data
from softtargets.plots.style import new_figure, series, tidy
from softtargets.typing import Array
from studies.findings import Finding, differs, markdown, no_worse, points_differ
from studies.measures import accuracy, digits, logits_of, smoothed
from studies.results import Measured, Results
from studies.study import Settings, Study
from studies.training import Loss, cross_entropy, of_rows, side_by_side, train

TEACHER, STUDENT, HEIR = (64, 256, 128, 10), (64, 24, 10), (64, 64, 10)
#: Images for the teacher, and how many of those the student sees.
TRAIN, TRANSFER = 600, 150
STEPS = 1500
TEACHERS, TEMPERATURES = (0.0, 0.1, 0.3), (1.0, 2.0, 4.0, 8.0)
#: The digit that a student never sees, and the temperatures at which it is asked for it.
OMITTED, ASKED = 3, (1.0, 4.0)
#: What a student may lose at temperature 1, and the teacher be worse, without notice.
MARGIN = 0.01


def student(teacher: float, temperature: float) -> str:
    """Return the name of a student."""
    return f"teacher {smoothed(teacher)}, T = {temperature:g}"


def heir(teacher: float, temperature: float) -> str:
    """Return the name of a student that never saw one digit."""
    return f"no {OMITTED}, {student(teacher, temperature)}"


def measure(seed: int, settings: Settings) -> Measured:
    """Return what teachers, students and students without the omitted digit can do."""
    parts = data.split(digits(), seed, TRAIN, 0)
    steps = settings.steps(STEPS)
    loss = cross_entropy(parts.train.labels, np.array(TEACHERS, dtype=np.float32)[:, None])
    taught = train(parts.train.images, loss, seed, steps, len(TEACHERS), sizes=TEACHER)[-1]
    teaching = logits_of(taught, parts.train.images, TEACHER).astype(np.float32)
    judged = logits_of(taught, parts.test.images, TEACHER)
    found: Measured = {}
    for e, on_train, on_test in zip(TEACHERS, teaching, judged, strict=True):
        erased = st.analysis.erasure_index(on_train.astype(np.float64), parts.train.labels)
        found |= {
            (f"teacher {smoothed(e)}", "accuracy"): accuracy(on_test, parts.test.labels),
            (f"teacher {smoothed(e)}", "erasure"): float(erased.means),
        }
    found |= students(parts, teaching, seed, steps)
    return found | heirs(parts, teaching, seed, steps)


def followers(teaching: Array, temperatures: Sequence[float]) -> list[Loss]:
    """Return the losses of a student of each teacher at each temperature."""
    return [
        of_rows(st.distillation, logits, temperature=temperature)
        for logits in teaching
        for temperature in temperatures
    ]


def students(parts: data.Split, teaching: Array, seed: int, steps: int) -> Measured:
    """Return the accuracy of students on a part of the images, with and without a teacher."""
    labels = parts.train.labels[:TRANSFER]
    losses = followers(teaching[:, :TRANSFER], TEMPERATURES)
    names = [student(e, temperature) for e in TEACHERS for temperature in TEMPERATURES]
    for e in TEACHERS[:2]:
        losses.append(cross_entropy(labels, e))
        names.append(f"no teacher, {smoothed(e)}")
    images = parts.train.images[:TRANSFER]
    weights = train(images, side_by_side(losses), seed, steps, len(losses), sizes=STUDENT)[-1]
    test = logits_of(weights, parts.test.images, STUDENT)
    return {
        (name, "accuracy"): accuracy(logits, parts.test.labels)
        for name, logits in zip(names, test, strict=True)
    }


def heirs(parts: data.Split, teaching: Array, seed: int, steps: int) -> Measured:
    """Return how well students know a digit that they have never seen."""
    kept = parts.train.labels != OMITTED
    losses = followers(teaching[:, kept], ASKED)
    names = [heir(e, temperature) for e in TEACHERS for temperature in ASKED]
    images = parts.train.images[kept]
    weights = train(images, side_by_side(losses), seed, steps, len(losses), sizes=HEIR)[-1]
    found: Measured = {}
    truth = parts.test.labels == OMITTED
    asked = np.full(truth.shape, OMITTED)
    for name, logits in zip(names, logits_of(weights, parts.test.images, HEIR), strict=True):
        surprise = st.cross_entropy(logits, asked, reduction="none")
        found |= {
            (name, "recall"): accuracy(logits[truth], asked[truth]),
            (name, "auroc"): float(roc_auc_score(truth, -surprise)),
        }
    return found


def tables(results: Results) -> Sequence[str]:
    """Return the tables of teachers, students and heirs."""
    header = ["test accuracy %", "the teacher's own", "its erasure index",
              *(f"student, T = {t:g}" for t in TEMPERATURES)]  # fmt: skip
    rows = [
        [
            f"teacher with {smoothed(e)}",
            results.cell(f"teacher {smoothed(e)}", "accuracy", 1, 100),
            results.cell(f"teacher {smoothed(e)}", "erasure", 4),
            *(results.cell(student(e, t), "accuracy", 1, 100) for t in TEMPERATURES),
        ]
        for e in TEACHERS
    ]
    alone = [
        f"{results.cell(f'no teacher, {smoothed(e)}', 'accuracy', 1, 100)} with {smoothed(e)}"
        for e in TEACHERS[:2]
    ]
    lines = [*markdown(header, rows), "", f"Students without a teacher: {', '.join(alone)}.", ""]
    header = [f"students that never saw a {OMITTED}"]
    for temperature in ASKED:
        header += [f"recall %, T = {temperature:g}", f"AUROC, T = {temperature:g}"]
    rows = []
    for e in TEACHERS:
        cells = [f"teacher with {smoothed(e)}"]
        for temperature in ASKED:
            name = heir(e, temperature)
            cells += [results.cell(name, "recall", 1, 100), results.cell(name, "auroc", 4)]
        rows.append(cells)
    return [*lines, *markdown(header, rows)]


def findings(results: Results) -> Sequence[Finding]:
    """Judge students of the teacher with e = 0.1 against those of the hard one."""
    hard, smooth = TEACHERS[:2]

    def change(name: str, *names: str) -> Any:
        return results.difference(name, *names)

    teachers = change("accuracy", *(f"teacher {smoothed(e)}" for e in (smooth, hard)))
    at_one = change("accuracy", student(smooth, 1.0), student(hard, 1.0))
    found = [
        no_worse(
            "The smoothed teacher itself is no worse", teachers, MARGIN, 1, 100, unit="points"
        ),
        no_worse("At T = 1 its student is no worse", at_one, MARGIN, 1, 100, unit="points"),
    ]
    for t in TEMPERATURES[1:]:
        difference = change("accuracy", student(smooth, t), student(hard, t))
        claim = f"At T = {t:g} its student is worse"
        found.append(points_differ(claim, difference, -1))
    unseen = ASKED[-1]
    claim = f"Its student recognises fewer {OMITTED}s, which it never saw, T = {unseen:g}"
    pair = (heir(smooth, unseen), heir(hard, unseen))
    found.append(points_differ(claim, change("recall", *pair), -1))
    claim = f"It has a lower AUROC of the {OMITTED}, T = {unseen:g}"
    found.append(differs(claim, change("auroc", *pair), -1, 4))
    return found


def draw(results: Results) -> Any:
    """Show students over the temperature, and how often the unseen digit is recognised."""
    figure = new_figure(8.4, 3.5)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for row, e in enumerate(TEACHERS):
        values = [100 * results.values(student(e, t), "accuracy") for t in TEMPERATURES]
        error = [np.std(each, ddof=1) / results.seeds**0.5 for each in values]
        look = {**series(row), "capsize": 3, "label": f"teacher with {smoothed(e)}"}
        # A little apart, so that bars of errors do not hide each other.
        places = np.array(TEMPERATURES) * 1.03 ** (row - 1)
        left.errorbar(places, np.mean(values, axis=1), error, **look)
        recall = 100 * results.values(heir(e, ASKED[-1]), "recall")
        error_of = np.std(recall, ddof=1) / results.seeds**0.5
        right.bar(row, np.mean(recall), yerr=error_of, color=series(row)["color"], capsize=3)
        right.annotate(
            f"{np.mean(recall):.0f} %", (row, np.mean(recall) + error_of), (0, 4),
            textcoords="offset points", ha="center", fontsize=9,
        )  # fmt: skip
    left.set(xscale="log", xlabel="temperature T", ylabel="student's test accuracy (%)")
    left.set_xticks(TEMPERATURES, [f"{t:g}" for t in TEMPERATURES])
    left.minorticks_off()
    left.legend(frameon=False, fontsize=9)
    right.set_xticks(range(len(TEACHERS)), [smoothed(e) for e in TEACHERS])
    right.set(xlabel="teacher", ylabel=f"recall of the unseen {OMITTED} (%)", ylim=(0, 100))
    left.set_title(f"Students, {results.seeds} seeds", fontsize=10)
    right.set_title(f"Students that never saw a {OMITTED}, T = {ASKED[-1]:g}", fontsize=10)
    for axes in (left, right):
        tidy(axes)
    return figure


STUDY = Study(
    "distillation",
    measure,
    tables,
    findings,
    draw,
    "Accuracy of students over the temperature, for teachers with and without smoothing, and how "
    "often students recognise a digit that they have never seen.",
)
