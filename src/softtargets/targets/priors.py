"""How spilled mass lies on a prior: uniform, a vector, a row per class; over all or the others.

Masked classes leave the prior, which is renormalised. A label that is alone on its prior keeps what
it would give to others.
"""

from collections.abc import Callable
from typing import NamedTuple

from softtargets._array.checks import check_values
from softtargets._array.namespaces import as_array, beside
from softtargets._array.operations import as_column, column, gate, quotient
from softtargets._array.sums import ordered_sums, total
from softtargets._array.traits import may_look
from softtargets.targets.parts import Spill
from softtargets.targets.rows import Other, Vector
from softtargets.targets.setting import Setting
from softtargets.typing import Amount, Array


class Entries(NamedTuple):
    """The entries of a part: labels (rows x entries of a row), or None for one entry per class."""

    labels: Array | None
    per_row: int
    #: Returns a vector over the classes (1 or rows x classes) at the classes of the entries.
    at: Callable[[Array], Array]
    #: Returns sum_j amount_j * matrix[class of entry j] for every row.
    combine: Callable[[Amount, Array], Array]


class Spread(NamedTuple):
    """Where spilled mass went. ``own`` is added to the entries themselves, ``mass`` is per row."""

    own: Amount = 0.0
    uniform: Amount = 0.0
    vectors: tuple[Vector, ...] = ()
    others: tuple[Other, ...] = ()
    mass: Amount = 0.0


def spread_out(setting: Setting, spill: Spill, amount: Amount, entries: Entries) -> Spread:
    """Return where ``amount``, one column per entry, lies."""
    prior = spill.prior
    if prior is not None:
        prior = as_array(setting.xp, prior, setting.like.dtype, setting.like)
        if prior.ndim == 2:
            return _matrix(setting, prior, amount, entries, others=spill.spread == "others")
    u = _vector(setting, prior)
    if u is not None and setting.allowed is not None:
        amount = _refuse_empty(setting, _sum(setting, u), amount)
    if spill.spread == "all":
        return _all(setting, u, total(setting.xp, amount, entries.per_row))
    amount = as_column(setting.xp, amount, setting.like)
    return _others(setting, u, amount, entries)


def _vector(setting: Setting, prior: Array | None) -> Array | None:
    """Return the prior over the classes that take part, None for a uniform one over all."""
    xp, allowed = setting.xp, setting.allowed
    if prior is None and allowed is None:
        return None
    u = xp.ones_like(setting.like[:1, :]) if prior is None else prior[None, :]
    if allowed is None:
        return u
    u = xp.where(allowed, u, 0.0)
    mass = _sum(setting, u)
    return quotient(xp, u, xp.where(mass == 0, 1.0, mass))


def _refuse_empty(setting: Setting, reach: Array, amount: Amount) -> Array:
    """Return ``amount``, unless the mask leaves nothing of the prior: then raise, or return nan."""
    xp = setting.xp
    amount = as_column(xp, amount, setting.like)
    empty = (reach <= 0) & (amount != 0)
    if may_look(reach):
        rule = "have mass on classes that class_mask keeps"
        check_values(xp, xp.broadcast_to(reach, empty.shape), "prior", rule, empty)
    return xp.where(empty, xp.nan, amount)


def _all(setting: Setting, u: Array | None, amount: Amount) -> Spread:
    if u is None:
        if setting.class_weight is None:
            return Spread(uniform=quotient(setting.xp, amount, setting.num_classes), mass=amount)
        amount, u = quotient(setting.xp, amount, setting.num_classes), setting.class_weight
        return Spread(vectors=(Vector(amount, u),), mass=amount * _sum(setting, u))
    vector = Vector(amount, setting.weighted(u))
    mass = amount if setting.class_weight is None else amount * _sum(setting, vector.u)
    return Spread(vectors=(vector,), mass=mass)


def _others(setting: Setting, u: Array | None, amount: Array, entries: Entries) -> Spread:
    """Spread amount * u_k / (1 - u_y) over the classes k other than the class y of the entry."""
    xp = setting.xp
    even = u is None and setting.class_weight is None
    if u is None:
        u = xp.ones_like(setting.like[:1, :])
        rest = xp.full_like(u[:, :1], setting.num_classes - 1.0)
    else:
        rest = 1 - entries.at(u)
    alone = rest <= 0
    needed = xp.where(alone, 0.0, quotient(xp, amount, xp.where(alone, 1.0, rest)))
    own = xp.where(alone, amount, 0.0)
    if entries.labels is None:
        # Every class gives to all others: what class k gives never comes back to it.
        return Spread(own=own + u * (_sum(setting, needed) - needed))
    u = setting.weighted(u)
    others, mass = [], xp.zeros_like(setting.like[:, :1])
    for j in range(entries.per_row):
        part = Other(entries.labels[:, j : j + 1], column(needed, j), u, even)
        others.append(part)
        mass = mass + part.mass(xp)
    return Spread(own=own, others=tuple(others), mass=mass)


def _matrix(
    setting: Setting, prior: Array, amount: Amount, entries: Entries, *, others: bool
) -> Spread:
    """Spread over the row of each entry's class, which is made dense."""
    xp = setting.xp
    own: Amount = 0.0
    if setting.allowed is not None:
        amount = _refuse_empty(setting, entries.at(_reach(setting, prior)), amount)
    if others:
        eye = xp.eye(prior.shape[0], dtype=prior.dtype, **beside(setting.like))
        prior = prior * (1 - eye)
    if others or setting.allowed is not None:
        share = entries.at(_reach(setting, prior))
        alone = share <= 0
        amount = as_column(xp, amount, setting.like)
        own = xp.where(alone, amount, 0.0)
        amount = xp.where(alone, 0.0, quotient(xp, amount, xp.where(alone, 1.0, share)))
    rows = gate(xp, setting.allowed, entries.combine(amount, prior), 0.0, setting.like)
    rows = setting.weighted(rows)
    return Spread(own, vectors=(Vector(1.0, rows),), mass=_sum(setting, rows))


def _reach(setting: Setting, prior: Array) -> Array:
    """Return what each row of a matrix prior has on the classes that take part."""
    if setting.allowed is None:
        return _sum(setting, prior)[:, 0][None, :]
    allowed = setting.xp.astype(setting.allowed, prior.dtype)
    return setting.xp.matmul(allowed, setting.xp.permute_dims(prior, (1, 0)))


def _sum(setting: Setting, matrix: Array) -> Array:
    return ordered_sums(setting.xp, matrix)
