"""The arrays in arguments: in values made of dataclasses, tuples and dicts."""

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from softtargets._array.kinds import is_array
from softtargets.typing import Array

#: Types of most arguments, none of which holds an array.
_PLAIN = frozenset({type(None), bool, int, float, str})


def arrays_in(value: Any) -> list[Array]:
    """Return the arrays in ``value``."""
    found: list[Array] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Array]) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    parts: Iterable[Any]
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, tuple):
        parts = value
    elif is_dataclass(kind):
        parts = [getattr(value, name) for name in kind.__dataclass_fields__]
    else:
        if is_array(value):
            found.append(value)
        return
    for part in parts:
        if type(part) not in _PLAIN:
            _collect(part, found)


def with_arrays(value: Any, convert: Callable[[Array], Array]) -> Any:
    """Return ``value`` with each of its arrays converted; named tuples become tuples."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        if all(type(part) in _PLAIN for part in value.values()):
            return value
        return {
            name: part if type(part) in _PLAIN else with_arrays(part, convert)
            for name, part in value.items()
        }
    if isinstance(value, tuple):
        return tuple(
            [part if type(part) in _PLAIN else with_arrays(part, convert) for part in value]
        )
    if is_array(value):
        return convert(value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **with_arrays(parts, convert))
    return value
