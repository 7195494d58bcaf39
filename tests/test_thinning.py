"""Where calls take long, long lists of cases are thinned, and nothing else is."""

import itertools

from tests.backends import selected
from tests.thinning import LONG, STEP, left_out


def test_every_third_case_is_kept() -> None:
    """Of a long list on a slow variant every third case stays; short lists stay whole."""
    many = 4 * STEP
    out = left_out(["a"] * many, ["slow"] * many)
    kept = sorted(set(range(many)) - out)
    assert len(kept) == 4
    assert {later - earlier for earlier, later in itertools.pairwise(kept)} == {STEP}
    assert left_out(["a"] * LONG, ["slow"] * LONG) == set()
    assert left_out(["a"] * many, [None] * many) == set()


def test_lists_are_thinned_by_test_and_variant() -> None:
    """Each test on each variant is a list of its own, and they do not all keep the same cases."""
    tests = [name for name in "abcdefgh" for _ in range(9)]
    out = left_out(tests, ["slow"] * len(tests))
    kept = {tuple(at % 9 for at in range(i, i + 9) if at not in out) for i in range(0, 72, 9)}
    assert kept <= {(0, 3, 6), (1, 4, 7), (2, 5, 8)}
    assert len(kept) > 1
    assert left_out(["a", "b"] * LONG, ["slow"] * 2 * LONG) == set()
    assert left_out(["a"] * 2 * LONG, ["slow", "other"] * LONG) == set()


def test_slow_variants() -> None:
    """JAX and Dask are slow, and no other is."""
    slow = {
        variant.row
        for variant in selected("numpy,torch,jax,dask,array_api_strict,cupy")
        if not variant.quick
    }
    assert slow == {"jax", "dask"}
