"""What torch's autograd records, and how a gradient of one's own is put into its graph."""

import functools
from collections.abc import Callable
from typing import Any, Literal

from softtargets._array.kinds import is_torch
from softtargets._array.traits import is_plain_torch
from softtargets._array.trees import arrays_in
from softtargets.typing import Array

Recording = Literal["nothing", "first", "all"]


def may_be_recorded(array: Array) -> bool:
    """Whether ``array`` is of the library that records operations while they run."""
    return is_torch(array)


def recording(inputs: tuple[Array, ...], others: Any) -> Recording:
    """Return what is recorded of a call with ``inputs`` and ``others`` while it runs.

    "nothing", as in every library but torch; "first": first derivatives for some of the inputs;
    "all": anything else, such as derivatives for other arguments, forward mode, transforms and
    compilation.
    """
    if not all(is_torch(x) for x in inputs):
        return "nothing"
    import torch  # the user has imported it: there is a tensor
    from torch.autograd import forward_ad

    if torch.compiler.is_compiling():
        return "all"
    if not all(is_plain_torch(x) for x in inputs):
        return "all"
    tensors = [x for x in arrays_in(others) if is_torch(x)]
    if not all(is_plain_torch(x) for x in tensors):
        return "all"
    if forward_ad._current_level >= 0 and any(map(_has_tangent, (*inputs, *tensors))):
        return "all"
    if not torch.is_grad_enabled():
        return "nothing"
    if any(x.requires_grad for x in tensors):
        return "all"
    return "first" if any(x.requires_grad for x in inputs) else "nothing"


def _has_tangent(array: Array) -> bool:
    from torch.autograd import forward_ad

    return forward_ad.unpack_dual(array).tangent is not None


def with_own_gradient(
    forward: Callable[..., tuple[Array, Any]],
    backward: Callable[..., tuple[Array, ...]],
    plain: Callable[..., Array],
    inputs: tuple[Array, ...],
    others: Any,
) -> Array:
    """Return the value of ``forward`` with a gradient that ``backward`` gives.

    ``forward(*inputs)`` returns the value and anything to keep; ``backward(kept, upstream, get)``
    the gradients for the inputs, which ``get()`` gives again. Neither is recorded. Where the
    gradient itself is to be differentiated, or mapped, ``plain(*inputs)`` takes over. The arrays in
    ``others``, which the functions use too, may not change before the gradient is made.
    """
    constants = tuple(arrays_in(others))
    return _function().apply((forward, backward, plain), constants, *inputs)


@functools.cache
def _function() -> Any:
    import torch

    class OwnGradient(torch.autograd.Function):  # type: ignore[misc]
        """Connects three functions to autograd."""

        @staticmethod
        def forward(ctx: Any, functions: Any, constants: Any, *inputs: Array) -> Array:
            forward, *ctx.functions = functions
            value, ctx.kept = forward(*inputs)
            # Torch remembers the versions of all of them.
            ctx.save_for_backward(*inputs, *constants)
            ctx.count = len(inputs)
            return value

        @staticmethod
        def backward(ctx: Any, upstream: Array) -> tuple[Array | None, ...]:
            backward, plain = ctx.functions
            again = torch.is_grad_enabled()
            # What is_grads_batched=True hands in is of an older kind than what vmap makes.
            mapped = torch._C._functorch.is_legacy_batchedtensor(upstream)
            if not again and not mapped and is_plain_torch(upstream):
                found = backward(ctx.kept, upstream, lambda: ctx.saved_tensors[: ctx.count])
                return (None, None, *found)
            with torch.enable_grad():
                # Hooks of the inputs are for the gradient that is returned, not for this one.
                inputs = [x.view_as(x) for x in ctx.saved_tensors[: ctx.count]]
                value = plain(*inputs)
            wanted = [x for x in inputs if x.requires_grad]
            found = iter(torch.autograd.grad(value, wanted, upstream, create_graph=again))
            return (None, None, *(next(found) if x.requires_grad else None for x in inputs))

    return OwnGradient


def by_library(
    function: Callable[..., Array], inputs: tuple[Array, ...]
) -> tuple[Array, tuple[Array, ...]]:
    """Return the value of a function of JAX arrays, and what JAX finds as its gradients.

    Of a value that is an array they are the gradients of its sum.
    """
    import jax  # the user has imported it: there are its arrays

    value, pull_back = jax.vjp(function, *inputs)
    return value, pull_back(jax.numpy.ones_like(value))
