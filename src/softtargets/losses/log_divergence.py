"""The divergence between targets and log-probabilities, entry by entry: checked, in rows."""

from dataclasses import replace

from softtargets._array.axes import to_rows
from softtargets._array.checks import check_shape
from softtargets._array.dtypes import check_floating
from softtargets._array.namespaces import as_array, check_follows
from softtargets._array.operations import gate
from softtargets.losses.arguments import one_per_row
from softtargets.losses.place import make_place
from softtargets.losses.problem import Problem
from softtargets.softmax.log_divergence import LogDivergence
from softtargets.targets.rows import Rows, Vector
from softtargets.typing import Amount, Array, Reduction


def make_log_divergence(
    log_probs: Array,
    targets: Array,
    *,
    log_targets: bool = False,
    where: Array | None = None,
    axis: None = None,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
    expression: bool = False,
) -> Problem:
    """Check everything and return it in matrix form, one row for each entry.

    Targets have the shape of ``log_probs``, and with ``log_targets`` they are logarithms, too.
    """
    place = make_place(log_probs, where, None, None, axis, reduction)
    xp, setting = place.xp, place.setting
    like = setting.like
    check_follows(xp, log_probs, "logits", targets, "targets")
    check_floating(targets, "targets")
    check_shape(targets, "targets", tuple(log_probs.shape), context="the shape of logits")
    given = as_array(xp, to_rows(xp, targets, None), like.dtype, like)
    given = gate(xp, setting.where, given, 0.0, like)
    t = xp.exp(given) if log_targets else given
    rows = Rows(vectors=(Vector(1.0, t),), kept=setting.where)
    rows = replace(rows, row_weight=one_per_row(xp, rows, like))
    loss = LogDivergence(given if log_targets else None)
    return place.problem(rows, loss, (reduction, denominator, None), expression)
