"""What is mutated: the modules in groups, each with the framework it needs and the tests of it."""

from __future__ import annotations

from typing import NamedTuple

FRAMEWORKS = ("torch", "jax", "tensorflow", "keras", "dask", "array_api_strict")


class Group(NamedTuple):
    """Modules, the tests that shall notice, the frameworks, and the share of the sample."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    frameworks: tuple[str, ...] = ()
    without: str = "nothing"  # tests that take long, as an expression of pytest's -k
    share: int = 1


CORE = (
    *("spec", "parameters", "decimals", "form", "table", "pieces", "stage", "doubleword", "ties"),
    *("evaluate", "primitives", "dtypes", "arrays", "config", "placement", "planning"),
    *("fingerprint", "registry", "plugins", "versions", "errors", "backends/base"),
    "backends/operand",
)
# Of tests that start other processes, the process that is forked sees nothing: they are left out.
PURE = (
    *("spec", "exact", "decimals", "config", "errors", "phases", "ties", "planning", "fingerprint"),
    *("hostile", "hostile_phases", "reference", "one_truth", "derivative", "error_texts"),
)
GROUPS = {
    "core": Group(
        CORE,
        (
            *(f"test_{name}.py" for name in PURE),
            *("property", "frameworks/test_numpy.py", "frameworks/test_scalars.py"),
            *("plugins/test_registry.py", "plugins/test_dtype_names.py", "plugins/test_operand.py"),
            *("plugins/test_entry_points.py", "test_edges.py"),
        ),
        share=6,
    ),
    "arrays": Group(
        (
            *("backends/numpy", "backends/blocks", "backends/numpy_rounding"),
            *("backends/array_api", "backends/dask"),
        ),
        (
            *("frameworks/test_numpy.py", "frameworks/test_numpy_rounding.py"),
            *("frameworks/test_scalars.py", "frameworks/test_array_api.py"),
            *("frameworks/test_dask.py", "frameworks/test_numpy_blocks.py", "test_error_texts.py"),
        ),
        ("dask", "array_api_strict"),
    ),
    "torch": Group(
        ("backends/torch", "backends/dynamo"),
        (
            "frameworks/test_torch.py",
            "frameworks/test_dynamo.py",
            *("frameworks/test_torch_backend.py", "frameworks/test_torch_ways.py"),
            "test_error_texts.py",
            "plugins/test_conformance.py::test_torch",
        ),
        ("torch",),
        "compiled_bits or compiled_float or python_int_step or transforms or first_call "
        "or (test_conformance and modes) or retracing",
    ),
    "jax": Group(
        ("backends/jax",),
        ("frameworks/test_jax.py", "frameworks/test_jax_backend.py", "test_error_texts.py"),
        ("jax",),
    ),
    "tensorflow": Group(
        ("backends/tensorflow", "backends/autograph"),
        (
            *("frameworks/test_tensorflow.py", "frameworks/test_tensorflow_backend.py"),
            "test_error_texts.py",
        ),
        ("tensorflow",),
    ),
    "optimizers of PyTorch": Group(
        ("integrations/torch", "integrations/rates"),
        (
            *("integrations/test_torch.py", "integrations/test_torch_laws.py"),
            *("integrations/test_torch_groups.py", "integrations/test_rates.py"),
            "test_error_texts.py",
        ),
        ("torch", "jax"),  # optax is on JAX
    ),
    "Keras": Group(
        ("integrations/keras",),
        (
            *("integrations/test_keras.py", "integrations/test_keras_laws.py"),
            *("integrations/test_keras_parameters.py", "test_error_texts.py"),
        ),
        ("keras", "tensorflow"),
    ),
}
