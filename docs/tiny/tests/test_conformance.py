from invtime.testing import parametrize_with_checks


@parametrize_with_checks("tiny")
def test_conformance(check):
    check()
