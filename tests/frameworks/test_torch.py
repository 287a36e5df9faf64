"""PyTorch: eager, compiled, exported, transformed, and without binary64."""

import subprocess
import sys

import numpy as np
import pytest
from recipes import RECIPE

from invtime import InverseTimeDecay, PlacementError, StepTypeError

torch = pytest.importorskip("torch", exc_type=ImportError)
from torch._dynamo.testing import CompileCounter  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

from invtime.backends import torch as torch_backend  # noqa: E402

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)
STEPS = torch.tensor([-1, 0, 41, 1000, 2**40, 2**62])


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()


def numpy(x):
    return x.detach().to(torch.float32 if x.dtype == torch.bfloat16 else x.dtype).numpy()


@pytest.fixture(params=["in NumPy", "in PyTorch"])
def read(request, monkeypatch):
    """Where eager tensors are evaluated: in NumPy, or in PyTorch as on a GPU."""
    if request.param == "in PyTorch":
        monkeypatch.setattr("invtime.backends.torch._in_numpy", lambda x: False)


@pytest.mark.usefixtures("read")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_eager_bits(schedule, steps, dtype, assert_bits):
    result = schedule.on(dtype=dtype)(torch.from_numpy(steps))
    assert result.dtype == getattr(torch, dtype)
    assert_bits(schedule, steps, numpy(result), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_compiled_bits_in_every_dtype(dtype, assert_bits, integers):
    compiled = torch.compile(STAIRCASE.on(dtype=dtype), fullgraph=True)
    assert_bits(STAIRCASE, integers, numpy(compiled(torch.from_numpy(integers))), dtype)


def test_compiled_bits(schedule, integers, assert_bits):
    compiled = torch.compile(schedule.on(dtype="float64"), fullgraph=True)
    assert_bits(schedule, integers, numpy(compiled(torch.from_numpy(integers))))


def test_compiled_float_steps(assert_bits):
    steps = np.array([-2.0, 0.0, 40.999, 41.0, 82.0, 1e3 / 3, 9e3, 9999.5, 2.0**60, 1e300])
    for schedule in (STAIRCASE, LONG, RECIPE, RECIPE.replace(staircase=True)):
        compiled = torch.compile(schedule.on(dtype="float64"), fullgraph=True)
        assert_bits(schedule, steps, numpy(compiled(torch.from_numpy(steps))))


def test_the_derivative_of_a_compiled_function():
    def derivative(function):
        steps = torch.tensor([0.5, 50, 700.25, 1000, 9500.5, 2e9]).double().requires_grad_()
        function(steps).sum().backward()
        return steps.grad

    for schedule in (RECIPE, LONG):
        place = schedule.on(dtype="float64")
        assert torch.equal(derivative(torch.compile(place, fullgraph=True)), derivative(place))
        assert derivative(place).any()


def test_the_compiled_double_word_form(monkeypatch, assert_bits):
    """On a GPU it is compiled, and for PyTorch 2.6; on a CPU it is one operation."""
    monkeypatch.setattr(torch_backend, "_is_opaque", lambda x: False)
    compiled = torch.compile(LONG.on(dtype="float64"), fullgraph=True)
    floats = torch.tensor([-2.0, 0.0, 0.1, 40.999, 1e3 / 3, 9999.5, 2.0**60, 1e30]).double()
    for steps in (STEPS, floats):
        assert_bits(LONG, steps.numpy(), numpy(compiled(steps)))


@pytest.mark.usefixtures("read")
@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "uint16", "uint32", "uint64"])
def test_integer_steps_of_every_width(schedule, name, assert_bits):
    steps = torch.tensor([0, 1, 41, 82, 100, 127]).to(getattr(torch, name))
    expected = np.array([0, 1, 41, 82, 100, 127])
    for step, wanted in ((steps, expected), (steps[3], expected[3:4].reshape(()))):
        assert_bits(schedule, wanted, numpy(schedule.on(dtype="float64")(step)))


@pytest.mark.usefixtures("read")
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_float_steps_of_every_width(schedule, name, assert_bits):
    steps = torch.tensor([0, 1, 41, 82, 100, 2.5, 0.1]).to(getattr(torch, name))
    result = schedule.on(dtype="float64")(steps)
    assert_bits(schedule, steps.double().numpy(), numpy(result))


def test_the_default_dtype_follows_torch_and_never_the_step():
    for default in (torch.float32, torch.float64):
        torch.set_default_dtype(default)
        try:
            for step in (torch.tensor(3), torch.tensor(3.0, dtype=torch.float16), STEPS):
                assert SCHEDULE(step).dtype == default
            assert SCHEDULE.on("torch")(3).dtype == default
        finally:
            torch.set_default_dtype(torch.float32)


def test_a_tensor_parameter_pins_the_dtype():
    schedule = InverseTimeDecay(torch.tensor(0.1, dtype=torch.bfloat16), torch.tensor(1000), 0.5)
    assert schedule.get_config()["dtype"] == "bfloat16"
    assert schedule.initial_learning_rate == 0.1
    assert schedule(STEPS).dtype == torch.bfloat16
    parameter = torch.nn.Parameter(torch.tensor(0.1))
    assert InverseTimeDecay(parameter, 1000, 0.5).dtype == "float32"


def test_vmap_and_the_dispatch_modes():
    for schedule in (SCHEDULE, STAIRCASE, LONG):
        assert torch.equal(torch.func.vmap(schedule)(STEPS), schedule(STEPS))
        with torch._subclasses.FakeTensorMode():
            fake = schedule(torch.empty((), dtype=torch.int64))
            assert (tuple(fake.shape), fake.dtype) == ((), torch.float32)
    traced = torch.fx.experimental.proxy_tensor.make_fx(SCHEDULE)(torch.tensor(5))
    assert traced(torch.tensor(1000)) == SCHEDULE(torch.tensor(1000))


def test_meta_keeps_shape_dtype_and_device():
    for step in (torch.empty(3, dtype=torch.int64, device="meta"), torch.empty(3, device="meta")):
        for schedule in (SCHEDULE, STAIRCASE, LONG):
            result = schedule(step)
            assert (result.shape, result.device.type, result.dtype) == (
                (3,),
                "meta",
                torch.float32,
            )
    assert SCHEDULE.on("torch", device="meta")(5).device.type == "meta"
    assert SCHEDULE.on("torch", device="meta")(STEPS).device.type == "meta"


def test_derivative():
    x = torch.tensor([-1.0, 0.0, 3.0, 2.5, float("inf")], dtype=torch.float64, requires_grad=True)
    SCHEDULE.on(dtype="float64")(x).sum().backward()
    plain = [0.0, *(-200 / (2000 + n) ** 2 for n in (0.0, 3.0, 2.5)), 0.0]
    np.testing.assert_array_max_ulp(x.grad.numpy(), np.array(plain), maxulp=4)
    x.grad = None
    STAIRCASE(x).sum().backward()
    assert not x.grad.any()
    second = torch.func.grad(torch.func.grad(SCHEDULE.on(dtype="float64")))
    at = torch.tensor(3.0, dtype=torch.float64)
    np.testing.assert_array_max_ulp(second(at).detach().numpy(), 400 / 2003.0**3, maxulp=8)
    _, tangent = torch.func.jvp(SCHEDULE.on(dtype="float64"), (at,), (torch.ones_like(at),))
    np.testing.assert_array_max_ulp(tangent.numpy(), -200 / 2003.0**2, maxulp=4)


def test_transforms_inside_the_compiler():
    at = torch.tensor([0.0, 3.0, 50.5])
    slope = torch.func.vmap(torch.func.grad(SCHEDULE))
    traced = torch.compile(slope, fullgraph=True, backend="aot_eager")
    assert torch.equal(traced(at), slope(at))
    # Inside the compiler, vmap before PyTorch 2.11 needs a function with a `__name__`.
    named = SCHEDULE if torch.__version__ >= (2, 11) else SCHEDULE.__call__
    mapped = torch.func.vmap(named)
    assert torch.equal(torch.compile(mapped, fullgraph=True)(STEPS), mapped(STEPS))

    def loss(weight, step):
        return (weight * SCHEDULE(step)).sum()

    compiled = torch.compile(torch.func.grad(loss), fullgraph=True, backend="aot_eager")
    assert compiled(torch.tensor(2.0), torch.tensor(1000)) == SCHEDULE(torch.tensor(1000))


def test_forward_derivatives_of_a_plain_tensor():
    steps, rate = torch.tensor([0.0, 1000.0]), SCHEDULE.on(dtype="float32")
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(steps, torch.ones_like(steps))
        tangent = torch.autograd.forward_ad.unpack_dual(rate(dual)).tangent
    assert torch.equal(tangent, torch.func.grad(lambda n: rate(n).sum())(steps))
    assert tangent.all()


def test_large_tensors_are_left_to_many_cores(monkeypatch):
    from invtime.backends import blocks

    sizes = []
    fill = blocks.fill
    monkeypatch.setattr(
        blocks, "fill", lambda out, *rest: (sizes.append(out.size), fill(out, *rest))
    )
    monkeypatch.setattr(blocks, "ONE_CORE", 5)
    for cores, in_numpy in ((4, [5, 6]), (5, [5])):
        monkeypatch.setattr(torch, "get_num_threads", lambda cores=cores: cores)
        short, long = SCHEDULE(torch.arange(5)), SCHEDULE(torch.arange(6))
        assert torch.equal(short, long[:5])
        assert sizes == in_numpy
        sizes.clear()


EMPTY = torch.fx.Graph()


def test_export_strict_and_not():
    class Rate(torch.nn.Module):
        def forward(self, step):
            return SCHEDULE(step)

    for strict in (True, False):
        batch = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(Rate(), (STEPS,), dynamic_shapes=batch, strict=strict)
        assert torch.equal(program.module()(STEPS[1:]), SCHEDULE(STEPS[1:]))
        for part in program.graph_module.modules():  # it runs without invtime
            nodes = getattr(part, "graph", EMPTY).nodes
            assert not any("invtime" in str(node.target) for node in nodes)


def test_no_recompilation_as_the_step_changes_or_a_type_is_registered(monkeypatch):
    from invtime import registry

    counter = CompileCounter()
    compiled = torch.compile(SCHEDULE, fullgraph=True, backend=counter)
    for k in range(5):
        assert compiled(torch.tensor(k)) == SCHEDULE(torch.tensor(k))
    assert counter.frame_count == 1
    monkeypatch.setitem(registry.default._names, type("Other", (), {}), "numpy")
    monkeypatch.setattr(registry.default._backends, "another", object(), raising=False)
    SCHEDULE(np.arange(3))
    compiled(torch.tensor(99))
    assert counter.frame_count == 1


def test_one_compiled_function_for_several_schedules():
    """Under Dynamo the integers of a form are guarded constants: not symbolic and not stale."""
    compiled = torch.compile(lambda schedule, step: schedule(step), fullgraph=True, backend="eager")
    schedules = [SCHEDULE, InverseTimeDecay(0.2, 1000, 0.5), STAIRCASE, LONG, SCHEDULE]
    for schedule in schedules:
        assert torch.equal(compiled(schedule, STEPS), schedule(STEPS))


def test_one_program_for_equal_schedules():
    """Dynamo guards the contents of a form, not its identity."""
    if torch.__version__ < (2, 9):
        pytest.skip(f"PyTorch {torch.__version__} compiles anew when an argument is deallocated")
    counter = CompileCounter()
    compiled = torch.compile(lambda schedule: schedule(STEPS), fullgraph=True, backend=counter)
    for _ in range(3):
        compiled(InverseTimeDecay(1 / 3, 1000, 1 / 7))
    assert counter.frame_count == 1


def test_a_python_int_step_inside_the_compiler_is_exact_or_refused():
    one = torch.ones((), dtype=torch.float64)
    compiled = torch.compile(lambda x, n: x * SCHEDULE(n), fullgraph=True)
    for n in (5, 6, 7, 1000, 2**40, -3):
        assert compiled(one, n).item() == SCHEDULE(n)
    for n in (2**53, 2**60, 2**63 - 1, 2**70):
        with pytest.raises(Exception, match="pass the step as an int64 tensor"):
            compiled(one, n)
    compiled = torch.compile(lambda x, n: x * LONG(n), fullgraph=True)
    for n in (5, 6):  # with and without Dynamo treating it as a constant
        with pytest.raises(Exception, match="pass the step as an int64 tensor"):
            compiled(one, n)
    for schedule in (SCHEDULE, LONG):  # if Dynamo may break the graph, the host evaluates the step
        loose = torch.compile(lambda x, n, schedule=schedule: x * schedule(n))
        for n in (5, 2**60, 2**60 + 1):
            assert loose(one, n).item() == schedule(n)


def test_a_python_int_step_of_several_schedules_inside_the_compiler():
    """The attributes of the schedule become symbolic here, and must not be used beyond 64 bits."""
    one = torch.ones((), dtype=torch.float64)
    rates = (0.1, 1 / 3, 1 / 7, 1 / 9, 0.3)
    for staircase in (False, True):
        for step in (5, 2.5, -1.0):
            compiled = torch.compile(lambda x, schedule, step=step: x * schedule(step))
            for rate in rates:
                schedule = InverseTimeDecay(rate, 1.7, rate, staircase)
                assert compiled(one, schedule).item() == schedule(step)


COLD = """
import torch, invtime
schedule = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)
steps = torch.tensor([40, 41])
class Rate(torch.nn.Module):
    def forward(self, step):
        return schedule(step)
if {export}:
    result = torch.export.export(Rate(), (steps,), strict=True).module()(steps)
else:
    result = torch.compile(Rate(), fullgraph=True, backend="eager")(steps)
assert result.tolist() == torch.tensor([0.1, 0.1 / 1.5]).tolist(), result
"""


@pytest.mark.parametrize("export", [False, True])
def test_the_first_call_of_a_process_may_be_inside_the_compiler(export):
    subprocess.run([sys.executable, "-c", COLD.format(export=export)], check=True)


WITHOUT_PRIVATE_NAMES = """
import sys, torch
sys.modules["torch._C._functorch"] = None  # its import fails
import invtime
from invtime.registry import default
steps = torch.tensor([-1, 0, 41, 2**62])
for schedule in (
    invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True),
    invtime.InverseTimeDecay(1 / 3, 1000, 1 / 7),
):
    wanted = torch.tensor([schedule(step) for step in steps.tolist()])
    for rate in (schedule, torch.func.vmap(schedule)):
        assert torch.equal(rate(steps), wanted), rate
    assert schedule(steps[2]) == wanted[2]
assert default.load("torch").host_step(steps[2]) is None
"""


def test_without_the_private_names_nothing_is_read_on_the_host():
    subprocess.run([sys.executable, "-c", WITHOUT_PRIVATE_NAMES], check=True)


def test_devices():
    with pytest.raises(PlacementError, match=r"'cpu'"):
        SCHEDULE.on("torch", device="cuda:99")
    with pytest.raises(PlacementError, match="nonsense"):
        SCHEDULE.on("torch", device="nonsense")
    assert SCHEDULE.on("torch", device=torch.device("cpu"))(np.arange(3)).device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda(schedule, steps, assert_bits):
    result = schedule.on("torch", device="cuda:0", dtype="float64")(torch.from_numpy(steps))
    assert result.device.type == "cuda"
    assert_bits(schedule, steps, result.cpu().numpy())


@pytest.mark.parametrize(
    "step",
    [torch.tensor(True), torch.tensor(1j), torch.tensor([True])],
    ids=["bool", "complex", "bool vector"],
)
def test_steps_that_are_no_numbers(step):
    with pytest.raises(StepTypeError, match="dtype torch"):
        SCHEDULE(step)
    with pytest.raises(StepTypeError):
        SCHEDULE.on("torch")("text")


def test_a_meta_or_fake_parameter_is_refused():
    with pytest.raises(ValueError, match="no value yet"):
        InverseTimeDecay(torch.tensor(0.1, device="meta"), 1000, 0.5)
    with pytest.raises(ValueError, match="dtype float8"):
        InverseTimeDecay(torch.tensor(0.1).to(torch.float8_e4m3fn), 1000, 0.5)


def test_a_device_without_binary64(schedule, monkeypatch, integers, assert_float32_words):
    """Forced on the CPU: the stage is exact, the value within 1 ULP of float32."""
    monkeypatch.setattr("invtime.backends.torch.NARROW_DEVICES", {"cpu"})
    assert_float32_words(schedule, integers, schedule(torch.from_numpy(integers)))
    with pytest.raises(PlacementError, match="no binary64"):
        schedule.on(dtype="float64")(torch.from_numpy(integers))


def test_other_steps_are_taken_over():
    assert torch.equal(SCHEDULE.on("torch")(np.arange(5)), SCHEDULE(torch.arange(5)))
    assert SCHEDULE.on("torch")(2**70).item() == np.float32(SCHEDULE(2**70))
    assert torch.equal(SCHEDULE(torch.empty(0, dtype=torch.int64)), torch.empty(0))
    assert torch.equal(torch.inference_mode()(SCHEDULE)(STEPS), SCHEDULE(STEPS))


def _odd_steps():
    steps = torch.tensor([[0.0, 1000.0]])
    yield steps.to_sparse(), "to_dense"
    yield steps.to_sparse_csr(), "to_dense"
    yield torch.quantize_per_tensor(steps, 10.0, 0, torch.qint8), "dequantize"
    for layout in (torch.strided, torch.jagged):
        parts = [torch.arange(2), torch.arange(3)]
        nested = torch.nested.nested_tensor(parts, layout=layout)
        yield nested, "to_padded_tensor"
    yield torch.empty(3, dtype=torch.int4), "int4"


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of prototypes and deprecations
def test_steps_that_are_not_dense_are_refused_with_the_way_on():
    for step, remedy in _odd_steps():
        with pytest.raises(StepTypeError, match=remedy):
            SCHEDULE(step)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_trace_of_torchscript_is_exact_or_refused():
    short, long = torch.tensor([3], dtype=torch.int32), torch.arange(0, 2000, 7, dtype=torch.int32)
    traced = torch.jit.trace(SCHEDULE.__call__, (short,))
    assert torch.equal(traced(long), SCHEDULE(long))
    with pytest.raises(StepTypeError, match=r"step\.to\(torch\.int32\)"):
        torch.jit.trace(SCHEDULE.__call__, (torch.tensor([3]),))
    with pytest.raises(StepTypeError, match=r"torch\.export"):
        torch.jit.trace(LONG.__call__, (short,))


def test_a_size_as_a_step_of_a_strict_export():
    class Scaled(torch.nn.Module):
        def forward(self, x):
            return x * SCHEDULE(torch.scalar_tensor(x.shape[0], dtype=torch.int64))

    sizes = ({0: torch.export.Dim("b", min=2)},)
    for strict in (True, False):
        program = torch.export.export(
            Scaled(), (torch.ones(5),), dynamic_shapes=sizes, strict=strict
        )
        assert program.module()(torch.ones(1000))[0] == SCHEDULE(torch.tensor(1000))


class BySize(torch.nn.Module):
    """A rate at a step that `take` makes from the number of rows."""

    def __init__(self, rate, take):
        super().__init__()
        self.rate = rate
        self.take = take

    def forward(self, x):
        return x * self.rate(self.take(x.shape[0]))


def exported(module, x):
    sizes = ({0: torch.export.Dim("rows")},)
    return torch.export.export(module, (x,), dynamic_shapes=sizes, strict=False).module()


def traced(module, x):
    return make_fx(module.__call__, tracing_mode="symbolic")(x)


@pytest.mark.parametrize("follow", [exported, traced])
@pytest.mark.parametrize("rate", [SCHEDULE, LONG, SCHEDULE.on("torch"), LONG.on(dtype="float64")])
def test_a_symbolic_step_is_refused_and_its_tensor_followed(follow, rate):
    """A plain number would stay 41 for all later sizes; its `float` is symbolic too."""
    x = torch.ones(41, dtype=torch.float64)
    for take in (lambda n: n, lambda n: n / 2, lambda n: n > 5):
        with pytest.raises(StepTypeError):
            follow(BySize(rate, take), x)
    with pytest.raises(StepTypeError, match=r"scalar_tensor\(step, dtype=torch\.int64\)"):
        follow(BySize(rate, lambda n: n), x)
    followed = follow(BySize(rate, lambda n: torch.scalar_tensor(n, dtype=torch.int64)), x)
    for rows in (41, 1000):
        wanted = rate(torch.tensor(rows))
        assert (followed(torch.ones(rows, dtype=torch.float64)) == wanted).all()
