"""Types that appear in the signatures of this library."""

from typing import Any, Literal, TypeAlias

#: An array of any supported library. The array API standard has no type for it yet.
Array: TypeAlias = Any
#: A namespace of the array API standard.
Namespace: TypeAlias = Any
#: A plain number, or an array of one value per row.
Amount: TypeAlias = Any

Reduction = Literal["none", "sum", "mean"]
Spread = Literal["all", "others"]
Tail = Literal["bucket", "drop", "renormalize"]
Pairing = Literal["permutation", "flip", "roll"]
Noise = Literal["symmetric", "pair"]
Direction = Literal["forward", "reverse"]
Unit = Literal["batch", "pair", "row"]
Scope = Literal["top", "classwise", "positive"]
Binning = Literal["width", "mass"]
Norm = Literal[1, 2, "max"]

__all__ = [
    "Amount",
    "Array",
    "Binning",
    "Direction",
    "Namespace",
    "Noise",
    "Norm",
    "Pairing",
    "Reduction",
    "Scope",
    "Spread",
    "Tail",
    "Unit",
]
