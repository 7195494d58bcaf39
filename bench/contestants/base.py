"""What a contestant is, and what it gets and gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.arrays import Unsupported
from bench.cases import Case, Entry
from bench.inputs import Inputs

Array = Any
Result = tuple[Array, tuple[Array, ...]]

#: What each kind of targets is made of.
PARTS = {
    "hard": ("labels",),
    "smoothed": ("labels",),
    "per_row": ("labels", "epsilon"),
    "mixup": ("labels", "other_labels"),
    "dense": ("dense",),
}
OPTION_PARTS = {"mask": ("mask",), "class weights": ("class_weight",)}


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Setup:
    """One entry of a case, with its numbers and the number of threads."""

    case: Case
    entry: Entry
    inputs: Inputs
    threads: int

    def leading(self, library: str) -> tuple[Array, ...]:
        """Return what the loss has gradients for, as arrays of a library."""
        return tuple(self.inputs.get(name, library) for name in self.inputs.leading)

    def parts(self, library: str) -> dict[str, Array]:
        """Return what targets and options are made of, as arrays of a library."""
        names = PARTS[self.entry.targets] + OPTION_PARTS.get(self.entry.option, ())
        return self.inputs.all(names, library)

    def only(self, *targets: str, options: tuple[str, ...] = ("",)) -> None:
        """Refuse other kinds of targets and other options."""
        if self.entry.targets not in targets:
            raise Unsupported(f"has no {self.entry.targets} targets")
        if self.entry.option not in options:
            raise Unsupported(f"has no option {self.entry.option!r}")


@dataclass(frozen=True)
class Run:
    """A call that is ready to be timed. It returns loss and gradients, or None for a limit.

    ``reset`` is not timed and comes before each call; ``enter`` and ``leave`` are not timed and
    come around a series of calls. ``compute`` is the dtype in which the contestant rounds.
    """

    call: Callable[[], Any]
    compute: str
    reset: Callable[[], None] = nothing
    enter: Callable[[], None] = nothing
    leave: Callable[[], None] = nothing
    #: The gradient is that of so many times the loss.
    upstream: float = 1.0
    #: Clock of the host even on a GPU: for libraries with streams of their own.
    host_clock: bool = False


@dataclass(frozen=True)
class Contestant:
    """One way to compute a case."""

    name: str
    title: str
    kind: Literal["ours", "peer", "limit"]
    prepare: Callable[[Setup], Run] = field(repr=False)
    #: The packages whose versions matter.
    needs: tuple[str, ...] = ()
    #: Compiled for the shapes of its first call.
    compiled: bool = False


def pair(losses: Array, gradients: Any) -> Result:
    """Return loss and gradients as a pair with a tuple in it."""
    return losses, gradients if isinstance(gradients, tuple) else (gradients,)
