"""How much smoothing stands for how much noise, accuracy or temperature."""

from softtargets._array import errors
from softtargets._array.checks import check_option
from softtargets._array.scalars import check_share
from softtargets.analysis.arguments import check_several, check_within
from softtargets.analysis.gaps import optimal_logit_gap
from softtargets.targets.conventions import Convention, convert_smoothing
from softtargets.targets.smoothing import SPREADS
from softtargets.typing import Spread


def smoothing_for_noise(
    rate: float, num_classes: int, *, resampled: bool = False, spread: Spread = "all"
) -> float:
    """Return the label smoothing whose loss is the mean of the hard loss over noisy labels.

        e = r K / (K - 1)  if each label is flipped to another class with probability r
        e = r              if it is drawn anew among all classes, its own included

    of ``spread="all"``; both times (K - 1)/K for "others". Exact for every row: training on noisy
    labels minimises, in expectation, the smoothed loss of the clean ones.

    Parameters
    ----------
    rate : number
        The probability r, at least 0; at most (K - 1)/K for flips, where labels say nothing of
        classes any more, and at most 1 for labels drawn anew.
    num_classes : int
        The number of classes K, at least 2.
    resampled : bool, default False
        Whether a noisy label is drawn among all classes instead of the others.
    spread : {"all", "others"}, default "all"
        The convention of the result.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If the rate is not a number.
    ValueError
        If it is out of range, or ``spread`` is unknown.

    Notes
    -----
    It does not say how much smoothing makes the best model of noisy labels: in published
    experiments other amounts gave more accuracy, and a correction of the loss more still
    (:func:`~softtargets.forward_correction`).

    Examples
    --------
    >>> import softtargets as st
    >>> round(st.analysis.smoothing_for_noise(0.2, 5), 12)
    0.25
    >>> st.analysis.smoothing_for_noise(0.2, 5, resampled=True)
    0.2

    References
    ----------
    M. Lukasik et al., "Does Label Smoothing Mitigate Label Noise?", 2020.
    """
    check_option(spread, "spread", SPREADS)
    count = check_several(num_classes)
    most = 1.0 if resampled else (count - 1) / count
    value = check_within(rate, "rate", 0.0, most)
    if value == most:  # the target is uniform, and rounding must not carry it beyond
        return float(convert_smoothing(1.0, count, source="all", to=spread))
    source: Convention = "all" if resampled else "others"
    return float(convert_smoothing(value, count, source=source, to=spread))


def smoothing_for_accuracy(accuracy: float, num_classes: int, *, spread: Spread = "all") -> float:
    """Return the label smoothing at which saturated predictions are as sure as they are right.

        e = (1 - a) K / (K - 1)

    A model that fits the smoothed targets of its own predictions to the end gives its best class
    the probability 1 - e + e/K; for this e that is the accuracy a.

    Parameters
    ----------
    accuracy : number
        The accuracy a of the model on data that it was not trained on, in [1/K, 1].
    num_classes : int
        The number of classes K, at least 2.
    spread : {"all", "others"}, default "all"
        The convention of the result.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If the accuracy is not a number.
    ValueError
        If it is out of range, or ``spread`` is unknown.

    Notes
    -----
    Predictions on new data are less sure than saturated ones, so a model that is trained with this
    e tends to be less sure than it is right: take it for the most that one may want.
    :func:`choose_label_smoothing` asks held-out data instead.

    Examples
    --------
    >>> import softtargets as st
    >>> round(st.analysis.smoothing_for_accuracy(0.97, 10), 6)
    0.033333
    """
    count = check_several(num_classes)
    value = check_within(accuracy, "accuracy", 1 / count)
    return smoothing_for_noise(min(1 - value, (count - 1) / count), count, spread=spread)


def temperature_for_smoothing(
    label_smoothing: float, num_classes: int, accuracy: float, *, spread: Spread = "all"
) -> float:
    """Return the temperature that calibrates saturated predictions of a smoothed model.

        T = gap(e) / log(a (K - 1) / (1 - a))

    with the optimal logit gap of the smoothing e and the accuracy a. Below 1: smoothing has made
    the model less sure than it is right, and its logits have to grow.

    Parameters
    ----------
    label_smoothing : number
        The fraction e, in [0, 1].
    num_classes : int
        The number of classes K, at least 2.
    accuracy : number
        The accuracy a, above 1/K and below 1.
    spread : {"all", "others"}, default "all"
        The convention of the smoothing.

    Returns
    -------
    float
        The T by which logits are divided; inf without smoothing, where saturated logits are
        infinite.

    Raises
    ------
    TypeError
        If an argument is not a number.
    ValueError
        If one is out of range, or the smoothing leaves the label no more mass than the others.

    Notes
    -----
    It takes all rows for equally sure, at the optimal gap. Fit a temperature to held-out logits
    where there are any; this formula says which one to expect.

    Examples
    --------
    >>> import softtargets as st
    >>> round(st.analysis.temperature_for_smoothing(0.1, 10, 0.97), 6)
    0.7951
    """
    count = check_several(num_classes)
    gap = optimal_logit_gap(check_share(label_smoothing, "label_smoothing"), count, spread=spread)
    if not gap > 0:
        rule = "leave the label more mass than another class"
        errors.bad_value("label_smoothing", rule, label_smoothing, f"spread: {spread!r}")
    value = check_within(accuracy, "accuracy", 1 / count)
    if not 1 / count < value < 1:
        errors.bad_value("accuracy", f"be above {1 / count:g} and below 1", accuracy)
    # A label that the model misses with probability 1 - a, each other class alike.
    return float(gap / optimal_logit_gap(1 - value, count, spread="others"))
