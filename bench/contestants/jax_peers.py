"""What JAX users have: optax, compiled by XLA."""

from collections.abc import Callable
from typing import Any

from bench.arrays import need
from bench.cases import EPSILON, LAM
from bench.contestants.base import Run, Setup

Array = Any


def jax_run(
    setup: Setup,
    function: Callable[..., Any],
    parts: dict[str, Array],
    *,
    has_gradient: bool = False,
) -> Run:
    """Return the run of ``function(leading, parts)`` under jit, differentiated if need be."""
    jax = need("jax")
    leading = setup.leading("jax")
    if setup.case.gradient and not has_gradient:
        function = jax.value_and_grad(function)
    compiled = jax.jit(function)

    def call() -> Any:
        result = jax.block_until_ready(compiled(leading, parts))
        return result if setup.case.gradient else (result, ())

    return Run(call, setup.case.dtype, host_clock=True)


def optax(setup: Setup) -> Run:
    """The losses of optax under jit."""
    setup.only("hard", "smoothed", "per_row", "mixup", "dense")
    library, jax = need("optax"), need("jax")
    parts, kind, classes = setup.parts("jax"), setup.entry.targets, setup.case.classes

    def loss(leading: tuple[Array, ...], parts: dict[str, Array]) -> Array:
        (logits,) = leading

        def one_hot(name: str) -> Array:
            return jax.nn.one_hot(parts[name], classes, dtype=logits.dtype)

        if kind == "hard":
            losses = library.softmax_cross_entropy_with_integer_labels(logits, parts["labels"])
            return losses.mean()
        if kind == "dense":
            return library.softmax_cross_entropy(logits, parts["dense"]).mean()
        q, epsilon = one_hot("labels"), EPSILON
        if kind == "mixup":
            q = LAM * q + (1 - LAM) * one_hot("other_labels")
        if kind == "per_row":
            epsilon = parts["epsilon"][:, None]
        return library.softmax_cross_entropy(logits, library.smooth_labels(q, epsilon)).mean()

    return jax_run(setup, loss, parts)
