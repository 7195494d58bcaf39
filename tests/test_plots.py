"""Pictures show the numbers that they are given, can be saved, and need matplotlib only then."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets import analysis, plots
from softtargets.plots import style


@pytest.fixture
def pictures() -> None:
    """Leave a test out where there is no matplotlib."""
    pytest.importorskip("matplotlib")


def saved(axes: Any) -> np.ndarray:
    """Return the picture as an array of grey levels, drawn by Agg."""
    pixels = io.BytesIO()
    axes.figure.savefig(pixels, format="rgba", dpi=50)
    flat = np.frombuffer(pixels.getvalue(), dtype=np.uint8).reshape(-1, 4)
    return flat[:, :3].mean(axis=1)


def legend(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


CONFIDENCE = np.array([0.1, np.nan, 0.55, 0.9])
ACCURACY, COUNTS = np.array([0.2, np.nan, 0.5, 0.7]), np.array([10, 0, 30, 60])


@pytest.mark.usefixtures("pictures")
def test_reliability() -> None:
    """Points, bars, boxes and histogram are the numbers of the bins that hold predictions."""
    low, high = ACCURACY - 0.1, ACCURACY + 0.2
    diagram, histogram = plots.reliability(
        CONFIDENCE,
        ACCURACY,
        COUNTS,
        interval=(low, high),
        consistency=(CONFIDENCE - 0.05, CONFIDENCE + 0.05),
        edges=[0, 0.25, 0.5, 0.75, 1],
    )
    shown = [0, 2, 3]
    (measured,) = (c for c in diagram.containers if c.get_label() == "measured")
    np.testing.assert_allclose(measured[0].get_xydata(), np.stack([CONFIDENCE, ACCURACY], 1)[shown])
    segments = np.array(measured[2][0].get_segments())
    np.testing.assert_allclose(segments[:, :, 1], np.stack([low, high], 1)[shown])
    boxes = [(box.get_y(), box.get_height()) for box in diagram.patches]
    np.testing.assert_allclose(boxes, np.stack([CONFIDENCE - 0.05, 0 * CONFIDENCE + 0.1], 1)[shown])
    shares = [bar.get_height() for bar in histogram.patches]
    np.testing.assert_allclose(shares, [0.1, 0, 0.3, 0.6])
    assert legend(histogram) == ["mean confidence 0.715", "accuracy 0.590"]
    assert legend(diagram) == ["calibrated", "range if calibrated", "measured"]
    assert saved(diagram).min() < 128


@pytest.mark.usefixtures("pictures")
def test_reliability_in_given_axes() -> None:
    """A picture is drawn where one asks for it; bins are of equal width unless said otherwise."""
    figure = style.new_figure(4, 4)
    both = figure.add_subplot(2, 1, 1), figure.add_subplot(2, 1, 2)
    assert plots.reliability(CONFIDENCE, ACCURACY, COUNTS, axes=both) == both
    np.testing.assert_allclose([bar.get_x() for bar in both[1].patches], [0, 0.25, 0.5, 0.75])
    assert legend(both[0]) == ["calibrated", "measured"]


@pytest.mark.usefixtures("pictures")
def test_reliability_of_a_record(rng: np.random.Generator) -> None:
    """What calibration says of its bins may be handed in as it is."""
    bins = st.calibration.CalibrationBins(from_logits=True, num_bins=6)
    logits = 2.0 * rng.normal(size=(200, 4))
    bins.update(logits, np.where(rng.uniform(size=200) < 0.5, np.argmax(logits, 1), 0))
    curve = bins.reliability()
    assert np.any(np.asarray(curve.counts) == 0)
    pictures = [
        plots.reliability(curve)[0],
        plots.reliability(
            curve.confidence,
            curve.accuracy,
            curve.counts,
            interval=(curve.accuracy_low, curve.accuracy_high),
            consistency=(curve.consistent_low, curve.consistent_high),
            edges=curve.edges,
        )[0],
    ]
    np.testing.assert_array_equal(*(saved(picture) for picture in pictures))
    labels = [text.get_text() for text in pictures[0].get_legend().get_texts()]
    assert labels == ["calibrated", "range if calibrated", "measured"]


@pytest.mark.usefixtures("pictures")
def test_projection(rng: np.random.Generator) -> None:
    """Each class has its points, and the weights a triangle."""
    weight, labels = rng.normal(size=(4, 6)), np.repeat([3, 0, 2], 5)
    found = analysis.penultimate_projection(weight[labels], weight, (3, 0, 2))
    axes = plots.projection(
        found.points, labels, corners=found.corners, classes=(3, 0, 2), names=["a", "b", "c"]
    )
    assert legend(axes) == ["a", "b", "c", "weights"]
    clouds = [np.asarray(cloud.get_offsets()) for cloud in axes.collections]
    np.testing.assert_allclose(clouds[0::2], found.points.reshape(3, 5, 2))
    np.testing.assert_allclose(clouds[1::2], found.corners[:, None])
    np.testing.assert_allclose(axes.lines[0].get_xydata()[[0, 3]], found.corners[[0, 0]])
    assert saved(axes).min() < 128
    figure = style.new_figure(3, 3)
    bare = plots.projection(found.points, labels, axes=figure.add_subplot())
    assert legend(bare) == ["0", "2", "3"]


@pytest.mark.usefixtures("pictures")
def test_logit_gap() -> None:
    """Means and bands of runs are drawn, and a line where the closed form is finite."""
    steps = np.array([1, 10, 100])
    runs = np.array([[0.1, 2.0, 4.0], [0.3, 3.0, 4.4]])
    axes = plots.logit_gap(steps, {0.1: runs, 0.0: [0.2, 3.0, 7.0]}, 10)
    assert legend(axes) == ["e = 0", "e = 0.1", "closed form"]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines["e = 0"], [0.2, 3.0, 7.0])
    np.testing.assert_allclose(lines["e = 0.1"], [0.2, 2.5, 4.2])
    (band,) = axes.collections
    assert band.get_paths()[0].get_extents().ymax == pytest.approx(4.4)
    exact = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2]
    np.testing.assert_allclose(exact, [[analysis.optimal_logit_gap(0.1, 10)] * 2])
    assert saved(axes).min() < 128
    assert plots.logit_gap(steps, {0.0: runs}, 10, axes=axes) is axes


@pytest.mark.usefixtures("pictures")
def test_sweep() -> None:
    """Values are in the order of the smoothing, with standard errors; each call adds a series."""
    runs = np.array([[3.0, 1.0, 2.0], [5.0, 1.0, 4.0]])
    axes = plots.sweep([0.2, 0.0, 0.1], runs, floor=0.5, label="first", ylabel="ECE")
    line, _, (bars,) = axes.containers[0]
    np.testing.assert_allclose(line.get_xydata(), [[0.0, 1.0], [0.1, 3.0], [0.2, 4.0]])
    heights = np.diff(np.array(bars.get_segments())[:, :, 1], axis=1)[:, 0]
    np.testing.assert_allclose(heights, [0.0, 2.0, 2.0])  # a standard error of 1 to each side
    again = plots.sweep(
        [0.0, 0.1], [2.0, 3.0], errors=[0.5, 0.25], floor=[0.1, 0.2], chosen=0.1, axes=axes
    )
    assert again is axes
    assert axes.containers[1][0].get_color() != line.get_color()
    assert legend(axes) == ["floor", "floor", "chosen: 0.1", "first"]
    assert saved(axes).min() < 128
    single = plots.sweep([0.0, 0.1], [2.0, 3.0])
    assert single.get_legend() is None
    assert single.get_ylabel() == "held-out loss (nats)"


@pytest.mark.usefixtures("pictures")
def test_targets() -> None:
    """Each row is a series of bars over the classes; on a logarithmic scale zeros are not there."""
    t = st.Targets.from_labels(np.array([1, 1]), 3).smooth(np.array([0.0, 0.3]))
    axes = plots.targets(t, names=["hard", "soft"], classes=["x", "y", "z"], log=True)
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, [0, 1, 0, 0.1, 0.8, 0.1], atol=1e-15)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["x", "y", "z"]
    assert axes.get_ylim()[0] == pytest.approx(0.1 / 3)
    assert legend(axes) == ["hard", "soft"]
    assert saved(axes).min() < 128
    many = plots.targets(np.eye(60)[:1], axes=style.new_figure(4, 3).add_subplot())
    assert [tick.get_text() for tick in many.get_xticklabels()][:3] == ["0", "4", "8"]
    assert plots.targets(np.zeros((1, 2)), log=True).get_yscale() == "linear"


def luminance(colour: str) -> float:
    """Return how light a colour is, from 0 to 1 (sRGB)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_without_colour() -> None:
    """Series differ in their marks and hatches as well, and all but the palest can be read."""
    assert len(set(style.COLOURS)) == len(set(style.MARKERS)) == len(set(style.HATCHES)) == 7
    # 3 to 1 on white is what is asked of graphics that carry meaning; the first four have it.
    contrasts = [1.05 / (luminance(colour) + 0.05) for colour in style.COLOURS]
    assert min(contrasts[:4]) > 3
    assert [style.series(i) for i in (0, 7)] == [style.series(0)] * 2


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib a picture says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError) as error:
        plots.sweep([0.0, 0.1], [2.0, 3.0])
    install = "python -m pip install 'softtargets[plots]'"
    assert str(error.value) == f"softtargets.plots needs matplotlib: {install}"


def test_nothing_is_imported_early() -> None:
    """Importing the pictures imports no matplotlib."""
    code = "import sys, softtargets.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
