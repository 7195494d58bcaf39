"""How far the features of the last layer have collapsed to one point for each class."""

from typing import NamedTuple

from softtargets._array.checks import check_shape
from softtargets._array.dtypes import check_floating
from softtargets._array.namespaces import beside, check_follows
from softtargets._array.scalars import check_real
from softtargets._array.traits import quiet, stop_gradient
from softtargets.analysis.arguments import check_several
from softtargets.analysis.groups import Groups, check_matrix, group
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array, Namespace


class NeuralCollapse(NamedTuple):
    """What :func:`neural_collapse` found: 0-d arrays; 0 is complete collapse, but for ``nc4``.

    Attributes
    ----------
    nc1 : array
        tr(Sw Sb^+) / K: the scatter within classes in units of that between them, along each
        direction in which class means differ.
    scatter : array
        tr Sw / tr Sb: the same over all directions together.
    norm_variation : array
        The first half of NC2: standard deviation over mean of the distances of the class means
        from their centre.
    angle_deviation : array
        The second half of NC2: the mean of abs(cos + 1/(K - 1)) over pairs of class means.
    nc3 : array or None
        The distance between the weights and the class means, both centred and of norm 1.
    nc4 : array or None
        The fraction of rows whose class of the largest logit is that of the nearest class mean.

    Examples
    --------
    >>> import softtargets as st
    >>> st.analysis.NeuralCollapse._fields
    ('nc1', 'scatter', 'norm_variation', 'angle_deviation', 'nc3', 'nc4')
    """

    nc1: Array
    scatter: Array
    norm_variation: Array
    angle_deviation: Array
    nc3: Array | None
    nc4: Array | None


def neural_collapse(
    features: Array,
    labels: Array,
    num_classes: int,
    *,
    weight: Array | None = None,
    bias: Array | None = None,
    cutoff: float = 1e-6,
    ignore_index: int = IGNORE_INDEX,
) -> NeuralCollapse:
    """Return the four measures of neural collapse of penultimate features.

    With class means m_k, their mean m, D_k = m_k - m, and N rows h_i:

        Sw = sum_i (h_i - m_y)(h_i - m_y)' / N,    Sb = sum_k D_k D_k' / K
        NC1 = tr(Sw Sb^+) / K
        NC2 = std(norm D_k) / mean(norm D_k),  and the mean of abs(cos(D_j, D_k) + 1 / (K - 1))
        NC3 = norm(W / norm W - D / norm D)  with centred weights W
        NC4 = the fraction of rows with argmax(W h + b) = argmin_k norm(h - m_k)

    Parameters
    ----------
    features : array, real floating
        Shape ``(N, d)``: what the last linear layer gets.
    labels : array, any integer dtype
        Shape ``(N,)``; each class has to be there.
    num_classes : int
        The number of classes K, at least 2.
    weight : array, optional
        Shape ``(K, d)``, of the last layer: for NC3 and NC4, which are None without it.
    bias : array, optional
        Shape ``(K,)``.
    cutoff : number, default 1e-6
        Directions in which Sb is less than this fraction of its largest eigenvalue are left out of
        its inverse.
    ignore_index : int, default -100
        Rows with this label are left out.

    Returns
    -------
    NeuralCollapse
        0-d arrays that follow ``features``, float32 for half precision.

    Raises
    ------
    TypeError
        If ``features`` are not floats or ``labels`` not integers of their library.
    ValueError
        If shapes do not fit, or, where values may be looked at, a label is out of range or a class
        is missing. Elsewhere the result is nan.

    Notes
    -----
    *It can say* whether the rows of a class have become alike compared with how classes differ
    (NC1), whether the class means are a regular simplex (NC2), and whether the classifier is the
    nearest class mean (NC3, NC4). Measure on the training set for the theory, and on held-out rows
    for what collapse does to them.

    *It cannot say* that a model generalises, or transfers: complete collapse is reached on random
    labels too. NC1 weighs each direction by how little the means differ there, ``scatter`` does
    not: they can disagree about which of two models is tighter, so report both. With few rows of a
    class Sw is estimated too small. The global mean m is that of the class means; with unequal
    classes that of the rows would differ. With K > d + 1 no regular simplex exists, and NC2 cannot
    reach 0.

    The singular value decomposition of the K x d matrix of class means is that of the library: it
    needs the extension ``linalg`` of the standard, may wait for a device, and Dask holds that
    matrix in one piece.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> h = np.array([[1, 0], [1.2, 0.1], [-0.5, 0.9], [-0.4, 0.7], [-0.6, -0.8], [-0.5, -1]])
    >>> found = st.analysis.neural_collapse(h, np.array([0, 0, 1, 1, 2, 2]), 3)
    >>> round(float(found.nc1), 6), round(float(found.angle_deviation), 6)
    (0.00847, 0.06998)

    References
    ----------
    V. Papyan, X. Y. Han and D. L. Donoho, "Prevalence of Neural Collapse during the Terminal Phase
    of Deep Learning Training", 2020. Z. Zhu et al., "A Geometric Analysis of Neural Collapse with
    Unconstrained Features", 2021, for NC1 as it is here.
    """
    count = check_several(num_classes)
    xp = check_matrix(features, "features", "features")
    limit = check_real(cutoff, "cutoff")
    x, groups = group(features, "features", labels, count, ignore_index)
    if weight is not None:
        check_follows(xp, features, "features", weight, "weight")
        check_floating(weight, "weight")
        check_shape(weight, "weight", (count, x.shape[1]))
        weight = xp.astype(stop_gradient(weight), x.dtype)
    if bias is not None:
        check_follows(xp, features, "features", bias, "bias")
        check_floating(bias, "bias")
        check_shape(bias, "bias", (count,))
        bias = xp.astype(stop_gradient(bias), x.dtype)
    with quiet(xp):
        # Nothing here but the logits depends on where 0 is, and near the features it costs least.
        centre = groups.mean(x)
        moved = groups.kept(x - centre)
        means = groups.means(moved)
        spread = means - xp.mean(means, axis=0)
        deviations = groups.deviations(moved, means)
        norms = xp.sqrt(xp.sum(spread**2, axis=1))
        within, between = xp.sum(groups.mean(deviations**2)), xp.mean(norms**2)
        return NeuralCollapse(
            nc1=_nc1(groups, deviations, spread, limit),
            scatter=within / between,
            norm_variation=xp.std(norms) / xp.mean(norms),
            angle_deviation=_angles(xp, spread / norms[:, None]),
            nc3=None if weight is None else _nc3(xp, weight, spread),
            nc4=None if weight is None else _nc4(groups, x, moved, means, weight, bias),
        )


def _nc1(groups: Groups, deviations: Array, spread: Array, cutoff: float) -> Array:
    """Return tr(Sw Sb^+) / K: with D = U S V' it is the sum over r of (V_r' Sw V_r) / S_r^2."""
    xp = groups.xp
    _, size, directions = xp.linalg.svd(spread, full_matrices=False)
    square = size**2
    along = groups.mean(xp.matmul(deviations, xp.permute_dims(directions, (1, 0))) ** 2)
    taken = square > cutoff * xp.max(square)
    ratio = xp.sum(xp.where(taken, along / xp.where(taken, square, 1.0), 0.0))
    # Class means that are all the same have no scatter to compare with.
    return xp.where(xp.any(taken), ratio, xp.sum(along) / xp.max(square))


def _angles(xp: Namespace, directions: Array) -> Array:
    count = directions.shape[0]
    cosines = xp.matmul(directions, xp.permute_dims(directions, (1, 0)))
    other = 1 - xp.eye(count, dtype=cosines.dtype, **beside(cosines))
    return xp.sum(other * xp.abs(cosines + 1 / (count - 1))) / (count * (count - 1))


def _nc3(xp: Namespace, weight: Array, spread: Array) -> Array:
    centred = weight - xp.mean(weight, axis=0)
    both = (matrix / xp.sqrt(xp.sum(matrix**2)) for matrix in (centred, spread))
    first, second = both
    return xp.sqrt(xp.sum((first - second) ** 2))


def _nc4(
    groups: Groups, x: Array, moved: Array, means: Array, weight: Array, bias: Array | None
) -> Array:
    xp = groups.xp
    logits = xp.matmul(x, xp.permute_dims(weight, (1, 0)))
    logits = logits if bias is None else logits + bias
    # |h - m|^2 less |h|^2, which all classes have in common.
    distances = xp.sum(means**2, axis=1) - 2 * xp.matmul(moved, xp.permute_dims(means, (1, 0)))
    alike = xp.argmax(logits, axis=1) == xp.argmin(distances, axis=1)
    return groups.mean(xp.astype(alike, x.dtype)[:, None])[0]
