"""The command line: what it prints, and how it ends."""

import runpy
import sys
from pathlib import Path

import pytest

import softtargets as st
from softtargets import cli
from softtargets._array import backends


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of a command."""
    try:
        status = cli.main(arguments)
    except SystemExit as error:
        status = int(error.code or 0)
    output = capsys.readouterr()
    return status, output.out, output.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version."""
    assert run(capsys, "--version") == (0, f"softtargets {st.__version__}\n", "")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command there is the help, which has every command."""
    status, text, _ = run(capsys)
    assert (status, text) == run(capsys, "--help")[:2]
    assert all(f"\n    {command} " in text for command in ("demo", "report", "backends", "convert"))
    for command in ("demo", "report", "backends", "convert"):
        status, text, _ = run(capsys, command, "--help")
        assert status == 0
        assert text.startswith(f"usage: softtargets {command} ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nonsense", "argument COMMAND: invalid choice: 'nonsense'"),
        ("demo --backend nonsense", "argument --backend: invalid choice: 'nonsense'"),
        ("demo --epsilons 0 1.5", "argument --epsilons: must be a number in [0, 1], got 1.5"),
        ("demo --epsilons nan", "argument --epsilons: must be a number in [0, 1], got nan"),
        ("demo --epsilons x", "argument --epsilons: must be a number in [0, 1], got x"),
        ("demo --seeds 0", "argument --seeds: must be an int of at least 1, got 0"),
        ("demo --steps 1e3", "argument --steps: must be an int of at least 1, got 1e3"),
        ("report x.npy", "the following arguments are required: labels"),
        ("report x.npy y.npy --bins 0", "argument --bins: must be an int of at least 1, got 0"),
        ("report x.npy y.npy --axis x", "argument --axis: invalid int value: 'x'"),
        ("convert 0.1", "the following arguments are required: --num-classes"),
        ("convert 1.5 --num-classes 3", "label_smoothing must be in [0, 1], got 1.5"),
        ("convert 0.1 --num-classes 1", "num_classes must be at least 2, got 1"),
        ("convert 0.9 --num-classes 3", "label_smoothing must have an equal in [0, 1] of the"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    """Wrong use is one line on standard error and status 2."""
    status, output, error = run(capsys, *arguments.split())
    assert (status, output, error.count("\n")) == (2, "", 1)
    assert error.startswith("softtargets")
    assert f": {message}" in error


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("0.1 --num-classes 10", "0.111111111111\n"),
        ("0.1 --num-classes 10 --from all --to others", "0.09\n"),
        ("0.1 --num-classes 10 --from others --to others", "0.1\n"),
        ("0.25 --num-classes 3 --from classy", "0.2\n"),
    ],
)
def test_convert(capsys: pytest.CaptureFixture[str], arguments: str, expected: str) -> None:
    """The first line is the amount, and nothing else."""
    status, output, _ = run(capsys, "convert", *arguments.split())
    assert status == 0
    assert output.startswith(expected)


def test_convert_tells_the_targets(capsys: pytest.CaptureFixture[str]) -> None:
    """The second line has the mass of the label and of every other class."""
    for arguments in ("0.3 --num-classes 4", "0.4 --num-classes 4 --from all --to others"):
        _, output, _ = run(capsys, "convert", *arguments.split())
        assert output.endswith("\nthe label gets 0.7, each of the 3 other classes 0.1\n")


def test_backends(capsys: pytest.CaptureFixture[str]) -> None:
    """Every library has a line that says whether it is usable here."""
    status, output, _ = run(capsys, "backends")
    assert status == 0
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == [row.name for row in backends.BACKENDS]
    for line, row in zip(lines[2:], backends.BACKENDS, strict=False):
        assert (row.why_unusable() or "usable") in line
        assert (row.version() or "-") in line


def test_backends_in_detail(capsys: pytest.CaptureFixture[str]) -> None:
    """--details shows all that the table of capabilities knows, in its order."""
    _, output, _ = run(capsys, "backends", "--details")
    for row in backends.table():
        assert f"{row['library']} {row['version']}: {row['here']}\n" in output
        for title, text in row.items():
            if title not in ("library", "version", "here") and text:
                assert f"    {title:<16}  {text}\n" in output
    assert output.index("    name") < output.index("    devices") < output.index("    autograd")


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, object, Path]]:
    """The arguments with which the demo was run, instead of running it."""
    from softtargets.demo import command

    seen: list[tuple[object, object, Path]] = []
    monkeypatch.setattr(command, "run", lambda *arguments: seen.append(arguments) or 1)
    return seen


def test_demo_options(plans: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    """Options replace the parts of the plan that they name; the status is that of the demo."""
    from softtargets.demo.command import QUICK, Plan

    assert run(capsys, "demo")[0] == 1
    run(capsys, "demo", "--quick", "--steps", "7")
    given = "demo --epsilons 0.2 0 0.2 --seeds 3 --backend torch jax --out there"
    run(capsys, *given.split())
    assert plans == [
        (Plan(), None, Path()),
        (Plan(QUICK.epsilons, QUICK.seeds, 7, QUICK.common_steps), None, Path()),
        (Plan(epsilons=(0.0, 0.2), seeds=3), ["torch", "jax"], Path("there")),
    ]


def test_demo_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the demo lacks is one line that says what to do, and status 2."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    status, _, error = run(capsys, "demo")
    expected = 'the demo needs scikit-learn: python -m pip install "softtargets[demo]"'
    assert (status, error) == (2, f"softtargets demo: {expected}\n")


def test_interruption(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends a command quietly with status 130."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backends, "table", interrupt)
    assert run(capsys, "backends") == (130, "", "")


def test_module_is_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m softtargets` is the same command, and its status is the exit status."""
    monkeypatch.setattr(sys, "argv", ["softtargets", "convert", "2", "--num-classes", "3"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("softtargets", run_name="__main__")
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("softtargets convert: label_smoothing must be")
