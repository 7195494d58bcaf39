"""What mixup and cutmix draw, on the host: who is mixed with whom, how much, and boxes.

Numbers come out of a generator in this order: partners, shares, centres of boxes axis by axis.
"""

import math
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.checks import check_option

PAIRINGS = ("permutation", "flip", "roll")
UNITS = ("batch", "pair", "row")


def partners(rng: np.random.Generator, num_rows: int, pairing: str) -> Any:
    """Return the row that each row is mixed with."""
    check_option(pairing, "pairing", PAIRINGS)
    rows = np.arange(num_rows)
    if pairing == "permutation":
        return rng.permutation(num_rows)
    return rows[::-1].copy() if pairing == "flip" else np.roll(rows, 1)


def draw_of_row(num_rows: int, per: str, pairing: str) -> Any:
    """Return which draw each row gets: None where one serves the whole batch."""
    check_option(per, "per", UNITS)
    if per == "batch":
        return None
    rows = np.arange(num_rows)
    if per == "row":
        return rows
    if pairing != "flip":
        errors.bad_value("pairing", "be 'flip' where per is 'pair'", repr(pairing))
    # The row and its partner, the same one counted from the end, share a draw.
    return np.minimum(rows, rows[::-1])


def shares(rng: np.random.Generator, alpha: float, draw: Any) -> Any:
    """Return one number of Beta(alpha, alpha) for each draw, with an axis of its own."""
    count = 1 if draw is None else int(np.max(draw, initial=-1)) + 1
    return rng.beta(alpha, alpha, size=count)


def boxes(rng: np.random.Generator, lam: Any, sizes: tuple[int, ...]) -> Any:
    """Return boxes that hold about 1 - lam of ``sizes``, clipped: (draws, axes, start and stop).

    Each side is the same fraction of its axis, and the centre lies anywhere.
    """
    fraction = (1 - lam) ** (1 / len(sizes))
    ends = []
    for size in sizes:
        half = (size * fraction).astype(np.int64) // 2
        centre = rng.integers(size, size=len(lam))
        ends.append([np.maximum(centre - half, 0), np.minimum(centre + half, size)])
    return np.moveaxis(np.asarray(ends), -1, 0)


def outside(box: Any, sizes: tuple[int, ...]) -> Any:
    """Return the fraction of ``sizes`` that lies outside of each box."""
    return 1 - np.prod(box[..., 1] - box[..., 0], axis=-1) / math.prod(sizes)
