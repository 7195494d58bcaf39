"""The parts of a target: entries of mass at classes, and what they spill onto a prior.

A part holds, per row, some entries: labels of mass one (:class:`Labels`), one entry per class
(:class:`Dense`), or one for all classes that a list leaves out (:class:`Bucket`). Each entry gives
``weight`` of its mass to its own class and spills ``amount`` of it onto a prior. ``base`` is the
weight before any smoothing. Weights and amounts are plain numbers or arrays that broadcast against
the entries, so a part stays as small as what the user handed in.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

from softtargets._array import errors
from softtargets._array.namespaces import is_number
from softtargets.typing import Amount, Array, Namespace, Spread


@dataclass(frozen=True)
class Spill:
    """Mass that entries give to a prior: all of it, or the classes other than the entry's own."""

    amount: Amount
    prior: Array | None
    spread: Spread

    @property
    def is_same_for_all_entries(self) -> bool:
        """Whether only the mass of all entries of a row together matters."""
        amount = self.amount
        by_row = (
            is_number(amount) or amount.ndim == 0 or (amount.ndim > 1 and amount.shape[-1] == 1)
        )
        flat = self.prior is None or self.prior.ndim == 1
        return by_row and flat and self.spread == "all"

    def like(self, prior: Array | None, spread: Spread) -> bool:
        """Whether mass spread over ``prior`` in this way can be added to this spill."""
        return self.prior is prior and self.spread == spread


@dataclass(frozen=True)
class Part(ABC):
    """Entries with their weight now, their weight before smoothing, and their spills."""

    weight: Amount = 1.0
    base: Amount = 1.0
    spills: tuple[Spill, ...] = ()

    def describe(self) -> str:
        """Return the kind of the part and of its priors, for a repr."""
        names = [type(self).__name__.lower()]
        for spill in self.spills:
            prior = "uniform" if spill.prior is None else f"prior {tuple(spill.prior.shape)}"
            names.append(f"{prior} over {spill.spread}")
        return " + ".join(names)

    @property
    @abstractmethod
    def entries(self) -> Array:
        """An array whose shape is the rows and a last axis."""

    def rows(self, xp: Namespace, index: object) -> Self:
        """Return the part of the rows at ``index``."""
        shape = tuple(self.entries.shape[:-1])
        changes: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name == "spills":
                spills = (replace(s, amount=_cut(xp, s.amount, shape, index)) for s in value)
                changes[name] = tuple(spills)
            else:
                changes[name] = _cut(xp, value, shape, index)
        return replace(self, **changes)

    def scaled(self, factor: Amount) -> Self:
        """Return the part times ``factor``: a number, or one value per row with a trailing axis."""
        spills = tuple(replace(spill, amount=spill.amount * factor) for spill in self.spills)
        return replace(self, weight=self.weight * factor, base=self.base * factor, spills=spills)

    def smoothed(self, amount: Amount, prior: Array | None, spread: Spread) -> Self:
        """Move the fraction ``amount`` of all mass onto the prior."""
        keep = 1.0 - amount
        if spread == "others":
            return self._smoothed_others(amount, keep, prior)
        mass = self.weight
        for spill in self.spills:
            mass = mass + spill.amount
        spills = tuple(replace(spill, amount=spill.amount * keep) for spill in self.spills)
        spills = add_spill(spills, Spill(amount * mass, prior, spread))
        return replace(self, weight=self.weight * keep, spills=spills)

    def _smoothed_others(self, amount: Amount, keep: Amount, prior: Array | None) -> Self:
        # Uniform mass stays uniform when every class gives to the others. No other spill has a
        # compact form.
        if any(spill.prior is not None or spill.spread != "all" for spill in self.spills) or (
            self.spills and prior is not None
        ):
            errors.bad_value("spread", "be 'all' for targets that are smoothed already", "'others'")
        spills = add_spill(self.spills, Spill(amount * self.weight, prior, "others"))
        return replace(self, weight=self.weight * keep, spills=spills)


def add_spill(spills: tuple[Spill, ...], new: Spill) -> tuple[Spill, ...]:
    """Return ``spills`` with ``new``, joined to one of the same prior where there is one."""
    for i, spill in enumerate(spills):
        if spill.like(new.prior, new.spread):
            joined = replace(spill, amount=spill.amount + new.amount)
            return (*spills[:i], joined, *spills[i + 1 :])
    return (*spills, new)


@dataclass(frozen=True)
class Labels(Part):
    """One or more labels per row: ``labels`` of shape (*rows, labels of a row), safe as an index.

    ``kept`` is False for ignored labels, ``bad`` True for labels out of range that nobody could
    look at.
    """

    labels: Array = None
    kept: Array | None = None
    bad: Array | None = None

    @property
    def entries(self) -> Array:
        """The array whose shape is (*rows, entries of a row)."""
        return self.labels


@dataclass(frozen=True)
class Dense(Part):
    """One entry per class: ``q`` of shape (*rows, classes).

    ``row_mass`` is what smoothing takes for the sum of each row, None for the sum itself.
    """

    q: Array = None
    row_mass: float | None = None

    @property
    def entries(self) -> Array:
        """The array whose shape is (*rows, entries of a row)."""
        return self.q


@dataclass(frozen=True)
class Bucket(Part):
    """One entry per row: the ``mass`` of all classes together that ``labels`` do not list."""

    labels: Array = None
    kept: Array | None = None
    mass: Array = None

    @property
    def entries(self) -> Array:
        """An array that has the rows, and a last axis."""
        return self.labels


def _cut(xp: Namespace, value: Amount, shape: tuple[int, ...], index: object) -> Amount:
    if value is None or is_number(value) or value.ndim <= len(shape) == 1 or value.ndim == 0:
        return value  # the same for every row
    value = xp.broadcast_to(value, (*shape, value.shape[-1]))
    if getattr(index, "ndim", 0) == 1 and "int" in str(index.dtype):  # type: ignore[attr-defined]
        return xp.take(value, index, axis=0)
    key = index if isinstance(index, tuple) else (index,)
    # The standard wants an ellipsis where axes are left out.
    rest = () if any(k is Ellipsis for k in key) else (Ellipsis,)
    return value[(*key, *rest, slice(None))]
