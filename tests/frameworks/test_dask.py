"""Dask: lazy, chunked, on threads and on a cluster of processes."""

import numpy as np
import pytest

from invtime import InverseTimeDecay, StepTypeError, registry

da = pytest.importorskip("dask.array")
import dask  # noqa: E402

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)


def raising(block):
    raise AssertionError("a chunk was computed")


def never(steps):
    """A lazy array that must not be computed."""
    return steps.map_blocks(raising, dtype=steps.dtype, meta=steps._meta)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_bits(schedule, steps, dtype, assert_bits):
    lazy = schedule.on(dtype=dtype)(da.from_array(steps, chunks=50))
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == np.dtype(dtype)
    assert_bits(schedule, steps, lazy.compute(), dtype)


def test_bfloat16(schedule, integers, assert_bits):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    lazy = schedule.on(dtype="bfloat16")(da.from_array(integers, chunks=50))
    assert lazy.dtype == ml_dtypes.bfloat16
    assert_bits(schedule, integers, lazy.compute(), "bfloat16")


@pytest.mark.parametrize("shape", [(), (0,), (7, 5)])
def test_chunks_and_shape_are_kept(shape, schedule, assert_bits):
    steps = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    lazy = da.from_array(steps, chunks=2)
    result = schedule(lazy)
    assert result.chunks == lazy.chunks
    assert_bits(schedule, steps, result.compute())


def test_nothing_is_computed_until_it_is_asked_for(schedule):
    for dtype in (np.int64, np.float32):
        lazy = never(da.zeros((6, 4), dtype=dtype, chunks=3))
        for one in (lazy, lazy[0, 0]):
            result = schedule.on("dask", dtype="float32")(one)
            with pytest.raises(AssertionError, match="a chunk was computed"):
                result.compute()


def test_only_the_chunks_asked_for_are_computed():
    computed = []

    def counted(block, block_info=None):
        computed.append(block_info[None]["chunk-location"])
        return block

    steps = da.arange(12, chunks=3).map_blocks(counted, dtype=np.int64, meta=np.empty(0, np.int64))
    assert SCHEDULE(steps)[4].compute(scheduler="sync") == SCHEDULE(4)
    assert computed == [(1,)]


def test_the_size_costs_nothing():
    largest = 10**12
    steps = da.arange(largest, chunks=((largest // 2, largest // 2 - 5, 5),))
    for schedule in (SCHEDULE, STAIRCASE):
        rates = schedule(steps)
        assert rates.nbytes == 8 * largest
        assert len(rates.dask) <= len(steps.dask) + 3
        assert rates[-5:].compute().tolist() == schedule(np.arange(largest - 5, largest)).tolist()


def test_chunks_of_unknown_size():
    steps = da.arange(10, chunks=4)
    some = steps[steps % 3 == 0]
    assert np.isnan(some.shape[0])
    assert SCHEDULE(some).compute().tolist() == SCHEDULE(np.arange(0, 10, 3)).tolist()


def test_the_same_steps_make_the_same_task():
    steps = da.arange(10, chunks=4)
    again = InverseTimeDecay(0.1, 1000, 0.5)
    assert SCHEDULE(steps).name == again(steps).name
    others = [STAIRCASE(steps), SCHEDULE.on(dtype="float32")(steps)]
    assert SCHEDULE(steps).name not in [other.name for other in others]


def test_other_steps_become_lazy_where_the_backend_is_named():
    placed = STAIRCASE.on("dask")
    for step in (41, np.int64(41), np.array(41)):
        result = placed(step)
        assert isinstance(result, da.Array)
        assert (result.shape, result.compute()) == ((), STAIRCASE(41))
    assert placed(np.arange(99)).compute().tolist() == STAIRCASE(np.arange(99)).tolist()


def test_the_dtype_is_that_of_numpy():
    for dtype in ("int8", "uint64", "float32", "longdouble"):
        assert SCHEDULE(da.zeros(3, dtype=dtype)).dtype == np.float64
    pinned = InverseTimeDecay(np.asarray(0.1, np.float32), 1000, 0.5)
    assert pinned(da.arange(3)).dtype == np.float32


def test_masked_chunks_keep_their_masks():
    steps = da.ma.masked_equal(da.from_array(np.arange(10), chunks=5), 3)
    for schedule in (STAIRCASE, STAIRCASE.replace(warmup_steps=4)):
        rates = schedule(steps).compute()
        assert np.ma.getmaskarray(rates).tolist() == [n == 3 for n in range(10)]
        assert rates.compressed().tolist() == [schedule(n) for n in range(10) if n != 3]
    hidden = SCHEDULE(da.ma.masked_array(da.from_array(np.array(5)), True)).compute()
    assert np.ma.is_masked(hidden)


def test_steps_that_are_no_numbers():
    for dtype in (bool, complex, "U1", object):
        with pytest.raises(StepTypeError, match="dtype"):
            SCHEDULE(never(da.zeros(3, dtype=dtype, chunks=3)))
    with pytest.raises(StepTypeError, match="Delayed of Dask"):
        SCHEDULE(dask.delayed(raising)(1))
    chunks = da.zeros(3)
    chunks._meta = memoryview(b"")
    with pytest.raises(StepTypeError, match="Dask array of memoryview chunks"):
        SCHEDULE(chunks)


def test_it_is_claimed_by_its_module():
    assert registry.default.backend_name_for(da.Array) == "dask"


@pytest.fixture(scope="module")
def client():
    """Two workers in this process; tests/test_executors.py tests workers in other processes."""
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_a_cluster_of_two_workers(schedule, integers, client, assert_bits):
    lazy = schedule(da.from_array(integers, chunks=20))
    assert_bits(schedule, integers, client.compute(lazy).result(timeout=120))
