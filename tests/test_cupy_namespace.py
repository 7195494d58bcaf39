"""CuPy has every function, keyword and array attribute that the library uses.

CuPy can be imported where there is no GPU, but not used. So the library runs here on arrays of
other libraries, through a namespace that writes down each call: on NumPy, told not to look at
values, which is the path that CuPy takes, and on array-api-strict, which has nothing but the
standard. Then CuPy's namespace is asked for all of it.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import softtargets as st
from softtargets._array import kinds, read, traits
from tests.backends import VARIANTS, Variant
from tests.losses import use_all_losses
from tests.strategies import KINDS, Call, calls
from tests.test_builders import use_all_builders
from tests.use_of_analysis import use_all_of_analysis
from tests.use_of_calibration import use_all_of_calibration

pytest.importorskip("cupy")
SOURCES = sorted(Path(st.__file__).parent.rglob("*.py"))
#: Used only where values may be looked at.
LOOKING = {"int8", "min"}
#: Used only for arrays that can be written into, or not in the standard and for CuPy and Dask.
WRITING = {"bincount", "empty", "multiply", "subtract"}
#: How a function is called: the number of positional arguments, and the keywords.
How = tuple[int, frozenset[str]]


@dataclass
class Uses:
    """What was asked of a namespace and of its arrays."""

    functions: dict[str, set[How]] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        return set(self.functions) | self.constants

    def call(self, name: str, positional: int, keywords: Any) -> None:
        self.functions.setdefault(name, set()).add((positional, frozenset(keywords)))


class Recorder(ModuleType):
    """A namespace that hands everything on to another one and writes down what is asked for."""

    def __init__(self, namespace: ModuleType, uses: Uses) -> None:
        super().__init__(namespace.__name__)
        self._namespace, self._uses = namespace, uses

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._namespace, name)
        if isinstance(value, type) or not callable(value):
            self._uses.constants.add(name)
            return value

        def recorded(*args: Any, **kwargs: Any) -> Any:
            self._uses.call(name, len(args), kwargs)
            return value(*args, **kwargs)

        return recorded


def replace_everywhere(patch: pytest.MonkeyPatch, old: Any, new: Any) -> None:
    """Put ``new`` in the place of ``old`` in every module of the library that has imported it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("softtargets"):
            for key, value in list(vars(module).items()):
                if value is old:
                    patch.setattr(module, key, new)


def record_attributes(patch: pytest.MonkeyPatch, cls: type, uses: Uses) -> None:
    """Write down the attributes and operators of arrays that the library uses."""

    def recorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1).f_globals["__name__"]
            ours = caller.startswith(("softtargets", "array_api_extra"))
            if ours and caller != read.__name__:
                uses.attributes.add(name)
            return function(*args, **kwargs)

        return wrapper

    for name, value in list(vars(cls).items()):
        if isinstance(value, property):
            patch.setattr(cls, name, property(recorded(name, value.fget)))
        elif inspect.isfunction(value) and name not in ("__init__", "__new__", "__buffer__"):
            patch.setattr(cls, name, recorded(name, value))


@contextlib.contextmanager
def recording(variant: Variant) -> Iterator[Uses]:
    """Write down what the library does with the arrays of a backend."""
    uses = Uses()
    with pytest.MonkeyPatch.context() as patch, variant.active():
        recorder = Recorder(variant.xp, uses)
        replace_everywhere(patch, kinds.namespace, lambda array: recorder)
        if variant.row == "numpy":
            replace_everywhere(patch, traits.may_look, lambda array: False)
            is_numpy = kinds.is_numpy
            replace_everywhere(patch, kinds.is_cupy, lambda array: is_numpy(array))
            replace_everywhere(patch, is_numpy, lambda array: False)
            # What brings values to people knows each library by itself.
            patch.setattr(read, "is_numpy", is_numpy)
            patch.setattr(read, "is_cupy", lambda array: False)
        else:
            record_attributes(patch, type(variant.asarray([0])), uses)
        yield uses


def work(variant: Variant) -> None:
    """Use everything: all kinds of targets, all keywords, all public functions."""

    @settings(max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(some=calls(variant.dtypes[-2:], int_dtypes=variant.int_dtypes))
    def one(some: Call) -> None:
        some.evaluate(variant)

    one()
    use_all_builders(variant)
    use_all_losses(variant)
    use_all_of_analysis(variant)
    use_all_of_calibration(variant)
    for kind in KINDS:
        settings(max_examples=15, phases=[Phase.generate])(
            given(calls(kinds=(kind,)))(lambda some: _use_all(some, variant))
        )()


def _use_all(call: Call, variant: Variant) -> None:
    logits, targets, words = call.arguments(variant)
    st.cross_entropy(logits, targets, **words)
    out = variant.xp.zeros_like(logits)
    if variant.backend.writable:
        st.value_and_grad(st.cross_entropy, out=out)(logits, targets, **words)
    st.value_and_grad(st.cross_entropy)(logits, targets, **words)
    last = {name: words.pop(name, 0.0) for name in ("z_loss", "confidence_penalty")}
    for name in ("reduction", "denominator"):
        words.pop(name, None)
    state = st.SoftmaxState.of(logits, targets, **words)
    state.merge(state).loss(**last)
    for measure in (state.logsumexp, state.entropy, state.mean_logit, state.variance):
        measure()
    labels = variant.asarray([2, 0, -100])
    hard = st.Targets.from_labels(labels, 3)
    index = variant.asarray([1, 0, 0])
    soft = st.mix(hard, hard[index], 0.3).weighted(variant.asarray([1.0, 2.0, 0.5]))
    for some in (hard, soft.smooth(0.1), soft[1:]):
        some.to_dense(axis=0), some.mass(), some.entropy()
    soft.dot(variant.asarray([[1.0, 2.0, 3.0]] * 3))
    amount = variant.asarray([0.1, 0.2, 0.3])
    st.convert_smoothing(amount, 3)
    st.one_hot(labels, 3)
    st.smooth_labels(soft[:1].to_dense(), 0.1)
    st.smooth_labels(labels, amount, num_classes=3)
    hard.smooth(per_class=amount)
    # Long enough for the weights to be added up in pieces, and two blocks.
    weight = variant.asarray([[0.0, 1.0]] * 300, "float32")
    features = variant.asarray([[1.0, 2.0]] * 3, "float32")
    words = {"label_smoothing": 0.1, "bias": weight[:, 0], "block_bytes": 2400}
    for where in (None, labels >= 0):
        st.linear_cross_entropy(features, weight, labels, where=where, **words)
        st.value_and_grad(st.linear_cross_entropy)(features, weight, labels, where=where, **words)
    st.value_and_grad(st.linear_cross_entropy)(features, weight, labels, reduction="sum")


def written() -> Uses:
    """What the source text of the library asks of a namespace, the demo included."""
    uses = Uses()
    for path in SOURCES:
        called = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _is_namespace(node.func):
                called.add(node.func)
                keywords = {word.arg for word in node.keywords} - {None}
                starred = any(isinstance(argument, ast.Starred) for argument in node.args)
                uses.call(node.func.attr, 0 if starred else len(node.args), keywords)
            elif _is_namespace(node) and node not in called:
                uses.constants.add(node.attr)
    return uses


def _is_namespace(node: ast.AST) -> bool:
    """Whether a node is `xp.name`, `self.xp.name` or `setting.xp.name`."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value
    return getattr(owner, "id", getattr(owner, "attr", None)) in ("xp", "_xp")


def missing(uses: Uses) -> list[str]:
    """What CuPy does not have."""
    import array_api_compat.cupy as xp
    import cupy

    found = [f"no {name}" for name in sorted(uses.names) if not hasattr(xp, name)]
    found += [f"no array.{n}" for n in sorted(uses.attributes) if not hasattr(cupy.ndarray, n)]
    for name, ways in sorted(uses.functions.items()):
        for positional, keywords in sorted(ways, key=str):
            # array-api-compat hands the keywords of this one on.
            function = cupy.multiply if name == "matmul" else getattr(xp, name, None)
            if function is not None and not accepts(function, positional, keywords):
                found.append(f"{name} does not take {positional} arguments and {sorted(keywords)}")
    return found


def accepts(function: Any, positional: int, keywords: frozenset[str]) -> bool:
    """Whether a function of CuPy can be called in a way. `**kwargs` counts as no keyword."""
    import cupy

    if isinstance(function, cupy.ufunc):
        return positional <= function.nargs and keywords <= {"out", "dtype", "casting"}
    signature = inspect.signature(function)
    try:
        signature.bind(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError:
        return False
    return keywords <= set(signature.parameters)


@pytest.fixture(scope="module", params=["numpy", "array_api_strict-device1"])
def used(request: pytest.FixtureRequest) -> Uses:
    """What a workload that uses everything asks of the arrays of one library."""
    (variant,) = (variant for variant in VARIANTS if variant.name == request.param)
    if why := variant.why_unusable():
        pytest.skip(why)
    with recording(variant) as uses:
        work(variant)
    return uses


def test_cupy_has_what_is_used(used: Uses) -> None:
    """Every call of the workload could be made on CuPy."""
    assert missing(used) == []


def test_cupy_has_what_is_written() -> None:
    """Every name and keyword in the source text of the library exists on CuPy."""
    assert missing(written()) == []


def test_workload_reaches_every_name(used: Uses) -> None:
    """The workload uses all that the library's text, apart from the demo, asks of a namespace."""
    everything = {
        node.attr
        for path in SOURCES
        if "demo" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _is_namespace(node)
    }
    beyond = {"__name__"} | LOOKING
    assert everything - used.names in (beyond, beyond | WRITING)


def test_recorder_writes_down_calls() -> None:
    """A call through the recorder is written down with its keywords, and does what it should."""
    with recording(VARIANTS[0]) as uses:
        labels = VARIANTS[0].asarray([1, 0])
        assert st.one_hot(labels, 2).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert (1, frozenset({"dtype", "device"})) in uses.functions["zeros"]
    assert "int64" in uses.constants
    assert uses.attributes == set()


def test_missing_notices() -> None:
    """A name, a keyword or an attribute that CuPy lacks is reported."""
    uses = Uses(constants={"float32", "float33"}, attributes={"shape", "shapes"})
    uses.call("sum", 1, {"axis", "keepdims"})
    uses.call("sum", 1, {"keepdim"})
    uses.call("exp", 1, ())
    uses.call("exp", 1, {"where"})
    uses.call("matmul", 2, {"precision"})
    uses.call("take", 1, {"axis"})
    uses.call("logsumexp", 1, {"axis"})
    assert missing(uses) == [
        "no float33",
        "no logsumexp",
        "no array.shapes",
        "exp does not take 1 arguments and ['where']",
        "matmul does not take 2 arguments and ['precision']",
        "sum does not take 1 arguments and ['keepdim']",
        "take does not take 1 arguments and ['axis']",
    ]
