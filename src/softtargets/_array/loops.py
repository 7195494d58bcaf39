"""Loops over blocks of rows in libraries that compile: a Python loop would be unrolled."""

from collections.abc import Callable, Sequence

from softtargets._array.kinds import is_jax
from softtargets.typing import Array


def has_loop(array: Array) -> bool:
    """Whether the library of ``array`` has a loop of its own, to be used instead of Python's."""
    return is_jax(array)


def map_blocks(function: Callable[..., Array], arrays: Sequence[Array], size: int) -> Array:
    """Return ``function`` of ``size`` rows of the arrays at a time, one block after the other.

    Where it is differentiated, blocks are computed once more instead of being kept. The last block
    is filled up with zeros.
    """
    import jax  # the user has imported it: there are its arrays
    import jax.numpy as jnp

    count = arrays[0].shape[0]
    blocks = -(-count // size)

    def cut(array: Array) -> Array:
        missing = [(0, blocks * size - count)] + [(0, 0)] * (array.ndim - 1)
        return jnp.reshape(jnp.pad(array, missing), (blocks, size, *array.shape[1:]))

    body = jax.checkpoint(lambda some: function(*some))
    found = jax.lax.map(body, tuple(cut(array) for array in arrays))
    return jnp.reshape(found, (blocks * size, *found.shape[2:]))[:count]
