"""A prior for each label from what the classes have in common."""

from softtargets._array import errors
from softtargets._array.axes import check_class_axis
from softtargets._array.checks import check_penalty
from softtargets._array.dtypes import check_floating
from softtargets._array.namespaces import beside, namespace_of
from softtargets.targets.probabilities import check_scores, softmax
from softtargets.typing import Amount, Array


def prior_from_similarity(
    similarity: Array, *, temperature: Amount = 1.0, include_self: bool = False
) -> Array:
    """Return  U_yk = exp(s_yk / T) / sum_j exp(s_yj / T),  a prior for each label y.

    The sum runs over the classes j other than y, and U_yy is 0, unless ``include_self``. As
    ``prior=`` it moves the mass of label smoothing to the classes that are like the label. With
    distances d, use s = -d. Similarities that are frequencies need no exponential: see
    :func:`prior_from_counts`.

    Parameters
    ----------
    similarity : array, real floating
        Shape ``(K, K)``, row y for label y; larger is more alike. -inf never gets mass. It need not
        be symmetric.
    temperature : number or 0-d array, default 1
        The T, above 0. Small: all mass to the most similar class. Large: uniform.
    include_self : bool, default False
        Whether the label itself takes part.

    Returns
    -------
    array
        Shape ``(K, K)``, rows sum to 1; float32 for half precision, else the dtype of
        ``similarity``, of its library and device.

    Raises
    ------
    TypeError
        If ``similarity`` is not an array of floats.
    ValueError
        If it is not square, T is not above 0, or there is no other class. Where values may be
        looked at: if an entry is nan or +inf, or a row has only entries of -inf; elsewhere such a
        row is nan.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> s = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
    >>> prior = st.prior_from_similarity(s, temperature=0.2)
    >>> prior.round(3)
    array([[0.   , 0.982, 0.018],
           [0.971, 0.   , 0.029],
           [0.378, 0.622, 0.   ]])
    >>> st.smooth_labels(np.array([0]), 0.1, num_classes=3, prior=prior).round(4)
    array([[0.9   , 0.0982, 0.0018]])

    References
    ----------
    L. Bertinetto et al., "Making Better Mistakes: Leveraging Class Hierarchies with Deep Networks",
    2020 (soft labels: ``include_self=True``, s = -distance, and all mass on the prior).
    """
    xp = namespace_of(similarity, "similarity")
    check_floating(similarity, "similarity")
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
        errors.bad_value("similarity", "have shape (K, K)", tuple(similarity.shape))
    check_class_axis(similarity, "similarity", -1)
    count = int(similarity.shape[0])
    if count == 1 and not include_self:
        errors.bad_value("similarity", "have a class beside the label", "shape (1, 1)")
    temperature = check_penalty(xp, temperature, "temperature", similarity, positive=True)
    if not include_self:
        classes = xp.arange(count, **beside(similarity))
        own = classes[:, None] == classes[None, :]
        similarity = xp.where(own, -float("inf"), similarity)
    check_scores(xp, similarity, "similarity")
    return softmax(xp, similarity, temperature)
