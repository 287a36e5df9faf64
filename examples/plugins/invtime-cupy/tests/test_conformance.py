"""The conformance checks, without a waiver. They need an NVIDIA GPU."""

import cupy
import numpy as np
import pytest

from invtime import InverseTimeDecay
from invtime.testing import parametrize_with_checks

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)


def devices():
    try:
        return cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


pytestmark = pytest.mark.skipif(not devices(), reason="there is no NVIDIA GPU")


@parametrize_with_checks("cupy")
def test_conformance(check):
    check()


def test_the_name_and_the_type_lead_here():
    steps = [0, 1000, 4000]
    expected = [SCHEDULE(n) for n in steps]
    assert cupy.asnumpy(SCHEDULE(cupy.array(steps))).tolist() == expected
    assert [SCHEDULE.on("cupy")(np.int32(n)).item() for n in steps] == expected
