"""What the benchmarks measure is right: the reference, its check, and everyone who takes part."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench import gpu, host
from bench.arrays import Unsupported, convert, round_to_bfloat16
from bench.cases import EPSILON, LAM, TARGETS, Case, Entry, Group, cell, shrink
from bench.child import prepare
from bench.contestants import CONTESTANTS, Run, Setup
from bench.goals import CPU_GOALS, Goal
from bench.gpu_goals import GPU_GOALS
from bench.inputs import Inputs
from bench.reference import Disagreement, check, ends, reference
from tests.oracle import case as oracle
from tests.oracle import plain

CASE = Case(21, 5, dtype="float64")
LINEAR = Case(21, 5, features=4, dtype="float64", bias=True)


def of_the_oracle(inputs: Inputs, entry: Entry) -> oracle.Case:
    """Return the same case for the independent definition of the tests."""
    case = inputs.case
    shape = (case.rows, case.classes)
    first, second = (
        oracle.Labels(inputs.get(name).tolist(), case.classes)
        for name in ("labels", "other_labels")
    )
    keywords: dict[str, Any] = {}
    target: oracle.Target = first
    if entry.targets == "dense":
        target = oracle.Dense(inputs.get("dense").tolist())
    if entry.targets == "mixup":
        target = oracle.Mix(first, second, LAM)
    if entry.targets in ("smoothed", "mixup"):
        keywords["label_smoothing"] = EPSILON
    if entry.targets == "per_row":
        keywords["label_smoothing"] = inputs.get("epsilon").tolist()
    if entry.option == "class weights":
        keywords["class_weight"] = inputs.get("class_weight").tolist()
    if entry.option == "mask":
        keywords["where"] = inputs.get("mask").tolist()
    logits = inputs.get("logits").tolist()
    keywords |= {"reduction": "mean"}
    return oracle.Case("case", "", "float64", shape, logits, target, keywords)


@pytest.mark.parametrize("option", ["", "class weights", "mask"])
@pytest.mark.parametrize("targets", TARGETS)
def test_reference(targets: str, option: str) -> None:
    """The reference of the benchmarks is the plain formula that the tests of the library use."""
    inputs, entry = Inputs(CASE), Entry("ours_numpy", targets, option)
    want = plain.cross_entropy(of_the_oracle(inputs, entry), "float64")
    found = reference(inputs, entry)
    np.testing.assert_allclose(found.loss, float(want.loss), rtol=1e-13)
    np.testing.assert_allclose(found.gradients[0], ends(want.gradient), rtol=1e-11, atol=1e-16)


def test_reference_of_a_linear_layer() -> None:
    """With features, the gradients of the reference are those of the logits by the chain rule."""
    inputs, entry = Inputs(LINEAR), Entry("ours_numpy")
    features, weight = inputs.get("features"), inputs.get("weight")
    logits = Inputs(CASE)
    logits._made[("logits", "")] = features @ weight.T + inputs.get("bias")
    logits._made[("labels", "")] = inputs.get("labels")
    gradient = plain.cross_entropy(of_the_oracle(logits, entry), "float64").gradient
    wanted = (gradient @ weight, gradient.T @ features, gradient.sum(axis=0))
    found = reference(inputs, entry)
    for got, want in zip(found.gradients, wanted, strict=True):
        np.testing.assert_allclose(got, ends(want), rtol=1e-10, atol=1e-15)


def run_of(result: Any, compute: str = "float64", upstream: float = 1.0) -> Run:
    return Run(lambda: result, compute, upstream=upstream)


def right_result() -> tuple[Any, Any]:
    """Return the loss and the whole gradient of a small case."""
    inputs, entry = Inputs(CASE), Entry("ours_numpy")
    want = plain.cross_entropy(of_the_oracle(inputs, entry), "float64")
    return float(want.loss), want.gradient


def test_check_lets_rounding_pass() -> None:
    """What differs by a rounding agrees, also as a multiple of the loss."""
    loss, gradient = right_result()
    wanted = reference(Inputs(CASE), Entry("ours_numpy"))
    check("ours", wanted, loss * (1 + 2e-16), (gradient * (1 - 2e-16),), run_of(None))
    check("ours", wanted, loss, (2 * gradient,), run_of(None, upstream=2.0))
    check("ours", wanted, loss, (gradient.astype(np.float16),), run_of(None, "float16"))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_check_finds_what_is_wrong(dtype: str) -> None:
    """No smoothing, a wrong loss, a missing gradient, and nan are all found, in every dtype."""
    loss, gradient = right_result()
    wanted = reference(Inputs(CASE), Entry("ours_numpy"))
    hard = reference(Inputs(CASE), Entry("ours_numpy", "hard"))
    run = run_of(None, dtype)
    with pytest.raises(Disagreement, match=r"^x: the loss is .*, expected 0\.\d+$"):
        check("x", wanted, loss * 1.1, (gradient,), run)
    with pytest.raises(Disagreement, match="the loss is nan"):
        check("x", wanted, float("nan"), (gradient,), run)
    with pytest.raises(Disagreement, match="0 gradients, expected 1"):
        check("x", wanted, loss, (), run)
    with pytest.raises(Disagreement, match=r"gradient 0 is off by up to 0\.0\d+, .* more than"):
        check("x", wanted, loss, (hard.gradients[0],), run)
    with pytest.raises(Disagreement, match="gradient 0 is off by up to nan"):
        check("x", wanted, loss, (gradient * np.nan,), run)


def test_a_wrong_contestant_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A contestant that forgets the smoothing gets the status "wrong"; one that raises "failed"."""

    def forgets(setup: Setup) -> Run:
        return row.prepare(replace(setup, entry=Entry("", "hard")))

    def raises(setup: Setup) -> Run:
        raise ZeroDivisionError("no\nreason")

    row = CONTESTANTS["ours_numpy"]
    setup = Setup(CASE, Entry("ours_numpy"), Inputs(CASE), 1)
    assert isinstance(prepare(setup, {}), Run)
    monkeypatch.setitem(CONTESTANTS, "ours_numpy", replace(row, prepare=forgets))
    found = prepare(setup, {})
    assert isinstance(found, dict)
    assert found["status"] == "wrong"
    assert found["note"].startswith("ours_numpy, smoothed: the loss is")
    monkeypatch.setitem(CONTESTANTS, "ours_numpy", replace(row, prepare=raises))
    assert prepare(setup, {}) == {"status": "failed", "note": "ZeroDivisionError: no reason"}


def contests(group: Group) -> list[Any]:
    return [(case, entry) for case, entries in group.contests for entry in entries]


@pytest.mark.parametrize("group", host.GROUPS, ids=lambda group: group.name)
def test_everyone_agrees(group: Group) -> None:
    """Each contestant gives what its case asks for, on tiny shapes, or says why it does not."""
    tiny = shrink(group)
    measured = 0
    for case, entries in tiny.contests[:1]:
        inputs: Inputs = Inputs(case)
        known: dict[Any, Any] = {}
        for entry in entries:
            if CONTESTANTS[entry.contestant].compiled:
                continue  # too long for a test; the benchmark checks them as well
            found = prepare(Setup(case, entry, inputs, 2), known)
            if isinstance(found, Run):
                measured += 1
            else:
                assert found["status"] == "skipped", found
                assert "is not installed" in found["note"]
    assert measured > 0


@pytest.mark.parametrize("name", ["ours_jax", "ours_jax_autograd", "optax"])
def test_jax_agrees(name: str) -> None:
    """What is compiled by XLA gives what its case asks for, where JAX is installed."""
    jax = pytest.importorskip("jax")
    if name == "optax":
        pytest.importorskip("optax")
    case = Case(6, 5)
    with jax.enable_x64(False):
        found = prepare(Setup(case, Entry(name, "mixup"), Inputs(case), 1), {})
    assert isinstance(found, Run), found


@pytest.mark.parametrize("groups", [host.GROUPS, gpu.GROUPS], ids=["host", "gpu"])
def test_groups(groups: tuple[Group, ...]) -> None:
    """Groups have names of their own, cells too; contestants exist, and cases have their device."""
    names = [group.name for group in groups]
    assert len(names) == len(set(names))
    for group in groups:
        cells = [cell(case, entry) for case, entry in contests(group)]
        assert len(cells) == len(set(cells)), group.name
        for case, entry in contests(group):
            assert entry.contestant in CONTESTANTS
            assert entry.targets in TARGETS
            assert case.device == ("cpu" if groups is host.GROUPS else "cuda")


@pytest.mark.parametrize(
    ("goals", "groups"), [(CPU_GOALS, host.GROUPS), (GPU_GOALS, gpu.GROUPS)], ids=["host", "gpu"]
)
def test_goals_are_measured(goals: tuple[Goal, ...], groups: tuple[Group, ...]) -> None:
    """Each goal names shapes and entries that its group measures, and must is not above target."""
    by_name = {group.name: group for group in groups}
    for goal in goals:
        measured = {(case.shape, entry) for case, entry in contests(by_name[goal.group])}
        for shape in goal.shapes:
            wanted = {(shape, entry) for entry in (goal.top, goal.bottom) if entry is not None}
            assert wanted <= measured, (goal.text, shape)
        for name in ("default", "kept"):
            must, target = goal.bounds_for(name)
            assert (must <= target) if goal.at_least else (must >= target)


def test_inputs_are_the_same_for_all() -> None:
    """Arrays are made once, from a seed, without zeros, and rounded to the dtype of the case."""
    first, second = Inputs(CASE), Inputs(CASE)
    for name in ("logits", "labels", "epsilon", "dense", "mask", "class_weight"):
        np.testing.assert_array_equal(first.get(name), second.get(name))
    assert first.get("logits", "numpy") is first.get("logits")
    assert np.all(first.get("logits") != 0)
    np.testing.assert_allclose(first.get("dense").sum(axis=1), 1)
    half = Inputs(replace(CASE, dtype="bfloat16"))
    logits = half.get("logits")
    np.testing.assert_array_equal(round_to_bfloat16(logits), logits)
    with pytest.raises(Unsupported, match=r"^NumPy has no bfloat16$"):
        half.get("logits", "numpy")
    with pytest.raises(Unsupported, match=r"^CuPy has no arrays on the host$"):
        convert(np.ones(2), "cupy", "float32")


def test_rounding_to_bfloat16() -> None:
    """Numbers go to the nearest that bfloat16 has, and from the middle to the even one."""
    values = np.array([1.0, 1.0 + 2**-8, 1.0 + 3 * 2**-8, 1.0 + 2**-8 + 2**-20], np.float32)
    want = [1.0, 1.0, 1.0 + 2**-6, 1.0 + 2**-7]
    np.testing.assert_array_equal(round_to_bfloat16(values), np.array(want, np.float32))
