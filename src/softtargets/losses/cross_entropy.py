"""Cross-entropy between soft targets and the softmax of logits."""

from softtargets.constants import IGNORE_INDEX
from softtargets.losses.evaluate import Call, value_of
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Reduction, Spread


def cross_entropy(
    logits: Array,
    targets: Array | Targets,
    *,
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
    z_loss: Amount = 0.0,
    confidence_penalty: Amount = 0.0,
    entropy_threshold: Amount | None = None,
) -> Array:
    """Return the cross-entropy between targets and the softmax of logits, in nats.

    For a row with logits x, target q, class weights w, a = q w, A = sum a and r = <q before
    smoothing, w>,

        loss = A logsumexp(x) - <a, x> + r (z_loss logsumexp(x)^2 - confidence_penalty H)

    where H is the entropy of softmax(x). A term whose target mass or class weight is 0 counts as
    0, also at a logit of -inf.

    Parameters
    ----------
    logits : array, real floating
        Scores of K classes along ``axis``, shape ``(*rows, K)`` for the default. The result
        follows them.
    targets : array or Targets
        Integer labels of shape ``(*rows,)``, distributions of the shape of ``logits``, or
        :class:`Targets`. The dtype decides: integers are labels, floats are distributions.
    label_smoothing : number, 0-d array, or one value per row, default 0
        The fraction e of the mass that moves to the prior, in [0, 1].
    prior : array, optional
        Shape ``(K,)``, or ``(K, K)`` with one row per label. Uniform if not given.
    spread : {"all", "others"}, default "all"
        "all": q = (1 - e) q + e prior. "others": the label keeps 1 - e, the other classes share e.
    class_weight : array, optional
        Shape ``(K,)``, finite and at least 0.
    sample_weight : array, optional
        One per row, finite and at least 0. To leave rows out use ``where``.
    where : array of bool, optional
        One per row: rows that take part. The others may hold anything.
    class_mask : array of bool, optional
        Shape ``(K,)``, or that of ``logits`` with 1 in place of any row axis. Masked classes leave
        the softmax, the prior and K.
    ignore_index : int, default -100
        Rows with this label take no part. For labels only.
    axis : int, default -1
        The class axis of ``logits`` and of distributions.
    reduction : {"mean", "sum", "none"}, default "mean"
        "none" gives v loss for each row, with sample weights v, and 0 for rows that take no part.
        "sum" adds them. "mean" divides the sum by the denominator: sum v r over the rows that take
        part, which without weights is their number.
    denominator : number or 0-d array, optional
        Replaces the denominator of "mean", so that the means of micro-batches add up. An array may
        hold an integer, such as the number of rows that count in all micro-batches.
    z_loss : number or 0-d array, default 0
        Weight of logsumexp(x)^2, which keeps the scale of logits near 1.
    confidence_penalty : number or 0-d array, default 0
        Weight of the entropy of the prediction, which is rewarded.
    entropy_threshold : number or 0-d array, optional
        Instead of rewarding all entropy, penalise what is missing to this much: the term is
        + r confidence_penalty max(0, entropy_threshold - H).

    Returns
    -------
    array
        0-d, or of the shape of the rows for "none"; float64 for float64 logits and float32 for all
        others, half precision included; of the library and the device of ``logits``.
        The mean of nothing is nan, the sum of nothing 0.

    Raises
    ------
    TypeError
        If arguments come from different libraries or have a dtype that they cannot have.
    ValueError
        If shapes, devices or options do not fit. Where values may be looked at (eager arrays in
        host memory): if a label is out of range or masked, a fraction outside [0, 1], a weight
        negative, a distribution does not sum to 1. Elsewhere a row with a bad label is nan.

    Gradient
    --------
    For the logits of a row, times v / denominator for the mean:

        (A + 2 r z_loss logsumexp(x)) softmax(x) - a + r confidence_penalty softmax(x) (log
        softmax(x) + H)

    The last term is 0 from the entropy threshold on. All of it is exactly 0 for rows that take no
    part. :func:`value_and_grad` returns it; torch and JAX
    differentiate the loss for all its floating-point arguments.

    Choosing
    --------
    Use :class:`Targets` for mixed labels, top-k teachers, or smoothing that differs by class.
    Divide the work into blocks of classes with :class:`SoftmaxState`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> logits = np.array([[1.0, 2.0, 3.0], [0.0, 5.0, 0.0]])
    >>> labels = np.array([0, 1])
    >>> st.cross_entropy(logits, labels, reduction="none").round(4)
    array([2.4076, 0.0134])
    >>> st.cross_entropy(logits, labels, label_smoothing=0.1, reduction="none").round(4)
    array([2.3076, 0.3467])

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7
    (label smoothing). G. Pereyra et al., "Regularizing Neural Networks by Penalizing Confident
    Output Distributions", 2017, section 3 (confidence penalty).
    A. Chowdhery et al., "PaLM: Scaling Language Modeling with Pathways", 2022, section 5 (z-loss).
    """
    options = {
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
        "z_loss": z_loss,
        "confidence_penalty": confidence_penalty,
        "entropy_threshold": entropy_threshold,
    }
    return value_of(Call(logits, targets, options))
