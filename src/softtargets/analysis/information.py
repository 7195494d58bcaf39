"""How much a number that a network computes says about its input."""

import functools
import math
import operator
from typing import NamedTuple

from softtargets._array.checks import check_values
from softtargets._array.dtypes import compute_dtype, index_dtype
from softtargets._array.namespaces import beside
from softtargets._array.traits import may_look, quiet, stop_gradient
from softtargets.analysis.groups import check_matrix
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.targets.measures import row_blocks
from softtargets.typing import Array


class MutualInformation(NamedTuple):
    """What :func:`mutual_information` found.

    Attributes
    ----------
    value : array
        The estimate in nats, clipped to [0, ``bound``].
    estimate : array
        The estimate as it came out, which rounding may carry beyond the bounds.
    bound : float
        log N, the information that tells all inputs apart: no estimate from N inputs is larger.

    Examples
    --------
    >>> import softtargets as st
    >>> st.analysis.MutualInformation._fields
    ('value', 'estimate', 'bound')
    """

    value: Array
    estimate: Array
    bound: float


def mutual_information(samples: Array) -> MutualInformation:
    """Return the mutual information between inputs and a noisy number that is computed of them.

    For N inputs with L values f each, their means m_i, and the pooled variance s^2 of f about them:

        I = mean over i, l of  -(f_il - m_i)^2 / (2 s^2) - log mean_j exp(-(f_il - m_j)^2 / (2 s^2))

    which is log N less the cross-entropy of guessing the input from the value, with a Gaussian for
    each input.

    Parameters
    ----------
    samples : array, real floating
        Shape ``(N, L)``: for each input the difference of two logits under L random augmentations,
        L at least 2.

    Returns
    -------
    MutualInformation
        0-d arrays that follow ``samples``, float32 for half precision.

    Raises
    ------
    TypeError
        If ``samples`` are not floats.
    ValueError
        If their shape is another one, or, where values may be looked at, the values of each input
        are all the same: then s is 0.

    Notes
    -----
    *It can say* how many inputs a number of a network can still tell apart: with label smoothing it
    falls towards log 2, what the class alone of two would leave. *It cannot say* more than log N
    whatever the truth is, so compare only estimates of one N. All inputs share one Gaussian
    variance: where augmentation moves some inputs much more than others, the model is wrong. With
    few augmentations m_i follows its own samples, and the estimate is too high. What a student can
    use of the information is not in it.

    It takes N values for each of the N x L samples, a block of rows at a time.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> rng = np.random.default_rng(0)
    >>> f = np.repeat([0.0, 10.0], 50)[:, None] + rng.normal(size=(100, 50))
    >>> found = st.analysis.mutual_information(f)
    >>> round(float(found.value), 2), round(found.bound, 2)
    (0.7, 4.61)

    References
    ----------
    R. Müller, S. Kornblith and G. Hinton, "When Does Label Smoothing Help?", 2019, section 4.
    """
    xp = check_matrix(samples, "samples", "augmentations")
    f = xp.astype(stop_gradient(samples), compute_dtype(xp, samples))
    with quiet(xp):
        f = f - xp.mean(f)
        means = xp.mean(f, axis=1)
        variance = xp.mean((f - means[:, None]) ** 2)
        if may_look(variance):
            rule = "differ between augmentations"
            check_values(xp, variance, "samples", rule, ~(variance > 0))
        scale = xp.sqrt(2 * variance)
        count, repeats = f.shape
        inputs = xp.arange(count, dtype=index_dtype(xp, f), **beside(f))
        labels = xp.broadcast_to(inputs[:, None], (count, repeats))
        losses = [
            cross_entropy(
                _log_densities(f[block, :], means, scale), labels[block, :], reduction="sum"
            )
            for block in row_blocks(xp.broadcast_to(variance, (count, repeats * count)))
        ]
        bound = math.log(count)
        estimate = bound - functools.reduce(operator.add, losses) / (count * repeats)
        value = xp.where(estimate > bound, bound, xp.where(estimate < 0, 0.0, estimate))
    return MutualInformation(value, estimate, bound)


def _log_densities(f: Array, means: Array, scale: Array) -> Array:
    """Return the log density of each value for each input, up to a constant."""
    return -(((f[:, :, None] - means[None, None, :]) / scale) ** 2)
