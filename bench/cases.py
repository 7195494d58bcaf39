"""What is measured: a case is a problem, an entry is one contestant's run of it."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

#: The kinds of targets that a case can have.
TARGETS = ("hard", "smoothed", "per_row", "mixup", "dense")
#: Label smoothing wherever it is one number, and the share of the first label of a mixup pair.
EPSILON = 0.1
LAM = 0.7

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Case:
    """One problem: a loss of one shape and dtype, with or without its gradient."""

    rows: int
    classes: int
    features: int = 0
    dtype: str = "float32"
    gradient: bool = True
    bias: bool = False
    device: Device = "cpu"
    #: Logits and labels are in files, and what is wanted is the report on them.
    stored: bool = False

    @property
    def function(self) -> str:
        """The name of the loss, or the report."""
        if self.stored:
            return "report"
        return "linear_cross_entropy" if self.features else "cross_entropy"

    @property
    def shape(self) -> str:
        """Rows x classes, or rows x features -> classes."""
        inner = f"{self.features}->" if self.features else ""
        return f"{self.rows}x{inner}{self.classes}"

    @property
    def quantity(self) -> str:
        """What is computed."""
        if self.stored:
            return "report"
        return "loss+gradient" if self.gradient else "loss"

    @property
    def name(self) -> str:
        """The case in a few words."""
        return f"{self.shape} {self.dtype} {self.quantity}"

    def shrunk(self) -> "Case":
        """Return a tiny case of the same form, to see that everything runs."""
        rows = min(self.rows, 12 + self.rows % 7)
        classes = min(self.classes, 10 + self.classes % 11)
        return replace(self, rows=rows, classes=classes, features=min(self.features, 6))


@dataclass(frozen=True)
class Entry:
    """One contestant, one kind of targets, at most one option."""

    contestant: str
    targets: str = "smoothed"
    option: str = ""

    @property
    def name(self) -> str:
        """The entry in a few words."""
        return f"{self.contestant}, {self.targets}" + (f", {self.option}" if self.option else "")


#: Case and entries that are timed in turn.
Contest = tuple[Case, tuple[Entry, ...]]


@dataclass(frozen=True)
class Group:
    """Contests that share a process; or, for memory, whose every entry has a process of its own."""

    name: str
    contests: tuple[Contest, ...]
    measures: Literal["time", "memory"] = "time"
    #: Threads of every library, if not those of the run.
    threads: int = 0
    #: Whether it is measured without being asked for.
    default: bool = True
    #: Few rounds are enough where one call takes seconds.
    fewest_rounds: int = 7


def entries(text: str, targets: str = "smoothed", option: str = "") -> tuple[Entry, ...]:
    """Return one entry for each of the contestants named in a text."""
    return tuple(Entry(name, targets, option) for name in text.split())


def over(shapes: tuple[tuple[int, int], ...], what: tuple[Entry, ...], **more: Any) -> Any:
    """Return the same contest for several shapes."""
    return tuple((Case(rows, classes, **more), what) for rows, classes in shapes)


def shrink(group: Group) -> Group:
    """Return a group of tiny cases; shapes that become the same are measured once."""
    contests = {case.shrunk(): which for case, which in group.contests}
    return replace(group, contests=tuple(contests.items()))


def select(group: Group, shapes: tuple[str, ...]) -> Group:
    """Return the group with some of its shapes only; without names, with all."""
    chosen = [(case, which) for case, which in group.contests if not shapes or case.shape in shapes]
    return replace(group, contests=tuple(chosen))


def cell(case: Case, entry: Entry) -> str:
    """Return a name for one cell of the results, the same in every process."""
    return "|".join(str(value) for value in (*asdict(case).values(), *asdict(entry).values()))
