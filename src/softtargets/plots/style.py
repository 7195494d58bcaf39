"""What all pictures have in common: colours, marks, axes, and how numbers come in."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np

from softtargets._array import errors

#: Colours of Okabe and Ito: told apart with any kind of colour vision, and by their lightness.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo")
#: Greys of what is drawn for comparison.
PALE, MIDDLE = "0.85", "0.4"


def series(row: int) -> dict[str, Any]:
    """Return colour and marker of one series, the same in all pictures."""
    return {"color": COLOURS[row % len(COLOURS)], "marker": MARKERS[row % len(MARKERS)]}


def matplotlib(module: str) -> ModuleType:
    """Return a module of matplotlib, or say what to install."""
    try:
        return importlib.import_module(f"matplotlib.{module}")
    except ImportError:
        errors.missing("softtargets.plots", "matplotlib", "plots")


def new_figure(width: float, height: float) -> Any:
    """Return a figure that belongs to no window."""
    return matplotlib("figure").Figure(figsize=(width, height), layout="constrained")


def tidy(axes: Any) -> Any:
    """Return axes with a pale grid behind what is drawn, and no frame on two sides."""
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def numbers(value: Any, argument: str, *shape: int | None) -> np.ndarray:
    """Return numbers on the host as floats; None in the shape stands for any size."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        errors.bad_type(argument, "be numbers on the host", type(value).__name__)
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        sizes = ["any" if size is None else str(size) for size in shape]
        rule = f"have shape ({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        errors.bad_value(argument, rule, array.shape)
    return array
