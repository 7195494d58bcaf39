"""Run studies and write their pages: ``python -m studies``."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import softtargets
from softtargets.demo.progress import progress
from studies.report import write_about, write_all
from studies.running import GROUPS, STUDIES, run
from studies.study import Settings

GENERATED = Path(__file__).parent.parent / "docs" / "_generated" / "studies"
#: Processes that import PyTorch later get one thread each, too.
ONE_THREAD = ("OMP_NUM_THREADS", "SOFTTARGETS_NUM_THREADS")
PACKAGES = ("numpy", "torch", "scikit-learn")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)}")
    parser.add_argument("--seeds", type=int, default=Settings.seeds)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the steps, to see that it runs"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--output", type=Path, default=GENERATED, metavar="DIR")
    parser.add_argument("--report", action="store_true", help="only from the files that are there")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = make_parser()
    given = parser.parse_args(arguments)
    names = given.names or list(STUDIES)
    if unknown := sorted(set(names) - set(STUDIES)):
        parser.error(f"no study is called {', '.join(unknown)}; there are {', '.join(STUDIES)}")
    if given.seeds < 2:
        parser.error(f"seeds must be at least 2, for a standard error, got {given.seeds}")
    if not given.report:
        given.output.mkdir(parents=True, exist_ok=True)
        run_and_write(names, Settings(given.seeds, given.share), given.workers, given.output)
    write_all(given.output)
    return 0


def run_and_write(names: Sequence[str], settings: Settings, workers: int, folder: Path) -> None:
    """Run studies and write their numbers."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    begin = processor_time()
    with progress(f"{len(names)} studies", total(names, settings)) as advance:
        # What is finished is kept, should the run be interrupted.
        for found in run(names, settings, workers, advance):
            for name, results in found.items():
                results.write(folder / f"{name}.csv")
    minutes = (processor_time() - begin) / 60
    if len(names) == len(STUDIES):
        write_about(folder, about(settings, workers, minutes))


def processor_time() -> float:
    """Return the seconds that processors worked for this process and those it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def total(names: Sequence[str], settings: Settings) -> int:
    """Return the number of tasks."""
    used = [group for group in GROUPS if any(study.name in names for study in group)]
    return len(used) * settings.seeds


def about(settings: Settings, workers: int, minutes: float) -> dict[str, str]:
    """Return how the numbers were made."""
    found = {"seeds": str(settings.seeds), "softtargets": softtargets.__version__}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | {"processes": str(workers), "minutes of one core": f"{minutes:.1f}"}


if __name__ == "__main__":
    sys.exit(main())
