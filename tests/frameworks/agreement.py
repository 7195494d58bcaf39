"""Ours beside torch's: the same value, gradients and dtype, or refusals of the same kind."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For tensors of a few numbers torch's threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def generator(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def numbers(*shape: int, seed: int = 0, dtype: Any = torch.float64) -> Any:
    """Return normal numbers."""
    return torch.randn(shape, dtype=dtype, generator=generator(seed))


def distributions(*shape: int, axis: int = 1, seed: int = 0, dtype: Any = torch.float64) -> Any:
    """Return numbers above 0 that sum to 1 along an axis."""
    return numbers(*shape, seed=seed, dtype=dtype).softmax(axis)


def labels(count: int, *shape: int, seed: int = 0) -> Any:
    """Return labels of so many classes."""
    return torch.randint(0, count, shape, generator=generator(seed))


def outcome(function: Callable[..., Any], tensors: tuple[Any, ...], words: dict[str, Any]) -> Any:
    """Return value and gradients for all that is differentiable, or the error."""
    given = [x.detach().clone() for x in tensors]
    for x in given:
        x.requires_grad_(x.is_floating_point())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own of reduction="mean" and of legacy arguments
        try:
            value = function(*given, **words)
            upstream = torch.linspace(0.5, 2.0, value.numel(), dtype=value.dtype)
            wanted = [x for x in given if x.requires_grad]
            # Some shapes torch refuses no earlier than here.
            gradients = torch.autograd.grad(
                value, wanted, upstream.reshape(value.shape), allow_unused=True
            )
        except Exception as error:
            return error
    return value.detach(), list(gradients)


def assert_agree(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    tensors: tuple[Any, ...],
    rtol: float = 1e-12,
    **words: Any,
) -> Any:
    """Both give the same up to rounding, or both refuse; return what torch does."""
    want, got = (outcome(function, tensors, words) for function in (theirs, ours))
    if isinstance(want, Exception):
        kind = RuntimeError if isinstance(want, NotImplementedError) else type(want)
        assert isinstance(got, kind), (want, got)
        return want
    assert not isinstance(got, Exception), (want, got)
    for a, b in zip((got[0], *got[1]), (want[0], *want[1]), strict=True):
        if b is None:
            assert a is None or not a.any()
            continue
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=rtol, atol=rtol, equal_nan=True)
    return want
