"""Calibration where values cannot be seen: lazy arrays, compiled and transformed code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softtargets as st

cal = st.calibration
RNG = np.random.default_rng(43)
X = RNG.standard_normal((60, 4)).astype(np.float32)
Y = RNG.integers(0, 4, 60)


def counted() -> Any:
    bins = cal.CalibrationBins(from_logits=True, num_bins=5)
    bins.update(X, Y)
    return bins


class TestDask:
    """Counters are lazy; what needs order or numbers says so, or computes."""

    da: Any = None

    @pytest.fixture(autouse=True)
    def _dask(self) -> None:
        self.da = pytest.importorskip("dask.array")

    def arrays(self) -> tuple[Any, Any]:
        return self.da.from_array(X, chunks=(17, 4)), self.da.from_array(Y, chunks=17)

    def test_nothing_is_computed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Errors, floors and scores are Dask arrays, and are computed when asked for."""

        def refuse(*args: Any, **words: Any) -> None:
            raise AssertionError("computed")

        with monkeypatch.context() as patch:
            patch.setattr("dask.base.get_scheduler", refuse)
            bins = cal.CalibrationBins(from_logits=True, num_bins=5)
            bins.update(*self.arrays())
            bins.update(*self.arrays())
            lazy = {
                "error": bins.error(),
                "floor": bins.noise_floor(),
                "norm 2": bins.error(norm=2, debias=True),
                "brier": cal.brier_score(*self.arrays(), from_logits=True),
                "nll": cal.negative_log_likelihood(*self.arrays(), from_logits=True),
            }
        twice = counted().merge(counted())
        same = {
            "error": twice.error(),
            "floor": twice.noise_floor(),
            "norm 2": twice.error(norm=2, debias=True),
            "brier": cal.brier_score(X, Y, from_logits=True),
            "nll": cal.negative_log_likelihood(X, Y, from_logits=True),
        }
        found = self.da.compute(lazy, scheduler="synchronous")[0]
        assert found == pytest.approx({k: float(v) for k, v in same.items()}, rel=1e-6)

    def test_reports_compute(self) -> None:
        """A report and a fit hold plain numbers."""
        import dask

        with dask.config.set(scheduler="synchronous"):
            report = cal.calibration_report(*self.arrays(), num_bins=5)
            fit = cal.fit_temperature(*self.arrays())
        assert report.calibration_error == pytest.approx(float(counted().error()), rel=1e-6)
        assert report.num_rows == 60
        assert fit.temperature == pytest.approx(cal.fit_temperature(X, Y).temperature, rel=1e-3)


class TestJax:
    """Counters can be made inside of compiled code, and measures of them too."""

    jax: Any = None

    @pytest.fixture(autouse=True)
    def _jax(self) -> None:
        self.jax = pytest.importorskip("jax")

    def test_counters_of_compiled_code(self) -> None:
        """The state that compiled code returns is that of the same rows counted outside."""
        jax = self.jax

        @jax.jit
        def step(x: Any, y: Any) -> Any:
            bins = cal.CalibrationBins(from_logits=True, num_bins=5)
            bins.update(x, y)
            return bins.state_dict(), bins.error()

        state, error = step(jax.numpy.asarray(X), jax.numpy.asarray(Y))
        bins = cal.CalibrationBins(from_logits=True, num_bins=5)
        bins.load_state_dict(state)
        expected = counted()
        assert np.asarray(state["counts"]).tolist() == expected.state_dict()["counts"].tolist()
        assert float(error) == pytest.approx(float(expected.error()), rel=1e-5)
        assert float(bins.error()) == pytest.approx(float(error), rel=1e-6)

    def test_records_are_refused(self) -> None:
        """A report, a fit and a curve hold numbers, which compiled code has not got yet."""
        jax = self.jax
        x, y = jax.numpy.asarray(X), jax.numpy.asarray(Y)

        def curve(x: Any, y: Any) -> Any:
            bins = cal.CalibrationBins(from_logits=True)
            bins.update(x, y)
            return bins.reliability()

        rule = "must have values to read, outside of compiled code, got"
        for name, call in (
            ("logits", cal.fit_temperature),
            ("logits", cal.fit_vector_scaling),
            ("logits", cal.calibration_report),
            ("bins", curve),
        ):
            with pytest.raises(TypeError, match=f"^{name} {rule}"):
                jax.jit(call)(x, y)

    def test_many_rows_without_64_bits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where integers have 32 bits rows are added in blocks that cannot overflow."""
        jax = self.jax
        monkeypatch.setattr("softtargets.calibration.counters.NARROW_ROWS", 30)
        with jax.enable_x64(False):
            bins = cal.CalibrationBins(from_logits=True, num_bins=5)
            bins.update(jax.numpy.asarray(X), jax.numpy.asarray(Y))
            assert str(bins.state_dict()["sums"].dtype) == "int32"
            assert float(bins.error()) == pytest.approx(float(counted().error()), rel=1e-5)


class TestTorch:
    """Tensors in host memory are seen as NumPy arrays; others are counted in torch."""

    torch: Any = None

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        self.torch = pytest.importorskip("torch")

    def test_half_precision(self) -> None:
        """Counters of bfloat16 logits are tensors, and those of float32 of the same numbers."""
        torch = self.torch
        x, y = torch.asarray(X).to(torch.bfloat16).requires_grad_(), torch.asarray(Y)
        found = cal.CalibrationBins(from_logits=True, num_bins=5)
        found.update(x, y)
        same = cal.CalibrationBins(from_logits=True, num_bins=5)
        same.update(x.detach().float(), y)
        for name, array in found.state_dict().items():
            assert array.dtype == torch.int64
            if name == "counts":
                assert array.tolist() == same.state_dict()[name].tolist()
        assert float(found.error()) == pytest.approx(float(same.error()), rel=1e-6)
        mass = cal.calibration_error(x, y, from_logits=True, binning="mass")
        assert not mass.requires_grad
        exact = cal.calibration_error(x.detach().float(), y, from_logits=True, binning="mass")
        assert float(mass) == pytest.approx(float(exact), rel=1e-6)
        sweep = cal.calibration_error(x, y, from_logits=True, num_bins="sweep", binning="mass")
        assert 0 < float(sweep) < 1
