"""Other processes of tests, whose branches are measured where those of this one are.

``python -m tests.frameworks.measured module arguments`` runs a module, measured if it is asked to.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parent.parent.parent
#: Says to another process where the measurements of this one are.
VARIABLE = "SOFTTARGETS_MEASURED"


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of tests/frameworks; a warning is an error in it."""
    start = [sys.executable, "-W", "error", "-m", "tests.frameworks.measured"]
    return [*start, f"tests.frameworks.{module}", *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of another process."""
    found = {**os.environ, **more}
    current = Coverage.current()
    if current is not None:
        found[VARIABLE] = str(current.get_option("run:data_file"))
    return found


def main(module: str) -> None:
    """Run a module, before which nothing of the library may be imported."""
    place = os.environ.get(VARIABLE)
    running = None
    if place is not None:
        config = str(ROOT / "pyproject.toml")
        running = Coverage(data_file=place, data_suffix=True, config_file=config)
        running.start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    if running is not None:
        running.stop()
        running.save()
    sys.stdout.flush()
    # Process groups do not wait for each other at the end.
    os._exit(0)


if __name__ == "__main__":
    del sys.argv[0]
    main(sys.argv[0])
