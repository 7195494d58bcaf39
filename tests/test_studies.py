"""The studies measure and judge what they say; tiny runs, and the pages that were written."""

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

import softtargets as st
from softtargets._array import backends
from softtargets.demo import network
from softtargets.demo.libraries import Place
from softtargets.demo.tables import Difference
from studies import findings, lessons, noise, report, running, training
from studies.__main__ import GENERATED, ONE_THREAD, main
from studies.results import Results
from studies.study import Settings

TINY = Settings(seeds=2, share=0.004)
VERDICTS = {findings.SHOWN, findings.NOT_SHOWN, findings.OPPOSITE}
ROOT = Path(__file__).parent.parent


def test_every_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run writes numbers, a page and a picture of each study, all verdicts and what to take from
    them; the pages can be made anew from the numbers alone.
    """
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "1")
    share = ["--seeds", str(TINY.seeds), "--share", str(TINY.share), "--workers", "0"]
    assert main([*share, "--output", str(tmp_path)]) == 0
    names = set(running.STUDIES)
    for ending in ("csv", "md", "png"):
        assert names <= {path.stem for path in tmp_path.glob(f"*.{ending}")}
    pages = {path: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.md")}
    for path in pages:
        path.unlink()
    assert main(["--report", "--output", str(tmp_path)]) == 0
    assert {path: path.read_text(encoding="utf-8") for path in pages} == pages
    verdicts = pages[tmp_path / report.VERDICTS]
    for name, results in report.read_all(tmp_path).items():
        found = running.STUDIES[name].findings(results)
        assert {finding.verdict for finding in found} <= VERDICTS
        assert verdicts.count(f"| {name} |") == len(found) > 2
        assert all(np.all(np.isfinite(row)) for row in results.table.values())


def test_a_run_can_be_repeated() -> None:
    """The same seed gives the same numbers."""
    first, second = (running.run_seed(["large"], 1, TINY) for _ in range(2))
    assert first == second


def test_bad_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown study and a single seed are refused in a line."""
    for arguments, message in (
        (["nothing"], "no study is called nothing; there are gap, floor, clusters, "),
        (["--seeds", "1"], "seeds must be at least 2, for a standard error, got 1"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mean", "sign", "verdict"),
    [(0.31, 1, "shown"), (0.31, -1, "the opposite"), (-0.29, -1, "not shown")],
)
def test_differences_are_judged(mean: float, sign: int, verdict: str) -> None:
    """Beyond three standard errors a difference is shown, or the opposite is."""
    found = findings.differs("it moves", Difference(mean, 0.1, 12), sign, 2, 100, "points")
    assert found.verdict == verdict
    assert found.measured == f"{100 * mean:+.2f} ± 10.00 points"


@pytest.mark.parametrize(
    ("mean", "same", "kept"),
    [
        (0.0, "shown", "shown"),
        (0.8, "not shown", "shown"),
        (-0.2, "shown", "shown"),
        (-0.8, "not shown", "the opposite"),
        (-1.4, "the opposite", "the opposite"),
    ],
)
def test_margins_are_judged(mean: float, same: str, kept: str) -> None:
    """To be the same, or no worse, takes more than not being different."""
    difference = Difference(mean, 0.1, 12)
    assert findings.within("same", difference, 1.0, 1).verdict == same
    assert findings.no_worse("no worse", difference, 1.0, 1).verdict == kept
    vague = Difference(-0.1, 0.5, 12)
    assert findings.no_worse("no worse", vague, 1.0, 1).verdict == "not shown"


def test_numbers_known_in_advance_are_judged() -> None:
    """A mean has to come near its theory, and every deviation has to be below its bound."""
    values = np.array([4.50, 4.52])
    assert findings.reaches("it arrives", values, 4.511, 0.02, 3) == findings.Finding(
        "it arrives", "4.510 ± 0.010, theory 4.511", "shown"
    )
    assert findings.reaches("it arrives", values, 4.6, 0.02, 3).verdict == "not shown"
    assert findings.below("it is small", np.array([1e-13, -2e-12]), 1e-12).verdict == "not shown"
    assert findings.below("it is small", np.array([1e-13, -2e-13]), 1e-12).verdict == "shown"


def test_results(tmp_path: Path) -> None:
    """Numbers survive their file; means, errors and paired differences are those of NumPy."""
    seeds = [{("a", "x"): 0.1, ("b", "x"): 0.3}, {("a", "x"): 0.2, ("b", "x"): 0.5}]
    results = Results.of(seeds)
    results.write(tmp_path / "numbers.csv")
    again = Results.read(tmp_path / "numbers.csv")
    assert list(again.table) == [("a", "x"), ("b", "x")]
    np.testing.assert_array_equal(again.values("b", "x"), [0.3, 0.5])
    assert again.cell("b", "x", 1, 100) == "40.0 ± 10.0"
    found = again.difference("x", "b", "a")
    np.testing.assert_allclose(found[:2], [0.25, 0.05])
    assert again.measures("a", "x") == ["x"]
    assert again.seeds == 2


def test_losses_of_the_loop(rng: np.random.Generator) -> None:
    """Every way to give a loss has the gradient of the mean loss of each network."""
    labels, rows = rng.integers(0, 10, 20), np.array([3, 1, 7, 7])
    logits = rng.normal(size=(2, 4, 10))
    amounts = np.array([[0.0], [0.3]])
    expected = np.stack(
        [
            st.value_and_grad(st.cross_entropy)(x, labels[rows], label_smoothing=float(e))[1]
            for x, e in zip(logits, amounts[:, 0], strict=True)
        ]
    )
    together = training.cross_entropy(labels, amounts)
    stacked = training.cross_entropy(np.stack([labels, labels]), amounts)
    apart = training.side_by_side(
        [training.of_rows(st.cross_entropy, labels), training.cross_entropy(labels, 0.3)]
    )
    for loss in (together, stacked, apart):
        np.testing.assert_allclose(loss(logits, rows), expected, atol=1e-16)
    teacher = rng.normal(size=(20, 10))
    follow = training.of_rows(st.distillation, teacher, temperature=2.0)
    exact = st.value_and_grad(st.distillation)(logits[1], teacher[rows], temperature=2.0)[1]
    np.testing.assert_allclose(follow(logits, rows)[1], exact, atol=1e-16)


def test_momentum() -> None:
    """The rate falls from 0.05, and the velocity is a sum of gradients that fade."""
    state, g = np.zeros((3, 1, 2)), np.array([[1.0, -2.0]])
    for rate in (0.002, 0.001):
        state = training.momentum(state, g, rate, (1.0, 1.0))
    np.testing.assert_allclose(state[0], -(0.05 + 0.025 * 1.9) * g)
    np.testing.assert_allclose(state[1], 1.9 * g)


def test_noise_of_labels() -> None:
    """Labels flip to each other class at the rate, and with more noise those of less flip too."""
    labels = np.zeros(20_000, dtype=np.int64)
    few, many = (training.flipped(labels, rate, seed=1) for rate in (0.2, 0.4))
    # Five standard deviations of a frequency near 0.2, and of a ninth of it.
    assert abs(np.mean(few != 0) - 0.2) < 0.015
    counts = np.bincount(few, minlength=10)[1:] / 20_000
    assert np.all(np.abs(counts - 0.2 / 9) < 0.006)
    assert np.all(many[few != 0] == few[few != 0])


def test_training_learns(rng: np.random.Generator) -> None:
    """Networks of any sizes fit a few images, and weights are kept at the moments asked for."""
    images = rng.uniform(size=(20, 64)).astype(np.float32)
    labels = rng.integers(0, 10, 20)
    loss = training.cross_entropy(labels, np.zeros((3, 1), dtype=np.float32))
    sizes = (64, 64, 10)
    kept = training.train(images, loss, 0, 300, 3, sizes=sizes, moments=[1, 50])
    reports = [
        st.analysis.loss_report(network.forward(weights, images, sizes)[-1][2], labels)
        for weights in kept
    ]
    losses = [float(each.loss) for each in reports]
    assert len(kept) == 3
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2


def test_two_libraries_give_the_same_numbers() -> None:
    """The study of noise runs unchanged on PyTorch and agrees with NumPy."""
    numbers = {}
    for name in noise.LIBRARIES:
        backend = backends.find(name)
        if why := backend.why_unusable():
            pytest.skip(why)
        place = Place(backend, backend.devices_present()[0])
        numbers[name] = noise.measure_on(place, 0, TINY)
    mine, other = (numbers[name] for name in noise.LIBRARIES)
    assert set(mine) == set(other)
    for key in mine:
        # Identities are of the size of rounding, which differs.
        bound = 1e-12 if key[0] == "identity" else 1e-9 * abs(mine[key])
        assert abs(mine[key] - other[key]) <= bound, key


def test_processes_give_the_same_numbers() -> None:
    """Seeds in processes of their own are the seeds of this one."""
    done = itertools.count()
    (alone,), (spread,) = (
        running.run({"large"}, TINY, workers, lambda: next(done)) for workers in (0, 1)
    )
    assert next(done) == 2 * TINY.seeds
    for key, row in alone["large"].table.items():
        np.testing.assert_array_equal(spread["large"].table[key], row)


@pytest.mark.repository
def test_pages_show_the_numbers() -> None:
    """What is committed for the pages is what the report makes of the numbers that are committed,
    of every study.
    """
    found = report.read_all(GENERATED)
    assert set(found) == set(running.STUDIES)
    expected = {
        name: report.page_lines(running.STUDIES[name], results) for name, results in found.items()
    }
    expected["verdicts"] = report.verdict_lines(found, report.read_about(GENERATED))
    expected["lessons"] = lessons.lines(found)
    for name, lines in expected.items():
        page = (GENERATED / f"{name}.md").read_text(encoding="utf-8")
        assert page.splitlines() == lines
    for name, results in found.items():
        assert (GENERATED / f"{name}.png").is_file()
        assert results.seeds == Settings.seeds >= 10


@pytest.mark.repository
def test_designs_are_those_of_the_code() -> None:
    """The numbers in the designs on the pages are the settings of the studies."""
    from studies import accuracy, clusters, converged, distillation, large, penalty, sweep

    steps = {
        "gap": [f"{converged.TRAIN} training images, {converged.STEPS} steps"],
        "floor": [f"{converged.TRAIN} training images, {converged.STEPS} steps"],
        "clusters": ["{}, {} and {} steps".format(*converged.LOOKS), f"e = {clusters.CHANGED}"],
        "accuracy": [
            f"300 training images, {sweep.STEPS} steps",
            f"{accuracy.MORE} training images, {accuracy.MORE_STEPS} steps",
        ],
        "temperature": [f"300 training images, {sweep.STEPS} steps"],
        "distillation": [f"{distillation.TRAIN} images", f"{distillation.STEPS} steps"],
        "large": [f"{large.STEPS} steps", f"{large.MORE_STEPS} steps"],
        "penalty": [f"300 training images, {penalty.STEPS} steps"],
        "noise": [f"300 training images, {noise.STEPS} steps", f"r = {100 * noise.RATE:g} %"],
    }
    assert set(steps) == set(running.STUDIES)
    for name, texts in steps.items():
        page = (ROOT / "docs" / "studies" / f"{name}.md").read_text(encoding="utf-8")
        for text in (*texts, f"{Settings.seeds} seeds", f"_generated/studies/{name}.md"):
            assert text in page, (name, text)
