"""Penultimate features in the plane through the weights of three classes."""

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from softtargets._array import errors
from softtargets._array.checks import check_count, check_shape, check_values
from softtargets._array.dtypes import EPSILON, compute_dtype, dtype_name, index_dtype
from softtargets._array.namespaces import check_follows, is_integer
from softtargets._array.operations import is_label, lookup
from softtargets._array.scalars import bring, generator
from softtargets._array.traits import may_look, quiet, stop_gradient
from softtargets.analysis.groups import check_matrix, group
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array, Namespace


class Projection(NamedTuple):
    """What :func:`penultimate_projection` returns.

    Attributes
    ----------
    points : array
        Shape ``(N, 2)``: the rows of the features in the plane.
    corners : array
        Shape ``(3, 2)``: the weights of the three classes. The first is at 0, the second on the
        positive half of the first axis, the third above it.

    Examples
    --------
    >>> import softtargets as st
    >>> st.analysis.Projection._fields
    ('points', 'corners')
    """

    points: Array
    corners: Array


def penultimate_projection(features: Array, weight: Array, classes: Sequence[int]) -> Projection:
    """Return features in the plane through the weight vectors of three classes.

    For classes a, b, c with the weights w of the last layer, and an orthonormal basis B of the
    plane of w_b - w_a and w_c - w_a:   point = (h - w_a) B

    Parameters
    ----------
    features : array, real floating
        Shape ``(N, d)``: what the last linear layer gets, of any classes; the paper shows about a
        hundred examples of each of the three.
    weight : array, real floating
        Shape ``(K, d)``, of the last layer. To include biases, append them as a column, and a
        column of ones to the features.
    classes : sequence of int
        The three classes.

    Returns
    -------
    Projection
        Arrays that follow ``features``, float32 for half precision.

    Raises
    ------
    TypeError
        If an argument is of another kind or library.
    ValueError
        If shapes do not fit, the classes are not three different ones, or, where values may be
        looked at, their weights lie on one line. Elsewhere the points are nan then.

    Notes
    -----
    *It can show* clusters that are tight and as far from each other as from the third, which is
    what label smoothing does on training examples. *It cannot show* what happens outside of this
    plane: d - 2 directions are lost, and other three classes look otherwise. Two pictures have the
    same scale only if they are drawn so; :func:`projection_tightness` gives the numbers, for many
    planes.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> w = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    >>> found = st.analysis.penultimate_projection(np.array([[2.0, 2.0, 2.0]]), w, (0, 1, 2))
    >>> found.points.round(3), found.corners.round(3)
    (array([[0.707, 0.408]]), array([[0.   , 0.   ],
           [1.414, 0.   ],
           [0.707, 1.225]]))

    References
    ----------
    R. Müller, S. Kornblith and G. Hinton, "When Does Label Smoothing Help?", 2019, section 2.
    """
    xp, x, w = _with_weight(features, weight)
    index = _triples([classes], "classes", xp, w)
    basis = xp.concat(list(_planes(xp, w, index)))
    corners = lookup(xp, w, index[0, :])
    origin = corners[:1, :]
    return Projection(_along(xp, x - origin, basis), _along(xp, corners - origin, basis))


class Tightness(NamedTuple):
    """What :func:`projection_tightness` found, 0-d arrays: means over planes.

    Attributes
    ----------
    ratio : array
        The root mean square distance of points to the centre of their class, by the mean distance
        between the three centres: small for tight clusters.
    side_variation : array
        The standard deviation of the three distances between centres by their mean: 0 for a
        triangle with equal sides.

    Examples
    --------
    >>> import softtargets as st
    >>> st.analysis.Tightness._fields
    ('ratio', 'side_variation')
    """

    ratio: Array
    side_variation: Array


def projection_tightness(
    features: Array,
    labels: Array,
    weight: Array,
    *,
    triples: Sequence[Sequence[int]] | None = None,
    max_triples: int = 120,
    rng: Any = 0,
    ignore_index: int = IGNORE_INDEX,
) -> Tightness:
    """Return how tight and how equally far clusters are in the planes of three classes' weights.

    In each plane of :func:`penultimate_projection` only the rows of its three classes count. Both
    numbers are means over the planes.

    Parameters
    ----------
    features : array, real floating
        Shape ``(N, d)``: what the last linear layer gets.
    labels : array, any integer dtype
        Shape ``(N,)``; each class has to be there.
    weight : array, real floating
        Shape ``(K, d)``, of the last layer.
    triples : sequence of three ints each, optional
        Which classes. By default all triples, or ``max_triples`` of them drawn at random if there
        are more.
    max_triples : int, default 120
        How many at most; 120 is all of ten classes.
    rng : int or numpy.random.Generator, default 0
        The seed, or the generator, of that draw.
    ignore_index : int, default -100
        Rows with this label are left out.

    Returns
    -------
    Tightness
        0-d arrays that follow ``features``, float32 for half precision.

    Raises
    ------
    TypeError
        If an argument is of another kind or library.
    ValueError
        If shapes do not fit, a triple is not of three different classes, or, where values may be
        looked at, a label is out of range, a class is missing, or three weights lie on one line.
        Elsewhere the result is nan.

    Notes
    -----
    *It can say* by how much the picture of the projection has tightened, over many planes and not
    for one that looks well. *It cannot say* that clusters are tighter in all directions: NC1
    (:func:`neural_collapse`) looks at all in which class means differ, and ratios of scatter or
    cosine distances may go the other way. On held-out rows clusters are wider than on training
    rows; say which ones were measured.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> h = np.array([[1.0, 0.0], [1.2, 0.0], [0.0, 1.0], [0.0, 1.2], [-1.0, -1.0], [-1.1, -1.1]])
    >>> w = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> found = st.analysis.projection_tightness(h, np.array([0, 0, 1, 1, 2, 2]), w)
    >>> round(float(found.ratio), 4), round(float(found.side_variation), 4)
    (0.0432, 0.1867)

    References
    ----------
    R. Müller, S. Kornblith and G. Hinton, "When Does Label Smoothing Help?", 2019, section 2, for
    the projection; the numbers are ours.
    """
    xp, x, w = _with_weight(features, weight)
    count = int(w.shape[0])
    if triples is None:
        triples = _some_triples(count, check_count(max_triples, "max_triples"), rng)
    index = _triples(triples, "triples", xp, w)
    _, groups = group(features, "features", labels, count, ignore_index)
    with quiet(xp):
        first, second = _planes(xp, w, index)
        x = groups.kept(x - groups.mean(x))
        means = groups.means(x)
        deviations = groups.deviations(x, means)
        square = _along(xp, deviations, first) ** 2 + _along(xp, deviations, second) ** 2
        member = _members(xp, index, count, x)
        within = xp.sum(xp.permute_dims(member, (1, 0)) * groups.sums(square), axis=0)
        within = xp.sqrt(within / xp.matmul(member, groups.counts))
        centres = lookup(xp, means, index)
        sides = _sides(xp, centres, first) + _sides(xp, centres, second)
        sides = xp.sqrt(sides)
        side = xp.mean(sides, axis=1)
        return Tightness(xp.mean(within / side), xp.mean(xp.std(sides, axis=1) / side))


def _with_weight(features: Array, weight: Array) -> tuple[Namespace, Array, Array]:
    """Return features and weights in the compute dtype."""
    xp = check_matrix(features, "features", "features")
    check_follows(xp, features, "features", weight, "weight")
    check_matrix(weight, "weight", "features")
    check_shape(weight, "weight", (weight.shape[0], features.shape[1]))
    dtype = compute_dtype(xp, features)
    return xp, *(xp.astype(stop_gradient(matrix), dtype) for matrix in (features, weight))


def _some_triples(count: int, most: int, rng: Any) -> Sequence[Sequence[int]]:
    """Return all triples of classes, or ``most`` of them."""
    if count < 3 or math.comb(count, 3) <= most:
        return list(itertools.combinations(range(count), 3))
    numbers = generator(rng).random((most, count))
    # The places of the three smallest of random numbers are three different classes.
    rows: list[list[int]] = np.argsort(numbers, axis=1)[:, :3].tolist()
    return rows


def _triples(triples: Sequence[Sequence[int]], argument: str, xp: Namespace, like: Array) -> Array:
    """Return triples of classes as rows of an array beside ``like``."""
    count = int(like.shape[0])
    rule = f"have three different ints in [0, {count})"
    rows = [tuple(triple) for triple in triples]
    for row in rows:
        if len(set(row)) != 3 or not all(is_integer(k) and 0 <= k < count for k in row):
            errors.bad_value(argument, rule, row)
    if not rows:
        errors.bad_value(argument, rule, "none")
    return bring(xp, np.asarray(rows, dtype=np.int64), index_dtype(xp, like), like)


def _planes(xp: Namespace, weight: Array, index: Array) -> tuple[Array, Array]:
    """Return two orthonormal vectors of each plane as rows, by Gram and Schmidt."""
    origin, left, right = (lookup(xp, weight, index[:, j]) for j in range(3))
    left, right = left - origin, right - origin
    with quiet(xp):
        length = _norm(xp, right)
        first = left / _norm(xp, left)
        for _ in range(2):  # once more, for what rounding left over
            right = right - xp.sum(right * first, axis=1, keepdims=True) * first
        height = _norm(xp, right)
        flat = ~(height > EPSILON[dtype_name(weight)] ** 0.5 * length)
        if may_look(weight):
            rule = "have rows that are not on one line for any three of the classes"
            check_values(xp, height[:, 0], "weight", rule, flat[:, 0])
        return first, xp.where(flat, xp.nan, right / height)


def _norm(xp: Namespace, rows: Array) -> Array:
    return xp.sqrt(xp.sum(rows**2, axis=1, keepdims=True))


def _along(xp: Namespace, rows: Array, directions: Array) -> Array:
    """Return the inner products of rows with directions, rows x directions."""
    return xp.matmul(rows, xp.permute_dims(directions, (1, 0)))


def _members(xp: Namespace, index: Array, count: int, like: Array) -> Array:
    """Return 1 for the classes of each triple, triples x classes."""
    hits = (is_label(xp, index[:, j : j + 1], count) for j in range(3))
    return xp.astype(functools.reduce(operator.or_, hits), like.dtype)


def _sides(xp: Namespace, centres: Array, directions: Array) -> Array:
    """Return the squares of the sides along one direction of each plane, planes x 3."""
    along = xp.sum(centres * directions[:, None, :], axis=2)
    return (along - xp.concat([along[:, 1:], along[:, :1]], axis=1)) ** 2
