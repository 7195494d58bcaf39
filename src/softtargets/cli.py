"""The command line: ``softtargets`` or ``python -m softtargets``."""

import argparse
import contextlib
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

import softtargets as st
from softtargets._array import backends
from softtargets.constants import IGNORE_INDEX

INTERRUPTED = 130
CONVENTIONS = ("all", "others", "classy")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status.

    0: it worked, 1: it failed, 2: wrong use, 130: Ctrl-C.
    """
    options = make_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def make_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="softtargets", description="Soft targets and their losses on every array library."
    )
    parser.add_argument("--version", action="version", version=f"softtargets {st.__version__}")
    parser.set_defaults(run=run_help, help=parser.format_help)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    add_demo(commands)
    add_report(commands)
    add_backends(commands)
    add_convert(commands)
    return parser


def run_help(options: argparse.Namespace) -> int:
    """Print the help where no command was given."""
    print(options.help(), end="")
    return 0


def add_demo(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``demo``."""
    demo = commands.add_parser(
        "demo",
        help="train small networks on real data and show what label smoothing does",
        description=(
            "Train small networks on handwritten digits with several amounts of label smoothing, "
            "and the same networks on every installed array library; print what was measured and "
            "save a picture. Takes about a minute. Needs the extra softtargets[demo]."
        ),
    )
    names = [backend.name for backend in backends.BACKENDS]
    demo.add_argument(
        "--backend",
        nargs="+",
        choices=names,
        metavar="NAME",
        help=f"array libraries to compare with NumPy (default: all that work): {', '.join(names)}",
    )
    demo.add_argument(
        "--epsilons",
        nargs="+",
        type=fraction,
        metavar="E",
        help="amounts of label smoothing (default: 0 0.05 0.1 0.2 0.4)",
    )
    demo.add_argument("--seeds", type=count, metavar="N", help="number of seeds (default: 10)")
    demo.add_argument("--steps", type=count, metavar="N", help="training steps (default: 1500)")
    demo.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder for the picture (default: .)",
    )
    demo.add_argument("--quick", action="store_true", help="5 seeds and 200 steps: a few seconds")
    demo.set_defaults(run=run_demo)


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo."""
    from softtargets.demo import command
    from softtargets.demo.needs import DemoError

    plan = command.QUICK if options.quick else command.Plan()
    given = {name: getattr(options, name) for name in ("seeds", "steps")}
    if options.epsilons:
        given["epsilons"] = tuple(sorted(set(options.epsilons)))
    plan = replace(plan, **{name: value for name, value in given.items() if value is not None})
    try:
        return command.run(plan, options.backend, options.out)
    except DemoError as error:
        return refuse("demo", error)


def add_report(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``report``."""
    report = commands.add_parser(
        "report",
        help="report on the calibration of logits in a file",
        description=(
            "Report on the calibration of predictions in .npy files: errors beside what chance "
            "shows, the best temperature, and whether the model looks over- or under-smoothed. "
            "Files of any size are read a block at a time; nothing in them is unpickled."
        ),
    )
    report.add_argument("logits", type=Path, help="a .npy file of floats, classes along --axis")
    report.add_argument("labels", type=Path, help="a .npy file of integers, one for each row")
    report.add_argument("--axis", type=int, default=-1, metavar="A", help="class axis (default -1)")
    report.add_argument(
        "--from-probs", action="store_true", help="the first file holds probabilities, not logits"
    )
    report.add_argument(
        "--bins", type=count, default=15, metavar="N", help="bins of the ECE (default: 15)"
    )
    report.add_argument(
        "--ignore-index",
        type=int,
        default=IGNORE_INDEX,
        metavar="I",
        help=f"label of rows that do not count (default: {IGNORE_INDEX})",
    )
    report.add_argument("--json", action="store_true", help="print JSON instead of text")
    report.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page with pictures, too; needs the extra softtargets[plots]",
    )
    report.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> int:
    """Report on files."""
    from softtargets.report import command
    from softtargets.report.problems import ReportError

    wanted = command.Wanted(
        options.logits,
        options.labels,
        options.axis,
        options.from_probs,
        options.bins,
        options.ignore_index,
        options.json,
        options.html,
    )
    try:
        return command.run(wanted)
    except ReportError as error:
        return refuse("report", error)


def add_backends(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``backends``."""
    parser = commands.add_parser(
        "backends",
        help="list the array libraries: which are here, and what each can do",
        description="List the array libraries that work with softtargets, and which are here.",
    )
    parser.add_argument("--details", action="store_true", help="show everything that is known")
    parser.set_defaults(run=run_backends)


def run_backends(options: argparse.Namespace) -> int:
    """Print the table of backends."""
    from softtargets.demo.tables import table

    rows = backends.table()
    if options.details:
        for row in rows:
            print(f"{row['library']} {row['version']}: {row['here']}")
            for title, text in row.items():
                if text and title not in ("library", "version", "here"):
                    print(f"    {title:<16}  {text}")
        return 0
    titles = ("name", "version", "here", "evaluation", "values checked")
    print(*table(titles, [[row[title] for title in titles] for row in rows], left=5), sep="\n")
    print("Devices, dtypes, autograd and compilers: softtargets backends --details")
    return 0


def add_convert(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``convert``."""
    parser = commands.add_parser(
        "convert",
        help="convert an amount of label smoothing between conventions",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print the amount that gives the same targets under another convention.",
        epilog=textwrap.dedent(
            """\
            conventions, for K classes:
              all      label 1 - e + e/K, others e/K          torch, Keras, optax, timm, Paddle
              others   label 1 - e, others e/(K - 1)          fairseq, Megatron, tensor2tensor
              classy   label (1 + e/K)/(1 + e)                ClassyVision

            example:
              softtargets convert 0.1 --num-classes 10 --from others --to all"""
        ),
    )
    parser.add_argument("label_smoothing", type=float, metavar="E", help="the amount, in [0, 1]")
    parser.add_argument("--num-classes", type=int, required=True, metavar="K")
    parser.add_argument("--from", dest="source", choices=CONVENTIONS, default="others")
    parser.add_argument("--to", choices=CONVENTIONS, default="all")
    parser.set_defaults(run=run_convert)


def run_convert(options: argparse.Namespace) -> int:
    """Print the converted amount, and the targets that both give."""
    amount, classes = options.label_smoothing, options.num_classes
    try:
        result = st.convert_smoothing(amount, classes, source=options.source, to=options.to)
        spread = st.convert_smoothing(amount, classes, source=options.source, to="all")
    except ValueError as error:
        return refuse("convert", error)
    label, other = st.Targets.from_labels(np.array([0]), classes).smooth(spread).to_dense()[0, :2]
    print(f"{result:.12g}")
    print(f"the label gets {label:.6g}, each of the {classes - 1} other classes {other:.6g}")
    return 0


def refuse(command: str, error: Exception) -> int:
    """Say in one line what is wrong and return the status of wrong use."""
    print(f"softtargets {command}: {error}", file=sys.stderr)
    return 2


def fraction(text: str) -> float:
    """Read a number in [0, 1]."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"must be a number in [0, 1], got {text}")


def count(text: str) -> int:
    """Read an int of at least 1."""
    with contextlib.suppress(ValueError):
        if int(text) >= 1:
            return int(text)
    raise argparse.ArgumentTypeError(f"must be an int of at least 1, got {text}")
