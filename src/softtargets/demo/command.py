"""The demo from beginning to end: train, compare, print, draw."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from softtargets._array.backends import BACKENDS
from softtargets.demo import data, network, picture, sentences, tables
from softtargets.demo.agreement import Curve, learning_curve
from softtargets.demo.libraries import Place, places
from softtargets.demo.needs import DemoError, need
from softtargets.demo.progress import progress
from softtargets.demo.study import Study, run_study

PICTURE = "softtargets-demo.png"


@dataclass(frozen=True)
class Plan:
    """How much to train."""

    epsilons: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.4)
    seeds: int = 10
    steps: int = 1500
    #: Steps on every library; those that are not made for small arrays take long for each.
    common_steps: int = 25


QUICK = Plan(seeds=5, steps=200, common_steps=10)


def run(plan: Plan, names: Sequence[str] | None, folder: Path) -> int:
    """Run the demo on the named libraries (None: all); return 1 if one of them failed, else 0."""
    digits = data.load_digits()
    limits = need("threadpoolctl", "threadpoolctl", "the demo").threadpool_limits
    make_folder(folder)
    with progress("loading array libraries", len(BACKENDS)) as advance:
        found, missing = places(names, advance)
    # More threads only get in each other's way in matrices as small as these.
    with limits(limits=1):
        say(*about(plan, digits), "")
        study = train(plan, digits)
        say(*show_study(study), "")
        curves, failed = compare(plan, digits, found)
        say(*show_agreement(plan, curves, [*failed, *missing]), "")
    say("What was seen")
    for sentence in sentences.all_sentences(study, curves):
        say(*wrap(sentence, "- "))
    say("", save_picture(study, folder))
    return 1 if failed else 0


def wrap(text: str, bullet: str = "") -> list[str]:
    """Return lines of at most 80 columns."""
    indent = " " * len(bullet)
    return textwrap.wrap(
        text, 80, initial_indent=bullet, subsequent_indent=indent, break_on_hyphens=False
    )


def several(count: int, noun: str) -> str:
    """Return "1 seed" or "2 seeds"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def say(*lines: str) -> None:
    """Print lines at once."""
    print(*lines, sep="\n", flush=True)


def make_folder(folder: Path) -> None:
    """Make the folder for the picture, before anything takes long."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"cannot write into {folder}: {error.strerror}") from error


def about(plan: Plan, digits: data.Part) -> list[str]:
    """Return what is done."""
    test = len(digits.labels) - data.TRAIN - data.VALIDATION
    layers = "-".join(str(size) for size in network.SIZES)
    text = (
        f"Label smoothing on the digits of scikit-learn: {data.TRAIN} images to train on, "
        f"{data.VALIDATION} to choose a temperature with, {test} to test on. A {layers} ReLU "
        f"network, {several(plan.steps, 'step')} of Adam with batches of {data.BATCH}; "
        f"{several(plan.seeds, 'seed')}, "
        "each with its own parts, weights and batches, which are the same for every amount of "
        "smoothing."
    )
    return wrap(text)


def train(plan: Plan, digits: data.Part) -> Study:
    """Return the study, made in NumPy."""
    text = f"training {plan.seeds * len(plan.epsilons)} networks"
    with progress(text, plan.seeds * plan.steps) as advance:
        return run_study(digits, plan.epsilons, plan.seeds, plan.steps, advance)


def show_study(study: Study) -> list[str]:
    """Return the tables of the study, each with what its columns mean."""
    plus_minus = "mean ± standard deviation over seeds" if study.seeds > 1 else "one seed"
    parts = [
        f"Test set, as trained ({plus_minus})",
        *tables.as_trained(study),
        "ECE: calibration error, 15 bins; floor: what perfect calibration would show",
        "",
        "Test set, with a temperature for each network, fitted on validation images",
        *tables.with_temperature(study),
        "",
    ]
    if study.seeds > 1 and len(study.epsilons) > 1:
        rule = f"{tables.STANDARD_ERRORS} standard errors, {tables.FEWEST_SEEDS} seeds or more"
        parts += [
            f"Difference to smoothing {study.epsilons[0]:g}, seed by seed (mean ± standard error)",
            *tables.differences(study),
            f"*: clear, that is beyond {rule}.",
            "",
        ]
    return [
        *parts,
        "Logit gap on the training set: the label's logit minus the mean of the others",
        *tables.gaps(study),
    ]


def compare(plan: Plan, digits: data.Part, found: list[Place]) -> tuple[list[Curve], list[str]]:
    """Return a learning curve for each place and dtype, NumPy's first; and what went wrong."""
    part = data.split(digits, seed=0).train
    curves, failed = [], []
    for place in found:
        try:
            for dtype in place.dtypes():
                with progress(f"{place.title}, {dtype}", plan.common_steps) as advance:
                    curves.append(
                        learning_curve(
                            place, dtype, part, plan.epsilons, plan.common_steps, advance
                        )
                    )
        except Exception as error:  # a library may be installed and yet not work
            if not curves:
                raise
            first_line = str(error).partition("\n")[0]
            failed.append(f"{place.title} failed: {type(error).__name__}: {first_line}")
    return curves, failed


def show_agreement(plan: Plan, curves: list[Curve], missing: list[str]) -> list[str]:
    """Return the table of learning curves, and the libraries without one."""
    return [
        f"{plan.common_steps} steps on every library, and to how many digits the losses agree with "
        "NumPy's",
        *tables.agreement(curves),
        *(f"{why}." for why in missing),
    ]


def save_picture(study: Study, folder: Path) -> str:
    """Save the picture where matplotlib is installed; say where, or what is missing."""
    path = folder / PICTURE
    try:
        picture.make_figure(study).savefig(path, dpi=160)
    except DemoError as error:
        return f"No picture: {error}"
    return f"Picture: {path}"
