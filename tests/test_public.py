"""The public names and what their docstrings tell."""

import inspect
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest

import softtargets
import softtargets.plots


def test_public_names() -> None:
    """`__all__` is sorted and holds the public names of the package, no more and no fewer."""
    names = {
        name
        for name, value in vars(softtargets).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    modules = {n for n in softtargets.__all__ if isinstance(getattr(softtargets, n), ModuleType)}
    assert set(softtargets.__all__) - {"__version__"} == names | modules
    assert softtargets.__all__ == sorted(softtargets.__all__, key=str)
    for module in modules:
        inner = getattr(softtargets, module)
        assert inner.__all__ == sorted(inner.__all__, key=str)
        own = {n for n, value in vars(inner).items() if callable(value) and n[0] != "_"}
        assert own == set(inner.__all__)


def public_values(module: ModuleType = softtargets, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names in `__all__` with their values, those of public modules with a prefix."""
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            yield from public_values(value, f"{name}.")
        elif callable(value):
            yield f"{prefix}{name}", value


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function, class and method with its name."""
    for name, value in (*public_values(), *public_values(softtargets.plots, "plots.")):
        yield name, value
        for part, member in inspect.getmembers(value) if inspect.isclass(value) else ():
            # What a class takes over from Python itself has Python's docstrings.
            inherited = str(getattr(member, "__module__", "")).partition(".")[0] != "softtargets"
            if not part.startswith("_") and callable(member) and not inherited:
                yield f"{name}.{part}", member


FUNCTIONS = dict(public_functions())
#: Formulas that somebody published: their docstrings name the source.
PUBLISHED = {
    "calibration.apply_temperature",
    "calibration.binary_brier_score",
    "calibration.brier_decomposition",
    "calibration.brier_score",
    "calibration.calibration_error",
    "calibration.fit_temperature",
    "calibration.fit_vector_scaling",
    "calibration.ks_calibration_error",
    "calibration.negative_log_likelihood",
    "calibration.noise_floor",
    "calibration.risk_coverage_area",
    "calibration.smooth_calibration_error",
    "calibration.unsmooth",
    "Mixing.sample_cutmix",
    "Mixing.sample_mixup",
    "OnlineLabelSmoothing",
    "Targets.from_neighbours",
    "Targets.from_teacher",
    "Targets.mix",
    "Targets.smooth",
    "analysis.choose_label_smoothing",
    "analysis.class_separation",
    "analysis.confidence_penalty_for_gap",
    "analysis.erasure_index",
    "analysis.gap_for_confidence_penalty",
    "analysis.gap_under_weight_decay",
    "analysis.minimum_loss",
    "analysis.mutual_information",
    "analysis.neural_collapse",
    "analysis.optimal_logit_gap",
    "analysis.penultimate_projection",
    "analysis.projection_tightness",
    "analysis.smoothing_for_noise",
    "analysis.stability",
    "cross_entropy",
    "cutmix",
    "mix",
    "mixup",
    "neighbour_kernel",
    "noise_transition",
    "prior_from_counts",
    "prior_from_similarity",
    "smooth_labels",
    "transition_from_confusion",
}


def sections(function: Callable[..., Any]) -> list[str]:
    """Return the headings of a docstring in their order."""
    lines = (inspect.getdoc(function) or "").splitlines()
    return [
        head
        for head, rule in pairwise(lines)
        if re.fullmatch("-{3,}", rule) and len(rule) == len(head)
    ]


def wanted_sections(name: str, function: Callable[..., Any]) -> set[str]:
    """Return the headings that the docstring of a public function must have."""
    if inspect.isclass(function):
        return {"Examples", "References"} if name in PUBLISHED else {"Examples"}
    signature = inspect.signature(function)
    takes_arguments = bool(set(signature.parameters) - {"self", "cls"})
    is_method = inspect.isclass(FUNCTIONS.get(name.rpartition(".")[0]))
    wanted = set()
    if takes_arguments:
        wanted |= {"Parameters", "Returns"}
        # A function raises where what it calls does; a short method shows it in its own lines.
        if not is_method or re.search(r"\bcheck_|\berrors\.", inspect.getsource(function)):
            wanted.add("Raises")
    if not is_method:
        wanted.add("Examples")
    if "reduction" in signature.parameters and "logits" in signature.parameters and not is_method:
        wanted |= {"Gradient", "References"}
    if name in PUBLISHED:
        wanted.add("References")
    return wanted


ORDER = (
    "Parameters",
    "Returns",
    "Raises",
    "Warns",
    "Gradient",
    "Choosing",
    "Notes",
    "Examples",
    "References",
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings(name: str) -> None:
    """A public docstring has the headings of the house, in their order."""
    function = FUNCTIONS[name]
    found = sections(function)
    assert inspect.getdoc(function)
    assert wanted_sections(name, function) - set(found) == set()
    known = [heading for heading in ORDER if heading in found]
    assert [heading for heading in found if heading != "Attributes"] == known


@pytest.mark.parametrize("module", [v for _, v in public_values() if isinstance(v, ModuleType)])
def test_names_of_modules(module: ModuleType) -> None:
    """A public module lists its names in order, and has no others beside its own modules."""
    names = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(module.__all__) == names
    assert module.__all__ == sorted(module.__all__, key=str)


def test_missing_sections_would_be_seen() -> None:
    """A docstring without headings lacks those that its signature asks for."""

    def smooth(targets: object) -> object:
        """Do something.

        Returns
        -------
        object
        """
        return targets

    assert sections(smooth) == ["Returns"]
    wanted = {"Parameters", "Returns", "Raises", "Examples", "References"}
    assert wanted_sections("smooth_labels", smooth) == wanted
