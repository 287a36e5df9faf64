"""The dialects that are code: PyTorch with exact integers, Optax with its own functions."""

from __future__ import annotations

from collections.abc import Mapping

from invtime.dialects.dialect import Dialect, Parameters
from invtime.errors import ConfigError, shown
from invtime.form import Form
from invtime.spec import InverseTimeDecay
from invtime.table import Line, Table

# -- PyTorch -----------------------------------------------------------------------------------


def _torch(schedule: InverseTimeDecay) -> Parameters:
    """The exact pieces. Each has one division of integers, which Python rounds correctly."""
    form = schedule.form
    if not isinstance(form, Table):
        return {"lr": 1, "lr_lambda": _factor(form)}
    # If two rows start at the same step, the later one applies.
    rows = {row.first: row for row in form.rows}
    factors = [_factor(row.piece) for row in rows.values()]
    return {"lr": 1, "lr_lambdas": factors, "milestones": [*rows][1:]}


def _factor(piece: Form | Line) -> str:
    """The rate as a function of the steps since its piece started."""
    if isinstance(piece, Line):
        terms = [*filter(None, (_times(piece.a, f"({piece.K} - n)"), _times(piece.b, "n")))]
        line = terms[0] if len(terms) == 1 else f"({' + '.join(terms)})"
        return f"lambda n: {line} / {piece.d}"
    if not piece.C:
        return f"lambda n: {piece.A} / {piece.B}"
    t = "n"
    if piece.staircase:
        t = f"({_times(piece.Q, 'n')} // {piece.P})"
    return f"lambda n: {piece.A} / ({piece.B} + {_times(piece.C, t)})"


def _times(number: int, text: str) -> str:
    """A product as text: "" for a factor of 0, and no factor for 1."""
    return "" if number == 0 else text if number == 1 else f"{number} * {text}"


def _torch_code(parameters: Parameters) -> str:
    module = "torch.optim.lr_scheduler"
    first = (
        f"optimizer = torch.optim.SGD(parameters, lr={parameters['lr']})"
        "  # the factor is the rate itself\n"
    )
    if "lr_lambda" in parameters:
        return f"{first}scheduler = {module}.LambdaLR(optimizer, {parameters['lr_lambda']})"
    lambdas = "".join(f"    {factor},\n" for factor in parameters["lr_lambdas"])
    return (
        f"{first}factors = [  # n is the number of steps since the last milestone\n{lambdas}]\n"
        f"schedulers = [{module}.LambdaLR(optimizer, factor) for factor in factors]\n"
        f"scheduler = {module}.SequentialLR(\n"
        f"    optimizer, schedulers, milestones={parameters['milestones']}\n)"
    )


# -- Optax -------------------------------------------------------------------------------------


def _optax(schedule: InverseTimeDecay) -> Parameters:
    numbers = {
        key: float(value)
        for key, value in schedule.get_config().items()
        if key.endswith("rate") or key == "decay_steps"
    }
    if any(number and not 2.0**-126 <= number < 2.0**128 for number in numbers.values()):
        raise ConfigError(
            f"the parameters are {tuple(numbers.values())}, not all in the range of float32, which "
            "Optax uses; pass the schedule itself to Optax"
        )
    if schedule.staircase and schedule.decay_rate:
        steps = schedule.decay_steps
        if steps != int(steps) or steps >= 2**31:
            raise ConfigError(
                f"decay_steps is {shown(steps)}; Optax computes floor(count / decay_steps) exactly "
                "only for integers below 2**31; pass the schedule itself to Optax"
            )
    if not isinstance(schedule.form, Table):
        return {"learning_rate": f"lambda count: {_decay(schedule, 'count')}"}
    phases = {phase.start: phase for phase in schedule.phases if phase.name != "end"}
    last = max(phases)
    if last >= 2**31:
        raise ConfigError(
            f"the {phases[last].name} starts at step {last}, but Optax counts steps in int32, up "
            "to 2**31 - 1; pass the schedule itself to Optax, or remove this phase"
        )
    pieces = "".join(f"        {_piece(schedule, phase.name)},\n" for phase in phases.values())
    boundaries = [start for start in phases if start]
    return {
        "learning_rate": (
            f"optax.join_schedules(\n    [\n{pieces}    ],\n    boundaries={boundaries},\n)"
        )
    }


def _decay(schedule: InverseTimeDecay, count: str) -> str:
    """The formula of the decay."""
    rate, decay = float(schedule.initial_learning_rate), float(schedule.decay_rate)
    steps = schedule.decay_steps
    turns = f"{count} // {int(steps)}" if schedule.staircase else f"{count} / {float(steps)}"
    return f"{rate} / (1 + {decay} * ({turns}))"


def _piece(schedule: InverseTimeDecay, phase: str) -> str:
    """A phase as a function of the steps since it started."""
    if phase == "warm-up":
        line = float(schedule.warmup_learning_rate), float(schedule.initial_learning_rate)
        return f"optax.linear_schedule({line[0]}, {line[1]}, {schedule.warmup_steps})"
    if phase == "cool-down":
        last, steps = float(schedule.final_learning_rate), schedule.cooldown_steps
        return f"optax.linear_schedule({_before(schedule)}, {last}, {steps})"
    if phase == "decay":  # join_schedules also calls each piece for earlier steps
        return f"lambda count: {_decay(schedule, 'jnp.maximum(count, 0)')}"
    rate = schedule.initial_learning_rate if phase == "stable" else schedule.minimum_learning_rate
    return f"optax.constant_schedule({float(rate)})"


def _before(schedule: InverseTimeDecay) -> str:
    """The rate where the cool-down starts, as an expression of the phase before it."""
    step = schedule.cooldown_start
    assert step is not None  # there is a cool-down
    bare = schedule.replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
    names = [phase.name for phase in bare.phases if phase.start <= step]
    count = step - schedule.warmup_steps - schedule.stable_steps
    if names[-1] == "decay" and count and schedule.decay_rate:
        return _decay(schedule, str(count))
    rate = schedule.minimum_learning_rate if names[-1] == "floor" else None
    return str(float(schedule.initial_learning_rate if rate is None else rate))


def _optax_code(parameters: Parameters) -> str:
    return f"optimizer = optax.sgd({parameters['learning_rate']})"


DIALECTS: Mapping[str, Dialect] = {
    "torch": Dialect(_torch, _torch_code, phases=True),
    "optax": Dialect(_optax, _optax_code, phases=True),
}
