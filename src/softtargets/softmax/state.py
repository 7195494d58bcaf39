"""The softmax state of a row: a few mergeable numbers from which every loss follows."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from softtargets._array.dtypes import MAXIMUM, dtype_name
from softtargets._array.kinds import namespace
from softtargets._array.namespaces import is_number
from softtargets._array.operations import as_column, product
from softtargets.typing import Amount, Array


class Penalties(NamedTuple):
    """Terms that are added to each row's loss with the weight of that row."""

    z_loss: Amount = 0.0
    confidence_penalty: Amount = 0.0
    #: The entropy from which on there is no penalty of confidence.
    entropy_threshold: Amount | None = None

    @property
    def uses_entropy(self) -> bool:
        """Whether the entropy of the softmax is needed; an array may hold anything."""
        return not is_number(self.confidence_penalty) or self.confidence_penalty != 0

    @property
    def uses_logsumexp(self) -> bool:
        """Whether logsumexp itself is needed."""
        return not is_number(self.z_loss) or self.z_loss != 0


class TailState(NamedTuple):
    """Mass of the unlisted classes together, and their logsumexp in two parts.

    They may lie so far below the maximum of the row that their exponentials beside it vanish:
    ``maximum`` is their own, relative to that of the row, and ``exp_sum`` is relative to it.
    """

    amount: Amount
    maximum: Array
    exp_sum: Array

    def log_exp_sum(self) -> Array:
        """Return log sum e^z over the unlisted classes, -inf where there are none."""
        xp = namespace(self.exp_sum)
        log = xp.log(xp.where(self.exp_sum == 0, 1.0, self.exp_sum))
        return xp.where(self.exp_sum == 0, -xp.inf, self.maximum + log)

    def shifted(self, move: Array) -> Self:
        """Return the state relative to another maximum of the row, ``move`` below the old one."""
        return self._replace(maximum=self.maximum + move)

    def rescaled(self, maximum: Array) -> Self:
        """Return the state relative to a larger maximum of the unlisted classes."""
        xp = namespace(self.exp_sum)
        move = xp.where(self.maximum == -xp.inf, 0.0, self.maximum - maximum)
        return self._replace(maximum=maximum, exp_sum=self.exp_sum * xp.exp(move))


class RowState(NamedTuple):
    """With m = max x and z = x - m, of one block of the classes of each row.

    ``exp_sum`` = sum e^z, ``exp_dot`` = sum e^z z, ``exp_square`` = sum e^z z^2 (the last two
    where asked for), ``target_dot`` = <a, z> and ``target_mass`` = sum a over the classes of the
    block. Everything is relative to m, so an offset of all logits changes nothing, and no large
    numbers cancel.
    """

    maximum: Array
    exp_sum: Array
    target_dot: Array
    target_mass: Amount
    row_weight: Amount
    tails: tuple[TailState, ...] = ()
    exp_dot: Array | None = None
    exp_square: Array | None = None
    #: Whether every maximum is known to be an ordinary number: then no sum is 0 and no row special.
    ordinary: bool = False

    @property
    def total_mass(self) -> Amount:
        """The mass that multiplies logsumexp: of the classes and of the tails."""
        total = self.target_mass
        for tail in self.tails:
            total = total + tail.amount
        return total

    def log_exp_sum(self) -> Array:
        """Return logsumexp - max of each row; 0 for a row without any finite logit."""
        xp = namespace(self.exp_sum)
        if self.ordinary:
            return xp.log(self.exp_sum)
        return xp.log(xp.where(self.exp_sum == 0, 1.0, self.exp_sum))

    def logsumexp(self) -> Array:
        """Return log sum_k exp(x_k) of each row, -inf where all logits are -inf."""
        return self.maximum + self.log_exp_sum()

    def mean_logit(self) -> Array:
        """Return the mean of the logits of each row under its softmax."""
        assert self.exp_dot is not None
        return self.maximum + self.exp_dot / self.exp_sum

    def variance(self) -> Array:
        """Return the variance of the logits of each row under its softmax."""
        assert self.exp_dot is not None
        assert self.exp_square is not None
        mean = self.exp_dot / self.exp_sum
        return self.exp_square / self.exp_sum - mean**2

    def entropy(self) -> Array:
        """Return -sum p log p of the softmax of each row."""
        assert self.exp_dot is not None
        return self.log_exp_sum() - self.exp_dot / self.exp_sum

    def entropy_weight(self, penalties: Penalties) -> Amount:
        """Return the weight with which the entropy of each row is rewarded."""
        weight = self.row_weight * penalties.confidence_penalty
        if penalties.entropy_threshold is None:
            return weight
        xp = namespace(self.exp_sum)
        entropy = self.entropy()
        return weight * xp.astype(entropy < penalties.entropy_threshold, entropy.dtype)

    def true_distance(self, shifted: Array) -> Array:
        """Return sums of z = x - m, of at most 0, with the infinity that is lost in m = +inf.

        Only a logit of +inf is held as the largest finite number: all others are infinitely far.
        """
        if self.ordinary:
            return shifted
        hot = (self.maximum == MAXIMUM[dtype_name(self.maximum)]) & (shifted < 0)
        xp = namespace(shifted)
        return xp.where(hot, -xp.inf, shifted)

    def defined(self, values: Array) -> Array:
        """Return ``values``, nan in rows without any finite logit: they have no softmax."""
        if self.ordinary:
            return values
        xp = namespace(values)
        return xp.where(self.maximum == -xp.inf, xp.nan, values)

    def row_loss(self, penalties: Penalties) -> Array:
        """Return A * logsumexp(x) - <a, x> and the penalties of each row."""
        xp = namespace(self.exp_sum)
        loss = self.total_mass * self.log_exp_sum() - self.true_distance(self.target_dot)
        for tail in self.tails:
            loss = loss - product(xp, tail.amount, tail.log_exp_sum())
        if penalties.uses_logsumexp:
            loss = loss + self.row_weight * (penalties.z_loss * self.logsumexp() ** 2)
        if penalties.uses_entropy:
            surplus = self.entropy()
            if penalties.entropy_threshold is not None:
                surplus = surplus - penalties.entropy_threshold
                surplus = xp.where(surplus < 0, surplus, 0.0)
            loss = loss - self.row_weight * (penalties.confidence_penalty * surplus)
        return self.defined(loss)

    def merge(self, other: Self) -> Self:
        """Return the state of the classes of both; commutative, and associative up to rounding.

        A block whose logits are all -inf changes nothing, whichever side it is on.
        """
        xp = namespace(self.exp_sum)
        maximum = xp.maximum(self.maximum, other.maximum)
        left, right = self._rescaled(maximum), other._rescaled(maximum)
        pairs = zip(left.tails, right.tails, strict=True)
        maxima = [xp.maximum(a.maximum, b.maximum) for a, b in pairs]
        left, right = left._with_tail_maxima(maxima), right._with_tail_maxima(maxima)
        sums = (a + b for a, b in zip(left.sums(), right.sums(), strict=True))
        return left.with_sums(sums)

    def combined(self, largest: Callable[[Array], Array], total: Callable[[Array], Array]) -> Self:
        """Return the state of the classes of all blocks, where this is the state of one of them.

        For a matrix of columns, ``largest`` and ``total`` return its largest entries and its sums
        over all blocks: each is asked once, ``largest`` once more where there are tails.
        """
        xp = namespace(self.exp_sum)
        state = self._rescaled(largest(self.maximum))
        if state.tails:
            maxima = largest(xp.concat([tail.maximum for tail in state.tails], axis=1))
            state = state._with_tail_maxima([maxima[:, j : j + 1] for j in range(maxima.shape[1])])
        sums = total(xp.concat(state.columns(state.sums()), axis=1))
        return state.with_sums(sums[:, j : j + 1] for j in range(sums.shape[1]))

    def block(self, rows: slice) -> Self:
        """Return the state of a block of rows."""

        def cut(value: Amount) -> Amount:
            if value is None or is_number(value) or value.shape[0] == 1:
                return value  # one value for all rows
            return value[rows, :]

        return self._replace(
            maximum=cut(self.maximum),
            row_weight=cut(self.row_weight),
            tails=tuple(type(tail)(*map(cut, tail)) for tail in self.tails),
        ).with_sums(map(cut, self.sums()))

    def columns(self, amounts: Iterable[Amount]) -> list[Array]:
        """Return numbers and columns as columns of one entry per row."""
        xp, shape = namespace(self.exp_sum), self.exp_sum.shape
        return [xp.broadcast_to(as_column(xp, amount, self.exp_sum), shape) for amount in amounts]

    def sums(self) -> tuple[Amount, ...]:
        """Return all sums over classes. Relative to the same maxima, those of blocks add up."""
        moments = (sum_ for sum_ in (self.exp_dot, self.exp_square) if sum_ is not None)
        tails = (tail.exp_sum for tail in self.tails)
        return (self.exp_sum, self.target_dot, self.target_mass, *moments, *tails)

    def with_sums(self, sums: Iterable[Amount]) -> Self:
        """Return the state with other sums, in the order of :meth:`sums`."""
        left = iter(sums)
        exp_sum, target_dot, target_mass = next(left), next(left), next(left)
        exp_dot = None if self.exp_dot is None else next(left)
        exp_square = None if self.exp_square is None else next(left)
        return self._replace(
            exp_sum=exp_sum,
            target_dot=target_dot,
            target_mass=target_mass,
            tails=tuple(tail._replace(exp_sum=next(left)) for tail in self.tails),
            exp_dot=exp_dot,
            exp_square=exp_square,
            ordinary=False,
        )

    def _with_tail_maxima(self, maxima: Iterable[Array]) -> Self:
        pairs = zip(self.tails, maxima, strict=True)
        return self._replace(tails=tuple(tail.rescaled(maximum) for tail, maximum in pairs))

    def _rescaled(self, maximum: Array) -> Self:
        """Return the state with everything relative to ``maximum``, at least that of the state."""
        xp = namespace(self.exp_sum)
        # Any finite number will do where all logits are -inf: nothing is shifted there.
        shift = xp.where(maximum == -xp.inf, 0.0, maximum)
        move = xp.where(self.maximum == -xp.inf, 0.0, self.maximum - shift)
        # In a block without finite logits every sum is 0, so any factor will do.
        factor = xp.exp(move)
        # So far down nothing is left: 0 times a square that overflows must not be nan.
        near = xp.where(factor == 0, 0.0, move)
        exp_dot, exp_square = self.exp_dot, self.exp_square
        if exp_dot is not None and exp_square is not None:
            exp_square = factor * (exp_square + near * (2 * exp_dot + near * self.exp_sum))
        if exp_dot is not None:
            exp_dot = factor * (exp_dot + near * self.exp_sum)
        return self._replace(
            maximum=maximum,
            exp_sum=factor * self.exp_sum,
            target_dot=self.target_dot + product(xp, self.target_mass, move),
            tails=tuple(tail.shifted(move) for tail in self.tails),
            exp_dot=exp_dot,
            exp_square=exp_square,
        )
