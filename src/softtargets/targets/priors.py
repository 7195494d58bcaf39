"""How spilled mass lies on a prior: uniform, a vector, a row per class; over all or the others.

Everything here speaks of entries: ``amount`` has one column per entry of a row, and the functions
``at`` and ``rows`` say which class an entry belongs to. Masked classes leave the prior, which is
renormalised.
"""

from collections.abc import Callable
from typing import NamedTuple

from softtargets._array.namespaces import as_array, beside, is_number
from softtargets._array.operations import gate, total
from softtargets.targets.parts import Spill
from softtargets.targets.rows import Vector
from softtargets.targets.setting import Setting
from softtargets.typing import Amount, Array


class Spread(NamedTuple):
    """Where spilled mass went. ``own`` is added to the entries themselves, ``mass`` is per row."""

    own: Amount = 0.0
    uniform: Amount = 0.0
    vectors: tuple[Vector, ...] = ()
    dense: tuple[Array, ...] = ()
    mass: Amount = 0.0


#: Returns the entries of a vector over the classes (1 or rows x classes) at the classes of the
#: entries.
At = Callable[[Array], Array]
#: Returns sum_j amount_j * matrix[class of entry j] for every row.
Combine = Callable[[Amount, Array], Array]


def spread_out(
    setting: Setting, spill: Spill, amount: Amount, count: int, at: At, combine: Combine
) -> Spread:
    """Return where ``amount``, spilled by ``count`` entries of each row, lies."""
    if spill.prior is None:
        return _uniform(setting, spill, amount, count)
    prior = as_array(setting.xp, spill.prior, setting.like.dtype, setting.like)
    if prior.ndim == 1:
        return _vector(setting, spill, prior[None, :], amount, count, at)
    return _matrix(setting, spill, prior, amount, at, combine)


def _others(setting: Setting, amount: Amount, alone: Array, share: Array) -> tuple[Amount, Amount]:
    """Return what stays with the entry and what the prior needs, to give to others only.

    amount * (u - u_y e_y) / (1 - u_y)  =  needed * u - needed * u_y * e_y,  needed = amount / (1 -
    u_y). An entry that is alone on its prior keeps its mass.
    """
    xp = setting.xp
    needed = amount / xp.where(alone, 1.0, 1 - share)
    return xp.where(alone, amount, -needed * share), xp.where(alone, 0.0, needed)


def _uniform(setting: Setting, spill: Spill, amount: Amount, count: int) -> Spread:
    classes = setting.num_allowed
    own: Amount = 0.0
    if spill.spread == "others":
        if is_number(classes):
            if classes == 1:
                return Spread(own=amount)
            # In this order the own class keeps 1 - amount to the last bit but one.
            own, amount = -(amount / (classes - 1)), amount * (classes / (classes - 1))
        else:
            own, amount = _others(setting, amount, classes <= 1, 1 / classes)
    mass = total(setting.xp, amount, count)
    if setting.allowed is None and setting.class_weight is None:
        return Spread(own, uniform=mass / classes, mass=mass)
    ones = setting.xp.ones_like(setting.like[:1, :])
    u = setting.weighted(gate(setting.xp, setting.allowed, ones, 0.0, setting.like))
    vector = Vector(mass / classes, u)
    return Spread(own, vectors=(vector,), mass=vector.amount * _sum(setting, u))


def _vector(setting: Setting, spill: Spill, u: Array, amount: Amount, count: int, at: At) -> Spread:
    if setting.allowed is not None:
        u = setting.xp.where(setting.allowed, u, 0.0)
        u = u / _sum(setting, u)
    own: Amount = 0.0
    if spill.spread == "others":
        share = at(u)
        own, amount = _others(setting, amount, share >= 1, share)
    vector = Vector(total(setting.xp, amount, count), setting.weighted(u))
    mass = vector.amount
    if setting.class_weight is not None:
        mass = mass * _sum(setting, vector.u)
    return Spread(own, vectors=(vector,), mass=mass)


def _matrix(
    setting: Setting, spill: Spill, prior: Array, amount: Amount, at: At, combine: Combine
) -> Spread:
    xp = setting.xp
    own: Amount = 0.0
    if spill.spread == "others":
        prior = prior * (1 - xp.eye(prior.shape[0], dtype=prior.dtype, **beside(setting.like)))
    if setting.allowed is not None:
        reach = xp.matmul(xp.astype(setting.allowed, prior.dtype), xp.permute_dims(prior, (1, 0)))
    else:
        reach = xp.sum(prior, axis=1)[None, :]
    if setting.allowed is not None or spill.spread == "others":
        share = at(reach)
        alone = share <= 0
        own = xp.where(alone, amount, 0.0)
        amount = xp.where(alone, 0.0, amount / xp.where(alone, 1.0, share))
    rows = combine(amount, prior)
    rows = setting.weighted(gate(xp, setting.allowed, rows, 0.0, setting.like))
    return Spread(own, dense=(rows,), mass=_sum(setting, rows))


def _sum(setting: Setting, matrix: Array) -> Array:
    return setting.xp.sum(matrix, axis=1, keepdims=True)
