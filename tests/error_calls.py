"""Where the source builds its error messages, and which of these places a call comes by."""

import ast
import sys
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import softtargets as st
from tests.test_layers import LAYERS, RANK

SOURCE = Path(st.__file__).parent
#: Tested in tests/test_traits.py and test_plots.py.
ELSEWHERE = {"missing", "mixed_libraries"}
#: What connects a framework is for tests/frameworks.
CORE = set(RANK) - set(LAYERS[9])


def calls_of_errors(layers: Container[str] = CORE) -> dict[tuple[str, int], str]:
    """Return where (file, line) these layers call which function of the module of errors."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0].removesuffix(".py") not in layers:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("errors."):
                found[str(path), node.lineno] = node.func.attr  # type: ignore[attr-defined]
    return found


def recorder(function: Callable[..., Any], reached: set[tuple[str, int]]) -> Callable[..., Any]:
    """Return the function with a note of its caller."""

    def call(*args: Any) -> Any:
        frame = sys._getframe(1)
        reached.add((frame.f_code.co_filename, frame.f_lineno))
        return function(*args)

    return call
