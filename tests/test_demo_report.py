"""The demo says what was measured, and nothing else: tables, sentences, picture."""

import math

import numpy as np
import pytest

from softtargets.calibration import CalibrationBins
from softtargets.demo import command, picture, sentences, tables
from softtargets.demo.agreement import Curve
from softtargets.demo.measures import Scores
from softtargets.demo.study import Result, Study

#: Differences between seeds that are alike for every amount of smoothing.
SEEDS = np.array([0.02, -0.02, 0.01, -0.01, 0.0])


def scores(value: float, ece: float, nll: float) -> Scores:
    """Return scores with these values and a hundred predictions in two bins."""
    bins = counted(40 * [0.25] + 60 * [0.75], 12 * [1] + 28 * [0] + 52 * [1] + 8 * [0])
    return Scores(accuracy=value, confidence=0.8, nll=nll, ece=ece, floor=0.0123, bins=bins)


def counted(confidence: list[float], hits: list[int]) -> CalibrationBins:
    """Return two bins with these predictions."""
    bins = CalibrationBins(from_logits=False, num_bins=2, scope="positive")
    bins.update(np.array(confidence), np.array(hits))
    return bins


def made_study(
    *, accuracy: float = 0.0, ece: float = 0.0, nll: float = 0.0, amounts: int = 3, seeds: int = 5
) -> Study:
    """Return a study in which smoothing shifts accuracy, calibration error and NLL by so much."""
    results = [
        [
            Result(
                raw=scores(0.9 + seed + accuracy * row, 0.1 + seed / 10 + ece * row, 0.5),
                scaled=scores(0.9 + seed + accuracy * row, 0.02, 0.3 + seed + nll * row),
                temperature=1.5 - 0.5 * row,
                gaps=[1.0, 4.0, 4.4 + row / 10],
                gap=4.4 + row / 10,
            )
            for seed in SEEDS[:seeds]
        ]
        for row in range(amounts)
    ]
    return Study((0.0, 0.1, 0.2)[:amounts], [1, 10, 20], results)


def made_curve(title: str, dtype: str, error: float) -> Curve:
    losses = np.array([[2.0], [1.0 / 3.0]])
    return Curve(title, "1.0", dtype, losses * (1 + error), 0.25)


CURVES = [
    made_curve("NumPy", "float64", 0.0),
    made_curve("NumPy", "float32", 1.1e-6),
    made_curve("PyTorch", "float64", 1.1e-14),
    made_curve("PyTorch", "float32", 1.1e-6),
    made_curve("JAX", "float32", 1.2e-6),
]


def words(line: str) -> str:
    """Return a line without its alignment."""
    return " ".join(line.split())


def test_table() -> None:
    """The first column is aligned to the left, numbers to the right, with nothing after them."""
    assert tables.table(["name", "a"], [["x", "1.5"], ["longer", ""]]) == [
        "name      a",
        "-----------",
        "x       1.5",
        "longer",
    ]


def test_differences_are_clear() -> None:
    """Clear is what exceeds three standard errors, with five seeds or more, in both directions."""
    assert tables.Difference(3.1, 1.0, 5).clear
    assert tables.Difference(-3.1, 1.0, 5).clear
    assert not tables.Difference(3.0, 1.0, 5).clear
    assert not tables.Difference(9.0, 1.0, 4).clear
    assert not tables.Difference(9.0, math.nan, 1).clear


def test_differences_are_paired() -> None:
    """What all seeds have in common leaves no error, and one seed tells nothing of it."""
    paired = tables.difference(made_study(accuracy=0.01), "raw.accuracy", 2)
    assert (paired.mean, paired.seeds) == (pytest.approx(0.02), 5)
    assert paired.error < 1e-15
    spread = tables.spread(made_study().values("raw.accuracy")[0])
    assert spread == pytest.approx(np.sqrt(np.sum(SEEDS**2) / 4))
    assert math.isnan(tables.difference(made_study(seeds=1), "raw.accuracy", 1).error)
    # With the seeds of one row in another order the differences vary.
    done = made_study()
    done.results[1] = done.results[1][::-1]
    paired = tables.difference(done, "raw.accuracy", 1)
    changes = SEEDS[::-1] - SEEDS
    assert paired.error == pytest.approx(np.sqrt(np.sum(changes**2) / 4 / 5))


def test_tables_of_a_study() -> None:
    """Each table has a row for each amount, with mean and deviation in the units of its header."""
    done = made_study(accuracy=0.01, ece=0.1, nll=-0.05)
    trained = tables.as_trained(done)
    assert trained[0].split("  ")[0] == "smoothing"
    assert words(trained[2]) == "0 90.0 ± 1.6 80.0 ± 0.0 0.500 ± 0.000 10.0 ± 0.2 1.2"
    assert words(tables.with_temperature(done)[3]).startswith("0.1 1.00 ± 0.00 80.0 ± 0.0 0.2")
    last = "0.2 +2.0 ± 0.0 * +20.0 ± 0.0 * +0.0 ± 0.0 -0.100 ± 0.000 *"
    assert words(tables.differences(done)[4]) == last
    assert words(tables.differences(done)[2]) == "0 0 0 0 0"
    assert words(tables.gaps(done)[2]) == "0 4.400 ± 0.000 infinite"
    assert words(tables.gaps(done)[3]) == "0.1 4.500 ± 0.000 4.511 -0.011"
    for table in (trained, tables.with_temperature(done), tables.differences(done)):
        assert len(table) == 5
        assert max(len(line) for line in table) <= 80


def test_tables_of_one_seed() -> None:
    """Without a second seed there is no deviation, and no comparison."""
    assert words(tables.as_trained(made_study(seeds=1))[2]) == "0 92.0 80.0 0.500 10.2 1.2"
    text = "\n".join(command.show_study(made_study(seeds=1)))
    assert "(one seed)" in text
    assert "±" not in text
    assert "Difference to" in "\n".join(command.show_study(made_study()))


def test_digits() -> None:
    """Digits are those of the largest relative difference, rounded down; equal losses have all."""
    reference = CURVES[0]
    assert CURVES[2].digits(reference) == pytest.approx(14 - math.log10(1.1), abs=0.05)
    assert reference.digits(reference) == math.inf
    losses = reference.losses * np.array([[1 + 1e-9], [1 - 1e-5]])
    worst = Curve("JAX", "1.0", "float64", losses, 0.0).digits(reference)
    assert worst == pytest.approx(5, abs=1e-5)
    assert [tables.digits_text(d) for d in (6.6999, math.inf)] == ["6.6", "all"]


def test_table_of_libraries() -> None:
    """Each library is compared with NumPy in its own numbers, float32 with float64 as well."""
    lines = [words(line) for line in tables.agreement(CURVES)[2:]]
    assert lines[0] == "NumPy 1.0 float64 - 0.333333333333 0.2"
    assert lines[1] == "NumPy 1.0 float32 5.9 - 0.333334 0.2"
    assert lines[2] == "PyTorch 1.0 float64 13.9 0.333333333333 0.2"
    assert lines[3] == "PyTorch 1.0 float32 5.9 all 0.333334 0.2"


def spoken(study: Study) -> str:
    return sentences.headline(study, sentences.focus(study))


def test_headline_follows_the_numbers() -> None:
    """The verdict on the common account is drawn from the sign and the size of the change."""
    against = spoken(made_study(accuracy=0.01, ece=0.1, nll=-0.1))
    assert "smoothing 0.1 instead of 0 raised the accuracy and raised the calibration" in against
    assert "it lowered their negative log-likelihood. That goes against the common" in against
    account = spoken(made_study(accuracy=-0.01, ece=-0.02, nll=0.1))
    assert "lowered the accuracy and lowered the calibration error" in account
    assert "raised their negative log-likelihood. That is in line with the common" in account
    nothing = spoken(made_study())
    assert nothing.count("made no clear difference to") == 3
    assert "neither supports nor contradicts" in nothing
    few = spoken(made_study(accuracy=0.01, ece=0.1, nll=-0.1, seeds=4))
    assert few == "In short: with fewer than 5 seeds no difference is called clear."


def test_sentences_give_the_numbers() -> None:
    """Numbers before and after, their change, and confidence beside accuracy."""
    done = made_study(accuracy=0.01, ece=0.1, nll=-0.1)
    assert sentences.accuracy(done, 1) == "Accuracy: from 90.0 to 91.0 % (+1.0 ± 0.0 points)."
    trained = sentences.calibration(done, 1)
    assert "from 10.0 to 20.0 % (+10.0 ± 0.0 points); it would be 1.2 % if" in trained
    assert "underconfident: 80 % sure and 91 % right" in trained
    assert "overconfident: 80 % sure and 70 %" in sentences.calibration(
        made_study(accuracy=-0.2), 1
    )
    scaled = sentences.temperature(done, 1)
    assert "(1.00 with smoothing 0.1, 1.50 with 0), brings that error from 20.0 to 2.0 %" in scaled
    assert "from 0.300 to 0.200 nats (-0.100 ± 0.000 nats)" in scaled


def test_sentence_of_the_gap() -> None:
    """The largest distance to a closed form; without smoothing, whether the gap still grows."""
    done = made_study()
    off = 100 * (4.6 / 3.7135720667 - 1)
    assert f"within {off:.1f} % of the closed form" in sentences.gap(done)
    grows = "where the best gap is infinite, 4.0 after 10 steps and 4.4 after 20, still growing."
    assert sentences.gap(done).endswith(grows)
    for row in done.results:
        row[:] = [Result(r.raw, r.scaled, r.temperature, [9.0, 8.0, 7.0], 7.0) for r in row]
    assert "8.0 after 10 steps and 7.0 after 20, not growing." in sentences.gap(done)
    smoothed = Study((0.1, 1.0), [1, 20], made_study(amounts=2).results)
    assert "infinite" not in sentences.gap(smoothed)
    assert sentences.gap(smoothed).endswith("with smoothing 1, where the best gap is 0, 4.5.")
    assert "closed form" not in sentences.gap(made_study(amounts=1))


def test_sentence_of_the_libraries() -> None:
    """The least number of digits of all libraries, in each kind of numbers."""
    expected = (
        "Libraries: over 2 steps the losses on PyTorch and JAX agree with those on NumPy in at "
        "least 13.9 digits in float64 and at least 7.0 digits in float32."
    )
    assert sentences.libraries(CURVES) == expected
    assert "in all digits in float64." in sentences.libraries([*CURVES[:2], CURVES[0]])
    assert sentences.libraries(CURVES[:2]).endswith("there was nothing to compare.")
    assert sentences.enumeration(["a", "b", "c"]) == "a, b and c"


def test_all_sentences() -> None:
    """With one amount of smoothing there is nothing to compare it with."""
    assert len(sentences.all_sentences(made_study(), CURVES)) == 6
    assert len(sentences.all_sentences(made_study(amounts=1), CURVES)) == 2


@pytest.mark.parametrize(("amounts", "seeds"), [(3, 5), (1, 1)])
def test_picture(amounts: int, seeds: int) -> None:
    """Every panel has labelled axes and shows the numbers of the study."""
    pytest.importorskip("matplotlib")
    done = made_study(ece=0.1, amounts=amounts, seeds=seeds)
    figure = picture.make_figure(done)
    reliability, gaps, accuracy, calibration = figure.axes
    assert all(axes.get_ylabel() for axes in figure.axes)
    assert all(axes.get_xlabel() for axes in (reliability, gaps, calibration))
    diagonal, trained = reliability.get_lines()[:2]
    np.testing.assert_allclose(diagonal.get_xydata(), [[0, 0], [1, 1]])
    shown = [[0.25, 12 / 40], [0.75, 52 / 60]]
    np.testing.assert_allclose(trained.get_xydata(), shown)
    np.testing.assert_allclose(gaps.get_lines()[0].get_ydata(), [1.0, 4.0, 4.4])
    means = 100 * np.mean(done.values("raw.accuracy"), axis=1)
    np.testing.assert_allclose(accuracy.get_lines()[seeds].get_ydata(), means)
    assert [text.get_text() for text in calibration.get_legend().get_texts()] == [
        "as trained",
        "with one temperature",
        "if calibration were perfect",
    ]


def test_bins_of_all_seeds_are_pooled() -> None:
    """Counts, confidences and hits add up over seeds."""
    parts = [counted([0.5, 0.75], [0, 1]), counted([0.75, 1.0, 0.25], [1, 0, 1])]
    curve = picture.pooled(parts)
    np.testing.assert_array_equal(curve.counts, [2, 3])
    np.testing.assert_allclose(curve.confidence, [0.375, 2.5 / 3])
    np.testing.assert_allclose(curve.accuracy, [0.5, 2 / 3])
