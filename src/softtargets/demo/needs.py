"""What the demo needs beyond the library, and how to say that it is missing."""

import importlib
from types import ModuleType


class DemoError(Exception):
    """Something that the user can put right; the message says how, in one line."""


def need(module: str, package: str, purpose: str) -> ModuleType:
    """Return an optional module, or raise a DemoError that says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        command = 'python -m pip install "softtargets[demo]"'
        raise DemoError(f"{purpose} needs {package}: {command}") from error
