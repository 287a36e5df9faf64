"""NumPy: dtypes, layouts, shapes, scalars, and memory use."""

import tracemalloc

import numpy as np
import pytest

from invtime import InverseTimeDecay

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)
ALL = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
ALL += ["float16", "float32", "float64", "longdouble"]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_bits(schedule, steps, dtype, assert_bits):
    assert_bits(schedule, steps, schedule.on(dtype=dtype)(steps), dtype)


@pytest.mark.parametrize("step_dtype", ALL)
def test_every_step_dtype(schedule, step_dtype, assert_bits):
    steps = np.array([0, 1, 41, 82, 100, 127]).astype(step_dtype)
    result = schedule(steps)
    assert result.dtype == np.float64
    assert_bits(schedule, steps.astype(np.float64), result)


def test_bfloat16(schedule, assert_bits, integers):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    result = schedule.on(dtype="bfloat16")(integers)
    assert result.dtype == ml_dtypes.bfloat16
    assert_bits(schedule, integers, result, "bfloat16")
    steps = np.array([1, 2, 100], ml_dtypes.bfloat16)
    assert_bits(schedule, steps.astype(np.float64), schedule(steps))


def test_scalars_stay_scalars_and_arrays_arrays():
    for step in (np.int64(5), np.uint8(5), np.float32(2.5), np.float64(2.5), np.longdouble(2.5)):
        assert type(SCHEDULE(step)) is np.float64
        assert SCHEDULE(step) == SCHEDULE(float(step))
    for step in (np.array(5), np.array(2.5)):
        assert type(SCHEDULE(step)) is np.ndarray
        assert SCHEDULE(step).shape == ()
    assert type(SCHEDULE.on(dtype="float32")(np.int64(5))) is np.float32
    assert type(SCHEDULE.on("numpy")(5)) is np.float64


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3, 4), (1,), (40_000,)])
def test_shapes(shape, assert_bits):
    steps = np.arange(int(np.prod(shape))).reshape(shape)
    assert_bits(STAIRCASE, steps, STAIRCASE(steps))


def test_layouts(assert_bits):
    base = np.arange(120_000).reshape(300, 400)
    for steps in (
        base.T,
        base[::3, ::-2],
        base.astype(">i4"),
        base[:, :1],
        np.asfortranarray(base),
    ):
        assert_bits(SCHEDULE, steps, SCHEDULE(steps))
    unaligned = np.frombuffer(b"x" + base.tobytes(), np.uint8)[1:].view(base.dtype)
    assert_bits(SCHEDULE, unaligned, SCHEDULE(unaligned))


def test_a_read_only_step_is_left_as_it_is():
    steps = np.arange(-5, 5)
    steps.flags.writeable = False
    before = steps.copy()
    assert (SCHEDULE(steps)[:6] == 0.1).all()
    assert (steps == before).all()


def test_blocks_that_mix_what_fits_and_what_does_not(assert_bits):
    rng = np.random.default_rng(1)
    steps = rng.integers(0, 10_000, 50_000)
    steps[rng.integers(0, steps.size, 5)] = [2**62, 2**60 + 1, -3, 2**53 + 1, -(2**63)]
    for schedule in (SCHEDULE, STAIRCASE):
        assert_bits(schedule, steps, schedule(steps))


def test_a_block_of_negative_steps_alone(schedule, assert_bits):
    for steps in (np.array([-1]), np.array([-5, -(2**63)]), np.array([-3], np.int8)):
        assert_bits(schedule, steps, schedule(steps))
    tiny = InverseTimeDecay(1e-60, 1, 0)
    assert tiny(np.array([-1]))[0] == 1e-60


def test_steps_past_int64_are_exact(schedule):
    """Next to other steps, and for a recipe that ends there."""
    steps = np.array([2**64 - 1, 5, 2**63, 2**63 - 1, 2**40, 0, 2**32], np.uint64)
    late = schedule.replace(stable_steps=2**53, cooldown_start=2**53, cooldown_steps=2**53)
    for one in (schedule, schedule.replace(warmup_steps=7), late):
        assert one(steps).tolist() == [one(int(n)) for n in steps]
        assert one(steps[:1]).tolist() == [one(2**64 - 1)]


def test_float_steps_beside_a_knot_that_is_no_float(assert_bits):
    """Such a knot, for example 2**53 + 49, is not rounded before the comparison with a step."""
    for steps in range(45, 53):
        schedule = SCHEDULE.replace(cooldown_start=2**53, cooldown_steps=steps)
        knot = 2.0**53 + steps
        near = np.array([knot - 4, knot - 2, knot, knot + 2, knot + 4])
        for one in (near, *near.reshape(5, 1)):
            assert_bits(schedule, one, schedule(one))


@pytest.mark.parametrize(("dtype", "step"), [("float16", 65504), ("float32", 2**25 + 4)])
def test_a_float_step_is_counted_from_a_knot_in_binary64(dtype, step, assert_bits):
    """float16 cannot hold 65504 - 1001, and float32 cannot hold 2**25 + 4 - 1001."""
    schedule = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=1001)
    steps = np.array([1001, step], dtype)
    assert_bits(schedule, steps, schedule(steps))


def test_long_doubles_keep_their_extra_bits():
    if np.finfo(np.longdouble).nmant <= 52:
        pytest.skip("long double is binary64 here")
    step = np.longdouble(2) ** 62 * 41 / 64 - np.longdouble(2) ** -1
    schedule = InverseTimeDecay(1, 41, 1e15, staircase=True)
    assert schedule(np.array([step]))[0] == schedule.form.at_real(step)


def test_memory_beyond_the_result_stays_below_one_mebibyte():
    for schedule in (SCHEDULE, STAIRCASE, InverseTimeDecay(1 / 3, 1000, 1 / 7)):
        for dtype in ("float64", "float32"):
            steps = np.arange(1_000_000)
            placed = schedule.on(dtype=dtype)
            placed(steps[:10])
            tracemalloc.start()
            result = placed(steps)
            extra = tracemalloc.get_traced_memory()[1] - result.nbytes
            tracemalloc.stop()
            assert extra < 2**20


def test_no_warning_escapes():
    large, small = InverseTimeDecay(1e60, 1e-60, 1e60), InverseTimeDecay(1e-50, 10, 0.5)
    with np.errstate(all="raise"):
        assert SCHEDULE(np.array([np.nan, np.inf, -np.inf]))[1] == 0
        large(np.array([1e308, 5e-324]))
        for step in (
            5,
            5.0,
            np.int64(5),
            np.longdouble(5),
            np.arange(3),
            np.array([np.longdouble(5)]),
        ):
            for dtype in ("float64", "float32", "float16"):
                large.on("numpy", dtype=dtype)(step)
                small.on("numpy", dtype=dtype)(step)


@pytest.mark.parametrize("schedule", [SCHEDULE, LONG, InverseTimeDecay(1, 9, 1, warmup_steps=2)])
@pytest.mark.parametrize("dtype", ["int64", "float32", "longdouble"])
def test_a_masked_array_keeps_its_mask(schedule, dtype):
    data = np.array([[0, 1, 2], [1000, 7, 2]], dtype)
    for mask in (data == 2, False, True):
        steps = np.ma.masked_array(data, mask, fill_value=7)
        before = steps.copy()
        for rates in (schedule(steps), schedule.on("numpy", dtype="float32")(steps)):
            assert type(rates) is np.ma.MaskedArray
            assert (np.ma.getmaskarray(rates) == mask).all()
            plain = schedule.on("numpy", dtype=rates.dtype.name)(data)
            assert (rates.compressed() == plain[~np.ma.getmaskarray(steps)]).all()
            rates[0, 0] = np.ma.masked  # its mask is its own
            assert (np.ma.getmaskarray(steps) == np.ma.getmaskarray(before)).all()


def test_masked_scalars():
    assert SCHEDULE(np.ma.masked) is np.ma.masked
    assert SCHEDULE.on("numpy", dtype="float32")(np.ma.masked) is np.ma.masked
    hidden = SCHEDULE(np.ma.masked_array(5, True))
    assert hidden.shape == ()
    assert np.ma.is_masked(hidden)
    assert SCHEDULE(np.ma.masked_array(1000)) == SCHEDULE(1000)


def test_other_subclasses_give_plain_arrays(tmp_path):
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[0, 1000]])
    memmap = np.memmap(tmp_path / "steps", np.int64, "w+", shape=(1, 2))
    memmap[:] = matrix
    records = np.rec.array([(0, 1), (1000, 2)], [("step", "i8"), ("x", "i8")])
    own = np.array([0, 1000])[None].view(type("Mine", (np.ndarray,), {}))
    for steps in (matrix, memmap, records.step[None], own):
        rates = SCHEDULE(steps)
        assert type(rates) is np.ndarray
        assert rates.tolist() == [[SCHEDULE(0), SCHEDULE(1000)]]


def test_a_period_of_which_no_integer_type_holds_the_inverse():
    """Steps of 0 fit every exact form, but NumPy 1 stores its long integers as objects."""
    schedule = InverseTimeDecay(1, 1e-60, 1e60, staircase=True)
    assert schedule(np.zeros(3, np.int64)).tolist() == [1, 1, 1]
