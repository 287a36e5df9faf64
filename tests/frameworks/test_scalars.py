"""Scalar steps in every framework: the host may evaluate them, with the same bits."""

import numpy as np
import pytest

import invtime
from invtime.reference import Reference, bits_of_array

USABLE = [state.name for state in invtime.list_backends() if state.problem is None]
DTYPES = ["float64", "float32", "float16", "bfloat16"]
STEPS = [-5, 0, 1, 41, 2**31 - 1, 2**40, 2.5, 3.0, 41.0, 1e300]


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_python_number_and_a_scalar_array(name, dtype, schedule):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    placed = schedule.on(name, dtype=dtype)
    backend = invtime.registry.default.load(name)
    reference = Reference(schedule)
    for step in STEPS:
        true = reference.bits(step, dtype)
        forms = [step, np.asarray(step), backend.coerce(np.asarray(step), None)]
        whole = step == int(step) and step < 2**53
        for one in forms if whole else forms[:1]:  # any other may differ by 1 ULP on a tensor
            found = backend.to_numpy(placed(one))
            assert found.shape == ()
            assert int(bits_of_array(found, dtype)) in (true, 0 if true < 1024 else true)


@pytest.mark.parametrize("name", USABLE)
def test_a_python_number_without_a_dtype_takes_the_frameworks_default(name, schedule):
    backend = invtime.registry.default.load(name)
    found = backend.to_numpy(schedule.on(name)(5))
    assert found.dtype.name == backend.default_dtype()
