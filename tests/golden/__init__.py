"""Golden values: hostile and published cases with the exact results of `tests.oracle`."""
