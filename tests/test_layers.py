"""The order of the layers, who may name a framework, and what importing the library imports."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import softtargets

PACKAGE = Path(softtargets.__file__).parent

#: An import goes down this list, never up. "softtargets" is the public surface, __init__.py.
LAYERS = (
    ("constants", "typing"),
    ("_array",),
    ("targets",),
    ("softmax",),
    ("execution",),
    ("losses",),
    ("calibration",),
    ("analysis",),
    ("softtargets",),
    ("torch", "jax", "xgboost", "lightgbm", "_boosting", "keras", "transformers", "distributed"),
    ("plots",),
    ("demo",),
    ("report",),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
#: Who may name a framework: the array layer, and the modules that connect one to the library.
CONNECTED = {*LAYERS[1], *LAYERS[9]}
FRAMEWORKS = ("torch", "cupy", "jax", "dask", "xgboost", "lightgbm", "keras", "transformers")

MODULES = {
    ".".join(("softtargets", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def layer(module: str) -> str:
    """Return the name in LAYERS under which a module such as "softtargets.losses.x" is found."""
    parts = module.split(".")
    return "softtargets" if len(parts) == 1 or parts[1] == "__init__" else parts[1]


def imported(tree: ast.AST, module: str) -> list[str]:
    """Return the modules that a module imports, anywhere in it, relative imports resolved."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            # "from softtargets import losses" imports a layer by its name.
            below = [f"{source}.{alias.name}" for alias in node.names]
            found += below if source == "softtargets" and layer(below[0]) in RANK else [source]
    return found


def upward_imports(text: str, module: str) -> list[str]:
    """Return the imports of a module that go up the list of layers."""
    names = [name for name in imported(ast.parse(text), module) if name.startswith("softtargets")]
    return [name for name in names if RANK[layer(name)] > RANK[layer(module)]]


def named_frameworks(text: str) -> set[str]:
    """Return the frameworks named by an import, a variable, a function or an attribute."""
    words = set()
    for node in ast.walk(ast.parse(text)):
        for field in ("id", "attr", "name", "asname", "module", "arg"):
            words |= set(str(getattr(node, field, None) or "").lower().replace("_", ".").split("."))
    return words & set(FRAMEWORKS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    """A module imports only from its own layer and from those below it."""
    assert layer(module) in RANK, f"{module} is in no layer of tests/test_layers.py"
    assert upward_imports(MODULES[module].read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize("module", MODULES)
def test_only_connecting_modules_name_a_framework(module: str) -> None:
    """A framework is named in the array layer and in the modules that connect to one."""
    if layer(module) not in CONNECTED:
        assert named_frameworks(MODULES[module].read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("text", "module", "expected"),
    [
        ("import softtargets.losses", "softtargets.softmax.state", ["softtargets.losses"]),
        ("from softtargets import losses", "softtargets.targets.x", ["softtargets.losses"]),
        ("from softtargets import Targets", "softtargets.losses.x", ["softtargets"]),
        ("from softtargets.cli import main", "softtargets.__init__", ["softtargets.cli"]),
        ("from ..losses import x", "softtargets.targets.x", ["softtargets.losses"]),
        ("def f():\n    from .. import cli", "softtargets.demo.x", ["softtargets.cli"]),
        ("from . import value\nimport numpy", "softtargets.targets.x", []),
        ("import softtargets as st", "softtargets.demo.x", []),
        ("from softtargets.losses import x", "softtargets.__init__", []),
    ],
)
def test_the_walk_sees_upward_imports(text: str, module: str, expected: list[str]) -> None:
    """Each form of an upward import is found, and a downward one is not."""
    assert upward_imports(text, module) == expected


@pytest.mark.parametrize(
    "text",
    [
        "import torch",
        "from jax.numpy import exp",
        "import numpy as torch",
        "if is_torch_array(x): pass",
        "xp.torch",
        "def f(): import dask.array",
    ],
)
def test_the_walk_sees_frameworks(text: str) -> None:
    """Each way to name a framework in code is found; text is free to speak of one."""
    assert len(named_frameworks(text)) == 1
    assert named_frameworks('"""Like torch."""\nconvention = "torch"') == set()


OPTIONAL = (
    *("torch", "jax", "cupy", "dask", "matplotlib", "sklearn", "rich"),
    *("xgboost", "lightgbm", "keras", "transformers", "distributed"),
)
USE = """
import numpy as np
import softtargets as st
x, y = np.zeros((4, 3), dtype=np.float32), np.zeros(4, dtype=np.int64)
st.cross_entropy(x, y, label_smoothing=0.1)
st.value_and_grad(st.cross_entropy)(x, st.Targets.from_labels(y, 3).smooth(0.1))
"""


def imports_of(code: str, tmp_path: Path) -> list[str]:
    """Run code where every optional library can be imported; return those that it imported."""
    for name in OPTIONAL:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
    ask = f"\nimport sys\nprint(*sorted(set(sys.modules) & set({OPTIONAL})))"
    path = os.pathsep.join([str(tmp_path), str(PACKAGE.parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code + ask],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return done.stdout.split()


def test_no_library_is_imported_that_the_user_did_not_import(tmp_path: Path) -> None:
    """With NumPy arrays nothing but NumPy is imported, whatever else is installed."""
    assert imports_of(USE, tmp_path) == []


def test_an_import_would_be_seen(tmp_path: Path) -> None:
    """The check of the test above reports a library that is imported."""
    assert imports_of(USE + "import torch, sklearn", tmp_path) == ["sklearn", "torch"]
