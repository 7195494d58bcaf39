"""Every error message of the library is built here: argument, rule, value received, in one line."""

import sys
import warnings
from typing import NoReturn

_PACKAGE = __name__.partition(".")[0]


def _message(argument: str, rule: str, received: object, context: str) -> str:
    tail = f" [{context}]" if context else ""
    return f"{argument} must {rule}, got {received}{tail}"


def bad_value(argument: str, rule: str, received: object, context: str = "") -> NoReturn:
    """Raise the ValueError that says what ``argument`` must be and what it was."""
    raise ValueError(_message(argument, rule, received, context))


def bad_type(argument: str, rule: str, received: object, context: str = "") -> NoReturn:
    """Raise the TypeError that says what ``argument`` must be and what it was."""
    raise TypeError(_message(argument, rule, received, context))


def mixed_libraries(first: str, second: str, first_library: str, second_library: str) -> NoReturn:
    """Raise the TypeError for arrays of two libraries."""
    raise TypeError(
        f"{first} and {second} must come from one array library, "
        f"got {first_library} and {second_library}"
    )


def mixed_devices(first: str, second: str, first_device: object, second_device: object) -> NoReturn:
    """Raise the ValueError for arrays on two devices."""
    raise ValueError(
        f"{first} and {second} must be on one device, got {first_device} and {second_device}"
    )


def lost(argument: str, size: int, gone: list[int], reason: str, error: Exception) -> NoReturn:
    """Raise the RuntimeError for a group in which processes do not answer any more."""
    ranks = ", ".join(map(str, gone))
    received = f"a closed connection to rank {ranks}" if gone else "no answer"
    raise RuntimeError(_message(argument, f"have {size} processes", received, reason)) from error


def warn(message: str) -> None:
    """Warn, and point at the first caller outside of this library."""
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(f"{_PACKAGE}."):
        frame = frame.f_back
        level += 1
    warnings.warn(message, stacklevel=level)


def missing(what: str, package: str, extra: str) -> NoReturn:
    """Raise the ImportError that says what to install."""
    raise ImportError(f"{what} needs {package}: python -m pip install 'softtargets[{extra}]'")
