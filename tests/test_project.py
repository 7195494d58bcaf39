"""The project keeps its own rules: versions, commands, sessions, sizes of files, random numbers."""

import ast
import importlib.metadata
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import softtargets
from softtargets._array import backends

ROOT = Path(__file__).parent.parent
repository = pytest.mark.repository


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def own_files() -> list[Path]:
    """Return the Python files and pages that people wrote."""
    found = [*ROOT.glob("*.py"), *ROOT.glob("*.md")]
    for folder in ("src", "tests", "bench", "studies", "docs"):
        found += [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]
    made = {"_build", "_generated", "__pycache__"}
    return sorted(path for path in found if not made & set(path.relative_to(ROOT).parts))


@repository
def test_file_sizes() -> None:
    """No file is longer than 300 lines."""
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in own_files()
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 300
    }
    assert long == {}
    assert Path(__file__) in own_files()


UNSEEDED = re.compile(
    r"\b(?:np|numpy)\.random\.(?!default_rng|Generator|SeedSequence)"
    r"|\bdefault_rng\(\)"
    r"|^\s*(?:import random\b|from random import)"
    r"|\btorch\.rand(?!.*generator=)",
    re.MULTILINE,
)


@repository
def test_random_numbers_have_a_seed() -> None:
    """Tests draw random numbers from seeded generators only."""
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            assert UNSEEDED.findall(path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize(
    "line",
    [
        "x = np.random.randn(3)",
        "np.random.seed(0)",
        "g = np.random.default_rng()",
        "import random",
        "x = torch.randn(3)",
    ],
)
def test_unseeded_random_numbers_would_be_seen(line: str) -> None:
    """The pattern finds global and unseeded generators, and lets seeded ones pass."""
    assert UNSEEDED.search(line)
    assert not UNSEEDED.search("np.random.default_rng(0); torch.randn(3, generator=g)")


@repository
def test_requirements_are_pinned() -> None:
    """Every package that pyproject.toml asks for has one exact version in constraints.txt."""
    pins = re.findall(r"^([\w-]+)==\S+$", read("constraints.txt"), re.MULTILINE)
    assert len(pins) == len({pin.lower() for pin in pins})
    tables = project()
    asked = [
        *tables["build-system"]["requires"],
        *tables["project"]["dependencies"],
        *(line for lines in tables["project"]["optional-dependencies"].values() for line in lines),
        *(line for lines in tables["dependency-groups"].values() for line in lines),
        "nox",
        "array-api-strict",
        "coverage",
    ]
    names = {re.split(r"[\[<>=]", line)[0].lower() for line in asked}
    assert names - {pin.lower() for pin in pins} == set()


@repository
def test_ci_runs_the_command_of_the_readme() -> None:
    """What CI runs is, word for word, the test command that the README gives."""
    *_, command = read(".ci/run").strip().splitlines()
    assert command.endswith("nox")
    assert f"\n{command}\n" in read("README.md")
    assert os.access(ROOT / ".ci/run", os.X_OK)


@repository
def test_sessions() -> None:
    """Each library has a session; all run by default but for those that need a GPU or time."""
    tree = ast.parse(read("noxfile.py"))
    sessions = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and "nox.session" in ast.unparse(node.decorator_list[0:])
    }
    assert {row.name for row in backends.BACKENDS} <= sessions
    (default,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "nox.options.sessions"
    )
    assert sessions - set(default) == {"gpu", "bench", "bench_gpu", "compare", "studies"}
    assert default[-1] == "coverage"


@repository
def test_extras() -> None:
    """There is an extra for each framework that people install, and for plots and the demo."""
    extras = set(project()["project"]["optional-dependencies"])
    assert extras == {
        *("torch", "cupy", "jax", "dask", "xgboost", "lightgbm", "keras", "transformers"),
        *("plots", "demo"),
    }


def test_one_version() -> None:
    """The version in the code is the version of the package, where the package is installed."""
    try:
        installed = importlib.metadata.version("softtargets")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("softtargets runs from its sources")
    assert softtargets.__version__ == installed


def test_types_are_shipped() -> None:
    """Type checkers see the annotations of the installed package."""
    assert (Path(softtargets.__file__).parent / "py.typed").exists()
