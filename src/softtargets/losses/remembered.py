"""Problems of plain labels, remembered: calls of one kind differ in logits and labels only.

Most small calls are of a kind that came before, and most of their time would go into checking
their options, and finding the normal form of their targets, anew.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from softtargets._array.axes import to_rows
from softtargets._array.checks import check_labels
from softtargets._array.dtypes import INTEGER, dtype_name
from softtargets._array.trees import arrays_in
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.problem import Problem
from softtargets.targets.rows import Point
from softtargets.typing import Array

#: Types that tell by their value all that there is to know. Numbers of others may compare equal.
_PLAIN = frozenset({type(None), int, float, str})
#: As many kinds are remembered; each is a few hundred bytes.
_MOST = 256

_problems: dict[Any, Problem] = {}


def problem_of(
    logits: Array, targets: Any, options: dict[str, Any], make: Callable[..., Problem]
) -> Problem:
    """Return what ``make`` makes of the same arguments."""
    kind = _kind(logits, targets, options, make)
    if kind is None:
        return make(logits, targets, **options)
    known = _problems.get(kind)
    if known is None:
        problem = make(logits, targets, **options)
        if _is_general(problem):
            _remember(kind, problem)
        return problem
    ignored = options.get("ignore_index", IGNORE_INDEX)
    labels, kept, _ = check_labels(targets, logits.shape[known.axis], ignored, "targets")
    if kept is not None:
        return make(logits, targets, **options)
    point = Point(labels.reshape(-1, 1), known.rows.points[0].amount)
    xp, _, axis, _, dtype, rows, reducer, loss, _ = known
    matrix = to_rows(xp, logits, axis)
    return Problem(xp, logits, axis, matrix, dtype, rows.with_points((point,)), reducer, loss)


def _kind(logits: Array, targets: Any, options: dict[str, Any], make: Any) -> Any:
    """Return all that a call of plain NumPy labels has beside its values, None of other calls."""
    if not type(logits) is type(targets) is np.ndarray or dtype_name(targets) not in INTEGER:
        return None
    values = options.values()
    types = tuple(map(type, values))
    if not _PLAIN.issuperset(types):
        return None
    return make, logits.shape, logits.dtype, targets.shape, targets.dtype, types, *options, *values


def _remember(kind: Any, problem: Problem) -> None:
    """Keep the problem without any array."""
    if len(_problems) >= _MOST:
        _problems.clear()
    (point,) = problem.rows.points
    rows = problem.rows.with_points((Point(None, point.amount),))
    _problems[kind] = problem._replace(logits=None, matrix=None, rows=rows)


def _is_general(problem: Problem) -> bool:
    """Whether labels are the only values of arrays that the problem depends on."""
    rows = problem.rows
    parts = (rows, problem.reducer, problem.loss)
    arrays = [a for a in arrays_in(parts) if not isinstance(a, np.generic)]
    return len(rows.points) == 1 and [id(a) for a in arrays] == [id(rows.points[0].labels)]
