"""Which way PyTorch's backend takes for a tensor: NumPy's, its own, or that of a compiler.

`test_torch.py` compiles, which takes seconds for each function. Here the questions that a compiler
answers are answered for it.
"""

import numpy as np
import pytest

from invtime import InverseTimeDecay, PlacementError
from invtime.backends import blocks, dynamo

torch = pytest.importorskip("torch", exc_type=ImportError)
from invtime.backends import torch as module  # noqa: E402
from invtime.backends.torch import TorchBackend  # noqa: E402

BACKEND = TorchBackend()
SHORT = InverseTimeDecay(0.1, 1000, 0.5)
RECIPE = InverseTimeDecay(1 / 3, 1000, 1 / 7, warmup_steps=7, cooldown_start=99, cooldown_steps=9)
STEPS = torch.tensor([-1, 0, 3, 98, 99, 103, 108, 2**40])


@pytest.fixture
def compiling(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)


@pytest.fixture
def tracing(compiling, monkeypatch):
    """What Dynamo answers; the branches of `torch.cond` that are taken."""
    taken = []

    def cond(predicate, true, false):
        taken.append(bool(predicate))
        return true() if predicate else false()

    monkeypatch.setattr(torch.compiler, "is_dynamo_compiling", lambda: True)
    monkeypatch.setattr(torch, "cond", cond)
    return taken


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("schedule", [SHORT, RECIPE], ids=["form", "table"])
def test_every_way_has_the_same_bits(schedule, dtype, monkeypatch):
    place = schedule.on("torch", dtype=dtype)
    expected = place(STEPS)
    assert expected.dtype is getattr(torch, dtype)
    asked = []
    monkeypatch.setattr(module, "_in_numpy", asked.append)
    assert torch.equal(place(STEPS), expected)
    assert asked
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    operation = module._eager

    def eager(*arguments):  # when a compiled function runs, nothing is compiling
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: False)
            return operation(*arguments)

    monkeypatch.setattr(module, "_eager", eager)
    for opaque in (True, False):
        monkeypatch.setattr(module, "_is_opaque", lambda x, opaque=opaque: opaque)
        assert torch.equal(place(STEPS), expected)


@pytest.fixture
def operations(monkeypatch):
    """The arguments of each call of the opaque operation."""
    calls = []

    def eager(x, phases, key, dtype):
        calls.append((x, phases, key, dtype))
        return torch.zeros(x.shape, dtype=getattr(torch, dtype))

    monkeypatch.setattr(module, "_eager", eager)
    return calls


@pytest.mark.parametrize("schedule", [SHORT, RECIPE], ids=["form", "table"])
def test_the_double_word_form_of_a_compiled_function_is_one_operation(
    schedule, tracing, operations, monkeypatch
):
    far = torch.tensor([2**60])
    BACKEND.evaluate(schedule.form, far, "float32")
    # The integers of the other fit nowhere, so that there is no choice.
    assert tracing == ([False] if schedule is SHORT else [])
    ((x, phases, key, dtype),) = operations
    assert x is far
    assert (phases, key, dtype) == (schedule is RECIPE, schedule.form.key, "float32")
    operations.clear()
    monkeypatch.setattr(module, "_is_opaque", lambda x: False)
    BACKEND.evaluate(schedule.form, far, "float32")
    assert not operations


@pytest.mark.parametrize("schedule", [SHORT, RECIPE], ids=["form", "table"])
def test_the_double_word_form_of_float_steps_is_one_operation(schedule, tracing, operations):
    BACKEND.evaluate(schedule.form, torch.tensor([-1.0, 2.5]), "float32")
    ((x, *rest),) = operations
    assert x.tolist() == [0, 2.5]
    assert rest == [schedule is RECIPE, schedule.form.key, "float64"]


def test_the_rare_branch_of_a_table(tracing, operations):
    form = SHORT.replace(warmup_steps=8).form
    BACKEND.evaluate(form, torch.tensor([2**60]), "float64")
    assert tracing == [False]
    assert [rest for x, *rest in operations] == [[True, form.key, "float64"]]


@pytest.mark.parametrize("schedule", [SHORT, RECIPE], ids=["form", "table"])
def test_the_operation_itself(schedule):
    form, phases = schedule.form, schedule is RECIPE
    for dtype in ("float32", "bfloat16"):
        for steps in (STEPS, STEPS.reshape(2, 4).T, STEPS[2], STEPS.double() + 0.5):
            found = module._eager(steps, phases, form.key, dtype)
            assert torch.equal(found, schedule.on("torch", dtype=dtype)(steps))
            assert found.is_contiguous()
            meta = module._eager(steps.to("meta"), phases, form.key, dtype)
            assert (meta.shape, meta.dtype) == (found.shape, found.dtype)


def test_what_may_be_one_operation(monkeypatch):
    assert module._is_opaque(STEPS)
    assert not module._is_opaque(STEPS.to("meta"))
    for name, value in (
        ("EXPORTING", None),
        ("EXPORTING", lambda: True),
        ("_transformed", lambda: True),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert not module._is_opaque(STEPS)


def chosen(x):
    return BACKEND.choose(x, 5, lambda: torch.ones(3), lambda: torch.ones(3) * 2).tolist()


def test_the_choice_is_for_the_array_or_for_each_element(tracing, monkeypatch):
    near, far = torch.tensor([0, 5, 5]), torch.tensor([0, 5, 6])
    assert (chosen(near), chosen(far)) == ([1, 1, 1], [2, 2, 2])
    assert tracing == [True, False]
    monkeypatch.setattr(module, "_transformed", lambda: True)
    assert (chosen(near), chosen(far)) == ([1, 1, 1], [1, 1, 2])
    monkeypatch.setattr(torch.compiler, "is_dynamo_compiling", lambda: False)
    assert (chosen(near), chosen(far)) == ([1, 1, 1], [2, 2, 2])
    monkeypatch.setattr(module, "_concrete", lambda x: False)
    assert (chosen(near), chosen(far)) == ([1, 1, 1], [1, 1, 2])
    assert tracing == [True, False]


def test_what_the_host_reads(monkeypatch):
    assert BACKEND.host_step(torch.tensor(3)) == 3
    assert BACKEND.host_step(torch.tensor(2.5, dtype=torch.bfloat16)) == 2.5
    differentiated = torch.tensor(2.5, requires_grad=True)
    for step in (torch.tensor([3]), differentiated, torch.tensor(3, device="meta")):
        assert BACKEND.host_step(step) is None
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(torch.tensor(2.5), torch.tensor(1.0))
        assert BACKEND.host_step(dual) is None
    assert BACKEND.none(torch.tensor([False, False]))
    assert not BACKEND.none(torch.tensor([False, True]))
    assert not BACKEND.none(torch.tensor([False], device="meta"))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert BACKEND.host_step(torch.tensor(3)) is None
    assert not BACKEND.none(torch.tensor([False]))


def test_constants_are_kept_but_for_a_compiler(monkeypatch):
    made = []

    def make(piece, precision):
        made.append((piece, precision))
        return made

    for _ in range(2):
        assert BACKEND.kept(make, "kept", 53) is made
    assert made == [("kept", 53)]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for _ in range(2):
        assert BACKEND.kept(make, "anew", 24) is made
    assert made == [("kept", 53), ("anew", 24), ("anew", 24)]


class Odd(torch.Tensor):
    pass


def test_what_is_plain_data_in_host_memory(monkeypatch):
    plain = torch.ones(2)
    assert module._concrete(plain)
    assert module._concrete(torch.nn.Parameter(plain))
    assert not module._concrete(plain.as_subclass(Odd))
    assert not module._concrete(plain.to("meta"))
    seen = []
    torch.func.vmap(lambda x: seen.append(module._concrete(x)) or x)(plain)
    assert seen == [False]
    for name, value in (
        ("WATCHERS_ARE_SEEN", False),
        ("_len_torch_dispatch_stack", lambda: 1),
        ("_get_tracing_state", lambda: "tracing"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert not module._concrete(plain)


def test_what_numpy_computes(monkeypatch):
    for dtype in module.SHARED:
        assert module._in_numpy(torch.zeros(3, dtype=dtype))
    for dtype in (torch.uint64, torch.uint32, torch.bfloat16):
        assert not module._in_numpy(torch.zeros(3, dtype=dtype))
    assert not module._in_numpy(torch.zeros(3, device="meta"))
    large, larger = (torch.zeros(blocks.ONE_CORE + more, dtype=torch.int8) for more in (0, 1))
    for threads, expected in ((blocks.MANY_CORES, False), (blocks.MANY_CORES - 1, True)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert module._in_numpy(large)
        assert module._in_numpy(larger) is expected
    assert not module._in_numpy(torch.ones(3, requires_grad=True))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(torch.ones(3), torch.ones(3))
        assert not module._in_numpy(dual)


def test_which_transforms_are_seen(monkeypatch):
    seen = []
    assert not module._transformed()
    torch.func.vmap(lambda x: seen.append(module._transformed()) or x)(torch.ones(2))
    assert seen == [True]
    monkeypatch.setattr(module, "WATCHERS_ARE_SEEN", False)
    assert module._transformed()


def test_a_line_of_one_step_in_the_arithmetic_of_the_compiler():
    schedule = InverseTimeDecay(0.5, 1000, 1, warmup_steps=1, warmup_learning_rate=0.25)
    for step in (-1, 0, 1, 2):
        assert dynamo._traced_number(schedule.form, step) == schedule(step)


def test_compiled_functions_are_whole_graphs(monkeypatch):
    """So that the conformance kit sees what Dynamo cannot trace."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: (function, options))
    assert BACKEND.modes()["compile"](SHORT) == (SHORT, {"fullgraph": True})


def test_its_primitives():
    n = torch.tensor([-7, 0, 6, 7, 2**40])
    assert BACKEND.quotient(n, 7).tolist() == [-1, 0, 0, 1, 2**40 // 7]
    assert BACKEND.clamp(n).tolist() == [0, 0, 6, 7, 2**40]
    assert BACKEND.where(n > 6, n, 1).tolist() == [1, 1, 1, 7, 2**40]
    x = torch.tensor([-2.5, 0.1, 3.0], dtype=torch.float64)
    assert BACKEND.floor(x).tolist() == [-3, 0, 3]
    assert BACKEND.divide(1.0, x).tolist() == [-0.4, 10.0, 1 / 3]
    assert BACKEND.divide(x, x).tolist() == [1, 1, 1]
    assert BACKEND.cast(x, "int64").tolist() == [-2, 0, 3]
    assert BACKEND.integer_range(x) is None
    assert BACKEND.integer_range(n) == (-(2**63), 2**63 - 1)
    assert BACKEND.integer_range(torch.zeros(1, dtype=torch.uint8)) == (0, 255)
    detached = BACKEND.detach(x.clone().requires_grad_())
    assert not detached.requires_grad


def test_heads_in_both_precisions(monkeypatch):
    wide = torch.tensor([-2.5, 0.1, 1e5 + 1 / 3], dtype=torch.float64)
    expected = ((wide.numpy().view(np.int64) >> 27) << 27).view(np.float64)
    assert BACKEND.head(wide).tolist() == expected.tolist()
    monkeypatch.setattr(module, "NARROW_DEVICES", {"cpu"})
    assert BACKEND.precision(wide) == 24
    narrow = wide.float()
    expected = ((narrow.numpy().view(np.int32) >> 12) << 12).view(np.float32)
    assert BACKEND.head(narrow).tolist() == expected.tolist()
    monkeypatch.setattr(module, "VMAPS_BITS", False)
    assert BACKEND.head(narrow).tolist() == expected.tolist()
    monkeypatch.setattr(module, "_transformed", lambda: True)
    found = BACKEND.head(narrow)
    assert torch.equal(narrow - found + found, narrow)
    with pytest.raises(PlacementError):
        BACKEND.round_to(narrow, "float64")


def test_devices_by_name():
    assert BACKEND.device(None) is None
    assert BACKEND.device("cpu") == torch.device("cpu")
    assert BACKEND.device(torch.device("meta")) == torch.device("meta")
    with pytest.raises(PlacementError) as caught:
        BACKEND.device("nothing")
    assert caught.value.__cause__ is not None


def test_a_step_on_another_device():
    assert BACKEND.coerce(STEPS, None) is STEPS
    assert BACKEND.coerce(STEPS, "meta").device.type == "meta"
    assert BACKEND.coerce(np.arange(3), "meta").device.type == "meta"
    assert BACKEND.coerce(3, None).dtype is torch.int64


def test_its_default_dtype_is_read_at_the_call():
    assert BACKEND.default_dtype() == "float32"
    torch.set_default_dtype(torch.float64)
    try:
        assert BACKEND.default_dtype() == "float64"
    finally:
        torch.set_default_dtype(torch.float32)
