"""Where the smoothed loss is smallest: the gap between logits there, and the loss that is left."""

import math

from softtargets._array import errors
from softtargets._array.checks import check_count, check_option
from softtargets._array.dtypes import check_floating, index_dtype, promote
from softtargets._array.namespaces import beside, namespace_of
from softtargets._array.operations import is_label, log_of
from softtargets._array.scalars import check_real, check_share
from softtargets._array.traits import look, quiet
from softtargets.analysis.arguments import check_several, fractions
from softtargets.targets.conventions import convert_smoothing
from softtargets.targets.measures import row_entropies
from softtargets.targets.smoothing import SPREADS
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Spread


def optimal_logit_gap(
    label_smoothing: Amount,
    num_classes: int,
    *,
    prior: Array | None = None,
    spread: Spread = "all",
) -> Amount:
    """Return the gap between the label's logit and another at which the smoothed loss is smallest.

    The optimal softmax is the smoothed target, so the gap is the log of a ratio of its masses:

        "all":     log(1 + K (1 - e) / e)
        "others":  log((1 - e) (K - 1) / e)
        prior u:   log((1 - e + e u_y) / (e u_j))  or  log((1 - e) (1 - u_y) / (e u_j))

    Without smoothing it is infinite: training never ends. The gap says where the loss of single,
    hard-labelled rows is smallest; a model whose features do not separate the classes stays below
    it, and so does one with weight decay (:func:`gap_under_weight_decay`).

    Parameters
    ----------
    label_smoothing : number or array
        The fraction e, in [0, 1]. Any shape; 0-d beside a prior.
    num_classes : int
        The number of classes K, at least 2.
    prior : array, optional
        Shape ``(K,)``, or ``(K, K)`` with one row per label. Uniform if not given.
    spread : {"all", "others"}, default "all"
        Whether the prior gives mass to the label itself.

    Returns
    -------
    number or array
        In nats, of the kind of ``label_smoothing``. With a prior an array of shape ``(K, K)``: row
        y for the label, column j for the other class, 0 on the diagonal, nan where neither class
        has mass.

    Raises
    ------
    TypeError
        If the smoothing is not a number or an array of floats.
    ValueError
        If it is outside [0, 1], or there are fewer than two classes.

    Warns
    -----
    UserWarning
        If the prior leaves a class without mass, where values may be looked at: the gap to it is
        infinite, and so is what the logits strive for.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> gap = st.analysis.optimal_logit_gap
    >>> round(gap(0.1, 10), 6), round(gap(0.1, 10, spread="others"), 6), gap(0, 10)
    (4.51086, 4.394449, inf)
    >>> gap(np.array([0.05, 0.2]), 10).round(4)
    array([5.2523, 3.7136])
    >>> gap(0.1, 3, prior=np.array([0.5, 0.3, 0.2])).round(3)
    array([[0.   , 3.455, 3.861],
           [2.923, 0.   , 3.839],
           [2.912, 3.423, 0.   ]])

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7.
    """
    check_option(spread, "spread", SPREADS)
    count = check_several(num_classes)
    if prior is not None:
        return _gaps_of_prior(label_smoothing, count, prior, spread)
    amount = fractions(label_smoothing, "label_smoothing")
    xp, e = amount.xp, amount.values
    none = e == 0
    divisor = xp.where(none, 1.0, e)
    if spread == "others":
        gap = log_of(xp, (1 - e) * (count - 1) / divisor)
    else:
        gap = xp.log1p(count * (1 - e) / divisor)
    return amount.result(xp.where(none, xp.inf, gap))


def _gaps_of_prior(amount: Amount, count: int, prior: Array, spread: Spread) -> Array:
    xp = namespace_of(prior, "prior")
    classes, targets = _one_of_each(count, amount, prior, spread)
    rows = targets.to_dense(dtype=promote(xp, prior).dtype)
    own = is_label(xp, classes[:, None], count)
    mine = xp.sum(xp.where(own, rows, 0.0), axis=1, keepdims=True)
    with quiet(xp):
        gaps = xp.where(own, 0.0, log_of(xp, mine) - log_of(xp, rows))
    if look(xp.any((rows == 0) & ~own & (xp.sum(xp.where(own, 0.0, rows)) > 0))):
        errors.warn("prior leaves classes without mass: the optimal logit gap to them is infinite")
    return gaps


def _one_of_each(count: int, amount: Amount, prior: Array, spread: Spread) -> tuple[Array, Targets]:
    """Return all labels as a vector, and their smoothed targets."""
    xp = namespace_of(prior, "prior")
    check_floating(prior, "prior")
    classes = xp.arange(count, dtype=index_dtype(xp, prior), **beside(prior))
    hard = Targets.from_labels(classes, count)
    return classes, hard.smooth(amount, prior=prior, spread=spread)


def minimum_loss(
    label_smoothing: Amount,
    num_classes: int,
    *,
    prior: Array | None = None,
    spread: Spread = "all",
) -> Amount:
    """Return the smallest value of the smoothed loss of a label, the entropy of its target.

        -a log a - (K - 1) b log b,  with the masses a of the label and b of each other class

    What a loss has above it is the divergence KL(target || prediction). Subtract it to compare
    runs of different smoothing, and report the unsmoothed loss beside them
    (:func:`loss_report` does both).

    Parameters
    ----------
    label_smoothing : number or array
        The fraction e, in [0, 1]. Any shape; 0-d beside a prior.
    num_classes : int
        The number of classes K, at least 2.
    prior : array, optional
        Shape ``(K,)``, or ``(K, K)`` with one row per label. Uniform if not given.
    spread : {"all", "others"}, default "all"
        Whether the prior gives mass to the label itself.

    Returns
    -------
    number or array
        In nats, of the kind of ``label_smoothing``. With a prior one value per label, shape
        ``(K,)``.

    Raises
    ------
    TypeError
        If the smoothing is not a number or an array of floats.
    ValueError
        If it is outside [0, 1], or there are fewer than two classes.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> minimum = st.analysis.minimum_loss
    >>> round(minimum(0.1, 10), 6), round(minimum(0.1, 10, spread="others"), 6), minimum(0, 10)
    (0.500288, 0.544805, 0.0)
    >>> minimum(0.1, 3, prior=np.array([0.5, 0.3, 0.2])).round(4)
    array([0.2322, 0.2955, 0.3317])

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7.
    """
    check_option(spread, "spread", SPREADS)
    count = check_several(num_classes)
    if prior is not None:
        xp = namespace_of(prior, "prior")
        _, targets = _one_of_each(count, label_smoothing, prior, spread)
        rows, like = targets._form(promote(xp, prior).dtype)
        return row_entropies(xp, rows, like)[:, 0]
    amount = fractions(label_smoothing, "label_smoothing")
    xp = amount.xp
    # The mass of all other classes together, whichever way it was spread.
    rest = convert_smoothing(amount.values, count, source=spread, to="others")
    all_gone, none = rest == 1, rest == 0
    own = (rest - 1) * xp.log1p(-xp.where(all_gone, 0.0, rest))
    others = rest * xp.log(xp.where(none, 1.0, rest) / (count - 1))
    return amount.result(own - others)


def gap_under_weight_decay(
    label_smoothing: float,
    num_classes: int,
    *,
    examples_per_class: int,
    weight_decay: float,
    feature_decay: float,
) -> float:
    """Return the optimal logit gap of a linear layer and free features, both with weight decay.

        log(K / s - K + 1)  with  s = e + K sqrt(n w h),  and 0 from s = 1 on

    of the mean loss over n examples of each of K classes, plus w/2 sum W^2 and h/2 sum H^2 of the
    weights W and of the features H, one column per example. Weight decay acts like more smoothing:
    s takes the place of e in :func:`optimal_logit_gap`.

    Parameters
    ----------
    label_smoothing : number
        The fraction e, in [0, 1], of ``spread="all"``.
    num_classes : int
        The number of classes K, at least 2.
    examples_per_class : int
        The n.
    weight_decay, feature_decay : number
        The w and h, at least 0: what multiplies the parameter in its gradient, as the weight decay
        of SGD does.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If one is out of range.

    Notes
    -----
    The model behind it, unconstrained features, is one of a network that is large enough to put
    its features anywhere. With weight decay on all layers of a network there is no h to insert;
    the formula then says in which direction weight decay and the number of examples act, not by
    how much.

    Examples
    --------
    >>> import softtargets as st
    >>> decay = {"examples_per_class": 3, "weight_decay": 0.005, "feature_decay": 0.005}
    >>> round(st.analysis.gap_under_weight_decay(0.0, 4, **decay), 6)
    4.722687
    >>> round(st.analysis.gap_under_weight_decay(0.1, 4, **decay), 6)
    3.284987

    References
    ----------
    J. Zhou et al., "Are All Losses Created Equal: A Neural Collapse Perspective", 2022, for the
    model; the closed form is derived from it.
    """
    amount = check_share(label_smoothing, "label_smoothing")
    count = check_several(num_classes)
    n = check_count(examples_per_class, "examples_per_class")
    w, h = check_real(weight_decay, "weight_decay"), check_real(feature_decay, "feature_decay")
    return float(optimal_logit_gap(min(amount + count * math.sqrt(n * w * h), 1.0), count))
