"""From the parts of a target to :class:`Rows`: masks, class weights and priors become amounts."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from softtargets._array import errors
from softtargets._array.checks import check_values
from softtargets._array.namespaces import is_number
from softtargets._array.operations import column, gate, is_label, lookup, pick
from softtargets._array.sums import ordered_sums, row_sums, total
from softtargets._array.traits import may_look
from softtargets.targets.parts import Bucket, Dense, Labels, Part
from softtargets.targets.priors import Entries, spread_out
from softtargets.targets.rows import Other, Point, Rows, Tail, Vector
from softtargets.targets.setting import Setting
from softtargets.typing import Amount, Array


class _Resolver:
    """Adds parts up in one setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.xp = setting.xp
        self.points: list[Point] = []
        self.vectors: list[Vector] = []
        self.others: list[Other] = []
        self.tails: list[Tail] = []
        self.uniform: Amount = 0.0
        self.mass: Amount = 0.0
        self.row_weight: Amount = 0.0
        #: Masks of the rows in which each part has mass; None stands for all rows.
        self.kept: list[Array | None] = []

    def settle(self, amount: Amount, kept: Array | None, bad: Array | None) -> Amount:
        """Return an amount in the compute dtype, 0 for dropped labels and nan for bad ones."""
        setting = self.setting
        amount = setting.amount(amount)
        if bad is not None:
            amount = gate(self.xp, ~bad, amount, float("nan"), setting.like)
        amount = gate(self.xp, kept, amount, 0.0, setting.like)
        return gate(self.xp, setting.where, amount, 0.0, setting.like)

    def spill(
        self,
        part: Part,
        amount: Callable[[Amount], Amount],
        entries: Entries,
        by_row: Callable[[Amount], Amount] | None = None,
    ) -> Amount:
        """Add what the entries of a part spill; return what comes back to them.

        ``by_row`` gives the amount of all entries of a row together, where no more is needed.
        """
        own: Amount = 0.0
        for spill in part.spills:
            if by_row is not None and spill.is_same_for_all_entries:
                given, source = by_row(spill.amount), entries._replace(per_row=1)
            else:
                given, source = amount(spill.amount), entries
            spread = spread_out(self.setting, spill, given, source)
            own = own + spread.own
            self.uniform = self.uniform + spread.uniform
            self.vectors.extend(spread.vectors)
            self.others.extend(spread.others)
            self.mass = self.mass + spread.mass
        return own

    def add_labels(self, part: Labels) -> None:
        setting, xp = self.setting, self.xp
        labels, kept, bad = (setting.flat(v) for v in (part.labels, part.kept, part.bad))
        count = labels.shape[1]

        def at(vector: Array) -> Array:
            if vector.shape[0] == 1:
                return lookup(xp, vector[0, :], labels)
            return pick(xp, vector, labels)

        def combine(amount: Amount, matrix: Array) -> Array:
            rows = xp.zeros_like(setting.like)
            for j in range(count):
                rows = rows + column(amount, j) * lookup(xp, matrix, labels[:, j])
            return rows

        bad = self._refuse_masked(part, labels, kept, bad, at)
        own = self.settle(part.weight, kept, bad)
        entries = Entries(labels, count, at, combine)
        own = own + self.spill(part, lambda amount: self.settle(amount, kept, bad), entries)
        base = self.settle(part.base, kept, bad)
        if setting.class_weight is not None:
            weight = at(setting.class_weight)
            own, base = own * weight, base * weight
        self.points.append(Point(labels, own))
        self.mass = self.mass + total(xp, own, count)
        self.row_weight = self.row_weight + total(xp, base, count)
        self.kept.append(self._any_kept(part))

    def _refuse_masked(
        self,
        part: Labels,
        labels: Array,
        kept: Array | None,
        bad: Array | None,
        at: Callable[[Array], Array],
    ) -> Array | None:
        """Mark labels of masked classes as bad, or raise where values may be looked at."""
        setting, xp = self.setting, self.xp
        if setting.allowed is None:
            return bad
        masked = at(xp.astype(setting.allowed, setting.like.dtype)) == 0
        live = self.settle(1.0, kept, None)
        if not is_number(live):
            masked = masked & (live != 0)
        weight = setting.amount(part.weight)
        if not is_number(weight):
            masked = masked & (weight != 0)
        if may_look(part.labels):
            shape = tuple(part.labels.shape)
            shape = shape[:-1] if shape[-1] == 1 else shape
            named, masked_there = xp.reshape(labels, shape), xp.reshape(masked, shape)
            rule = "name classes that class_mask keeps"
            check_values(xp, named, "targets", rule, masked_there)
        return masked if bad is None else bad | masked

    def _any_kept(self, part: Labels | Bucket) -> Array | None:
        """Return the mask of the rows in which any label is kept, None for all rows."""
        kept = self.setting.flat(part.kept)
        return None if kept is None else self.xp.any(kept, axis=1, keepdims=True)

    def add_dense(self, part: Dense) -> None:
        setting, xp = self.setting, self.xp
        q = gate(xp, setting.where, setting.amount(part.q), 0.0, setting.like)
        if setting.allowed is not None:
            masked = (q != 0) & ~setting.allowed
            if may_look(part.q):
                rule, shape = "be 0 on classes that class_mask drops", tuple(part.q.shape)
                there = xp.reshape(masked, shape)
                check_values(xp, xp.reshape(q, shape), "targets", rule, there)
            q = xp.where(xp.any(masked, axis=1, keepdims=True), float("nan"), q)

        row_sum = smoothed_mass = ordered_sums(xp, q)
        if part.row_mass is not None:
            smoothed_mass = gate(xp, setting.where, part.row_mass, 0.0, setting.like)

        def entry(amount: Amount) -> Array:
            return setting.amount(amount) * q

        def by_row(amount: Amount) -> Array:
            return setting.amount(amount) * smoothed_mass

        entries = Entries(None, setting.num_classes, _same, xp.matmul)
        own = self.spill(part, entry, entries, by_row)
        self.add_entries(part.weight, q, row_sum)
        if not is_number(own):
            self.add_entries(1.0, own, None)
        base = setting.amount(part.base)
        if setting.class_weight is not None or not is_by_row(base):
            row_sum, base = row_sums(xp, setting.weighted(base * q)), 1.0
        self.row_weight = self.row_weight + base * row_sum
        self.kept.append(None)

    def add_entries(self, amount: Amount, q: Array, row_sum: Array | None) -> None:
        """Add ``amount * q``, without making it where the amount is the same along a row."""
        setting = self.setting
        amount = setting.amount(amount)
        if not is_by_row(amount):
            amount, q, row_sum = 1.0, amount * q, None
        if row_sum is None or setting.class_weight is not None:
            q = setting.weighted(q)
            row_sum = row_sums(self.xp, q)
        self.vectors.append(Vector(amount, q))
        self.mass = self.mass + amount * row_sum

    def add_bucket(self, part: Bucket) -> None:
        setting, xp = self.setting, self.xp
        if setting.class_weight is not None:
            errors.bad_value(
                "class_weight", "be None for top-k targets with a tail bucket", "an array"
            )
        listed = listed_classes(setting, part)
        rest = ~listed if setting.allowed is None else setting.allowed & ~listed
        # Where every class is listed, what is missing to 1 is the rounding of the weights.
        some = xp.any(rest, axis=1, keepdims=True)
        mass = gate(xp, some, setting.amount(part.mass), 0.0, setting.like)
        mass = gate(xp, setting.where, mass, 0.0, setting.like)

        def entry(amount: Amount) -> Array:
            return setting.amount(amount) * mass

        self.spill(part, entry, Entries(None, 1, _same, xp.matmul))
        self.tails.append(Tail(entry(part.weight), listed))
        self.row_weight = self.row_weight + entry(part.base)
        self.kept.append(self._any_kept(part))

    def kept_rows(self) -> Array | None:
        """Return the mask of the rows in which anything has mass, None for all rows."""
        kept: Array | None = None
        for mask in self.kept:
            if mask is None:
                return self.setting.where
            kept = mask if kept is None else kept | mask
        return kept if self.setting.where is None else kept & self.setting.where


def is_by_row(amount: Amount) -> bool:
    """Whether an amount, flat, is a number or a column of one value per row."""
    return is_number(amount) or amount.shape[1] == 1


def _same(vector: Array) -> Array:
    """Return a vector at the classes of the entries, where there is one entry for each class."""
    return vector


def listed_classes(setting: Setting, part: Labels | Bucket) -> Array:
    """Return the rows x classes mask of the classes that the labels of a part name."""
    xp = setting.xp
    labels, kept = setting.flat(part.labels), setting.flat(part.kept)
    listed = None
    for j in range(labels.shape[1]):
        mask = is_label(xp, labels[:, j : j + 1], setting.num_classes)
        if kept is not None:
            mask = mask & kept[:, j : j + 1]
        listed = mask if listed is None else listed | mask
    return listed


def resolve(parts: tuple[Part, ...], support: Labels | None, setting: Setting) -> Rows:
    """Return the sum of ``parts`` beside the matrix of ``setting``.

    The labels of ``support`` are the only classes of their rows.
    """
    if support is not None:
        listed = listed_classes(setting, support)
        allowed = listed if setting.allowed is None else setting.allowed & listed
        setting = replace(setting, allowed=allowed)
    resolver = _Resolver(setting)
    for part in parts:
        if isinstance(part, Labels):
            resolver.add_labels(part)
        elif isinstance(part, Bucket):
            resolver.add_bucket(part)
        else:
            resolver.add_dense(cast("Dense", part))
    return Rows(
        points=tuple(resolver.points),
        uniform=resolver.uniform,
        vectors=tuple(resolver.vectors),
        others=tuple(resolver.others),
        tails=tuple(resolver.tails),
        mass=resolver.mass,
        row_weight=resolver.row_weight,
        kept=resolver.kept_rows(),
        allowed=setting.allowed,
        class_weight=setting.class_weight,
    )
