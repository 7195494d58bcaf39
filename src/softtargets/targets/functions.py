"""Targets as plain arrays: the functions for those who want rows x classes at once."""

from softtargets._array import errors
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.forms import as_value
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Spread


def one_hot(
    labels: Array,
    num_classes: int,
    *,
    axis: int = -1,
    dtype: object = None,
    ignore_index: int = IGNORE_INDEX,
) -> Array:
    """Return 1 at the label of each row and 0 at its other classes.

    Parameters
    ----------
    labels : array, any integer dtype
        Shape ``(*rows,)``.
    num_classes : int
        The number of classes K.
    axis : int, default -1
        Where to put the class axis in the result.
    dtype : optional
        A real floating dtype of the library; its default if not given.
    ignore_index : int, default -100
        Rows with this label are 0 everywhere.

    Returns
    -------
    array
        The shape of ``labels`` with a class axis, on the device of ``labels``. A label out of
        range makes a row of nan where values may not be looked at.

    Raises
    ------
    TypeError
        If ``labels`` is not an array of integers.
    ValueError
        If a label is outside [0, K) and not ``ignore_index``, where values may be looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> st.one_hot(np.array([2, 0, -100]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """
    targets = Targets.from_labels(labels, num_classes, ignore_index=ignore_index)
    return targets.to_dense(dtype=dtype, axis=axis)


def smooth_labels(
    targets: Array | Targets,
    label_smoothing: Amount,
    *,
    num_classes: int | None = None,
    prior: Array | None = None,
    spread: Spread = "all",
    axis: int = -1,
) -> Array:
    """Return ``(1 - e) q + e * prior`` as an array of rows x classes.

    Parameters
    ----------
    targets : array or Targets
        Integer labels of shape ``(*rows,)``, or distributions with the classes at ``axis``.
    label_smoothing : number, 0-d array, or one value per row
        The fraction e, in [0, 1].
    num_classes : int, optional
        The number of classes K; needed for labels, and read from the shape of distributions.
    prior : array, optional
        Shape ``(K,)``, or ``(K, K)`` with one row per label. Uniform if not given.
    spread : {"all", "others"}, default "all"
        Whether the prior gives mass to the label itself (:meth:`Targets.smooth`).
    axis : int, default -1
        The class axis of the result, and of distributions.

    Returns
    -------
    array
        With the dtype of distributions; the default floating dtype of the library for labels.

    Raises
    ------
    TypeError
        If ``targets`` is not an array of integers or floats, or ``num_classes`` is missing for
        labels.
    ValueError
        If a value breaks one of the rules above, where values may be looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> st.smooth_labels(np.array([0, 2]), 0.3, num_classes=3)
    array([[0.8, 0.1, 0.1],
           [0.1, 0.1, 0.8]])

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7.
    """
    value = as_value(targets, num_classes, axis)
    return value.smooth(label_smoothing, prior=prior, spread=spread).to_dense(axis=axis)


def mix(a: Targets, b: Targets, lam: Amount) -> Targets:
    """Return ``lam * a + (1 - lam) * b``, the targets of mixup and cutmix; see :meth:`Targets.mix`.

    Parameters
    ----------
    a, b : Targets
        Of one shape.
    lam : number or array
        In [0, 1]: one for all rows, or one per row.

    Returns
    -------
    Targets

    Raises
    ------
    TypeError
        If ``a`` or ``b`` is not a :class:`Targets`.
    ValueError
        If the shapes differ or ``lam`` is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> a = st.Targets.from_labels(np.array([0]), 2)
    >>> b = st.Targets.from_labels(np.array([1]), 2)
    >>> st.mix(a, b, 0.7).to_dense()
    array([[0.7, 0.3]])

    References
    ----------
    H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    if not isinstance(a, Targets):
        errors.bad_type("a", "be Targets", type(a).__name__)
    return a._mix(b, lam, "a", "b")
