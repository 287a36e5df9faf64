"""A scheduler and what happens to its optimizer's groups: one tensor for two, a loaded state."""

import pytest

from invtime import InverseTimeDecay

torch = pytest.importorskip("torch", exc_type=ImportError)
from invtime.integrations.torch import InverseTimeLR  # noqa: E402

SCHEDULE = InverseTimeDecay(0.1, 4, 0.5)


def parameter():
    return torch.nn.Parameter(torch.zeros(1))


def steps(scheduler, count):
    for _ in range(count):
        scheduler.optimizer.step()
        scheduler.step()


def test_a_group_that_joins_with_the_tensor_of_another_has_its_initial_rate():
    """The tensor has been filled since, so it no longer has the rate that was written."""
    rate = torch.tensor(0.1)
    optimizer = torch.optim.SGD([parameter()], lr=rate)
    scheduler = InverseTimeLR(optimizer, 4, 0.5)
    steps(scheduler, 3)
    assert rate.item() < 0.1
    optimizer.add_param_group({"params": [parameter()], "lr": rate})
    assert scheduler.schedules == (SCHEDULE, SCHEDULE)
    assert optimizer.param_groups[1]["initial_lr"] == torch.tensor(0.1)
    steps(scheduler, 1)
    assert rate == torch.tensor(SCHEDULE(4))


def test_a_group_that_joins_with_a_tensor_of_its_own_starts_from_that():
    optimizer = torch.optim.SGD([parameter()], lr=torch.tensor(0.1))
    scheduler = InverseTimeLR(optimizer, 4, 0.5)
    steps(scheduler, 3)
    optimizer.add_param_group({"params": [parameter()], "lr": torch.tensor(0.2)})
    assert scheduler.schedules[1] == InverseTimeDecay(0.2, 4, 0.5)


@pytest.mark.parametrize(("step", "kept"), [(None, False), (7, True)])
def test_a_count_that_was_given_outlives_the_rates_that_are_loaded_after_it(step, kept):
    """Until the scheduler's own first step: from then on a loaded rate is meant."""
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    saved = optimizer.state_dict()
    saved["param_groups"][0]["lr"] = 0.7
    scheduler = InverseTimeLR(optimizer, SCHEDULE, step=step)
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == (SCHEDULE(7) if kept else 0.7)
    if kept:
        steps(scheduler, 1)
        optimizer.load_state_dict(saved)
        assert optimizer.param_groups[0]["lr"] == 0.7


def test_a_group_that_has_joined_keeps_what_is_written_into_it():
    """Its rate is read once: a comparison with what was read finds no change."""
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    scheduler = InverseTimeLR(optimizer, SCHEDULE)
    optimizer.add_param_group({"params": [parameter()]})
    optimizer.param_groups[1]["initial_lr"] = "a note"
    steps(scheduler, 1)
    assert optimizer.param_groups[1]["initial_lr"] == "a note"
    assert optimizer.param_groups[1]["lr"] == SCHEDULE(1)
    scheduler.base_lrs[1] = 0.3
    steps(scheduler, 1)
    assert optimizer.param_groups[1]["initial_lr"] == 0.3
    assert optimizer.param_groups[1]["lr"] == SCHEDULE.replace(initial_learning_rate=0.3)(2)
