"""The inverse of label smoothing, for probabilities."""

from softtargets._array import errors
from softtargets._array.axes import check_class_axis
from softtargets._array.checks import (
    check_option,
    check_shape,
)
from softtargets._array.distributions import check_distributions
from softtargets._array.dtypes import check_floating, promote
from softtargets._array.namespaces import as_array, check_follows, namespace_of
from softtargets._array.operations import quotient
from softtargets._array.scalars import check_share
from softtargets._array.traits import look
from softtargets.targets.conventions import convert_smoothing
from softtargets.targets.smoothing import SPREADS
from softtargets.typing import Array, Spread


def unsmooth(
    probabilities: Array,
    label_smoothing: float,
    *,
    prior: Array | None = None,
    spread: Spread = "all",
    clip: bool = True,
    axis: int = -1,
) -> Array:
    """Return the probabilities that smoothing made these of:  (p - e u) / (1 - e).

    A model that minimises the loss of smoothed targets predicts p = (1 - e) eta + e u where the
    labels have the probabilities eta; this gives eta. With ``clip`` an entry below 0, which no
    smoothing makes, becomes 0 and its row sums to 1 again.

    Parameters
    ----------
    probabilities : array, real floating
        Distributions over K classes along ``axis``.
    label_smoothing : number
        The fraction e that the model was trained with, in [0, 1).
    prior : array, optional
        The u, of shape ``(K,)``. Uniform if not given.
    spread : {"all", "others"}, default "all"
        "others": e was shared by the classes other than the label, uniformly.
    clip : bool, default True
        False returns the inverse as it is, linear in p, perhaps with entries below 0.
    axis : int, default -1
        The class axis.

    Returns
    -------
    array
        Of the shape of ``probabilities``; float32 for half precision.

    Raises
    ------
    TypeError
        If arguments are no floats of one library.
    ValueError
        If shapes do not fit, the smoothing left nothing to invert, or, where values may be looked
        at, rows do not sum to 1.

    Choosing
    --------
    It is exact for a model that has reached the optimum of its smoothed loss.
    :func:`fit_temperature` asks data instead, and needs no e.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> st.calibration.unsmooth(np.array([[0.91] + [0.01] * 9]), 0.1).round(6)[0, :2]
    array([1., 0.])
    >>> st.calibration.unsmooth(np.array([[0.5, 0.25, 0.25]]), 0.1).round(6)
    array([[0.518519, 0.240741, 0.240741]])

    References
    ----------
    M. Lukasik et al., "Does label smoothing mitigate label noise?", 2020, for the optimum of the
    smoothed loss.
    """
    xp = namespace_of(probabilities, "probabilities")
    check_floating(probabilities, "probabilities")
    position = check_class_axis(probabilities, "probabilities", axis)
    count = int(probabilities.shape[position])
    check_option(spread, "spread", SPREADS)
    amount = check_share(label_smoothing, "label_smoothing")
    if prior is not None:
        check_follows(xp, probabilities, "probabilities", prior, "prior")
        check_floating(prior, "prior")
        check_shape(prior, "prior", (count,))
        check_distributions(xp, prior, "prior", prefix="")
        if spread == "others":
            errors.bad_value("prior", "be None with spread='others'", "an array")
    if spread == "others" and count > 1:
        amount = convert_smoothing(amount, count, source="others")
    if amount == 1:
        errors.bad_value("label_smoothing", "leave some mass to the labels", label_smoothing)
    last = position == probabilities.ndim - 1
    p = probabilities if last else xp.moveaxis(probabilities, axis, -1)
    check_distributions(xp, p, "probabilities")
    p = promote(xp, p)
    spilled = amount / count if prior is None else amount * as_array(xp, prior, p.dtype, p)
    eta = quotient(xp, p - spilled, 1 - amount)
    if clip and look(xp.any(eta < 0)) is not False:
        above = xp.where(eta < 0, 0.0, eta)
        sums = xp.sum(above, axis=-1, keepdims=True)
        # A row without negative entries keeps its bits.
        some = xp.any(eta < 0, axis=-1, keepdims=True)
        eta = xp.where(some, above / sums, eta)
    return eta if last else xp.moveaxis(eta, -1, axis)
