"""Which leaves of targets have rows: what vmap and shard_map want to know."""

from typing import Any

import jax
import numpy as np

from softtargets._array import errors
from softtargets.targets.value import Targets

#: What all rows share, whatever its shape is.
_SHARED = frozenset({"prior", "class_weight"})


def row_axes(targets: Targets, rows: Any = 0, shared: Any = None) -> Targets:
    """Return a tree like ``targets`` that says of each leaf whether it has the rows.

    It is what ``in_axes`` of ``jax.vmap`` and ``in_specs`` of ``jax.shard_map`` take where targets
    have a prior, class weights or one number for the smoothing or the mixing of all rows, which no
    row owns. For targets without these the axis or the specification alone will do.

    Parameters
    ----------
    targets : Targets
        Of one or more axes of rows, the first of which is mapped.
    rows : object, default 0
        What stands for a leaf with the rows: an axis, a ``jax.sharding.PartitionSpec``, ...
    shared : object, default None
        What stands for a leaf that all rows share.

    Returns
    -------
    Targets
        Of the same structure, which holds no arrays.

    Raises
    ------
    TypeError
        If ``targets`` are not :class:`softtargets.Targets`, or the target of a single row.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import softtargets as st
    >>> import softtargets.jax
    >>> t = st.Targets.from_labels(jnp.asarray([0, 1]), 2)
    >>> t = t.smooth(jnp.asarray(0.5), prior=jnp.asarray([0.75, 0.25]))
    >>> row = jax.vmap(st.cross_entropy, in_axes=(0, softtargets.jax.row_axes(t)))
    >>> row(jnp.zeros((2, 2)), t).round(4)
    Array([0.6931, 0.6931], dtype=float32)
    """
    if not isinstance(targets, Targets):
        errors.bad_type("targets", "be Targets", type(targets).__name__)
    shape = targets.row_shape
    if not shape:
        errors.bad_type("targets", "have rows to be mapped", "the target of a single row")
    leaves, structure = jax.tree_util.tree_flatten_with_path(targets)

    def has_rows(path: Any, leaf: Any) -> bool:
        own = path[-1].name not in _SHARED
        return own and np.ndim(leaf) > len(shape) and leaf.shape[0] == shape[0]

    marks = [rows if has_rows(path, leaf) else shared for path, leaf in leaves]
    marked: Targets = jax.tree_util.tree_unflatten(structure, marks)
    return marked
