"""The logit gap of each row, measured."""

from softtargets._array.axes import in_rows, row_shape
from softtargets._array.traits import quiet
from softtargets.analysis.rows import before_smoothing, gaps
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.problem import make_problem
from softtargets.targets.value import Targets
from softtargets.typing import Array


def logit_gap(
    logits: Array,
    targets: Array | Targets,
    *,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> Array:
    """Return the logit of each label less the mean of the others: x_y - mean of x_j over j != y.

    Adding a number to all logits of a row changes nothing. Its optimum is
    :func:`optimal_logit_gap`.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``.
    targets : array or Targets
        Labels, distributions or :class:`~softtargets.Targets`; with several classes their logits
        are weighted with their mass before smoothing.
    where, class_mask, ignore_index, axis
        As for :func:`~softtargets.cross_entropy`.

    Returns
    -------
    array
        The shape of the rows; 0 in rows that take no part; float32 for half precision.

    Raises
    ------
    TypeError, ValueError
        As :func:`~softtargets.cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> st.analysis.logit_gap(np.array([[4.0, 1.0, 0.0], [0.5, 0.0, 3.0]]), np.array([0, 2]))
    array([3.5 , 2.75])
    """
    problem = make_problem(
        logits,
        before_smoothing(targets),
        where=where,
        class_mask=class_mask,
        ignore_index=ignore_index,
        axis=axis,
    )
    xp, rows = problem.xp, problem.rows
    x = in_rows(xp, xp.astype(problem.matrix, problem.dtype, copy=False))
    with quiet(xp):
        if rows.allowed is not None:
            x = xp.where(rows.allowed, x, -xp.inf)
        if rows.kept is not None:
            x = xp.where(rows.kept, x, 0.0)
        # Relative to the largest: gaps do not depend on what all logits have in common.
        found = gaps(xp, rows, x - xp.max(x, axis=1, keepdims=True), rows.allowed)
    return xp.reshape(found, row_shape(tuple(logits.shape), axis % logits.ndim))
