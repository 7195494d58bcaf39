"""The logits of a teacher, a block of rows at a time: at hand, or made by a linear layer."""

from dataclasses import dataclass, replace
from typing import Self

from softtargets._array.memory import matmul
from softtargets.typing import Array, Namespace


@dataclass(frozen=True)
class Scores:
    """Logits that are there, rows x classes."""

    matrix: Array

    def __getitem__(self, rows: slice) -> Self:
        """Return those of a block of rows."""
        return replace(self, matrix=self.matrix[rows, :])

    def logits(self, xp: Namespace, dtype: object) -> Array:
        """Return the logits in a dtype."""
        return xp.astype(self.matrix, dtype, copy=False)


@dataclass(frozen=True)
class Layer:
    """Logits features @ weight + bias that exist when they are asked for.

    Only ``features`` have a row for each row: ``weight`` is 1 x features x classes.
    """

    features: Array
    weight: Array
    bias: Array | None = None

    def __getitem__(self, rows: slice) -> Self:
        """Return the layer of a block of rows."""
        return replace(self, features=self.features[rows, :])

    def logits(self, xp: Namespace, dtype: object) -> Array:
        """Return the logits in a dtype."""
        made = xp.astype(matmul(xp, self.features, self.weight[0, :, :]), dtype, copy=False)
        return made if self.bias is None else made + xp.astype(self.bias, dtype, copy=False)
