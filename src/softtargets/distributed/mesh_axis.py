"""The devices along an axis of a JAX mesh, inside of ``shard_map``."""

from collections.abc import Sequence

import jax

from softtargets._array import errors
from softtargets._array.kinds import is_jax
from softtargets.distributed.groups import Group
from softtargets.typing import Array


class MeshAxis(Group):
    """Collectives over one named axis or several; JAX differentiates them."""

    traced = True

    def __init__(self, name: str | tuple[str, ...]) -> None:
        self.name = name

    @property
    def rank(self) -> Array:
        """Where this device is, known when the code runs."""
        return jax.lax.axis_index(self.name)

    @property
    def size(self) -> int:  # type: ignore[override]
        """The number of devices along the axis."""
        return int(jax.lax.psum(1, self.name))

    def maximum(self, array: Array) -> Array:
        """Return the largest entries over all devices."""
        return jax.lax.pmax(self._checked(array), self.name)

    def sum(self, array: Array) -> Array:
        """Return the sums over all devices."""
        return jax.lax.psum(self._checked(array), self.name)

    def gather(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the same numbers for every device: one program runs on all of them."""
        return [tuple(numbers)] * self.size

    def _checked(self, array: Array) -> Array:
        if not is_jax(array):
            rule = "be a process group or a Group unless logits are JAX arrays"
            errors.bad_type("group", rule, repr(self.name))
        return array
