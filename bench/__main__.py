"""Commands: run, report, compare."""

import argparse
import sys
from pathlib import Path

from bench import compare, machine, parent, records, report
from bench.parent import ALLOCATORS, Options
from bench.records import Record

RESULTS = machine.ROOT / "bench" / "results"
GENERATED = machine.ROOT / "docs" / "_generated"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure softtargets.")
    commands = parser.add_subparsers(required=True, metavar="command")

    run = commands.add_parser("run", help="measure everything, into a file of results")
    add_measuring(run)
    run.add_argument("--group", nargs="+", default=[], metavar="NAME", help="these groups only")
    run.add_argument(
        "--contestants", nargs="+", default=[], metavar="NAME", help="these contestants only"
    )
    run.add_argument("--output", type=Path, default=RESULTS, metavar="DIR")
    run.add_argument("--update", action="store_true", help="keep the other rows of the file")
    run.set_defaults(command=run_command)

    reporting = commands.add_parser("report", help="make tables and plots of files of results")
    reporting.add_argument(
        "results", type=Path, nargs="*", metavar="RESULTS.csv", help="default: all there are"
    )
    reporting.add_argument("--output", type=Path, default=GENERATED, metavar="DIR")
    reporting.set_defaults(command=report_command)

    comparing = commands.add_parser("compare", help="measure two commits against each other")
    comparing.add_argument("before", metavar="REV_A")
    comparing.add_argument("after", metavar="REV_B")
    add_measuring(comparing)
    comparing.add_argument("--pairs", type=int, default=7, help="processes of each commit")
    comparing.add_argument(
        "--threshold", type=float, default=0.05, help="what counts as slower: 0.05 is 5 percent"
    )
    comparing.set_defaults(command=compare_command)
    return parser


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """Add what measuring commands have in common."""
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--shapes", nargs="+", default=[], metavar="ROWSxCLASSES")
    parser.add_argument("--allocators", nargs="+", choices=tuple(ALLOCATORS), default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--omp-wait-policy", choices=("passive", "active"), default="passive")
    parser.add_argument("--budget", type=float, default=8.0, metavar="SECONDS", help="per case")
    parser.add_argument(
        "--tiny", action="store_true", help="tiny shapes: only to see that all runs"
    )
    parser.add_argument("--rounds", type=int, default=101, help="at most so many")


def options_of(arguments: argparse.Namespace) -> Options:
    """Return what the command line says about measuring."""
    return Options(
        device=arguments.device,
        groups=tuple(getattr(arguments, "group", ())),
        shapes=tuple(arguments.shapes),
        contestants=tuple(getattr(arguments, "contestants", ())),
        allocators=tuple(arguments.allocators or ALLOCATORS),
        threads=arguments.threads,
        waiting=arguments.omp_wait_policy,
        budget_s=arguments.budget,
        most_rounds=arguments.rounds,
        tiny=arguments.tiny,
    )


def run_command(arguments: argparse.Namespace) -> int:
    """Measure and write the file; 1 if a result was wrong or a contestant broke."""
    options = options_of(arguments)
    found = parent.run(options)
    path = arguments.output / f"{options.device}.csv"
    old = records.read(path) if arguments.update and path.exists() else []
    records.write(path, records.update(old, found))
    print(f"{len(found)} rows in {path}")
    broken = [record for record in found if record.status not in ("ok", "skipped")]
    for record in broken:
        print(f"{record.status}: {record.title}, {record.shape}, {record.targets}: {record.note}")
    return 0 if all(is_a_finding(record) for record in broken) else 1


def is_a_finding(record: Record) -> bool:
    """Whether a wrong result says something about a peer: in half precision some overflow.

    Anything else that went wrong may be a mistake of the benchmark, or of the library.
    """
    half = record.dtype in ("float16", "bfloat16")
    return record.status == "wrong" and record.kind == "peer" and half


def report_command(arguments: argparse.Namespace) -> int:
    """Write tables and plots."""
    files = arguments.results or sorted(RESULTS.glob("*.csv"))
    found = [record for path in files for record in records.read(path)]
    for path in report.write(found, arguments.output):
        print(path)
    return 0


def compare_command(arguments: argparse.Namespace) -> int:
    """Measure two commits and print the table; 1 if something became slower."""
    options = options_of(arguments)
    lines, slower = compare.run(
        *(arguments.before, arguments.after, options, arguments.pairs, arguments.threshold)
    )
    print("\n".join(lines))
    return 1 if slower else 0


def main(arguments: list[str] | None = None) -> int:
    """Run a command."""
    parsed = make_parser().parse_args(arguments)
    return int(parsed.command(parsed))


if __name__ == "__main__":
    sys.exit(main())
