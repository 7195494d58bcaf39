"""The demo computes what it says: measures, network, training, the study, the comparison."""

import math
from dataclasses import replace

import array_api_compat
import numpy as np
import pytest

import softtargets as st
from softtargets._array import backends
from softtargets.demo import agreement, data, libraries, measures, network, study, training
from softtargets.demo.needs import DemoError
from tests.backends import Variant, assert_close, assert_follows

# A published vector: five rows of logits with their labels.
LOGITS = np.array([[4, 1, 0], [2, 3, -1], [0.5, 0, 3], [3, 2.5, 0], [1, 2, 0]])
LABELS = np.array([0, 1, 2, 1, 0])


@pytest.fixture
def digits(rng: np.random.Generator) -> data.Part:
    """Images of ten kinds that can be learnt: a pattern for each label, and noise."""
    labels = rng.integers(0, 10, 700)
    patterns = rng.uniform(size=(10, 64))
    return data.Part(0.7 * patterns[labels] + 0.3 * rng.uniform(size=(700, 64)), labels)


def nothing() -> None:
    pass


def test_scores() -> None:
    """Accuracy, confidence and NLL agree with a plain softmax."""
    p = np.exp(LOGITS) / np.sum(np.exp(LOGITS), axis=1, keepdims=True)
    found = measures.scores(LOGITS, LABELS)
    assert found.accuracy == 0.6
    assert found.confidence == pytest.approx(np.mean(np.max(p, axis=1)), rel=1e-14)
    assert found.nll == pytest.approx(-np.mean(np.log(p[np.arange(5), LABELS])), rel=1e-14)
    assert found.nll == pytest.approx(0.5857044740, abs=5e-11)
    assert found.ece == pytest.approx(float(found.bins.error()), rel=1e-14)
    assert found.floor == pytest.approx(float(found.bins.noise_floor()), rel=1e-14)


def test_logit_gap() -> None:
    """The gap is the label's logit minus the mean of the others."""
    expected = np.mean([3.5, 2.5, 2.75, 1.0, 0.0])
    assert measures.logit_gap(LOGITS, LABELS) == pytest.approx(expected, rel=1e-14)


def test_parts_and_batches(digits: data.Part) -> None:
    """The parts hold each image once; batches go through a part before they repeat an image."""
    named = data.Part(digits.images, np.arange(700))
    parts = data.split(named, seed=3)
    assert [len(part.labels) for part in parts] == [300, 300, 100]
    assert sorted(np.concatenate([part.labels for part in parts])) == list(range(700))
    np.testing.assert_array_equal(parts.test.images, digits.images[parts.test.labels])
    assert not np.array_equal(data.split(named, seed=4).test.labels, parts.test.labels)
    seen = np.concatenate([batch.labels for batch in data.batches(parts.train, 3, 10)])
    assert len(seen) == 640
    assert sorted(seen[:300]) == sorted(seen[300:600]) == sorted(parts.train.labels)
    assert not np.array_equal(seen[:300], seen[300:600])


def place_of(backend: Variant) -> libraries.Place:
    """Where the demo trains with this library."""
    return libraries.Place(backend.backend, backend.backend.devices_present()[0])


def small_problem(backend: Variant, dtype: str) -> tuple[object, ...]:
    """Weights of two networks that differ, images, labels and an amount for each network."""
    rng = np.random.default_rng(5)
    weights = network.start(1, 2)[0] + rng.normal(0, 0.05, (2, 17226))
    images, labels = rng.uniform(size=(6, 64)), rng.integers(0, 10, 6)
    arrays = (backend.asarray(part, dtype) for part in (weights, images))
    return (*arrays, backend.asarray(labels), backend.asarray([[0.0], [0.3]], dtype))


def test_network_gradient(backend: Variant) -> None:
    """The gradient is that of central differences, and follows the weights."""
    dtype = "float64" if "float64" in backend.dtypes else "float32"
    problem = small_problem(backend, dtype)
    losses, gradient = place_of(backend).compiled(network.loss_and_gradient)(*problem)
    assert_follows(gradient, problem[0])
    numpy = [backend.to_numpy(part).astype(np.float64) for part in problem]
    numpy[2] = numpy[2].astype(np.int64)
    weights = numpy[0]
    for at in (0, 700, 8191, 8192, 8300, 12000, 16511, 16600, 17225):
        step = np.zeros_like(weights)
        step[:, at] = 1e-5
        up, down = (network.loss_and_gradient(weights + d, *numpy[1:])[0] for d in (step, -step))
        # Central differences of losses of about 3 are good to about eps * 3 / 1e-5.
        expected = (up - down) / 2e-5
        tolerance = 1e-10 if dtype == "float64" else 1e-6
        np.testing.assert_allclose(
            backend.to_numpy(gradient)[:, at], expected, rtol=2e-5, atol=tolerance
        )
    assert_close(losses, network.loss_and_gradient(*numpy)[0], ulps=200, dtype=dtype)


def test_network_forward() -> None:
    """Hidden layers are ReLU of an affine map, the last one is affine; networks are separate."""
    weights, images, labels, smoothing = small_problem(Variant("numpy", "numpy"), "float64")
    (first, a), (second, b), (third, c) = network.layers(weights)
    x = np.maximum(np.einsum("bi,nio->nbo", images, first) + a, 0)
    x = np.maximum(np.einsum("nbi,nio->nbo", x, second) + b, 0)
    expected = np.einsum("nbi,nio->nbo", x, third) + c
    np.testing.assert_allclose(network.forward(weights, images)[-1], expected, atol=1e-13)
    alone = network.loss_and_gradient(weights[1:], images, labels, smoothing[1:])
    together = network.loss_and_gradient(weights, images, labels, smoothing)
    np.testing.assert_array_equal(alone[1][0], together[1][1])


def test_adam() -> None:
    """Each weight moves as in the published algorithm, written here for one number."""
    w, m, v = 0.5, 0.0, 0.0
    state = np.zeros((3, 1, 1)) + np.array([0.5, 0.0, 0.0])[:, None, None]
    for count, gradient in enumerate((0.3, -2.0, 0.01), start=1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient * gradient
        w -= 0.01 * (m / (1 - 0.9**count)) / (math.sqrt(v / (1 - 0.999**count)) + 1e-8)
        g = np.array([[gradient]])
        state = network.adam(state, g, 0.01, network.corrections(count))
        np.testing.assert_allclose(state[:, 0, 0], [w, m, v], rtol=1e-13)


def test_rates() -> None:
    """Learning rates begin at the full one, and half of the way is half of it."""
    rates = training.cosine(10)
    assert rates[0] == training.RATE
    assert rates[5] == pytest.approx(training.RATE / 2)
    assert sorted(rates, reverse=True) == rates
    assert 0 < rates[-1] < training.RATE / 20


def test_every_library_learns_the_same(backend: Variant, digits: data.Part) -> None:
    """Each library follows NumPy's learning curve, as the demo runs it, and the loss falls."""
    place = place_of(backend)
    reference = libraries.Place(backends.find("numpy"), "cpu")
    for dtype in place.dtypes():
        curve, expected = (
            agreement.learning_curve(each, dtype, digits, (0.0, 0.2), 4, nothing)
            for each in (place, reference)
        )
        assert (curve.dtype, curve.losses.shape) == (dtype, (4, 2))
        assert np.all(curve.losses[-1] < curve.losses[0])
        # Adam's first steps divide by the size of a gradient: small ones lose digits there.
        assert curve.digits(expected) > (10 if dtype == "float64" else 3.5)


def test_training_follows_the_state(backend: Variant) -> None:
    """The training loop takes arrays of any library and device, and stays there."""
    weights, images, labels, smoothing = small_problem(backend, "float32")
    xp = array_api_compat.array_namespace(weights)
    state = xp.stack([weights, 0 * weights, 0 * weights])
    step = place_of(backend).compiled(training.step)
    batches = [data.Part(images, labels)]
    ((after, losses),) = training.train(state, smoothing, batches, [1e-3], step)
    assert_follows(after, state)
    assert_follows(losses, state)
    changed = np.mean(backend.to_numpy(after) != backend.to_numpy(state), axis=(1, 2))
    assert np.all(changed > 0.3)


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy always takes part; what cannot be used is told, and an error where it was named."""
    assert set(libraries.NAMESPACES) == {row.name for row in backends.BACKENDS}
    numpy = backends.find("numpy")
    gpu = replace(numpy, name="torch", title="PyTorch", devices=("cpu", "cuda"))
    monkeypatch.setattr(libraries, "BACKENDS", (numpy, gpu, replace(numpy, module="nowhere")))
    monkeypatch.setattr(backends.Backend, "devices_present", lambda self: self.devices)
    found, missing = libraries.places(None, nothing)
    assert [place.title for place in found] == ["NumPy", "PyTorch", "PyTorch on cuda"]
    assert missing == ["NumPy is not installed"]
    with pytest.raises(DemoError, match="backend numpy: NumPy is not installed"):
        libraries.places(["torch"], nothing)
    monkeypatch.setattr(libraries, "BACKENDS", (numpy, replace(gpu, name="jax")))
    assert [place.title for place in libraries.places(["numpy"], nothing)[0]] == ["NumPy"]


def test_place_makes_copies() -> None:
    """Arrays are made on the device that is asked for, and do not share memory."""
    values = np.zeros(3)
    for default in (True, False):
        array = libraries.Place(backends.find("numpy"), "cpu", default).asarray(values, "float32")
        assert array.dtype == np.float32
        array += 1
    assert values.tolist() == [0, 0, 0]


def test_parts_have_their_uses(digits: data.Part, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are trained on one part, temperatures fitted on another, scores are of the third."""
    trained_on = []
    real = data.batches

    def batches(part: data.Part, *arguments: int) -> object:
        trained_on.append(part)
        return real(part, *arguments)

    monkeypatch.setattr(data, "batches", batches)
    study.run_study(digits, (0.1,), 1, 2, nothing)
    parts = data.split(digits, 0)
    np.testing.assert_array_equal(trained_on[0].labels, parts.train.labels)

    rng = np.random.default_rng(9)
    logits = [3 * np.eye(10)[p.labels] + rng.normal(0, 2, (len(p.labels), 10)) for p in parts]
    result = study.assess(logits, parts, [1.5])
    fitted = st.calibration.fit_temperature(logits[1], parts.validation.labels).temperature
    assert result.temperature == fitted
    assert result.raw.nll == float(st.cross_entropy(logits[2], parts.test.labels))
    assert result.scaled.nll == float(st.cross_entropy(logits[2] / fitted, parts.test.labels))
    assert (result.gap, result.gaps) == (measures.logit_gap(logits[0], parts.train.labels), [1.5])


def test_study(digits: data.Part) -> None:
    """Networks of one seed differ in nothing but smoothing, and results have their places."""
    steps = [0]
    done = study.run_study(digits, (0.0, 0.3, 0.3), 2, 20, lambda: steps.append(1))
    assert len(steps) == 41
    assert done.seeds == 2
    assert (done.moments[0], done.moments[-1]) == (1, 20)
    accuracy = done.values("raw.accuracy")
    assert accuracy.shape == (3, 2)
    assert np.all(accuracy > 0.5)
    assert done.results[1][0].raw.nll == done.results[2][0].raw.nll != done.results[0][0].raw.nll
    assert done.values("gaps").shape == (3, 2, len(done.moments))
    # Measured in float32 on the way, and in float64 at the end.
    np.testing.assert_allclose(done.values("gaps")[..., -1], done.values("gap"), rtol=1e-5)
    np.testing.assert_array_equal(done.values("scaled.accuracy"), accuracy)
