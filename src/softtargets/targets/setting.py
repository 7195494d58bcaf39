"""What one call knows beside the targets: the matrix of logits, the masks and the class weights."""

from dataclasses import dataclass

from softtargets._array.namespaces import as_array, is_number
from softtargets.typing import Amount, Array, Namespace


@dataclass(frozen=True)
class Setting:
    """``like``: rows x classes in the compute dtype; ``where``: rows x 1; ``class_weight``: 1 x
    classes; ``allowed``: mask of classes, 1 x classes or rows x classes.
    """

    xp: Namespace
    like: Array
    where: Array | None = None
    class_weight: Array | None = None
    allowed: Array | None = None

    def flat(self, value: Amount) -> Amount:
        """Return None, a number, or a matrix of one row or of as many as there are."""
        if value is None or is_number(value):
            return value
        if value.ndim == 0:
            return self.xp.reshape(value, (1, 1))
        if value.ndim == 1:
            return value[None, :]
        return self.xp.reshape(value, (self.like.shape[0], value.shape[-1]))

    def amount(self, value: Amount) -> Amount:
        """Return a flat amount in the compute dtype."""
        value = self.flat(value)
        if is_number(value):
            return float(value)  # what NumPy makes of 0-d float64 arrays would widen float32
        return as_array(self.xp, value, self.like.dtype, self.like)

    @property
    def num_classes(self) -> int:
        """The number of classes, masked ones included."""
        return int(self.like.shape[1])

    def weighted(self, vector: Array) -> Array:
        """Return a vector over the classes times the class weights."""
        return vector if self.class_weight is None else vector * self.class_weight
