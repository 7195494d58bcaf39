"""The devices along an axis of a JAX mesh, inside of ``shard_map``."""

from collections.abc import Sequence

import jax

from softtargets.distributed.groups import Group
from softtargets.typing import Array


class MeshAxis(Group):
    """Collectives over one named axis or several; JAX differentiates them."""

    traced = differentiates = True

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
        # Nobody differentiates what all else is relative to.
        return jax.lax.pmax(jax.lax.stop_gradient(array), self.name)

    def sum(self, array: Array) -> Array:
        """Return the sums over all devices."""
        return jax.lax.psum(array, self.name)

    def gather(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the same numbers for every device: one program runs on all of them."""
        return [tuple(numbers)] * self.size
