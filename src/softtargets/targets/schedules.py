"""How much smoothing at which step."""

from softtargets._array import errors
from softtargets._array.checks import (
    check_amount_kind,
    check_count,
    check_not_negative,
    check_shape,
)
from softtargets._array.dtypes import FLOATING, INTEGER, dtype_name
from softtargets._array.namespaces import beside, is_number, namespace_of
from softtargets._array.operations import quotient
from softtargets._array.scalars import check_real, check_share, widest_floating
from softtargets.typing import Amount, Array


def linear_warmup(
    step: Amount,
    num_steps: int,
    label_smoothing: float,
    *,
    start: float = 0.0,
    like: Array | None = None,
) -> Amount:
    """Return  (1 - f) start + f e  with  f = min(step / num_steps, 1):  a smoothing that grows.

    As a 0-d array it may be handed to compiled code at every step, which is compiled once.

    Parameters
    ----------
    step : number or 0-d array
        How many steps have been done, at least 0.
    num_steps : int
        After how many steps the smoothing is e.
    label_smoothing : number
        The e, in [0, 1].
    start : number, default 0
        The smoothing at step 0, in [0, 1].
    like : array, optional
        An array whose library and device the result has, where ``step`` is a number.

    Returns
    -------
    float or array
        A float for a number without ``like``; else a 0-d array, float64 where the library has it.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If a value is out of range, where values may be looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> [st.linear_warmup(step, 4, 0.2) for step in (0, 1, 4, 9)]
    [0.0, 0.05, 0.2, 0.2]
    >>> logits, labels = np.array([[1.0, 2.0, 3.0]]), np.array([0])
    >>> epsilon = st.linear_warmup(np.asarray(2), 4, 0.2)
    >>> f"{st.cross_entropy(logits, labels, label_smoothing=epsilon):.6f}"
    '2.307606'

    References
    ----------
    Y. Zhou et al., "MaxSup: Overcoming Representation Collapse in Label Smoothing", 2025 (trains
    with a linearly increasing weight).
    """
    count = check_count(num_steps, "num_steps")
    first, last = check_share(start, "start"), check_share(label_smoothing, "label_smoothing")
    if is_number(step):
        fraction = min(check_real(step, "step") / count, 1.0)
        amount = (1 - fraction) * first + fraction * last
        if like is None:
            return amount
        xp = namespace_of(like, "like")
        return xp.asarray(amount, dtype=widest_floating(xp), **beside(like))
    check_amount_kind(step, "step")
    xp = namespace_of(step, "step")
    if dtype_name(step) not in FLOATING | INTEGER:
        errors.bad_type("step", "have a real dtype", dtype_name(step))
    check_shape(step, "step", ())
    check_not_negative(xp, step, "step")
    ratio = quotient(xp, xp.astype(step, widest_floating(xp)), count)
    part = xp.where(ratio < 1, ratio, 1.0)
    return (1 - part) * first + part * last
