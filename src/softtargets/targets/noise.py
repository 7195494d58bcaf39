"""How labels go wrong: matrices with the probability of each label for each true class."""

from typing import Any

import numpy as np

from softtargets._array.checks import check_count, check_fraction, check_option
from softtargets._array.dtypes import FLOATING, dtype_name, index_dtype
from softtargets._array.kinds import is_array
from softtargets._array.namespaces import beside, is_number, namespace_of
from softtargets._array.scalars import widest_floating
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Noise

KINDS = ("symmetric", "pair")


def noise_transition(
    num_classes: int,
    rate: Amount,
    *,
    kind: Noise = "symmetric",
    like: Array | None = None,
    dtype: object = None,
) -> Array:
    """Return T with  T_ij = P(the label is j, where the class is i).

        symmetric:  T_ii = 1 - r,  T_ij = r / (K - 1)
        pair:       T_ii = 1 - r,  T_ij = r  for j = i + 1, and 0 for the class after the last

    The targets that this noise makes of labels are ``t.smooth(1.0, prior=T)``; for symmetric noise
    that is label smoothing of r with ``spread="others"``.

    Parameters
    ----------
    num_classes : int
        The number of classes K.
    rate : number or array
        The probability r that a label is wrong, in [0, 1]: one for all classes, or shape ``(K,)``.
    kind : {"symmetric", "pair"}, default "symmetric"
        Whether a wrong label is any other class or the next one.
    like : array, optional
        An array whose library and device the result has. Not needed where ``rate`` is an array;
        NumPy's if neither is given.
    dtype : optional
        A real floating dtype of the library. By default that of ``like`` or ``rate``, if they are
        floats, or else the default of the library.

    Returns
    -------
    array
        Shape ``(K, K)``, rows sum to 1.

    Raises
    ------
    TypeError
        If ``num_classes`` is not an int, or ``rate`` not a number or an array of floats.
    ValueError
        If a rate is outside of [0, 1], or ``kind`` is unknown.

    Examples
    --------
    >>> import softtargets as st
    >>> st.noise_transition(3, 0.2)
    array([[0.8, 0.1, 0.1],
           [0.1, 0.8, 0.1],
           [0.1, 0.1, 0.8]])
    >>> st.noise_transition(3, 0.2, kind="pair")
    array([[0.8, 0.2, 0. ],
           [0. , 0.8, 0.2],
           [0.2, 0. , 0.8]])

    References
    ----------
    G. Patrini et al., "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", 2017. B. Han et al., "Co-teaching: Robust Training of Deep Neural Networks with
    Extremely Noisy Labels", 2018 (symmetric and pair flipping).
    """
    count = check_count(num_classes, "num_classes")
    check_option(kind, "kind", KINDS)
    place = like if like is not None else rate if is_array(rate) else np.zeros(())
    xp = namespace_of(place, "like")
    rate = check_fraction(xp, rate, "rate", place, "like", [(), (count,)])
    if dtype is None and dtype_name(place) in FLOATING and not is_number(place):
        dtype = place.dtype
    if is_number(rate):
        # As an array: what is much for smoothing is a rate like any other.
        rate = xp.asarray(rate, dtype=widest_floating(xp), **beside(place))
    classes: Any = xp.arange(count, dtype=index_dtype(xp, place), **beside(place))
    right = Targets.from_labels(classes, count)
    if kind == "symmetric":
        noisy = right.smooth(rate, spread="others")
    else:
        noisy = Targets.from_labels((classes + 1) % count, count).mix(right, rate)
    return noisy.to_dense(dtype=dtype)
