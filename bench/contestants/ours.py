"""softtargets, on every library and in every way that it can be called."""

from collections.abc import Callable
from typing import Any

import softtargets as st
from bench.arrays import Unsupported, need
from bench.cases import EPSILON, LAM
from bench.contestants.base import Run, Setup, pair
from bench.contestants.differentiated import torch_run

Array = Any


def loss_of(setup: Setup) -> Callable[..., Array]:
    """Return the public function, if this version of the library has it."""
    function = getattr(st, setup.case.function, None)
    if function is None:
        raise Unsupported(f"this version of softtargets has no {setup.case.function}")
    return function  # type: ignore[no-any-return]


def arguments(setup: Setup, parts: dict[str, Array]) -> tuple[Any, dict[str, Any]]:
    """Return targets and keywords. Targets are built here, so that building them is measured."""
    kind = setup.entry.targets
    keywords: dict[str, Any] = {}
    targets: Any = parts["dense" if kind == "dense" else "labels"]
    if kind in ("smoothed", "mixup"):
        keywords["label_smoothing"] = EPSILON
    if kind == "per_row":
        keywords["label_smoothing"] = parts["epsilon"]
    if kind == "mixup":
        first, second = (
            st.Targets.from_labels(parts[name], setup.case.classes)
            for name in ("labels", "other_labels")
        )
        targets = st.mix(first, second, LAM)
    if setup.entry.option == "mask":
        keywords["where"] = parts["mask"]
    if setup.entry.option == "class weights":
        keywords["class_weight"] = parts["class_weight"]
    return targets, keywords


def evaluate(
    setup: Setup, function: Callable[..., Any], leading: tuple[Array, ...], parts: dict[str, Array]
) -> Any:
    """Call a loss, or what ``value_and_grad`` made of it."""
    targets, keywords = arguments(setup, parts)
    if setup.case.bias:
        *leading, keywords["bias"] = leading  # type: ignore[assignment]
    return function(*leading, targets, **keywords)


def compute_dtype(setup: Setup) -> str:
    """Return the dtype in which the library rounds: its gradients are of that of the logits."""
    return setup.case.dtype


def plain(library: str, *, reuse: bool = False) -> Callable[[Setup], Run]:
    """Return ``value_and_grad`` or the loss itself, on arrays of a library."""

    def prepare(setup: Setup) -> Run:
        function, leading, parts = loss_of(setup), setup.leading(library), setup.parts(library)
        if reuse and (setup.case.features or not setup.case.gradient):
            raise Unsupported("has a buffer for the gradient of logits only")
        if setup.case.gradient:
            out = need(library).zeros_like(leading[0]) if reuse else None
            function = st.value_and_grad(function, out=out)

        def call() -> Any:
            result = evaluate(setup, function, leading, parts)
            return pair(*result) if setup.case.gradient else (result, ())

        if setup.entry.option == "1 thread":
            enter, leave = one_thread(setup, call)
            return Run(call, compute_dtype(setup), enter=enter, leave=leave)
        return Run(call, compute_dtype(setup))

    return prepare


def one_thread(
    setup: Setup, call: Callable[[], Any]
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what turns the threads of the library off, and on again."""
    set_num_threads = getattr(st, "set_num_threads", None)
    if set_num_threads is None:
        raise Unsupported("this version of softtargets has no set_num_threads")

    def off() -> None:
        set_num_threads(1)

    def on() -> None:
        set_num_threads(setup.threads)
        call()  # threads start at the first call: no other contestant shall wait for them

    return off, on


def torch_autograd(*, compiled: bool = False) -> Callable[[Setup], Run]:
    """Return the loss with torch's backward pass."""

    def prepare(setup: Setup) -> Run:
        function, parts = loss_of(setup), setup.parts("torch")

        def loss(*leading: Array) -> Array:
            return evaluate(setup, function, leading, parts)

        return torch_run(setup, loss, compute_dtype(setup), compiled=compiled)

    return prepare


def torch_compiled(setup: Setup) -> Run:
    """``value_and_grad``, compiled by torch."""
    torch = need("torch")
    function, leading, parts = loss_of(setup), setup.leading("torch"), setup.parts("torch")
    if setup.case.gradient:
        function = st.value_and_grad(function)

    def both(*leading: Array) -> Any:
        return evaluate(setup, function, leading, parts)

    compiled = torch.compile(both, dynamic=False, fullgraph=True)

    def call() -> Any:
        with torch.no_grad():
            result = compiled(*leading)
        return pair(*result) if setup.case.gradient else (result, ())

    return Run(call, compute_dtype(setup))


def jax_jitted(*, autograd: bool = False) -> Callable[[Setup], Run]:
    """Return the loss under ``jax.jit``, with our gradient or with JAX's."""

    def prepare(setup: Setup) -> Run:
        from bench.contestants.jax_peers import jax_run

        loss, parts = loss_of(setup), setup.parts("jax")

        def value(leading: tuple[Array, ...], parts: dict[str, Array]) -> Array:
            return evaluate(setup, loss, leading, parts)

        def both(leading: tuple[Array, ...], parts: dict[str, Array]) -> Any:
            return pair(*evaluate(setup, st.value_and_grad(loss), leading, parts))

        gradient = setup.case.gradient and not autograd
        return jax_run(setup, both if gradient else value, parts, has_gradient=gradient)

    return prepare
