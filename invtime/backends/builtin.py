"""The plugin of the built-in backends. It imports none of their frameworks."""

from __future__ import annotations

from invtime.hookspecs import BackendInfo, hookimpl


@hookimpl
def invtime_backends() -> list[BackendInfo]:
    """Return the built-in backends: one per framework, and the fallback, which claims no module."""
    return [
        BackendInfo(
            "numpy",
            ("numpy",),
            "invtime.backends.numpy:NumpyBackend",
            "python -m pip install numpy",
        ),
        BackendInfo(
            "torch",
            ("torch",),
            "invtime.backends.torch:TorchBackend",
            'python -m pip install "invtime[torch]"',
            "2.6",
        ),
        BackendInfo(
            "jax",
            ("jax", "jaxlib"),
            "invtime.backends.jax:JaxBackend",
            'python -m pip install "invtime[jax]"',
            "0.7.2",
        ),
        BackendInfo(
            "tensorflow",
            ("tensorflow",),
            "invtime.backends.tensorflow:TensorflowBackend",
            'python -m pip install "invtime[tensorflow]"',
            "2.18",
        ),
        BackendInfo(
            "dask",
            ("dask",),
            "invtime.backends.dask:DaskBackend",
            'python -m pip install "invtime[dask]"',
            "2025.1",
        ),
        BackendInfo("array_api", (), "invtime.backends.array_api:ArrayAPIBackend", ""),
    ]
