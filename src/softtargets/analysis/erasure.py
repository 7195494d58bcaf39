"""Whether logits still tell which other classes a class is like."""

from typing import NamedTuple

from softtargets._array import errors
from softtargets._array.namespaces import beside
from softtargets._array.traits import quiet
from softtargets.analysis.groups import check_matrix, group
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array


class Erasure(NamedTuple):
    """What :func:`erasure_index` found, 0-d arrays.

    Attributes
    ----------
    means : array
        The spread of the mean logits over the other classes, by the gap: what a class tells of
        other classes.
    examples : array
        The spread of each other logit over the examples of a class, by the gap: what an example
        tells beside its class.

    Examples
    --------
    >>> import softtargets as st
    >>> st.analysis.Erasure._fields
    ('means', 'examples')
    """

    means: Array
    examples: Array


def erasure_index(logits: Array, labels: Array, *, ignore_index: int = IGNORE_INDEX) -> Erasure:
    """Return how much the logits of the other classes differ, by the gap to the label's.

    With Z_kj, the mean over rows of class k of the logit j, each row centred, and the gap
    g = mean over k of (Z_kk - mean of Z_kj over j != k):

        means    = mean over k of (standard deviation of Z_kj over j != k) / g
        examples = mean over k and j != k of (standard deviation of x_ij over rows of k) / g

    Parameters
    ----------
    logits : array, real floating
        Shape ``(N, K)``, with K at least 3.
    labels : array, any integer dtype
        Shape ``(N,)``; each class has to be there.
    ignore_index : int, default -100
        Rows with this label are left out.

    Returns
    -------
    Erasure
        0-d arrays that follow ``logits``, float32 for half precision.

    Raises
    ------
    TypeError
        If ``logits`` are not floats or ``labels`` not integers of their library.
    ValueError
        If shapes do not fit, there are fewer than three classes, or, where values may be looked at,
        a label is out of range or a class is missing. Elsewhere the result is nan.

    Notes
    -----
    *It can say* that a teacher has nothing left to tell: both are 0 for logits that know only the
    label. Label smoothing drives ``means`` towards 0 on training rows, and less far on others,
    which are what a student learns from at a high temperature. *It cannot say* whether that hurts:
    at temperature 1 a student sees little but the label in any case. It does not depend on the
    scale of logits. A small number may come from classes that are equally alike, without anything
    erased, and ``examples`` holds noise as well as knowledge.

    The definition is ours, after what the papers below describe.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x = np.array([[4.0, 2.0, 0.0], [1.0, 4.0, 1.0], [0.0, 1.0, 5.0], [0.0, 3.0, 5.0]])
    >>> found = st.analysis.erasure_index(x, np.array([0, 1, 2, 2]))
    >>> round(float(found.means), 4), round(float(found.examples), 4)
    (0.2, 0.05)

    References
    ----------
    R. Müller, S. Kornblith and G. Hinton, "When Does Label Smoothing Help?", 2019, section 4.
    K. Chandrasegaran et al., "Revisiting Label Smoothing and Knowledge Distillation Compatibility:
    What was Missing?", 2022.
    """
    xp = check_matrix(logits, "logits", "classes")
    count = int(logits.shape[1])
    if count < 3:
        errors.bad_value("logits", "have at least three classes", tuple(logits.shape))
    x, groups = group(logits, "logits", labels, count, ignore_index)
    with quiet(xp):
        x = x - xp.mean(x, axis=1, keepdims=True)
        means = groups.means(x)
        own = xp.eye(count, dtype=x.dtype, **beside(x))
        other = (1 - own) / (count - 1)  # weights of a mean over the other classes
        middle = xp.sum(other * means, axis=1, keepdims=True)
        gap = xp.mean(xp.sum(own * means, axis=1) - middle[:, 0])
        spread = xp.sqrt(xp.sum(other * (means - middle) ** 2, axis=1))
        variances = groups.means(groups.deviations(x, means) ** 2)
        by_example = xp.sum(other * xp.sqrt(variances), axis=1)
        return Erasure(xp.mean(spread) / gap, xp.mean(by_example) / gap)
