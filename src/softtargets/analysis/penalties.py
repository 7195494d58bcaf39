"""Which confidence penalty stands for which logit gap."""

import math

from softtargets._array.scalars import check_real
from softtargets.analysis.arguments import check_several


def confidence_penalty_for_gap(gap: float, num_classes: int) -> float:
    """Return the weight of the confidence penalty at which a logit gap is optimal.

        b = 1 / (g p)  with  p = 1 / (1 + (K - 1) e^-g)

    of the loss -log p_y - b H(p) of a label y, in the logits of which all other classes are alike.
    For a gap of :func:`optimal_logit_gap` it is the penalty that leads as far as that smoothing.

    Parameters
    ----------
    gap : number
        The logit of the label less that of another class, above 0, in nats.
    num_classes : int
        The number of classes K, at least 2.

    Returns
    -------
    float
        What ``confidence_penalty=`` takes.

    Raises
    ------
    TypeError
        If the gap is not a number.
    ValueError
        If it is not above 0, or there are fewer than two classes.

    Notes
    -----
    The loss with the penalty is not convex in the logits. Equal gaps do not make two losses equal:
    away from the optimum they differ.

    Examples
    --------
    >>> import softtargets as st
    >>> gap = st.analysis.optimal_logit_gap(0.1, 10)
    >>> round(st.analysis.confidence_penalty_for_gap(gap, 10), 6)
    0.243612

    References
    ----------
    G. Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions",
    2017, for the penalty; the closed form is derived from it.
    """
    g = check_real(gap, "gap", positive=True)
    return _spread_of(g, check_several(num_classes)) / g


def gap_for_confidence_penalty(confidence_penalty: float, num_classes: int) -> float:
    """Return the logit gap at which the loss with a confidence penalty is smallest.

    It solves  g p(g) = 1 / b,  the inverse of :func:`confidence_penalty_for_gap`. For a small b it
    is about 1 / b.

    Parameters
    ----------
    confidence_penalty : number
        The weight b, at least 0.
    num_classes : int
        The number of classes K, at least 2.

    Returns
    -------
    float
        In nats; inf without a penalty.

    Raises
    ------
    TypeError
        If the penalty is not a number.
    ValueError
        If it is negative, or there are fewer than two classes.

    Examples
    --------
    >>> import softtargets as st
    >>> round(st.analysis.gap_for_confidence_penalty(0.5, 10), 6)
    2.945944

    References
    ----------
    G. Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions",
    2017, for the penalty; the closed form is derived from it.
    """
    b = check_real(confidence_penalty, "confidence_penalty")
    count = check_several(num_classes)
    if b == 0 or math.isinf(1 / b):
        return math.inf
    # g - (1 + (K - 1) e^-g) / b grows and is concave: Newton's steps rise to its root from 0.
    g, last = 0.0, -1.0
    while g > last:
        spread = _spread_of(g, count)
        last, g = g, g - (b * g - spread) / (b + spread - 1)
    return last


def _spread_of(gap: float, num_classes: int) -> float:
    """Return 1 / p of the label."""
    return 1 + (num_classes - 1) * math.exp(-gap)
