"""How far apart classes are in angle, and how alike the predictions of a class."""

from typing import NamedTuple

from softtargets._array import errors
from softtargets._array.checks import check_count, check_values
from softtargets._array.distributions import check_distributions
from softtargets._array.traits import may_look, quiet
from softtargets.analysis.groups import check_matrix, group
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.probabilities import softmax
from softtargets.typing import Array


class ClassSeparation(NamedTuple):
    """What :func:`class_separation` found, 0-d arrays.

    Attributes
    ----------
    within : array
        The mean cosine distance between two rows of one class.
    total : array
        The mean cosine distance between any two rows, classes weighted alike.
    r2 : array
        1 - within / total.

    Examples
    --------
    >>> import softtargets as st
    >>> st.analysis.ClassSeparation._fields
    ('within', 'total', 'r2')
    """

    within: Array
    total: Array
    r2: Array


def class_separation(
    features: Array, labels: Array, num_classes: int, *, ignore_index: int = IGNORE_INDEX
) -> ClassSeparation:
    """Return how much of the angles between features is explained by classes.

    With the mean c_k of the unit vectors h / norm(h) of class k,

        within = 1 - mean_k norm(c_k)^2,  total = 1 - norm(mean_k c_k)^2,  R2 = 1 - within / total

    Parameters
    ----------
    features : array, real floating
        Shape ``(N, d)``; no row is 0.
    labels : array, any integer dtype
        Shape ``(N,)``; each class has to be there.
    num_classes : int
        The number of classes K.
    ignore_index : int, default -100
        Rows with this label are left out.

    Returns
    -------
    ClassSeparation
        0-d arrays that follow ``features``, float32 for half precision.

    Raises
    ------
    TypeError
        If ``features`` are not floats or ``labels`` not integers of their library.
    ValueError
        If shapes do not fit, or, where values may be looked at, a label is out of range, a class
        is missing or a row is 0. Elsewhere the result is nan.

    Notes
    -----
    *It can say* how little is left of the differences within a class, in angle; losses that
    separate classes more were found to transfer less well. *It cannot say* anything about the
    length of features, and it depends on where 0 is: a constant that is added to all features
    changes it. NC1 (:func:`neural_collapse`) depends on neither, and need not agree: one may say
    that smoothing tightens the classes where the other does not.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> h = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> found = st.analysis.class_separation(h, np.array([0, 0, 1, 1]), 2)
    >>> [round(float(value), 4) for value in found]
    [0.0732, 0.3598, 0.7965]

    References
    ----------
    S. Kornblith et al., "Why Do Better Loss Functions Lead to Less Transferable Features?", 2021.
    """
    count = check_count(num_classes, "num_classes")
    xp = check_matrix(features, "features", "features")
    x, groups = group(features, "features", labels, count, ignore_index)
    with quiet(xp):
        largest = xp.max(xp.abs(x), axis=1, keepdims=True)
        if may_look(x):
            check_values(xp, largest, "rows of features", "not be 0", (largest == 0) & groups.live)
        # First by the largest entry, so that no square overflows or vanishes.
        x = x / xp.where(groups.live, largest, 1.0)
        norm = xp.sqrt(xp.sum(x**2, axis=1, keepdims=True))
        means = groups.means(x / xp.where(groups.live, norm, 1.0))
        within = 1 - xp.mean(xp.sum(means**2, axis=1))
        total = 1 - xp.sum(xp.mean(means, axis=0) ** 2)
        return ClassSeparation(within, total, 1 - within / total)


def stability(
    scores: Array, labels: Array, *, from_logits: bool, ignore_index: int = IGNORE_INDEX
) -> Array:
    """Return how alike the predictions for a class are: 1 if they are all the same.

        S = 1 - mean over classes of the mean over their rows of norm(p_i - mean p of the class)^2

    Parameters
    ----------
    scores : array, real floating
        Shape ``(N, K)``: probabilities, or logits.
    labels : array, any integer dtype
        Shape ``(N,)``; each class has to be there.
    from_logits : bool
        Whether ``scores`` are logits. Never guessed.
    ignore_index : int, default -100
        Rows with this label are left out.

    Returns
    -------
    array
        0-d, follows ``scores``; float32 for half precision.

    Raises
    ------
    TypeError
        If ``scores`` are not floats, ``labels`` not integers of their library, or ``from_logits``
        is not a bool.
    ValueError
        If shapes do not fit, or, where values may be looked at, a label is out of range, a class is
        missing or a row is no distribution. Elsewhere the result is nan.

    Notes
    -----
    *It can say* how much a teacher tells its students about single examples, beside their class:
    label smoothing raises it, which was read as the information that it erases. *It cannot say*
    whether what is lost would have been of use: in published experiments students of smoothed
    teachers were better or worse depending on the temperature. It is measured on probabilities, so
    a model that is merely less sure is more stable: compare at equal confidence, or use
    :func:`erasure_index`, which is measured on logits relative to their gap.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    >>> f"{st.analysis.stability(p, np.array([0, 0, 1]), from_logits=False):.4f}"
    '0.9900'

    References
    ----------
    Z. Shen et al., "Is Label Smoothing Truly Incompatible with Knowledge Distillation: An Empirical
    Study", 2021, equation 2.
    """
    xp = check_matrix(scores, "scores", "classes")
    if not isinstance(from_logits, bool):
        errors.bad_type("from_logits", "be a bool", type(from_logits).__name__)
    x, groups = group(scores, "scores", labels, int(scores.shape[1]), ignore_index)
    if from_logits:
        x = groups.kept(softmax(xp, x))
    else:
        check_distributions(xp, x, "scores", groups.live[:, 0])
    deviations = groups.deviations(x, groups.means(x))
    square = xp.sum(deviations**2, axis=1, keepdims=True)
    return 1 - xp.mean(groups.means(square))
