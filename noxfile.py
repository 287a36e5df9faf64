"""Every task of the project. `nox` runs what CI runs; `nox --list` shows them all."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
# pip, whatever else is installed: it is what users run, and it honours their pip configuration.
nox.options.default_venv_backend = "venv"

# pyenv keeps the interpreters that are not chosen off the PATH; put them at its end. One that
# is nowhere is reported: the session is skipped, and with CI set in the environment it fails.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
INTERPRETERS = map(str, sorted(PYENV.glob("versions/3.*/bin")))
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *INTERPRETERS])

OLDEST = "3.11"
PYTHONS = [OLDEST, "3.12", "3.13"]
TESTED = ("-c", "constraints.txt")
# tensorflow-cpu in place of the extra `tensorflow`: the same code without a GPU's libraries.
FRAMEWORKS = (
    *(".[torch,jax,keras,dask,plot,cli,testing]", "tensorflow-cpu", "optax", "jsonschema"),
    *("distributed", "array-api-strict", "tensorboard"),
)
TRAINERS = ("lightning", "transformers", "accelerate", "flax", "equinox")
PLUGINS = (
    *(f"./examples/plugins/invtime-{name}" for name in ("mlx", "paddle", "fused")),
    "./tests/plugins/invtime-broken",
)
PARALLEL = ("-n", "2", "--dist", "loadfile")
KERAS = ("tests/integrations/test_keras.py", "tests/integrations/test_rates.py")
# What must be there: a framework that does not import fails the tests instead of skipping them.
REQUIRED = {
    "INVTIME_REQUIRE_BACKENDS": "numpy,torch,jax,tensorflow,dask",
    "INVTIME_REQUIRE_MODULES": (
        "keras,tf_keras,optax,array_api_strict,distributed,matplotlib,tensorboard"
    ),
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def install_frameworks(session: nox.Session, *more: str) -> None:
    """The package with every framework, and what else the task needs."""
    session.install(*FRAMEWORKS, *more, *TESTED)
    session.install("tf-keras", "--no-deps", *TESTED)  # it asks for `tensorflow` by that name


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Ruff: the rules, then the formatting."""
    session.install("ruff", *TESTED)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=OLDEST)
def typecheck(session: nox.Session) -> None:
    """mypy, strict for the package and this file; the frameworks are not looked into."""
    session.install(".[cli,testing]", "mypy", "nox", *TESTED)
    session.run("mypy")


@nox.session(python=PYTHONS)
def numpy(session: nox.Session) -> None:
    """The tests with NumPy alone, on every Python."""
    session.install(".[cli,testing]", "jsonschema", *TESTED)
    session.run("pytest", *session.posargs)


@nox.session(python=OLDEST)
def frameworks(session: nox.Session) -> None:
    """The tests with NumPy, PyTorch, JAX and TensorFlow, each of which must be present.

    Keras on TensorFlow; then its own tests again on its other backends, each in its process.
    """
    install_frameworks(session, "pytest-xdist")
    apart = "--ignore=tests/trainers"
    session.run("pytest", *PARALLEL, apart, *session.posargs, env=REQUIRED)
    for backend in () if session.posargs else ("jax", "torch"):
        session.run("pytest", *KERAS, env={**REQUIRED, "KERAS_BACKEND": backend})


@nox.session(python=OLDEST)
def trainers(session: nox.Session) -> None:
    """The tests with what people train with: Lightning, Hugging Face, flax, Equinox, ..."""
    install_frameworks(session, *TRAINERS, "pytest-xdist")
    required = {**REQUIRED, "INVTIME_REQUIRE_MODULES": ",".join(TRAINERS)}
    session.run("pytest", "tests/trainers", *PARALLEL, *session.posargs, env=required)


@nox.session(python=OLDEST)
def plugins(session: nox.Session) -> None:
    """The sample plugins, installed as distributions, and a broken one beside them."""
    session.install(".[torch,cli,testing]", *PLUGINS, *TESTED)
    required = "invtime_mlx,invtime_paddle,invtime_fused,invtime_broken"
    environment = {"INVTIME_REQUIRE_MODULES": required}
    session.run("pytest", "tests/plugins/test_examples.py", *session.posargs, env=environment)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """The documentation, each warning an error, and the examples in it."""
    session.install(".[torch,keras,cli,testing]", "sphinx", "furo", "myst-parser", *TESTED)
    for builder in ("html", "doctest"):
        options = ("-W", "-n", "--keep-going", "-q", "-b", builder)
        target = f"docs/_build/{builder}"
        session.run("sphinx-build", *options, "docs", target, env={"KERAS_BACKEND": "torch"})


@nox.session(python=OLDEST, default=False)
def property(session: nox.Session) -> None:  # noqa: A001 (the name of the task)
    """The property tests at length, over every framework."""
    install_frameworks(session, "pytest-xdist")
    thorough = ("tests/property", "--hypothesis-profile", "thorough")
    session.run("pytest", *PARALLEL[:2], *thorough, *session.posargs, env=REQUIRED)


@nox.session(python=OLDEST, default=False)
def minimums(session: nox.Session) -> None:
    """The tests with NumPy alone, on the oldest versions that pyproject.toml allows."""
    session.install(".[cli,testing]", "jsonschema", "-c", "constraints-minimum.txt")
    session.run("pytest", *session.posargs)


@nox.session(python=OLDEST, default=False)
def bench(session: nox.Session) -> None:
    """The benchmarks, side by side with the plain expressions and Keras, as a Markdown table."""
    install_frameworks(session)
    session.run("python", "-m", "benchmarks", *session.posargs, env=REQUIRED)
