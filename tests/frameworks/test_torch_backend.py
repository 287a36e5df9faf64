"""The properties of PyTorch's backend, and its error messages."""

import math

import numpy as np
import pytest

from invtime import InverseTimeDecay, StepTypeError

torch = pytest.importorskip("torch", exc_type=ImportError)
from invtime.backends.torch import TorchBackend, _first_line  # noqa: E402

BACKEND = TorchBackend()
SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)


class Devices:
    def __init__(self, count):
        self.count = count

    def is_available(self):
        return self.count > 0

    def device_count(self):
        return self.count


def test_every_device_of_each_kind_is_listed(monkeypatch):
    for kind, count in {"cuda": 2, "xpu": 1, "mps": 1}.items():
        monkeypatch.setattr(torch, kind, Devices(count))
    assert BACKEND.devices() == ["cpu", "cuda:0", "cuda:1", "xpu:0", "mps:0"]
    monkeypatch.setattr(torch, "mps", Devices(0))
    monkeypatch.delattr(torch, "xpu")
    assert BACKEND.devices() == ["cpu", "cuda:0", "cuda:1"]


def test_its_modes():
    modes = BACKEND.modes()
    assert list(modes) == ["eager", "compile", "vmap"]
    assert modes["eager"](SCHEDULE) is SCHEDULE
    steps = torch.arange(3)
    assert torch.equal(modes["vmap"](SCHEDULE)(steps), SCHEDULE(steps))


def test_its_derivative_is_that_of_autograd():
    steps = torch.tensor([-1.0, 0.0, 500.0, 1000.0], dtype=torch.float64)
    place = SCHEDULE.on("torch", dtype="float64")
    steps.requires_grad_()
    place(steps).sum().backward()
    assert torch.equal(BACKEND.derivative(place, steps.detach()), steps.grad)


def test_numpy_arrays_of_every_dtype():
    for dtype in (torch.float16, torch.float32, torch.float64, torch.int64):
        found = BACKEND.to_numpy(
            torch.tensor([1, 2], dtype=dtype).requires_grad_(dtype.is_floating_point)
        )
        assert (found.tolist(), str(found.dtype)) == ([1, 2], str(dtype).removeprefix("torch."))
    found = BACKEND.to_numpy(torch.tensor([0.1], dtype=torch.bfloat16))
    assert (found.tolist(), found.dtype) == ([0.10009765625], np.float32)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_constant_rounds_along_the_chain_and_overflows_to_infinity(dtype):
    like = torch.zeros(1)
    for value in (0.1, 65504.0, 65519.0, 65520.0, 1e39):
        found = BACKEND.constant(value, dtype, like, None)
        with np.errstate(over="ignore"):
            single = np.float32(value)
            narrow = {"float16": np.float16(single), "float32": single, "float64": value}
        expected = narrow.get(dtype, torch.tensor(float(single)).to(torch.bfloat16).item())
        assert (found.item(), str(found.dtype)) == (float(expected), f"torch.{dtype}")
    assert math.isinf(BACKEND.constant(65520.0, "float16", like, None).item())


def test_the_device_of_a_constant():
    meta = torch.zeros(1, device="meta")
    for value in (0.5, 1e6):
        assert BACKEND.constant(value, "float32", meta, None).device.type == "meta"
        assert BACKEND.constant(value, "float32", meta, "cpu").device.type == "cpu"
        assert BACKEND.constant(value, "float32", None, None).device.type == "cpu"


def refused(step):
    with pytest.raises(StepTypeError) as caught:
        SCHEDULE(step)
    return str(caught.value).split("; ")


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of prototypes and deprecations
def test_the_words_of_what_is_refused():
    accepted = "it must be an int, a float, or an array or tensor of integers or floats"
    steps = torch.tensor([[0.0, 1000.0]])
    cases = {
        "a tensor of layout torch.sparse_coo": (steps.to_sparse(), "pass step.to_dense()"),
        "a quantized tensor": (
            torch.quantize_per_tensor(steps, 10.0, 0, torch.qint8),
            "pass step.dequantize()",
        ),
        "a nested tensor": (
            torch.nested.nested_tensor([torch.arange(2), torch.arange(3)]),
            "pass torch.nested.to_padded_tensor(step, 0)",
        ),
        "a tensor of dtype torch.bool": (torch.tensor([True]), "convert it first"),
    }
    for what, (step, remedy) in cases.items():
        assert refused(step) == [f"a step cannot be {what}", accepted, remedy]


def test_the_first_line_of_an_error():
    assert _first_line(RuntimeError("one\ntwo")) == "one"
    assert _first_line(RuntimeError()) == "RuntimeError"
