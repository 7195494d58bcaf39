"""The arrays in arguments: in values made of dataclasses, tuples and dicts."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from softtargets._array.kinds import is_array
from softtargets._array.namespaces import is_number
from softtargets.typing import Array


def arrays_in(value: Any) -> Iterator[Array]:
    """Yield the arrays in ``value``."""
    if value is None or is_number(value) or isinstance(value, str):
        return
    if isinstance(value, tuple):
        for part in value:
            yield from arrays_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from arrays_in(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from arrays_in(getattr(value, field.name))
    elif is_array(value):
        yield value


def with_arrays(value: Any, convert: Callable[[Array], Array]) -> Any:
    """Return ``value`` with each of its arrays converted."""
    if value is None or is_number(value) or isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return tuple(with_arrays(part, convert) for part in value)
    if isinstance(value, dict):
        return {name: with_arrays(part, convert) for name, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **with_arrays(parts, convert))
    return convert(value) if is_array(value) else value
