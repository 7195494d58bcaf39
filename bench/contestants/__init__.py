"""Everyone who takes part, by name."""

from collections.abc import Callable
from typing import Literal

from bench.contestants import files, gpu_peers, jax_peers, limits, numpy_peers, ours, torch_peers
from bench.contestants.base import Contestant, Run, Setup


def by_function(
    logits: Callable[[Setup], Run], linear: Callable[[Setup], Run]
) -> Callable[[Setup], Run]:
    """Return a contestant that does one thing with logits and another with features."""
    return lambda setup: (linear if setup.case.features else logits)(setup)


def _ours(name: str, title: str, prepare: Callable[[Setup], Run], needs: str) -> Contestant:
    compiled = "jit" in title or "compile" in title
    return Contestant(
        name, f"softtargets, {title}", "ours", prepare, tuple(needs.split()), compiled
    )


def _other(
    kind: Literal["peer", "limit"],
    name: str,
    title: str,
    prepare: Callable[[Setup], Run],
    needs: str = "",
) -> Contestant:
    compiled = "jit" in title or "compile" in title
    return Contestant(name, title, kind, prepare, tuple(needs.split()), compiled)


_ROWS = (
    _ours("ours_numpy", "NumPy", ours.plain("numpy"), "numpy"),
    _ours("ours_numpy_out", "NumPy, out=", ours.plain("numpy", reuse=True), "numpy"),
    _ours("ours_torch", "torch", ours.plain("torch"), "torch"),
    _ours("ours_torch_autograd", "torch, backward()", ours.torch_autograd(), "torch"),
    _ours("ours_torch_compiled", "torch.compile", ours.torch_compiled, "torch"),
    _ours(
        "ours_torch_compiled_autograd",
        "torch.compile, backward()",
        ours.torch_autograd(compiled=True),
        "torch",
    ),
    _ours("ours_jax", "jax.jit", ours.jax_jitted(), "jax jaxlib"),
    _ours("ours_jax_autograd", "jax.jit, jax.grad", ours.jax_jitted(autograd=True), "jax jaxlib"),
    _ours("ours_cupy", "CuPy", ours.plain("cupy"), "cupy"),
    _ours("ours_cupy_out", "CuPy, out=", ours.plain("cupy", reuse=True), "cupy"),
    _ours("ours_report", "report", files.report, "numpy"),
    _other(
        *("peer", "torch", "torch builtin"),
        by_function(torch_peers.builtin(), torch_peers.linear()),
        "torch",
    ),
    _other(
        *("peer", "torch_compiled", "torch.compile of the builtin"),
        torch_peers.builtin(compiled=True),
        "torch",
    ),
    _other(
        *("peer", "torch_chunked", "torch builtin, in chunks"),
        torch_peers.linear(chunked=True),
        "torch",
    ),
    _other(
        *("peer", "torch_two_steps", "torch linear, then loss"),
        torch_peers.linear(two_steps=True),
        "torch",
    ),
    _other("peer", "timm", "timm's formula, torch", torch_peers.timm, "torch"),
    _other("peer", "optax", "optax, jax.jit", jax_peers.optax, "optax jax jaxlib"),
    _other("peer", "scipy", "SciPy log_softmax", numpy_peers.scipy, "scipy numpy"),
    _other("peer", "one_hot", "one-hot NumPy", numpy_peers.one_hot, "numpy"),
    _other("peer", "sklearn", "scikit-learn loss", numpy_peers.sklearn, "scikit-learn numpy"),
    _other("peer", "liger", "Liger-Kernel", gpu_peers.liger, "liger_kernel torch triton"),
    _other(
        *("peer", "flash_attention", "flash-attention"),
        gpu_peers.flash_attention,
        "flash-attn torch triton",
    ),
    _other("limit", "limit_copy", "limit: copy", limits.copy),
    _other("limit", "limit_copy_exp", "limit: copy + exp", limits.copy_exp, "numpy"),
    _other("limit", "limit_exp", "limit: exp", limits.exp, "numpy"),
    _other("limit", "limit_read", "limit: read", limits.read, "torch"),
    _other("limit", "limit_read_exp", "limit: read files + exp", files.read_exp, "numpy"),
    _other("limit", "limit_products_numpy", "limit: products, NumPy", limits.products("numpy")),
    _other("limit", "limit_products_torch", "limit: products, torch", limits.products("torch")),
)
CONTESTANTS = {row.name: row for row in _ROWS}

__all__ = ["CONTESTANTS", "Contestant", "Run", "Setup"]
