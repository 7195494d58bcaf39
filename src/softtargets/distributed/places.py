"""Who holds the classes and who the rows: what that adds to the options of a loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

from softtargets._array import errors
from softtargets.distributed.agreement import Block, agree
from softtargets.distributed.description import Part, describe, with_values
from softtargets.distributed.groups import Group, as_group
from softtargets.losses.reductions import Elsewhere
from softtargets.typing import Array


class Places(NamedTuple):
    """The arguments of a call that concern other processes."""

    class_group: Any
    row_group: Any
    averaged: bool
    check: bool | None
    first_class: int | None
    num_classes: int | None


def settle(
    places: Places,
    make_logits: Callable[[], Array],
    like: Array,
    targets: Any,
    options: dict[str, Any],
) -> tuple[Group | None, dict[str, Any]]:
    """Return who holds the classes, and the options of this process's part of the problem.

    ``make_logits`` checks what the logits are made of and returns them, or what stands for them.
    """
    classes = as_group(places.class_group, "class_group", like)
    rows = as_group(places.row_group, "row_group", like)
    if not isinstance(places.averaged, bool):
        errors.bad_type("averaged", "be True or False", type(places.averaged).__name__)
    if not (places.check is None or isinstance(places.check, bool)):
        errors.bad_type("check", "be True, False or None", type(places.check).__name__)
    given = places.first_class, places.num_classes
    if classes is None and given != (None, None):
        rule = "be None unless class_group is given"
        name = "num_classes" if given[0] is None else "first_class"
        errors.bad_value(name, rule, getattr(places, name))

    def part() -> Part:
        return describe(make_logits(), targets, options, *given)

    def values(own: Part) -> Part:
        return with_values(own, targets, options)

    options = dict(options)
    if classes is not None:
        if classes.traced:
            count = describe(make_logits(), targets, options, None, None).classes
            block = Block(classes.rank * count, classes.size * count)
        else:
            block = agree(classes, "class_group", places.check, part, values, like)
        options |= {"first_class": block.first_class, "num_classes": block.num_classes}
    if rows is not None:
        if not rows.traced:
            agree(rows, "row_group", places.check, part, values, like, rows=True)
        options["elsewhere"] = elsewhere(rows, averaged=places.averaged)
    return classes, options


def elsewhere(group: Group, *, averaged: bool) -> Elsewhere:
    """Return the other rows of a group."""
    # JAX itself adds up the gradients of what all devices have.
    factor = float(group.size) if averaged and not group.traced else 1.0
    return Elsewhere(group.scaled(factor).sum, factor)
