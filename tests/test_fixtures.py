"""The helpers of the tests can fail, and the fixture gives what it promises."""

import numpy as np
import pytest

from tests.backends import (
    EPSILON,
    VARIANTS,
    Variant,
    assert_close,
    assert_follows,
    assert_same_bits,
    dtype_name,
    main,
    selected,
)


def test_data_come_back(backend: Variant) -> None:
    """Every dtype of a variant takes an array in and gives the same values back."""
    data = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]])
    for dtype in (*backend.dtypes, *backend.int_dtypes):
        array = backend.asarray(data, dtype)
        assert dtype_name(array) == dtype
        assert_follows(array, backend.asarray([0], dtype))
        np.testing.assert_array_equal(backend.to_numpy(array), data)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1), (7, 5), (2, 3, 4)])
def test_any_shape_is_made(backend: Variant, shape: tuple[int, ...]) -> None:
    """Arrays without axes or rows are made like all others, of floats, integers and booleans."""
    for data in (np.ones(shape), np.ones(shape, dtype=np.int64), np.ones(shape, dtype=bool)):
        array = backend.asarray(data)
        assert tuple(array.shape) == shape
        np.testing.assert_array_equal(backend.to_numpy(array), data)


def test_namespace_and_device(backend: Variant) -> None:
    """The namespace and the device are those of the arrays."""
    array = backend.asarray([1.5])
    assert_follows(backend.xp.ones_like(array), array)
    assert str(backend.device) == str(getattr(array, "device", "cpu"))


def test_data_are_copied(backend: Variant) -> None:
    """A change of the NumPy array afterwards does not reach the array."""
    data = np.array([1.0, 2.0], dtype=np.float32)
    array = backend.asarray(data)
    data[0] = 9.0
    assert backend.to_numpy(array).tolist() == [1.0, 2.0]


def test_missing_dtype_is_refused(backend: Variant) -> None:
    """A dtype that a variant lacks raises; it does not become another one."""
    there = set(backend.backend.dtypes) - (set() if backend.wide else {"float64"})
    assert set(backend.dtypes) <= there
    for dtype in {"float16", "bfloat16", "float32", "float64"} - there:
        with pytest.raises(ValueError, match=f"has no {dtype}"):
            backend.asarray([1.0], dtype)


def test_read_only_variant_raises() -> None:
    """Writing into an array of the read-only variant raises."""
    (variant,) = (v for v in VARIANTS if v.read_only)
    with pytest.raises(ValueError, match="read-only"):
        variant.asarray([1.0])[0] = 2.0


def test_dask_arrays_have_several_chunks() -> None:
    """Rows are cut into chunks of unequal size, classes are not."""
    (variant,) = (v for v in VARIANTS if v.row == "dask")
    if why := variant.why_unusable():
        pytest.skip(why)
    assert variant.asarray(np.zeros((7, 5))).chunks == ((3, 3, 1), (5,))


def test_selection() -> None:
    """SOFTTARGETS_BACKENDS takes names of libraries and of variants, and refuses others."""
    assert [v.name for v in selected("numpy")] == ["numpy", "numpy-readonly"]
    assert [v.name for v in selected("jax-x64, cupy")] == ["cupy", "jax-x64"]
    assert {v.name for v in VARIANTS} - {v.name for v in selected("")} <= {"torch-cuda"}
    with pytest.raises(ValueError, match="names no such backend: nmpy"):
        selected("numpy,nmpy")


def test_environment_check_can_fail() -> None:
    """An environment with other libraries than the named ones is reported."""
    assert "expected: " in str(main(["no such library"]))


def test_rng_is_the_same_in_every_run(rng: np.random.Generator) -> None:
    """Random numbers of the fixture do not change from run to run."""
    assert rng.bit_generator.state == np.random.default_rng(20260101).bit_generator.state


@pytest.mark.parametrize("dtype", EPSILON)
def test_assert_close_counts_ulps(dtype: str) -> None:
    """One ulp at 1.0 passes for one ulp and fails for less."""
    expected = np.array([1.0, 1.0])
    actual = expected + np.array([0.0, EPSILON[dtype]])
    assert_close(actual, expected, ulps=1, dtype=dtype)
    with pytest.raises(AssertionError, match=r"1 ulp off, 0\.9 allowed.* at \(1,\)"):
        assert_close(actual, expected, ulps=0.9, dtype=dtype)


def test_assert_close_knows_eps_of_actual(backend: Variant) -> None:
    """The unit of error is that of the dtype of the result, half precision included."""
    for dtype in backend.dtypes:
        assert_close(backend.asarray([1.0 + 2 * EPSILON[dtype]], dtype), [1.0], ulps=2)
        with pytest.raises(AssertionError, match="2 ulp off"):
            assert_close(backend.asarray([1.0 + 2 * EPSILON[dtype]], dtype), [1.0], ulps=1)


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        ([1.0], [1.0, 1.0], "shape"),
        ([1.0], 1.0, "shape"),
        ([np.nan], [1.0], "infinities or nan differ"),
        ([1.0], [np.nan], "infinities or nan differ"),
        ([np.inf], [-np.inf], "infinities or nan differ"),
        ([1e-30], [0.0], "inf ulp off"),
    ],
)
def test_assert_close_fails(actual: list[float], expected: object, message: str) -> None:
    """Another shape, nan or infinity fails, and 0 is only close to 0 unless there is a scale."""
    with pytest.raises(AssertionError, match=message):
        assert_close(np.array(actual), expected, ulps=1000)


def test_assert_close_passes() -> None:
    """Equal infinities and nan pass; a scale allows for what cancellation leaves."""
    same = np.array([np.nan, np.inf, -np.inf, 0.0])
    assert_close(same, same, ulps=0)
    assert_close(np.array([1e-16, 2.0]), [0.0, 2.0], ulps=1, scale=1.0)


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        (np.float32([1.0]), np.float64([1.0]), "dtype float32, expected float64"),
        (np.zeros((1, 2)), np.zeros((2,)), "shape"),
        (np.array([0.0]), np.array([-0.0]), "1 of 1 entries differ"),
        (np.array([1.0, 1.0]), np.array([1.0, 1.0 + 2**-52]), r"differ.* at \(1,\)"),
        (np.array([3]), np.array([4]), "differ"),
        (np.array([np.nan]), np.array([1.0]), "differ"),
    ],
)
def test_assert_same_bits_fails(actual: np.ndarray, expected: np.ndarray, message: str) -> None:
    """Another dtype, shape, bit or sign of zero fails."""
    with pytest.raises(AssertionError, match=message):
        assert_same_bits(actual, expected)


def test_assert_same_bits_passes(backend: Variant) -> None:
    """The same numbers in two libraries pass, any nan for any other."""
    for dtype in set(backend.dtypes) - {"bfloat16"}:
        data = np.array([[0.0, -0.0, 0.1], [np.nan, np.inf, -1.0]]).astype(dtype)
        assert_same_bits(backend.asarray(data, dtype), data)
    assert_same_bits(np.array([np.nan]), -np.array([np.nan]))


def test_assert_follows_fails(backend: Variant) -> None:
    """Another dtype fails, and so does another library where there is one."""
    array = backend.asarray([1.0], "float32")
    with pytest.raises(AssertionError, match="dtype float32, expected int32"):
        assert_follows(array, array, dtype="int32")
    if backend.row != "numpy":
        with pytest.raises(AssertionError, match=r"library array_api_compat\.numpy, expected"):
            assert_follows(backend.to_numpy(array), array)
    if backend.name == "array_api_strict-device1":
        host = array.to_device(backend.xp.Device("CPU_DEVICE"))
        with pytest.raises(AssertionError, match="device"):
            assert_follows(host, array)
