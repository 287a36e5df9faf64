"""Round trips of a schedule through config, JSON, pickle and repr."""

import copy
import json
import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invtime import InverseTimeDecay
from invtime.reference import FORMATS, float_of_bits
from invtime.testing import strategies

names = st.none() | st.text(max_size=8)


@st.composite
def named_schedules(draw, dtypes=(None, *FORMATS)):
    """Draw schedules with any name, and with or without a fixed dtype."""
    config = draw(strategies.schedules()).get_config() | {"name": draw(names)}
    dtype = draw(st.sampled_from(dtypes))
    return InverseTimeDecay.from_config(config if dtype is None else config | {"dtype": dtype})


def assert_same(found, schedule):
    """Check that two schedules are equal, with equal hashes, names and types of parameters."""
    assert found == schedule
    assert hash(found) == hash(schedule)
    assert found.get_config() == schedule.get_config()
    assert list(map(repr, found.get_config().values())) == list(
        map(repr, schedule.get_config().values())
    )
    assert found.form == schedule.form


@given(named_schedules())
def test_config(schedule):
    """from_config(get_config()) is the schedule, and the config is plain JSON data."""
    config = schedule.get_config()
    assert {type(value) for value in config.values()} <= {int, float, bool, str}
    assert_same(InverseTimeDecay.from_config(config), schedule)
    assert config == schedule.get_config()  # from_config does not consume it


@given(named_schedules())
def test_json(schedule):
    """from_json(to_json()) is the schedule, from text and from bytes."""
    text = schedule.to_json()
    assert_same(InverseTimeDecay.from_json(text), schedule)
    assert_same(InverseTimeDecay.from_json(text.encode()), schedule)
    assert_same(InverseTimeDecay.from_config(json.loads(text)), schedule)


@given(named_schedules())
def test_json_of_another_writer(schedule):
    """JSON numbers are read as binary64, so their spelling does not change the schedule."""
    config = schedule.get_config()
    numbers = {key: value for key, value in config.items() if type(value) in (int, float)}
    spelled = config | {key: float(value) for key, value in numbers.items()}
    found = InverseTimeDecay.from_json(json.dumps(spelled, indent=2))
    assert found == schedule
    assert found.form == schedule.form


@given(named_schedules(), st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_pickle(schedule, protocol):
    """A pickle of any protocol is the schedule."""
    assert_same(pickle.loads(pickle.dumps(schedule, protocol)), schedule)


@given(named_schedules())
def test_copies(schedule):
    """A shallow and a deep copy are the schedule."""
    assert_same(copy.copy(schedule), schedule)
    assert_same(copy.deepcopy(schedule), schedule)


@given(named_schedules())
def test_repr(schedule):
    """repr() evaluates back to the schedule."""
    scope = {"InverseTimeDecay": InverseTimeDecay}
    assert_same(eval(repr(schedule), scope), schedule)


@given(named_schedules(), st.sampled_from([None, "numpy"]), st.sampled_from([None, *FORMATS]))
def test_placed_schedules(schedule, backend, dtype):
    """The result of `.on()` can also be pickled and copied."""
    if (dtype or schedule.dtype) == "bfloat16" and not find_spec("ml_dtypes"):
        dtype = "float32"  # NumPy has no bfloat16 without ml_dtypes, and raises at once
    placed = schedule.on(backend, dtype=dtype)
    for found in (pickle.loads(pickle.dumps(placed)), copy.deepcopy(placed)):
        assert found == placed
        assert hash(found) == hash(placed)
        assert found(7) == placed(7)


@given(named_schedules(dtypes=(None,)))
def test_keras_envelope(schedule):
    """from_json(to_json(envelope="keras")) is the schedule."""
    assert_same(InverseTimeDecay.from_json(schedule.to_json(envelope="keras")), schedule)


def test_keras_reads_the_envelope():
    """Keras reads and writes the envelope: its own class or, with phases, the class of invtime."""
    schedules = pytest.importorskip("keras").optimizers.schedules
    from invtime.integrations.keras import InverseTimeDecay as Ours

    @given(named_schedules(dtypes=(None,)))
    def holds(schedule):
        loaded = schedules.deserialize(json.loads(schedule.to_json(envelope="keras")))
        phased = len(schedule.get_config()) > 5
        assert type(loaded) is (Ours if phased else schedules.InverseTimeDecay)
        assert loaded.get_config() == schedule.get_config()
        written = json.dumps(schedules.serialize(loaded))
        assert_same(InverseTimeDecay.from_json(written), schedule)

    holds()


def finite_bits(dtype):
    """Draw bit patterns of positive numbers; half of them are around 1.5."""
    kind = FORMATS[dtype]
    return st.integers(1, kind.infinity - 1) | st.integers(
        kind.infinity // 2 - 2**12, kind.infinity // 2 + 2**12
    )


def printed_shortest(scalar):
    """Return the decimal that NumPy or ml_dtypes prints for a scalar, as binary64."""
    text = np.format_float_positional(scalar, unique=True, trim="-")
    return float(text)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@given(data=st.data())
def test_narrow_floats_mean_what_numpy_prints(dtype, data):
    """A float16 or float32 parameter is the shortest decimal that rounds back to it."""
    bits = data.draw(finite_bits(dtype))
    scalar = np.array(bits, f"u{np.dtype(dtype).itemsize}").view(dtype)[()]
    schedule = InverseTimeDecay(scalar, 1, 0)
    expected = float(scalar) if float(scalar).is_integer() else printed_shortest(scalar)
    assert schedule.initial_learning_rate == expected
    assert schedule.dtype is None
    assert InverseTimeDecay(np.array(scalar), 1, 0).dtype == dtype


@given(bits=finite_bits("bfloat16"))
def test_bfloat16_means_the_shortest_decimal(bits):
    """A bfloat16 parameter is the decimal of fewest digits that rounds back to it."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    scalar = np.array(bits, "u2").view(bfloat16)[()]
    exact = float_of_bits(bits, "bfloat16")
    candidates = (float(f"{exact:.{digits}e}") for digits in range(6))
    shortest = next(c for c in candidates if bfloat16(c) == scalar)
    expected = exact if exact.is_integer() else shortest
    assert InverseTimeDecay(scalar, 1, 0).initial_learning_rate == expected


HAND_WRITTEN = (0.1, 0.01, 0.001, 3e-4, 0.5, 2.5, 1000.0, 0.96)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_a_tensor_means_the_number_as_written(dtype):
    """Each framework's 0.1 means 1/10 in every dtype, and fixes that dtype."""
    makers = {
        "torch": lambda torch, x: torch.tensor(x, dtype=getattr(torch, dtype)),
        "tensorflow": lambda tf, x: tf.constant(x, getattr(tf, dtype)),
        "jax.numpy": lambda jnp, x: jnp.asarray(x, dtype),
    }
    for module, make in makers.items():
        if find_spec(module.partition(".")[0]) is None:
            continue
        if module == "jax.numpy" and dtype == "float64":
            continue  # without x64 it is a float32
        framework = pytest.importorskip(module)
        for number in HAND_WRITTEN:
            found = InverseTimeDecay(make(framework, number), 1000, 0.5)
            # 0.96 and 0.9609 are the same bfloat16: the shortest decimal that rounds back is 0.96.
            assert found.initial_learning_rate == number, (module, dtype)
            assert found.dtype == dtype


@given(st.integers(-(2**53), 2**53), st.sampled_from(["int64", "int32", "uint8"]))
def test_integer_scalars_mean_themselves(value, dtype):
    """A NumPy integer of any width is that integer, and does not fix the dtype."""
    limits = np.iinfo(dtype)
    scalar = np.dtype(dtype).type(min(max(value, 1), int(limits.max)))
    schedule = InverseTimeDecay(0.1, scalar, 0.5)
    assert type(schedule.decay_steps) is int
    assert schedule.decay_steps == int(scalar)
    assert schedule.dtype is None
