"""The fields of :class:`Targets`, their rows, and their normal form beside logits."""

from dataclasses import dataclass, replace
from typing import Self

from softtargets._array import errors
from softtargets._array.namespaces import as_array, namespace_of
from softtargets._array.traits import quiet
from softtargets.targets.parts import Labels, Part
from softtargets.targets.resolve import resolve
from softtargets.targets.rows import Rows
from softtargets.targets.setting import Setting
from softtargets.typing import Array, Namespace


@dataclass(frozen=True, eq=False, repr=False)
class Structure:
    """Parts that add up, class weights, and the labels to which the softmax may be restricted."""

    parts: tuple[Part, ...]
    num_classes: int
    row_shape: tuple[int, ...]
    class_weight: Array | None = None
    support: Labels | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the dense targets, the rows and then the classes."""
        return (*self.row_shape, self.num_classes)

    def __len__(self) -> int:
        self._check_has_rows("be counted")
        return self.row_shape[0]

    def __getitem__(self, index: object) -> Self:
        """Return the targets of some rows: an integer, a slice, or an array of indices or flags."""
        self._check_has_rows("be indexed")
        xp = self._xp
        parts = tuple(part.rows(xp, index) for part in self.parts)
        support = None if self.support is None else self.support.rows(xp, index)
        shape = tuple(parts[0].entries.shape[:-1])
        return replace(self, parts=parts, row_shape=shape, support=support)

    def _check_has_rows(self, what: str) -> None:
        if not self.row_shape:
            errors.bad_type("targets", f"have rows to {what}", "the target of a single row")

    def __repr__(self) -> str:
        names = [part.describe() for part in self.parts]
        if self.class_weight is not None:
            names.append("class weights")
        return f"{type(self).__name__}(shape={self.shape}: {', '.join(names)})"

    @property
    def _like(self) -> Array:
        return self.parts[0].entries

    @property
    def _xp(self) -> Namespace:
        return namespace_of(self._like, "targets")

    def _before_smoothing(self) -> Self:
        """Return what the targets were before they were smoothed and weighted by class."""
        parts = tuple(replace(part, weight=part.base, spills=()) for part in self.parts)
        return replace(self, parts=parts, class_weight=None)

    def _with(self, parts: tuple[Part, ...]) -> Self:
        return replace(self, parts=parts)


def normal_form(
    targets: Structure,
    like: Array,
    *,
    where: Array | None = None,
    class_weight: Array | None = None,
    class_mask: Array | None = None,
) -> Rows:
    """Return ``targets`` as rows beside ``like``, a matrix of rows x classes in the compute dtype.

    ``where`` is a column of rows, ``class_mask`` a matrix of one row or of one per row.
    """
    xp = namespace_of(like, "like")
    weight = targets.class_weight
    if class_weight is not None:
        weight = class_weight if weight is None else weight * class_weight
    if weight is not None:
        weight = as_array(xp, weight, like.dtype, like)[None, :]
    with quiet(xp):
        setting = Setting(xp, like, where, weight, class_mask)
        return resolve(targets.parts, targets.support, setting)
