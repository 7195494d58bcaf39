"""Which cases are left out on libraries where every call takes long.

JAX compiles each operation for each shape, and Dask plans each call: they are given every third
case of a list of more than six, and each test and variant begins at another place, so that the two
variants of JAX see different ones. ``--every-case`` runs all of them.
"""

import zlib
from collections import defaultdict
from collections.abc import Sequence

LONG = 6
STEP = 3


def left_out(tests: Sequence[str], slow: Sequence[str | None]) -> set[int]:
    """Return which of the cases, by their place, are left out.

    ``tests`` are the names of the tests that the cases belong to, ``slow`` those of the variants
    that they run on, None where nothing is to be left out.
    """
    families = defaultdict(list)
    for at, (test, variant) in enumerate(zip(tests, slow, strict=True)):
        if variant is not None:
            families[test, variant].append(at)
    out: set[int] = set()
    for (test, variant), cases in families.items():
        if len(cases) > LONG:
            first = zlib.crc32(f"{test} {variant}".encode()) % STEP
            out |= set(cases) - set(cases[first::STEP])
    return out
