"""Numbers that must be the same on all members of a group, and what is said where they are not."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from softtargets._array import errors


class Entry(NamedTuple):
    """What one number is about: an argument and its rule, in words.

    ``says`` gives a number in words; without it, it is a digest of something larger. The number
    ``missing`` stands for what a member does not have, and fits all others.
    """

    argument: str
    rule: str
    says: Callable[[int], str] | None = str
    missing: int | None = None


def compare(told: Sequence[Sequence[int]], entries: Sequence[Entry | None], name: str) -> None:
    """Raise unless all members of the group called ``name`` told the same numbers.

    Where there is no entry the number is not compared.
    """
    for place, entry in enumerate(entries):
        if entry is None:
            continue
        found = [(rank, numbers[place]) for rank, numbers in enumerate(told)]
        found = [pair for pair in found if pair[1] != entry.missing]
        for rank, value in found[1:]:
            if value == found[0][1]:
                continue
            other, first = found[0]
            received = f"other ones on rank {rank} than on rank {other}"
            if entry.says is not None:
                words = entry.says(first), entry.says(value)
                received = f"{words[0]} on rank {other} and {words[1]} on rank {rank}"
            errors.bad_value(entry.argument, f"{entry.rule} on every rank of {name}", received)
