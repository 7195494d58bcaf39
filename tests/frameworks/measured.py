"""Branches that other processes run are measured where those of this one are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parent.parent.parent
#: Says to another process where the measurements of this one are.
VARIABLE = "SOFTTARGETS_MEASURED"


def measured(**more: str) -> dict[str, str]:
    """Return the environment of another process, to be measured if this one is."""
    environment = {**os.environ, **more}
    current = Coverage.current()
    if current is not None:
        environment[VARIABLE] = str(current.get_option("run:data_file"))
    return environment


def measure() -> Callable[[], None]:
    """Begin to measure this process, if it was asked to; call the result at the end."""
    place = os.environ.get(VARIABLE)
    if place is None:
        return lambda: None
    running = Coverage(data_file=place, data_suffix=True, config_file=str(ROOT / "pyproject.toml"))
    running.start()

    def finish() -> None:
        running.stop()
        running.save()

    return finish
