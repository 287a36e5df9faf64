"""`OperandBackend` returns correct values for a framework with wrong operators."""

import numpy as np
import pytest
from crooked import Crooked, CrookedBackend

from invtime.testing import parametrize_with_checks

NOT_ANNOUNCED = "it is part of the tests, and no plugin announces it"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns about overflow in threads
@parametrize_with_checks(
    CrookedBackend(), {"announcement": NOT_ANNOUNCED, "lazy_import": NOT_ANNOUNCED}
)
def test_conformance(check):
    check()


def test_an_operand_is_an_array_once_more_in_the_result():
    backend = CrookedBackend()
    x = backend.operand(Crooked(np.arange(3)))
    assert backend.operand(x) is x
    assert type(backend.plain(x)) is Crooked
    assert (5 - x).array.data.tolist() == [5, 4, 3]
