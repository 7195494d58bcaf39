"""What processes must agree on before they compute: else each would wait for the others.

All of them see the parts of all, and raise the same error where those do not fit.
"""

import weakref
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from softtargets._array import errors
from softtargets._array.traits import may_look
from softtargets.distributed.comparison import Entry, compare
from softtargets.distributed.description import DTYPES, Part
from softtargets.distributed.groups import Group
from softtargets.losses.reductions import REDUCTIONS
from softtargets.typing import Amount


class Block(NamedTuple):
    """The classes of a process begin here, and so many there are on all processes."""

    first_class: Amount
    num_classes: int


#: What was found for each group, by the part without the values of its arrays.
_known: weakref.WeakKeyDictionary[Any, dict[Part, Block]] = weakref.WeakKeyDictionary()


def agree(
    group: Group,
    name: str,
    check: bool | None,
    part: Callable[[], Part],
    values: Callable[[Part], Part],
    like: Any,
    *,
    rows: bool = False,
) -> Block:
    """Return the block of classes of this process, if all processes of the group fit together.

    ``part`` describes it, and ``values`` adds the values of its arrays. Members of a group of
    ``rows`` have rows of their own.
    """
    known = _known.setdefault(group.key, {})
    # Elsewhere a look at the answer waits for the device: it is asked for once.
    always = check or (check is None and may_look(like))
    try:
        own = part()
        if not always:
            if own in known:
                return known[own]
            if check is False and min(own.first_class, own.num_classes) >= 0:
                return Block(own.first_class, own.num_classes)
        told = own if rows or check is False else values(own)
    except (TypeError, ValueError):
        group.gather(Part(failed=1))
        raise
    parts = [Part(*numbers) for numbers in group.gather(told)]
    _compare(parts, name, rows=rows)
    known[own] = _block(parts, int(group.rank), name, rows=rows)
    return known[own]


def _compare(parts: Sequence[Part], name: str, *, rows: bool) -> None:
    failed = [rank for rank, part in enumerate(parts) if part.failed]
    if failed:
        rule = "get arguments that are valid on every rank"
        errors.bad_value(name, rule, f"an error on rank {failed[0]}")
    kept = _OF_ROWS if rows else _OF_CLASSES
    compare(parts, [_SAME[field] if field in kept else None for field in Part._fields], name)


def _or_none(value: int) -> str:
    return "none" if value < 0 else str(value)


#: What must be the same in all parts.
_SAME = {
    "dtype": Entry("logits", "have the same dtype", lambda value: DTYPES[value]),
    "rows": Entry("logits", "have as many rows"),
    "shape": Entry("logits", "have rows of the same shape", None),
    "reduction": Entry("reduction", "be the same", lambda value: repr(REDUCTIONS[value])),
    "num_classes": Entry("num_classes", "be the same", _or_none),
    "classes": Entry("logits", "have as many classes"),
    "targets": Entry("targets", "be the same", None),
    "options": Entry("the other arguments", "be the same", None),
}
_OF_ROWS = ("dtype", "reduction", "num_classes", "classes")
_OF_CLASSES = ("dtype", "rows", "shape", "reduction", "num_classes", "targets", "options")


def _block(parts: Sequence[Part], rank: int, name: str, *, rows: bool) -> Block:
    """Return the block of one process, if the blocks of all hold each class once."""
    own = parts[rank]
    if rows:
        return Block(0, own.classes)
    ends = list(accumulate(part.classes for part in parts))
    first = [part.first_class for part in parts]
    if max(first) < 0:
        first = [end - part.classes for end, part in zip(ends, parts, strict=True)]
    elif min(first) < 0:
        rule = f"be given on every rank of {name}, or on none"
        errors.bad_value("first_class", rule, f"None on rank {first.index(-1)}")
    count = ends[-1] if own.num_classes < 0 else own.num_classes
    pairs = zip(first, parts, strict=True)
    bounds = sorted((start, start + part.classes) for start, part in pairs if part.classes)
    edges = [(0, 0), *bounds, (count, count)]
    if any(one[1] != two[0] for one, two in pairwise(edges)):
        received = ", ".join(f"[{start}, {stop})" for start, stop in bounds)
        errors.bad_value("first_class", f"make blocks of all {count} classes", received)
    return Block(first[rank], count)
