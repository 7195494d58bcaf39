"""Knowledge distillation: the logits of a student between those of a teacher and labels."""

from dataclasses import replace
from typing import Any

from softtargets._array import errors
from softtargets._array.checks import check_fraction, check_penalty
from softtargets._array.dtypes import check_floating
from softtargets._array.namespaces import is_number, namespace_of
from softtargets._array.operations import gate
from softtargets._array.traits import quiet
from softtargets.constants import IGNORE_INDEX
from softtargets.execution.plan import make_plan
from softtargets.losses.arguments import as_value
from softtargets.losses.evaluate import Call, value_of
from softtargets.losses.place import Place, check_value, make_place
from softtargets.losses.problem import Problem, make_problem
from softtargets.losses.teachers import Teacher, teacher_logits
from softtargets.softmax.distillation import Distillation
from softtargets.targets.rows import Rows
from softtargets.targets.structure import normal_form
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def distillation(
    student_logits: Array,
    teacher: Teacher,
    *,
    temperature: Amount = 1.0,
    labels: Array | Targets | None = None,
    hard_weight: Amount = 0.0,
    label_smoothing: Amount = 0.0,
    prior: Array | None = None,
    spread: Spread = "all",
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
) -> Array:
    """Return the loss of a student that follows a teacher and, if asked for, labels; in nats.

    For a row with the logits x of the student and t of the teacher, a temperature T and a hard
    weight h,

        loss = (1 - h) T^2 KL(softmax(t / T) || softmax(x / T)) + h CE(x, labels)

    with class weights on every term. T^2 keeps the size of the gradient of the soft term about the
    same for all T.

    Parameters
    ----------
    student_logits : array, real floating
        Scores of K classes along ``axis``. The result follows them.
    teacher : array, Targets or tuple of arrays
        Floats are logits of the shape of ``student_logits``; -inf is padding, a class that the
        teacher does not have. :class:`Targets` are what the teacher says at the temperature T:
        its best classes by ``Targets.from_teacher(t, temperature=T, top_k=k, tail=...)`` or
        :meth:`Targets.from_top_k`. A tuple ``(features, weight)`` or ``(features, weight, bias)``
        is the last layer of the teacher, of shapes ``(*rows, D)``, ``(K, D)`` and ``(K,)``: its
        logits are features @ weight.T + bias, and exist one block of rows at a time.
    temperature : number or 0-d array, default 1
        The T of student and teacher, above 0.
    labels : array or Targets, optional
        The targets of the hard term, as for :func:`cross_entropy`. A row whose label is ignored
        takes no part in either term.
    hard_weight : number or 0-d array, default 0
        The weight h of the hard term, in [0, 1].
    label_smoothing, prior, spread
        As for :func:`cross_entropy`, of the labels. The teacher is never smoothed.
    class_weight, sample_weight, where, class_mask, ignore_index, axis
        As for :func:`cross_entropy`, for both terms. ``ignore_index`` is for integer labels.
    reduction, denominator
        As for :func:`cross_entropy`: without class weights "mean" divides by the number of rows
        that take part, or the sum of their sample weights. With class weights w it divides by the
        sum of v ((1 - h) <q, w> + h <q of the labels before smoothing, w>).

    Returns
    -------
    array
        As :func:`cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cross_entropy`; and if ``teacher`` does not have the classes of the student, the
        temperature is not above 0, the hard weight is outside [0, 1], or keywords of the labels
        are given without them.

    Gradient
    --------
    For the logits of a row of the student, times v / denominator for the mean; here without class
    weights, with the smoothed labels q:

        (1 - h) T (softmax(x / T) - softmax(t / T)) + h (softmax(x) - q)

    PyTorch and JAX differentiate for the logits of the teacher too: detach them unless it is to be
    trained.

    Choosing
    --------
    On the host the softmax of the teacher exists one block of rows at a time. With
    :func:`linear_distillation` the logits of the student do not exist all at once either. A
    teacher that was trained with label smoothing is a good one at T = 1 at most: the smoothing
    erases what its logits say of the wrong classes.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> student, teacher = np.array([[1.0, 0.0, -1.0]]), np.array([[3.0, 1.0, -2.0]])
    >>> st.distillation(student, teacher, temperature=2.0).round(6)
    np.float64(0.38782)
    >>> labels = np.array([0])
    >>> st.distillation(student, teacher, temperature=2.0, labels=labels, hard_weight=0.5).round(6)
    np.float64(0.397713)

    References
    ----------
    G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, section 2.
    K. Chandrasegaran et al., "Revisiting Label Smoothing and Knowledge Distillation Compatibility",
    2022 (teachers with label smoothing).
    """
    options = {
        "temperature": temperature,
        "labels": labels,
        "hard_weight": hard_weight,
        "label_smoothing": label_smoothing,
        "prior": prior,
        "spread": spread,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": axis,
        "reduction": reduction,
        "denominator": denominator,
    }
    return value_of(Call(student_logits, teacher, options, make_distillation))


def make_distillation(
    logits: Array,
    teacher: Teacher,
    *,
    temperature: Amount = 1.0,
    labels: Array | Targets | None = None,
    hard_weight: Amount = 0.0,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    axis: int = -1,
    reduction: Reduction = "mean",
    denominator: Amount | None = None,
    expression: bool = False,
    **of_labels: Any,
) -> Problem:
    """Return the problem of one call of :func:`distillation`; ``of_labels`` concern the labels."""
    namespace_of(logits, "student_logits")
    check_floating(logits, "student_logits")
    place = make_place(logits, where, class_weight, class_mask, axis, reduction)
    xp, setting = place.xp, place.setting
    temperature = check_penalty(xp, temperature, "temperature", logits, positive=True)
    hard_weight = check_fraction(xp, hard_weight, "hard_weight", logits, "student_logits", [()])
    hard: Rows | None = None
    if labels is None:
        _refuse_words_of_labels(hard_weight, of_labels)
    else:
        shared: dict[str, Any] = {
            "class_weight": class_weight,
            "class_mask": class_mask,
            "axis": axis,
        }
        ignored = of_labels.pop("ignore_index", IGNORE_INDEX)
        value = as_value(logits, labels, where, ignored, axis, "labels")
        hard = make_problem(logits, value, where=where, **shared, **of_labels).rows
        setting = replace(setting, where=hard.kept)
    loss = Distillation(
        setting.amount(temperature),
        setting.amount(hard_weight),
        hard,
        teacher_logits(place, teacher),
    )
    if isinstance(teacher, Targets):
        check_value(place, teacher, "teacher")
        rows = normal_form(
            teacher,
            setting.like,
            where=setting.where,
            class_weight=class_weight,
            class_mask=setting.allowed,
        )
    else:
        rows = Rows(kept=setting.where, allowed=setting.allowed, class_weight=setting.class_weight)
        rows = replace(rows, row_weight=_weights(place, rows, loss))
    weight = gate(xp, rows.kept, loss.row_weight(rows), 0.0, setting.like)
    rows = replace(rows, row_weight=weight)
    return place.problem(rows, loss, (reduction, denominator, sample_weight), expression)


def _refuse_words_of_labels(hard_weight: Amount, words: dict[str, Any]) -> None:
    if not (is_number(hard_weight) and hard_weight == 0):
        errors.bad_value("hard_weight", "be 0 without labels", hard_weight)
    smoothing = words.get("label_smoothing", 0.0)
    if not (is_number(smoothing) and smoothing == 0):
        rule = "be 0 without labels (a teacher is not smoothed)"
        errors.bad_value("label_smoothing", rule, smoothing)


def _weights(place: Place, rows: Rows, loss: Distillation) -> Amount:
    """Return <softmax(t / T), class weights> of each row, 1 without class weights."""
    xp, like = place.xp, place.setting.like
    if rows.class_weight is None:
        return 1.0
    plan = make_plan(like)
    blocks = [slice(None)] if plan is None else plan.blocks
    with quiet(xp):
        found = [loss[b].with_teacher(xp, rows[b], like.dtype).mass for b in blocks]
    return found[0] if len(found) == 1 else xp.concat(found)
