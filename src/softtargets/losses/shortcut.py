"""Plain labels with one smoothing for all: their normal form differs in the labels only.

Most small calls are of this kind, and most of their time would go into finding that form anew.
"""

import functools
from typing import Any

import numpy as np

from softtargets._array.checks import check_labels
from softtargets._array.dtypes import INTEGER, dtype_name
from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import is_number
from softtargets._array.trees import arrays_in
from softtargets.targets.rows import Point, Rows
from softtargets.targets.structure import normal_form
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array


def rows_of_labels(
    logits: Array,
    targets: Any,
    shape: tuple[int, ...],
    count: int,
    ignore_index: Any,
    label_smoothing: Amount,
    options: tuple[Any, ...],
) -> Rows | None:
    """Return the normal form of NumPy labels, or None where it takes more to find it.

    ``options`` are those that have to be absent.
    """
    if not (is_numpy(logits) and is_numpy(targets)) or any(o is not None for o in options):
        return None
    if not is_number(label_smoothing) or type(ignore_index) is not int:
        return None
    if targets.shape != shape or dtype_name(targets) not in INTEGER:
        return None
    labels, kept, _ = check_labels(targets, count, ignore_index, "targets")
    if kept is not None:
        return None
    form = _form(count, label_smoothing)
    return form.with_points((Point(labels.reshape(-1, 1), form.points[0].amount),))


@functools.lru_cache(maxsize=64)
def _form(count: int, label_smoothing: float) -> Rows:
    """Return the normal form of label 0 in one row; apart from the label it holds numbers only."""
    like = np.zeros((1, count))
    targets = Targets.from_labels(np.zeros(1, dtype=np.int64), count).smooth(label_smoothing)
    form = normal_form(targets, like)
    assert len(form.points) == 1 == sum(1 for _ in arrays_in(form))
    return form
