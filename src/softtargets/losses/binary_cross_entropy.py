"""Binary cross-entropy of logits: every class is a decision of its own."""

from softtargets.constants import IGNORE_INDEX
from softtargets.losses.binary import make_binary_problem
from softtargets.losses.evaluate import Call, value_of
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction


def binary_cross_entropy(
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
) -> Array:
    """Return the cross-entropy between targets and the sigmoid of each logit, in nats.

    For a row with logits x, targets t in [0, 1], smoothing e, class weights w and weights u of the
    positive side,

        t' = (1 - e) t + e prior
        loss = sum_k w_k (u_k t'_k softplus(-x_k) + (1 - t'_k) softplus(x_k))

    with softplus(x) = log(1 + exp(x)). A side whose weight is 0 counts as 0, also at an infinite
    logit.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``, shape ``(*rows, K)`` for the default. Every class is
        there or not, whatever the others are.
    targets : array or Targets
        Of the shape of ``logits``: probabilities in [0, 1] as floats, or answers 0 and 1 as
        integers. Also integer labels of shape ``(*rows,)``, which say yes to one class and no to
        the others, and :class:`Targets`.
    label_smoothing : number, 0-d array, or one value per row, default 0
        The fraction e that moves to the prior, in [0, 1]: with the default prior 1 becomes
        1 - e/2 and 0 becomes e/2.
    prior : number, 0-d array, or shape ``(K,)``, default 0.5
        The probability of yes to which targets are drawn, in [0, 1].
    pos_weight : number, 0-d array, or shape ``(K,)``, default 1
        The weight u of yes, finite and at least 0. It does not enter the denominator.
    class_weight : array, optional
        Shape ``(K,)``, finite and at least 0.
    sample_weight : array, optional
        One per row, finite and at least 0.
    where : array of bool, optional
        One per row: rows that take part. The others may hold anything.
    class_mask : array of bool, optional
        Shape ``(K,)``, or that of ``logits`` with 1 in place of any row axis: classes that take
        part, the same in all rows or not.
    ignore_index : int, default -100
        An answer or a label that takes no part. For integer targets only.
    axis : int or None, default -1
        The class axis of ``logits``. With None there is none: every logit is a row of its own.
    reduction : {"mean", "sum", "none"}, default "mean"
        "none" gives v loss for each row, with sample weights v. "sum" adds them. "mean" divides
        the sum by the denominator: sum v w over all that takes part, which without weights is the
        number of logits.
    denominator : number or 0-d array, optional
        Replaces the denominator of "mean".

    Returns
    -------
    array
        0-d, or of the shape of the rows for "none"; float64 for float64 logits and float32 for all
        others. The mean of nothing is nan, the sum of nothing 0.

    Raises
    ------
    TypeError
        If arguments come from different libraries or have a dtype that they cannot have.
    ValueError
        If shapes, devices or options do not fit, or the targets have a tail bucket. Where values
        may be looked at: if a target or a fraction is outside [0, 1], an answer is neither 0, 1
        nor ignored, or a weight is negative. Elsewhere the row of a bad answer is nan.

    Gradient
    --------
    For a logit, times v / denominator for the mean:

        w (1 - t') sigmoid(x) - w u t' sigmoid(-x)

    It is exactly 0 for what takes no part.

    Choosing
    --------
    For one class of several use :func:`cross_entropy`. With K = 2 and logits (0, x) it gives the
    same for the same smoothing. Elsewhere smoothing may mean 1 - e and e ("full"): that is
    ``label_smoothing=convert_smoothing(e, 2)`` here. Or it may mean 1 - e + e/K and e/K: that is
    ``prior=1/K``.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> logits, answers = np.array([2.0, -1.0]), np.array([1.0, 0.0])
    >>> st.binary_cross_entropy(logits, answers, label_smoothing=0.1).round(6)
    np.float64(0.295095)
    >>> full = st.convert_smoothing(0.1, 2)
    >>> st.binary_cross_entropy(logits, answers, label_smoothing=full).round(6)
    np.float64(0.370095)
    >>> st.binary_cross_entropy(logits, answers, axis=None, reduction="none").round(4)
    array([0.1269, 0.3133])

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7
    (smoothing, here of two classes).
    """
    options = {
        "label_smoothing": label_smoothing,
        "prior": prior,
        "pos_weight": pos_weight,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": axis,
        "reduction": reduction,
        "denominator": denominator,
    }
    return value_of(Call(logits, targets, options, make_binary_problem))
