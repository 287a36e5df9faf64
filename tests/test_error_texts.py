"""The whole text of every error, as it was reviewed in `error_texts.txt`.

An error that says the wrong thing passes every test of its type. Where a text is changed on
purpose, write the file anew, and read its diff:

    INVTIME_WRITE_ERROR_TEXTS=1 python -m pytest tests/test_error_texts.py

Texts of frameworks that are not installed stay in the file as they were.
"""

import json
import os
import sys
from math import nan
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import invtime
from invtime import BackendInfo, InverseTimeDecay, hookimpl, registry
from invtime.dialects import from_dialect, to_dialect
from invtime.errors import InvTimeError, PluginWarning
from invtime.fingerprint import fingerprint
from invtime.plugins import Announced, Plugin, in_words
from invtime.registry import Registry, _too_old, _unavailable
from invtime.versions import installed

FILE = Path(__file__).with_name("error_texts.txt")
WRITE = bool(os.environ.get("INVTIME_WRITE_ERROR_TEXTS"))

CONFIG = {"initial_learning_rate": 0.1, "decay_steps": 1000, "decay_rate": 0.5}
GOOD = InverseTimeDecay(**CONFIG)
STAIRS = GOOD.replace(staircase=True)
RECIPE = GOOD.replace(
    warmup_steps=5, stable_steps=3, minimum_learning_rate=0.01, cooldown_start=90, cooldown_steps=10
)
ENVELOPE = {"module": "keras", "class_name": "InverseTimeDecay", "config": CONFIG}


class Traced:
    """An array without a value."""

    dtype, shape = "float32", ()

    def __float__(self):
        raise RuntimeError("no value")


VERSIONS = [f"of invtime {installed('invtime')}", f"and {np.__version__}"]  # not part of a text


def built(**changes):
    return lambda: InverseTimeDecay(**{**CONFIG, **changes})


def read(**changes):
    return lambda: InverseTimeDecay.from_config({**CONFIG, **changes})


def text(value):
    return lambda: InverseTimeDecay.from_json(
        value if isinstance(value, str) else json.dumps(value)
    )


def ends(start=0.1, end=0.01, steps=100, **more):
    return lambda: InverseTimeDecay.from_endpoints(start, end, steps, **more)


def dialect(name, **parameters):
    return lambda: from_dialect(name, parameters)


def registered(module, name="mine"):
    return lambda: Registry().register(module, name)


class Plain(invtime.Backend):
    """Only what is abstract."""

    name = "plain"
    cast = where = divide = quotient = floor = to_numpy = lambda *_: None

    def default_dtype(self):
        return "float32"


class Narrow(Plain):
    """Has arrays of one dtype."""

    arrays = SimpleNamespace

    def from_numpy(self, x):
        raise KeyError(x.dtype.name)


def announces(*infos):
    module = ModuleType("mine")
    module.invtime_backends = hookimpl(lambda: list(infos))
    return module


INFO = BackendInfo("mine", ("mine",), "mine.it:Backend", "pip install mine", "2.0")
ANNOUNCED = Announced(INFO, "invtime-mine 1.0")


def raised(error):
    def call():
        raise error

    return call


def conflicting():
    own = Registry()
    own.register(announces(INFO), "first")
    own.register(announces(INFO._replace(install="another")), "second")
    return own.load("mine")


def disguised():
    """A registry's answer for a backend whose module raises."""
    own = Registry()
    own.register(announces(INFO._replace(target="invtime.errors:Nothing")), "first")
    return own.load("mine")


def warned(call):
    """The warning, raised."""

    def run():
        with pytest.warns(PluginWarning) as caught:
            call()
        raise caught[0].message

    return run


def overlapping():
    Registry().register(announces(INFO._replace(modules=("torch",), oldest="")), "mine")


def failing_hook():
    own = Registry()

    def invtime_backend_for(step_type):
        raise RuntimeError("no\nidea")

    module = ModuleType("mine")
    module.invtime_backend_for = hookimpl(invtime_backend_for)
    own.register(module, "mine")
    own.backend_name_for(SimpleNamespace)


def asking_hook():
    own = Registry()

    def invtime_backend_for(step_type):
        own.backend_name_for(dict)

    module = ModuleType("mine")
    module.invtime_backend_for = hookimpl(invtime_backend_for)
    own.register(module, "mine")
    own.backend_name_for(SimpleNamespace)


CASES = {
    "rate nan": built(initial_learning_rate=nan),
    "rate small": built(initial_learning_rate=1e-61),
    "rate negative": built(initial_learning_rate=-0.1),
    "minimum negative": built(minimum_learning_rate=-0.1),
    "rate bool": built(initial_learning_rate=True),
    "rate text": built(initial_learning_rate="0.1"),
    "rate vector": built(initial_learning_rate=np.array([0.1])),
    "rate shapeless": built(initial_learning_rate=SimpleNamespace(dtype="float32")),
    "rate without dtype": built(initial_learning_rate=SimpleNamespace(shape=())),
    "rate complex": built(initial_learning_rate=np.array(0.1j)),
    "rate traced": built(initial_learning_rate=Traced()),
    "steps zero": built(decay_steps=0),
    "steps inexact": built(decay_steps=2**53 + 1),
    "steps huge": built(decay_steps=10**400),
    "steps inexact of NumPy": built(decay_steps=np.int64(2**53 + 1)),
    "pole": built(decay_rate=-0.5),
    "pole of a staircase": built(decay_rate=-0.4, staircase=True),
    "pole between steps": built(decay_rate=-0.3, decay_steps=0.7),
    "staircase": built(staircase=1),
    "name": built(name=3),
    "dtype": built(dtype="int32"),
    "warm-up of half a step": built(warmup_steps=0.5),
    "warm-up negative": built(warmup_steps=-1),
    "warm-up long": built(warmup_steps=2**54),
    "warm-up rate alone": built(warmup_learning_rate=0.01),
    "floor above": built(minimum_learning_rate=0.2),
    "cool-down start alone": built(cooldown_start=5),
    "cool-down steps alone": built(cooldown_steps=5),
    "final rate alone": built(final_learning_rate=0.01),
    "cool-down in the warm-up": built(warmup_steps=9, cooldown_start=8, cooldown_steps=1),
    "config no mapping": lambda: InverseTimeDecay.from_config([1, 2]),
    "config unknown key": read(power=2),
    "config missing key": lambda: InverseTimeDecay.from_config({"decay_steps": 1}),
    "config dtype": read(dtype="float8"),
    "config dtype no text": read(dtype=3),
    "JSON no text": lambda: InverseTimeDecay.from_json(3),
    "JSON none": text(""),
    "JSON token": text('{"decay_rate": NaN}'),
    "JSON twice": text('{"decay_rate": 1, "decay_rate": 2}'),
    "envelope unknown key": text({**ENVELOPE, "x": 1}),
    "envelope without config": text({"class_name": "InverseTimeDecay"}),
    "envelope without class": text({"config": CONFIG}),
    "envelope of a class": text({**ENVELOPE, "class_name": "CosineDecay"}),
    "envelope of a module": text({**ENVELOPE, "module": "os"}),
    "to_json": lambda: GOOD.to_json(envelope="xml"),
    "to_json of a dtype": lambda: GOOD.replace(dtype="float16").to_json(envelope="keras"),
    "endpoints upward": ends(end=0.2),
    "endpoints to zero": ends(end=0),
    "endpoints steps": ends(steps=0),
    "endpoints below the floor": ends(minimum_learning_rate=0.02),
    "endpoints without decay": ends(warmup_steps=60, stable_steps=40),
    "endpoints plateau": ends(staircase=True),
    "endpoints period zero": ends(decay_steps=0),
    "endpoints period long": ends(decay_steps=101, staircase=True),
    "endpoints period long after a lead": ends(decay_steps=96, staircase=True, warmup_steps=5),
    "endpoints inexact": ends(end=0.03, decay_steps=100),
    "endpoints inexact slope": ends(start=0.12345678901, end=0.07654321, steps=98765432101),
    "endpoints inexact steps": ends(end=0.03, steps=1e20, warmup_steps=1),
    "step_for": lambda: GOOD.step_for(-0.1),
    "fingerprint dtype": lambda: GOOD.fingerprint(dtype="float32"),
    "fingerprint values": lambda: GOOD.fingerprint(0),
    "fingerprint values no int": lambda: fingerprint(GOOD.form, 1.0, None),
    "step None": GOOD,
    "step bool": lambda: GOOD(True),
    "step text": lambda: GOOD("3"),
    "step NumPy bool": lambda: GOOD(np.array([True])),
    "step for NumPy ragged": lambda: coerced("numpy", [[1], [1, 2]]),
    "step for NumPy of objects": lambda: coerced("numpy", {}),
    "backend unknown": lambda: GOOD.on("nothing"),
    "backend no name": lambda: GOOD.on(3),
    "device alone": lambda: GOOD.on(device="cuda:0"),
    "device of NumPy": lambda: GOOD.on("numpy", device="gpu"),
    "dtype of a place": lambda: GOOD.on(dtype=int),
    "no array": lambda: GOOD.weak_type,
    "no array, placed": lambda: GOOD.on("numpy").weak_type,
    "plain from_numpy": lambda: Plain().from_numpy(np.arange(3)),
    "plain derivative": lambda: Plain().derivative(None, None),
    "plain device": lambda: Plain().device("gpu"),
    "plain device no text": lambda: Plain().device(3),
    "narrow dtype": lambda: Narrow().coerce(3.0, None),
    "narrow array": lambda: Narrow().coerce(SimpleNamespace(dtype="bool"), None),
    "narrow long dtype": lambda: Narrow().coerce(SimpleNamespace(dtype="x" * 200), None),
    "narrow host": lambda: Narrow().coerce(True, None),
    "narrow ragged": lambda: Narrow().coerce([[1], [1, 2]], None),
    "plugin without hooks": registered(ModuleType("mine")),
    "plugin without backends": registered(announces()),
    "plugin of other things": registered(announces(3)),
    "plugin of no identifier": registered(announces(INFO._replace(name="a b"))),
    "plugin of builtins": registered(announces(INFO._replace(modules=("builtins",)))),
    "plugin of modules as text": registered(announces(INFO._replace(modules="torch"))),
    "plugin without class": registered(announces(INFO._replace(target="mine"))),
    "plugin without command": registered(announces(INFO._replace(install=None))),
    "plugin without oldest": registered(announces(INFO._replace(oldest=None))),
    "plugin as a tuple": registered(announces(tuple(INFO))),
    "plugin of a built-in name": registered(announces(INFO._replace(name="torch"))),
    "plugins of one name": conflicting,
    "plugin that overlaps": warned(overlapping),
    "plugin whose hook fails": warned(failing_hook),
    "plugin whose hook asks": warned(asking_hook),
    "backend that cannot be made": disguised,
    "framework missing": raised(_unavailable(ANNOUNCED, ImportError("no mine", name="other.part"))),
    "framework missing, unnamed": raised(_unavailable(ANNOUNCED, ImportError("no mine"))),
    "framework missing, without modules": raised(
        _unavailable(Announced(INFO._replace(modules=()), "mine 1"), ImportError("a", name="b"))
    ),
    "plugin's own module missing": raised(
        _unavailable(ANNOUNCED, ImportError("no it", name="mine.it"))
    ),
    "plugin's own fault": raised(_unavailable(ANNOUNCED, RuntimeError("broken\n  it"))),
    "framework old": raised(
        RuntimeError(_too_old(Announced(INFO._replace(modules=("numpy",), oldest="999"), "")))
    ),
    "in words": raised(RuntimeError(in_words(ValueError("a\n  b")))),
    "plugin's fault": raised(RuntimeError(Plugin("mine", "invtime-mine 1.0").fault("is odd"))),
    "dialect unknown": dialect("nothing"),
    "dialect of code": lambda: from_dialect("torch", CONFIG),
    "dialect no mapping": lambda: from_dialect("keras", 3),
    "dialect unknown key": dialect("keras", **CONFIG, x=1),
    "dialect missing key": dialect("keras", decay_steps=1),
    "dialect of phases": lambda: to_dialect("keras", RECIPE),
    "dialect of a dtype": lambda: to_dialect("keras", GOOD.replace(dtype="float16")),
    "dialect without floor": lambda: to_dialect("levanter", GOOD),
    "dialect without stairs": lambda: to_dialect("levanter", STAIRS),
    "dialect of both ways down": lambda: to_dialect("levanter", RECIPE),
    "dialect of part of a step": lambda: to_dialect(
        "levanter", GOOD.replace(minimum_learning_rate=0.03)
    ),
}


def coerced(backend, step):
    """The error of the backend, where the registry has let the step pass."""
    return registry.default.load(backend).coerce(step, None)


def framework(name, *modules):
    """Add the case; it is skipped where a module is missing."""

    def add(function):
        def run():
            for module in modules:
                pytest.importorskip(module, exc_type=ImportError)
            return function()

        CASES[name] = run
        return function

    return add


@framework("step for JAX of text", "jax")
def _():
    return coerced("jax", "3")


@framework("step for JAX ragged", "jax")
def _():
    return coerced("jax", [[1], [1, 2]])


@framework("step for JAX of bools", "jax")
def _():
    import jax

    return GOOD(jax.numpy.array([True]))


@framework("step for JAX of int4", "jax")
def _():
    import jax

    return GOOD(jax.numpy.zeros(2, "int4"))


@framework("step for JAX of complex", "jax")
def _():
    return coerced("jax", 3j)


@framework("step for JAX of NumPy's int4", "jax")
def _():
    import jax

    return GOOD.on("jax")(np.zeros(2, jax.numpy.int4))


@framework("device of JAX", "jax")
def _():
    from invtime.backends.jax import JaxBackend

    backend = JaxBackend()
    backend.devices = lambda: ["cpu:0"]
    return backend.device("nothing:3")


@framework("binary64 on a TPU", "jax")
def _():
    from invtime.backends.jax import JaxBackend

    return JaxBackend(precision=24).round_to(np.zeros(1), "float64")


@framework("step for TensorFlow of text", "tensorflow")
def _():
    return coerced("tensorflow", "3")


@framework("step for TensorFlow of bools", "tensorflow")
def _():
    import tensorflow as tf

    return GOOD(tf.constant([True]))


@framework("step for TensorFlow, sparse", "tensorflow")
def _():
    import tensorflow as tf

    return GOOD(tf.sparse.from_dense([1, 2]))


@framework("step for TensorFlow, ragged", "tensorflow")
def _():
    import tensorflow as tf

    return GOOD(tf.ragged.constant([[1], [2, 3]]))


@framework("step for TensorFlow of int4", "tensorflow")
def _():
    import ml_dtypes

    return GOOD.on("tensorflow")(np.zeros(2, ml_dtypes.int4))


@framework("device of TensorFlow", "tensorflow")
def _():
    from invtime.backends.tensorflow import TensorflowBackend

    backend = object.__new__(type("Fixed", (), dict(vars(TensorflowBackend))))
    type(backend).devices = lambda self: ["/CPU:0"]
    return backend.device("/GPU:7")


@framework("Keras without a step", "keras")
def _():
    import keras

    from invtime.integrations.keras import InverseTimeDecay as OfKeras

    VERSIONS.append(f"of Keras {keras.__version__}")
    return OfKeras(**CONFIG)()


@framework("Keras as a number", "keras")
def _():
    from invtime.integrations.keras import InverseTimeDecay as OfKeras

    return np.asarray(OfKeras(**CONFIG))


@framework("Keras of another schedule", "keras")
def _():
    from invtime.integrations.keras import InverseTimeDecay as OfKeras

    return OfKeras.from_schedule(0.5)


@framework("Keras of a dtype", "keras")
def _():
    from invtime.integrations.keras import InverseTimeDecay as OfKeras

    return OfKeras.from_schedule(GOOD.replace(dtype="float16"))


@framework("to Keras with phases", "keras")
def _():
    from invtime.integrations.keras import InverseTimeDecay as OfKeras

    return OfKeras.from_schedule(RECIPE).to_keras()


def optimizer(groups=2):
    import torch

    return torch.optim.SGD([{"params": [torch.zeros(1)]} for _ in range(groups)], lr=0.1)


def scheduler(*arguments, **options):
    from invtime.integrations.torch import InverseTimeLR

    return InverseTimeLR(optimizer(), *arguments, **options)


TORCH = {
    "PyTorch optimizer": lambda module: module.InverseTimeLR(3, GOOD),
    "PyTorch step and last_epoch": lambda module: scheduler(GOOD, step=3, last_epoch=2),
    "PyTorch step": lambda module: scheduler(GOOD, step=-1),
    "PyTorch step of half": lambda module: scheduler(GOOD, step=0.5),
    "PyTorch a schedule and decay_rate": lambda module: scheduler(GOOD, 0.5),
    "PyTorch a schedule and phases": lambda module: scheduler(GOOD, warmup_steps=3, staircase=True),
    "PyTorch no schedule": lambda module: scheduler(1000),
    "PyTorch schedules of other kinds": lambda module: scheduler([GOOD, 0.5]),
    "PyTorch one schedule of two": lambda module: scheduler([GOOD]),
    "PyTorch rate": lambda module: module.InverseTimeLR(optimizer(), 1000, -0.5),
    "PyTorch add_schedule": lambda module: scheduler([GOOD, GOOD]).add_schedule(GOOD),
    "PyTorch state of others": lambda module: scheduler(GOOD).load_state_dict({"last_epoch": 3}),
    "PyTorch state of other schedules": lambda module: scheduler(GOOD).load_state_dict(
        scheduler(STAIRS).state_dict()
    ),
    "PyTorch group without schedule": lambda module: joined(),
    "PyTorch floor above a group's rate": lambda module: scheduler(
        1000, 0.5, minimum_learning_rate=0.2
    ),
}
for _name, _call in TORCH.items():

    def _run(call=_call):
        from invtime.integrations import torch as module

        return call(module)

    framework(_name, "torch")(_run)


def joined():
    import torch

    made = scheduler([GOOD, GOOD])
    made.optimizer.add_param_group({"params": [torch.zeros(1)]})
    made.optimizer.step()
    made.step()


@framework("PyTorch rate of others", "torch")
def _():
    made = scheduler(GOOD)
    made.optimizer.step()
    made.optimizer.param_groups[1]["lr"] = 0.7
    with pytest.warns(UserWarning, match="the rate") as caught:
        made.step()
    raise caught[0].message


@framework("step for PyTorch of bools", "torch")
def _():
    import torch

    return GOOD(torch.tensor([True]))


@framework("step for PyTorch of text", "torch")
def _():
    return coerced("torch", "3")


@framework("step for PyTorch, traced", "torch")
def _():
    import torch

    from invtime.backends.torch import TorchBackend

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("invtime.backends.torch._get_tracing_state", lambda: "tracing")
        return TorchBackend().head(torch.ones(3, dtype=torch.float64))


@framework("step for PyTorch, symbolic", "torch")
def _():
    import torch

    from invtime.backends.torch import TorchBackend

    class Symbolic(torch.SymInt):
        def __init__(self):
            pass

        def __str__(self):
            return "s0"

    return TorchBackend().coerce(Symbolic(), None)


@framework("device of PyTorch", "torch")
def _():
    from invtime.backends.torch import TorchBackend

    def missing(*_, **__):
        raise RuntimeError("no such device\nin this build")

    backend = object.__new__(type("Fixed", (), dict(vars(TorchBackend))))
    type(backend).devices = lambda self: ["cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.empty", missing)
        return backend.device("cpu")


@framework("binary64 of a narrow device of PyTorch", "torch")
def _():
    import torch

    from invtime.backends.torch import TorchBackend

    backend = object.__new__(type("Fixed", (), dict(vars(TorchBackend))))
    type(backend).precision = lambda self, x: 24
    return backend.round_to(torch.zeros(1), "float64")


@framework("far step in torch.compile", "torch")
def _():
    from invtime.backends.dynamo import _at_symbolic

    return _at_symbolic(GOOD.form, 2**60)


@framework("far line in torch.compile", "torch")
def _():
    from invtime.backends.dynamo import _at_symbolic

    return _at_symbolic(GOOD.replace(initial_learning_rate=1 / 3, warmup_steps=999).form, 5)


ARRAYS = {
    "array API without namespace": lambda xp: array_api().coerce(3, None),
    "array API of bools": lambda xp: GOOD(xp.asarray([True])),
    "array API device": lambda xp: GOOD.on("array_api", device="gpu")(xp.asarray([1])),
    "array API dtype": lambda xp: GOOD.on("array_api", dtype="bfloat16")(xp.asarray([1])),
    "array API number": lambda xp: array_api().constant(1, "", 1, 1),
    "array API default": lambda xp: array_api().default_dtype(),
    "array API devices": lambda xp: array_api().devices(),
}
for _name, _call in ARRAYS.items():

    def _run(call=_call):
        import array_api_strict

        return call(array_api_strict)

    framework(_name, "array_api_strict")(_run)


def array_api():
    from invtime.backends.array_api import ArrayAPIBackend

    return ArrayAPIBackend()


@framework("step for Dask, of Dask's own", "dask.array")
def _():
    import dask

    return coerced("dask", dask.delayed(3))


@framework("step for Dask, of other chunks", "dask.array")
def _():
    import dask.array as da

    from invtime.backends.dask import DaskBackend

    array = da.zeros(3, chunks=3)
    array._meta = Traced()
    return DaskBackend().coerce(array, None)


@framework("step for Dask of bools", "dask.array")
def _():
    import dask.array as da

    return GOOD(da.zeros(3, dtype=bool))


@framework("bfloat16 without ml_dtypes", "numpy")
def _():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ml_dtypes", None)
        return GOOD.on("numpy", dtype="bfloat16")


def rates(*arguments):
    from invtime.integrations.rates import current_rates

    return current_rates(*arguments)


@framework("rates of nothing", "numpy")
def _():
    return rates(3)


def sgd(**labels):
    import optax

    made = {name: optax.sgd(rate) for name, rate in labels.items()}
    return optax.partition(made, {name: name for name in labels}).init(dict.fromkeys(labels, 0.0))


RATES = {
    "rates without schedule": lambda optax: rates(optax.sgd(GOOD).init({})),
    "rates of no schedule": lambda optax: rates(optax.sgd(GOOD).init({}), 0.5),
    "rates of no schedule at a label": lambda optax: rates(sgd(a=GOOD), {"a": 0.5}),
    "rates of labels, one schedule": lambda optax: rates(sgd(a=GOOD, b=GOOD), GOOD),
    "rates of a label forgotten": lambda optax: rates(sgd(a=GOOD, b=GOOD), {"a": GOOD}),
    "rates of no label": lambda optax: rates(sgd(a=GOOD), {}),
    "rates of a label misspelt": lambda optax: rates(sgd(a=GOOD), {"a": GOOD, "b": GOOD}),
    "rates of two in a chain": lambda optax: rates(
        optax.chain(optax.sgd(GOOD), optax.sgd(GOOD)).init({}), GOOD
    ),
    "rates of a chain of a label": lambda optax: rates(
        (optax.sgd(GOOD).init({}), sgd(a=GOOD)), GOOD
    ),
    "rates of two in a label": lambda optax: rates(
        sgd(a=GOOD)._replace(inner_states={"a": (sgd(b=GOOD), sgd(b=GOOD))}), {"a": GOOD}
    ),
    "rates of a chain by label": lambda optax: rates(optax.sgd(GOOD).init({}), {"a": GOOD}),
    "rates of constants": lambda optax: rates(
        optax.inject_hyperparams(optax.sgd)(learning_rate=0.5).init({}), GOOD
    ),
    "rates of a constant label": lambda optax: rates(sgd(a=0.5, b=GOOD), {"a": GOOD, "b": GOOD}),
}
for _name, _call in RATES.items():

    def _run(call=_call):
        import optax

        return call(optax)

    framework(_name, "optax")(_run)


def reviewed():
    """The texts in the file, by the name of the case."""
    blocks = FILE.read_text("utf-8").split("\n\n") if FILE.exists() else []
    return dict(block.strip().split("\n", 1) for block in blocks if block.strip())


def keep(name, found):
    texts = {**reviewed(), name: found}
    kept = (f"{case}\n{texts[case]}\n" for case in CASES if case in texts)
    FILE.write_text("\n".join(kept), "utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_text(name):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        CASES[name]()
    found = f"{type(caught.value).__name__}: {caught.value}"
    for version in VERSIONS:
        found = found.replace(version, f"{version.rpartition(' ')[0]} VERSION")
    assert "\n" not in found
    if WRITE:
        keep(name, found)
    assert found == reviewed()[name]


def test_no_text_is_of_a_case_that_is_gone():
    assert reviewed().keys() <= CASES.keys()


def test_every_kind_of_error_has_a_text():
    kinds = {found.partition(":")[0] for found in reviewed().values()}
    kinds_of_package = (
        k for k in InvTimeError.__subclasses__() if k.__module__ == "invtime.errors"
    )
    public = {kind.__name__ for kind in kinds_of_package}  # LogError has tests of its own
    assert public <= kinds
    assert {"InvTimeError", "PluginWarning"} <= kinds
