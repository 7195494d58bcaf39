"""The gradients of a linear layer, added up over blocks of rows of the gradient for its logits."""

from softtargets._array.memory import add_product, added, matmul
from softtargets._array.namespaces import beside
from softtargets.execution.shared import Shared
from softtargets.typing import Amount, Array, Namespace

#: Gradients for features, weight and bias; None where not asked for.
Gradients = tuple[Array | None, ...]


class Products:
    """Sums over blocks, in ``dtype`` however low the precision of the layer is."""

    def __init__(
        self,
        xp: Namespace,
        features: Array,
        weight: Array,
        shared: tuple[Shared, ...],
        wanted: tuple[bool, ...],
        dtype: object,
        *,
        own: bool,
    ) -> None:
        self.xp, self.weight, self.dtype, self.wanted, self.own = xp, weight, dtype, wanted, own
        self.shared = shared
        place = beside(features)
        self.features: list[Array] = []
        if own and wanted[0]:
            self.features = [xp.empty(features.shape, dtype=features.dtype, **place)]
        low = features.dtype != dtype
        self.total = xp.zeros(weight.shape, dtype=dtype, **place) if low and wanted[1] else None
        #: For each shared vector, the sum of the features and the sum of 1 over its shares.
        self.feature_sums: list[Amount] = [0.0] * len(shared)
        self.counts: list[Amount] = [0.0] * len(shared)
        self.bias: Amount = 0.0

    def add(
        self, block: slice, g: Array, features: Array, factor: Array, memory: Array | None
    ) -> None:
        """Add a block with the gradient ``g`` for its logits, without what rows share.

        On the last block ``memory`` holds g and has room for one more row per shared vector.
        """
        xp = self.xp
        shares = [self._column(factor * one.of(block), features) for one in self.shared]
        if self.wanted[0]:
            self._add_features(block, g, shares)
        y = xp.astype(features, self.dtype, copy=False)
        for i, share in enumerate(shares):
            row = xp.permute_dims(share, (1, 0))
            self.feature_sums[i] = self.feature_sums[i] + xp.matmul(row, y)
            self.counts[i] = self.counts[i] + xp.sum(share)
        if self.wanted[2]:
            columns = xp.astype(g, self.dtype, copy=False)
            self.bias = self.bias + xp.sum(columns, axis=0, keepdims=True)
        if not self.wanted[1]:
            return
        if memory is not None and self.shared:
            g, features = self._with_shared(g, features, memory)
        self.total = add_product(xp, self.total, xp.permute_dims(g, (1, 0)), features)

    def _column(self, share: Amount, features: Array) -> Array:
        return self.xp.broadcast_to(share, (features.shape[0], 1))

    def _add_features(self, block: slice, g: Array, shares: list[Array]) -> None:
        xp = self.xp
        out = self.features[0][block, :] if self.own else None
        gradient = matmul(xp, g, self.weight, out)
        for share, one in zip(shares, self.shared, strict=True):
            more = xp.astype(-share * one.weight, gradient.dtype, copy=False)
            gradient = added(gradient, more, own=self.own)
        if not self.own:
            self.features.append(gradient)

    def _with_shared(self, g: Array, features: Array, memory: Array) -> tuple[Array, Array]:
        """Return the factors of the last product with a row more for each shared vector.

        So its outer product with the sum of the features costs no pass over the weight.
        """
        xp, count = self.xp, g.shape[0]
        for i, one in enumerate(self.shared):
            memory[count + i, :] = -one.u[0, :]
        sums = [xp.astype(one, features.dtype, copy=False) for one in self.feature_sums]
        self.feature_sums = []
        return memory[: count + len(self.shared), :], xp.concat([features, *sums])

    def result(self) -> Gradients:
        """Return the gradients of all rows, in the dtype of the layer."""
        xp, dtype = self.xp, self.weight.dtype
        features = weight = bias = None
        if self.wanted[0]:
            parts = self.features
            features = parts[0] if len(parts) == 1 else xp.concat(parts)
        if self.wanted[1]:
            weight = self.total
            for row, one in zip(self.feature_sums, self.shared, strict=False):
                weight = weight - xp.matmul(xp.permute_dims(one.u, (1, 0)), row)
            weight = xp.astype(weight, dtype, copy=False)
        if self.wanted[2]:
            bias = self.bias
            for count, one in zip(self.counts, self.shared, strict=True):
                bias = bias - count * one.u
            bias = xp.astype(bias, dtype, copy=False)
        return features, weight, bias
