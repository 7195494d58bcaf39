"""The targets of losses in which every class is a decision of its own: checked, in rows."""

from dataclasses import replace

from softtargets._array import errors
from softtargets._array.axes import to_rows
from softtargets._array.checks import (
    check_class_vector,
    check_fraction,
    check_int,
    check_labels,
    check_penalty,
    check_shape,
    check_values,
)
from softtargets._array.dtypes import FLOATING, INTEGER, dtype_name
from softtargets._array.namespaces import as_array, check_follows, is_number
from softtargets._array.operations import gate
from softtargets._array.sums import row_sums
from softtargets._array.traits import may_look
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.arguments import refuse_ignore_index, rows_of
from softtargets.losses.place import Place, check_value, make_place
from softtargets.losses.problem import Problem
from softtargets.softmax.sigmoid import BinaryCrossEntropy
from softtargets.targets.measures import refuse_bucket
from softtargets.targets.rows import Rows, Vector
from softtargets.targets.setting import Setting
from softtargets.targets.sources import label_part
from softtargets.targets.structure import normal_form
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction


def make_binary_problem(
    logits: Array,
    targets: Array | Targets,
    *,
    label_smoothing: Amount = 0.0,
    prior: Amount = 0.5,
    pos_weight: Amount = 1.0,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int | None = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
    logit_weight: Array | None = None,
    any_values: bool = False,
    expression: bool = False,
) -> Problem:
    """Check everything that a sigmoid loss takes and return it in matrix form.

    With ``axis=None`` every logit is a row of one class. Then there may be one ``pos_weight`` and
    one ``logit_weight`` for each: the latter is of any sign and does not enter the denominator. If
    there may be ``any_values``, targets need not be in [0, 1], nor weights of yes at least 0.
    """
    place = make_place(logits, where, class_weight, class_mask, axis, reduction)
    setting, xp = place.setting, place.xp
    class_weight = setting.class_weight
    if isinstance(targets, Targets) and targets.class_weight is not None:
        check_value(place, targets)
        weight = setting.amount(targets.class_weight)
        class_weight = weight if class_weight is None else weight * class_weight
        targets = replace(targets, class_weight=None)
    # The weights are those of decisions, not of mass.
    setting = replace(setting, class_weight=None)
    ignored = check_int(ignore_index, "ignore_index")
    rows = _rows(place, setting, targets, ignored, where, check=not any_values)
    smoothing = rows_of(where, label_smoothing)
    shapes = [(), place.rows]
    smoothing = check_fraction(xp, smoothing, "label_smoothing", logits, "logits", shapes)
    if not is_number(smoothing) and smoothing.ndim:
        smoothing = xp.reshape(smoothing, (-1, 1))
    prior = check_fraction(xp, prior, "prior", logits, "logits", [(), (place.num_classes,)])
    loss = BinaryCrossEntropy(
        smoothing=setting.amount(smoothing),
        prior=setting.amount(prior),
        class_weight=class_weight,
        pos_weight=_pos_weight(place, pos_weight, signed=any_values),
    )
    row_weight: Amount = float(place.num_classes)
    if class_weight is not None or rows.allowed is not None or rows.kept is not None:
        row_weight = row_sums(xp, loss.weight(xp, setting.like, rows))
    if logit_weight is not None:
        weight = _column(place, logit_weight, "logit_weight")
        loss = replace(loss, class_weight=weight)
    reducing = reduction, denominator, sample_weight
    return place.problem(replace(rows, row_weight=row_weight), loss, reducing, expression)


def _pos_weight(place: Place, value: Amount, *, signed: bool) -> Amount:
    xp, logits, setting = place.xp, place.logits, place.setting
    if signed and place.axis is None and not is_number(value):
        return _column(place, value, "pos_weight")
    if is_number(value) or getattr(value, "ndim", None) == 0:
        return setting.amount(check_penalty(xp, value, "pos_weight", logits))
    value = check_class_vector(xp, value, "pos_weight", logits, "logits", place.num_classes)
    return setting.amount(value)


def _column(place: Place, value: Array, argument: str) -> Array:
    """Return one number for each logit as a column."""
    xp, logits, like = place.xp, place.logits, place.setting.like
    check_follows(xp, logits, "logits", value, argument)
    check_shape(value, argument, tuple(logits.shape), context="the shape of logits")
    return as_array(xp, xp.reshape(value, (-1, 1)), like.dtype, like)


def _rows(
    place: Place,
    setting: Setting,
    targets: Array | Targets,
    ignored: int,
    where: Array | None,
    *,
    check: bool,
) -> Rows:
    """Return the targets in normal form: t as mass of classes, and what takes part."""
    xp, logits = place.xp, place.logits
    if isinstance(targets, Targets):
        check_value(place, targets)
        refuse_ignore_index(ignored)
        return _of_value(setting, targets)
    check_follows(xp, logits, "logits", targets, "targets")
    name, received = dtype_name(targets), tuple(targets.shape)
    if name not in FLOATING | INTEGER:
        errors.bad_type("targets", "be integer labels or real floating probabilities", name)
    if name in INTEGER and place.axis is not None and received == place.rows:
        part = label_part(targets, place.num_classes, ignored, "targets", where)
        return _of_value(setting, Targets((part,), place.num_classes, place.rows))
    if received != tuple(logits.shape):
        rule = f"have shape {tuple(logits.shape)}"
        rule += "" if place.axis is None else f", or {place.rows} for one label per row"
        errors.bad_value("targets", rule, received, place.context)
    if name in INTEGER:
        return _of_answers(place, setting, targets, ignored, where)
    refuse_ignore_index(ignored)
    t = as_array(xp, to_rows(xp, targets, place.axis), setting.like.dtype, logits)
    for mask in (setting.where, setting.allowed):
        t = gate(xp, mask, t, 0.0, setting.like)
    if check and may_look(t):
        check_values(xp, t, "targets", "be in [0, 1]", ~((t >= 0) & (t <= 1)))
    return Rows(vectors=(Vector(1.0, t),), kept=setting.where, allowed=setting.allowed)


def _of_value(setting: Setting, targets: Targets) -> Rows:
    rows = normal_form(targets, setting.like, where=setting.where, class_mask=setting.allowed)
    refuse_bucket(rows)
    return rows


def _of_answers(
    place: Place, setting: Setting, targets: Array, ignored: int, where: Array | None
) -> Rows:
    """Return the normal form of labels 0 and 1, one for each logit."""
    xp, like = setting.xp, setting.like
    if where is not None and place.axis is not None:
        where = xp.expand_dims(where, axis=place.axis)
    index, kept, bad = check_labels(targets, 2, ignored, "targets", where)
    t = as_array(xp, to_rows(xp, index, place.axis), like.dtype, like)
    allowed = setting.allowed
    if bad is not None:
        t = xp.where(to_rows(xp, bad, place.axis), xp.nan, t)
    if kept is not None:
        kept = to_rows(xp, kept, place.axis)
        allowed = kept if allowed is None else allowed & kept
    return Rows(vectors=(Vector(1.0, t),), kept=setting.where, allowed=allowed)
