"""Distributions from counts: how often each class was seen, or was taken for which other."""

from softtargets._array import errors
from softtargets._array.axes import check_class_axis
from softtargets._array.checks import check_not_negative, check_values
from softtargets._array.dtypes import (
    FLOATING,
    HALF,
    INTEGER,
    check_floating,
    default_floating,
    dtype_name,
)
from softtargets._array.namespaces import beside, namespace_of
from softtargets._array.operations import quotient
from softtargets._array.scalars import check_real
from softtargets._array.sums import ordered_sums
from softtargets.typing import Array


def prior_from_counts(
    counts: Array, *, pseudocount: float = 0.0, power: float = 1.0, dtype: object = None
) -> Array:
    """Return the prior  u_k = (c_k + a)^power / sum_j (c_j + a)^power  of counts c.

    The distribution of the labels of a training set is the prior of unigram smoothing. Used as
    ``prior=``, a class that was never seen gets no mass unless ``pseudocount`` gives it some, and
    the logit gap to it has no finite optimum then.

    Parameters
    ----------
    counts : array, any real dtype
        Shape ``(K,)``, or ``(*rows, K)`` for a prior of each row; finite and at least 0.
    pseudocount : number, default 0
        The a that is added to each count (additive smoothing: 1 is Laplace's).
    power : number, default 1
        Above 0. Below 1 it flattens the prior; it is 1 / temperature.
    dtype : optional
        A real floating dtype of the library. By default that of floating ``counts``, float32 for
        half precision, and the default of the library for integers.

    Returns
    -------
    array
        The shape, library and device of ``counts``.

    Raises
    ------
    TypeError
        If ``counts`` is not an array of real numbers, or a number is none.
    ValueError
        If a count is negative or not finite, or those of a row sum to 0, where values may be looked
        at; elsewhere such a row is nan.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> counts = np.bincount([0, 0, 0, 1, 3, 3], minlength=4)
    >>> st.prior_from_counts(counts)
    array([0.5       , 0.16666667, 0.        , 0.33333333])
    >>> st.prior_from_counts(counts, pseudocount=1)
    array([0.4, 0.2, 0.1, 0.3])
    >>> st.prior_from_counts(np.array([1, 16]), power=0.75)
    array([0.11111111, 0.88888889])

    References
    ----------
    G. Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions",
    2017 (unigram smoothing). T. Mikolov et al., "Distributed Representations of Words
    and Phrases and their Compositionality", 2013, section 2.2 (the power 3/4).
    """
    return normalized(counts, "counts", pseudocount, power, dtype)


def transition_from_confusion(
    confusion: Array, *, pseudocount: float = 0.0, dtype: object = None
) -> Array:
    """Return  T_ij = (n_ij + a) / sum_k (n_ik + a),  the noise that a confusion matrix shows.

    Parameters
    ----------
    confusion : array, any real dtype
        Shape ``(K, K)``: n_ij counts the examples of class i that were labelled j. Rows are the
        true classes, as in scikit-learn.
    pseudocount : number, default 0
        The a that is added to each count.
    dtype : optional
        A real floating dtype of the library, as for :func:`prior_from_counts`.

    Returns
    -------
    array
        Shape ``(K, K)``, rows sum to 1; of the library and device of ``confusion``.

    Raises
    ------
    TypeError
        If ``confusion`` is not an array of real numbers.
    ValueError
        If it is not square, a count is negative, or a class was never seen, where values may be
        looked at; elsewhere the row of such a class is nan.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> st.transition_from_confusion(np.array([[8, 2], [1, 3]]))
    array([[0.8 , 0.2 ],
           [0.25, 0.75]])

    References
    ----------
    G. Patrini et al., "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", 2017.
    """
    namespace_of(confusion, "confusion")
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        errors.bad_value("confusion", "have shape (K, K)", tuple(confusion.shape))
    return normalized(confusion, "confusion", pseudocount, 1.0, dtype)


def normalized(
    counts: Array, argument: str, pseudocount: float, power: float, dtype: object
) -> Array:
    """Return (counts + pseudocount)^power divided by its sum along the last axis."""
    xp = namespace_of(counts, argument)
    name = dtype_name(counts)
    if name not in FLOATING | INTEGER:
        errors.bad_type(argument, "have a real dtype", name)
    check_class_axis(counts, argument, -1)
    added = check_real(pseudocount, "pseudocount")
    exponent = check_real(power, "power", positive=True)
    if not name.startswith("u"):  # torch does not compare the larger unsigned ones
        check_not_negative(xp, counts, argument)
    if dtype is None:
        given = default_floating(xp) if name in INTEGER else counts.dtype
        dtype = xp.float32 if name in HALF else given
    probe = xp.zeros((), dtype=dtype, **beside(counts))
    check_floating(probe, "dtype")
    wide = xp.float32 if dtype_name(probe) in HALF else dtype
    mass = xp.astype(counts, wide) + added
    if exponent != 1:
        # Of the largest one, so that no power overflows.
        most = xp.max(mass, axis=-1, keepdims=True)
        mass = quotient(xp, mass, xp.where(most > 0, most, 1.0)) ** exponent
    total = ordered_sums(xp, mass)
    check_values(xp, total[..., 0], f"sums of {argument}", "be above 0", total[..., 0] <= 0)
    share = quotient(xp, mass, xp.where(total > 0, total, xp.nan))
    return xp.astype(share, dtype, copy=False)
