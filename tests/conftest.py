"""Fixtures of every test, and how Hypothesis draws its examples."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import softtargets as st
from softtargets._array import threads
from tests.backends import Variant, selected
from tests.thinning import left_out

# Keras takes its backend when it is imported, and by default one that nothing else here needs.
os.environ.setdefault("KERAS_BACKEND", "jax")

# Repeatable: the same examples in every run. --hypothesis-profile=explore looks further.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    # The fixture `backend` keeps nothing that one example could leave to the next.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile(
    "explore", settings.get_profile("repeatable"), derandomize=False, max_examples=2000
)
# For runs that repeat the tests elsewhere, on another version of Python, say.
settings.register_profile("few", settings.get_profile("repeatable"), max_examples=20)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this project."""
    parser.addoption("--every-case", action="store_true", help="also where a call takes long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out most of the long lists of cases where each call takes long: tests/thinning.py."""
    if config.getoption("every_case"):
        return
    calls = [getattr(item, "callspec", None) for item in items]
    variants = [call.params.get("backend") if call else None for call in calls]
    slow = [None if variant is None or variant.quick else variant.name for variant in variants]
    out = left_out([item.nodeid.partition("[")[0] for item in items], slow)
    config.hook.pytest_deselected(items=[item for at, item in enumerate(items) if at in out])
    items[:] = [item for at, item in enumerate(items) if at not in out]


@pytest.fixture(autouse=True)
def default_threads() -> Iterator[None]:
    """Whatever a test does, the next one begins with the default number of threads."""
    yield
    if threads._pool.count is not None:
        st.set_num_threads(None)


def _parameters() -> list[object]:
    """One parameter per variant; what cannot be used here is skipped and says why."""
    parameters = []
    for variant in selected():
        why = variant.why_unusable()
        marks = [pytest.mark.skip(reason=why)] if why else []
        parameters.append(pytest.param(variant, id=variant.name, marks=marks))
    return parameters


@pytest.fixture(params=_parameters())
def backend(request: pytest.FixtureRequest) -> Iterator[Variant]:
    """Each library and device in turn: see tests/backends.py."""
    with request.param.active():
        yield request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run of a test."""
    return np.random.default_rng(20260101)
