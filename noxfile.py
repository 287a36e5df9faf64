"""Every task of the project. `nox` runs what CI runs; `nox --list` shows them all."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
# pip, whatever else is installed: it is what users run, and it honours their pip configuration.
nox.options.default_venv_backend = "virtualenv"
# pip compiles every file of a package, one after another; an import compiles what it needs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

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
TRAINERS = ("lightning", "jsonargparse", "transformers", "accelerate", "flax", "equinox")
PLUGINS = (
    *(f"./examples/plugins/invtime-{name}" for name in ("mlx", "paddle", "tinygrad", "fused")),
    "./tests/plugins/invtime-broken",
)
RUNNERS = ("pytest-xdist", "pytest-timeout")
PARALLEL = ("-n", "2", "--dist", "loadfile", "--timeout", "600")  # seconds for one test
SPREAD = ("-n", "2", "--dist", "worksteal", "--timeout", "600")  # where one file is the most
# Tests that are run by tasks of their own.
APART = tuple(f"--ignore=tests/{path}" for path in ("trainers", "package", "plugins/installed"))
KERAS = tuple(f"tests/integrations/test_{name}.py" for name in ("keras", "keras_laws", "rates"))
# A tenth of the examples, and each value of a parameter once, where a task repeats tests of
# `frameworks` on another Python or another version: INVTIME_PROFILE=invtime gives it the whole.
BRIEF = {"INVTIME_PROFILE": os.environ.get("INVTIME_PROFILE", "brief")}
# What these test is the same on every Python: seeded faults, pages, logs as text.
SAME = tuple(
    f"--ignore=tests/{name}.py"
    for name in ("plugins/test_faults", "test_docs", "test_check_log")
    if BRIEF["INVTIME_PROFILE"] == "brief"
)
# What must be there: a framework that does not import fails the tests instead of skipping them.
REQUIRED = {
    "INVTIME_REQUIRE_BACKENDS": "numpy,torch,jax,tensorflow,dask",
    "INVTIME_REQUIRE_MODULES": (
        "keras,tf_keras,optax,array_api_strict,distributed,matplotlib,tensorboard,jsonschema"
    ),
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def install(session: nox.Session, *packages: str) -> None:
    """pip, which leaves the compiling to the imports."""
    session.install("--no-compile", *packages)


def install_frameworks(session: nox.Session, *more: str) -> None:
    """The package with every framework, and what else the task needs."""
    install(session, *FRAMEWORKS, *more, *TESTED)
    install(session, "tf-keras", "--no-deps", *TESTED)  # it asks for `tensorflow` by that name


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Ruff for the code; codespell, proselint and docs/prose.py for the texts."""
    # proselint needs google-re2, whose newest release has no wheel for every platform.
    install(session, "ruff", "codespell", "proselint", "google-re2", *TESTED)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")
    config = ("--config", "docs/proselint.json")
    session.run("proselint", "check", *config, *PAGES)
    session.run("python", "docs/prose.py")


@nox.session(python=OLDEST)
def typecheck(session: nox.Session) -> None:
    """mypy, strict for the package and this file; then what it and pyright say of a schedule.

    basedpyright is pyright in a wheel that brings its own Node. The frameworks are not looked into.
    """
    install(session, ".[cli,testing]", "mypy", "basedpyright", "nox", *TESTED)
    session.run("mypy")
    session.run("mypy", "tests/typing")
    session.run("basedpyright", "--project", "tests/typing")


@nox.session(python=PYTHONS, default=False)
def numpy(session: nox.Session) -> None:
    """The whole of the tests with NumPy alone, on every Python."""
    install(session, ".[cli,testing]", "jsonschema", *RUNNERS, *TESTED)
    session.run("pytest", *PARALLEL, *APART, *session.posargs)


@nox.session(python=PYTHONS[1:])
def pythons(session: nox.Session) -> None:
    """What another Python can show, and what NumPy alone can: the tests of `numpy` in brief.

    `package` has those of the oldest Python.
    """
    install(session, ".[cli,testing]", "jsonschema", *RUNNERS, *TESTED)
    session.run("pytest", *PARALLEL, *APART, *SAME, *session.posargs, env=BRIEF)


@nox.session(python=OLDEST)
def package(session: nox.Session) -> None:
    """The sdist and the wheel: built, checked, and tested with the oldest NumPy.

    The tests are those of the sdist, in brief, and what they test is the wheel.
    """
    install(session, "build", "twine", *TESTED)
    folder = Path(session.virtualenv.location).resolve() / "built"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"))  # by way of the sdist
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder / "direct"))
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    oldest = ("-c", "minimums/numpy.txt")
    install(session, f"{wheel}[cli,testing]", "jsonschema", *RUNNERS, *oldest)
    # For pip, another wheel of the same version is the one that is installed.
    install(session, "--force-reinstall", "--no-deps", str(wheel))
    built = {"INVTIME_BUILT": str(folder)}
    session.run("pytest", "tests/package", env=built)

    # The sources go away, so that no test can take them for what is installed.
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(unpacked / "invtime")
    with session.chdir(unpacked):
        session.run("pytest", *PARALLEL, *APART, *SAME, *session.posargs, env=BRIEF)


@nox.session(python=OLDEST)
def frameworks(session: nox.Session) -> None:
    """The tests with NumPy, PyTorch, JAX and TensorFlow, each of which must be present.

    Keras on TensorFlow; then its own tests again on its other backends, each in its process.
    """
    install_frameworks(session, *RUNNERS)
    session.run("pytest", *PARALLEL, *APART, *session.posargs, env=REQUIRED)
    for backend in () if session.posargs else ("jax", "torch"):
        session.run("pytest", *KERAS, *SPREAD, env={**REQUIRED, "KERAS_BACKEND": backend})


@nox.session(python=OLDEST)
def trainers(session: nox.Session) -> None:
    """The tests with what people train with: Lightning, Hugging Face, flax, Equinox, ..."""
    more = "jsonargparse[signatures]", "orbax-checkpoint", "pytorch-ignite", "pytorch-warmup"
    install_frameworks(session, *TRAINERS, *more, *RUNNERS)
    required = {**REQUIRED, "INVTIME_REQUIRE_MODULES": ",".join(TRAINERS)}
    session.run("pytest", "tests/trainers", *PARALLEL, *session.posargs, env=required)


def clang(session: nox.Session) -> dict[str, str]:
    """What tells tinygrad of a clang: nothing where there is one, else the one in Zig's wheel."""
    if shutil.which("clang"):
        return {}
    install(session, "ziglang", *TESTED)
    script = Path(session.create_tmp()) / "clang"
    script.write_text('#!/bin/sh\nexec python -m ziglang clang "$@"\n')
    script.chmod(0o755)
    return {"CC": str(script.resolve())}


@nox.session(python=OLDEST)
def plugins(session: nox.Session) -> None:
    """The sample plugins, installed as distributions, and a broken one beside them."""
    install(session, ".[torch,cli,testing]", *PLUGINS, "pytest-xdist", *TESTED)
    required = "invtime_mlx,invtime_paddle,invtime_tinygrad,invtime_fused,invtime_broken"
    environment = {"INVTIME_REQUIRE_MODULES": required, **clang(session)}
    session.run("pytest", *SPREAD[:4], "tests/plugins/installed", *session.posargs, env=environment)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """The documentation, each warning an error, and the examples in it."""
    install(session, ".[torch,keras,cli,testing]", "sphinx", "furo", "myst-parser", *TESTED)
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


KIT = "tests/plugins/test_conformance.py"
# What is installed at the versions of minimums/NAME.txt, and the tests that are run with it.
# `package` has those of minimums/numpy.txt.
MINIMUMS = {
    "jax": (
        [".[jax]", "optax", "flatbuffers"],
        [
            *("tests/frameworks/test_jax.py", "tests/integrations/test_optax.py"),
            *("tests/integrations/test_optax_laws.py", f"{KIT}::test_jax"),
        ],
    ),
    "tensorflow": (
        [".[keras]", "tensorflow-cpu"],
        [
            *("tests/frameworks/test_tensorflow.py", "tests/test_config.py"),
            *(*KERAS, "tests/integrations/test_keras_legacy.py", f"{KIT}::test_tensorflow"),
        ],
    ),
    "dask": (
        [".[dask]", "distributed", "ml_dtypes"],
        ["tests/frameworks/test_dask.py", "tests/test_executors.py", f"{KIT}::test_dask"],
    ),
    "plot": ([".[plot]"], ["tests/test_plot.py"]),
}


@nox.session(python=OLDEST)
@nox.parametrize("name", [nox.param(name, id=name) for name in MINIMUMS])
def minimums(session: nox.Session, name: str) -> None:
    """The lower bounds of pyproject.toml: each framework's, with its own tests in brief.

    NumPy's are those of the task `package`, and PyTorch's those of `minimum_torch`.
    """
    packages, tests = MINIMUMS[name]
    versions = ("-c", f"minimums/{name}.txt")
    install(session, ".[cli,testing]", *packages, *RUNNERS, *versions)
    if name == "tensorflow":
        install(session, "tf-keras", "--no-deps", *versions)
    required = {} if name == "plot" else {"INVTIME_REQUIRE_BACKENDS": name}
    session.run("pytest", *tests, *SPREAD, *session.posargs, env={**BRIEF, **required})


@nox.session(python=OLDEST, default=False)
def minimum_torch(session: nox.Session) -> None:
    """PyTorch's lower bound, with its own tests: several gigabytes, with a GPU's libraries."""
    oldest = ("-c", "minimums/torch.txt")
    install(session, ".[torch,cli,testing]", "ml_dtypes", "setuptools", *oldest)
    own = [f"tests/integrations/test_{name}.py" for name in ("torch", "torch_laws")]
    required = {"INVTIME_REQUIRE_BACKENDS": "torch"}
    session.run(
        "pytest",
        "tests/frameworks/test_torch.py",
        *own,
        f"{KIT}::test_torch",
        *session.posargs,
        env=required,
    )


@nox.session(python=PYTHONS[-1], default=False)
def newest(session: nox.Session) -> None:
    """The newest versions that go together, on the newest Python: the tests of `frameworks`.

    Nothing is held back, so that it can fail with no change here: it is run by its name.
    """
    install(session, "--upgrade", *FRAMEWORKS, *RUNNERS)
    install(session, "tf-keras", "--no-deps")  # it asks for `tensorflow` by that name
    environment = {**REQUIRED, "INVTIME_MAY_SKIP": "^Skipped: the page is of another "}
    session.run("pytest", *PARALLEL, *APART, *session.posargs, env=environment)


@nox.session(python=OLDEST)
def instructions(session: nox.Session) -> None:
    """The instructions of a call on the host, which no mood of the machine changes."""
    if shutil.which("valgrind") is None:
        session.skip("valgrind is not installed")
    install(session, ".", *TESTED)
    session.run("python", "-m", "benchmarks", "--check", "instructions")


@nox.session(python=OLDEST, default=False)
def bench(session: nox.Session) -> None:
    """The benchmarks, side by side with their peers: the table, and its page in docs/."""
    install_frameworks(session, "lrsched", "thinc")
    page = ("--write", "docs/benchmarks.md")
    session.run("python", "-m", "benchmarks", *(session.posargs or page), env=REQUIRED)


@nox.session(python=OLDEST, default=False)
def mutation(session: nox.Session) -> None:
    """Mutants, and which of them the tests notice; the options are in reliability/mutation.py."""
    install_frameworks(session, "mutmut")
    folder = Path(session.create_tmp()) / "mutation"
    session.run("python", "-m", "reliability.mutation", str(folder), *session.posargs)


@nox.session(python=OLDEST, default=False)
def fuzz(session: nox.Session) -> None:
    """Coverage-guided fuzzing, ten minutes for each target; `-- TARGET...` for some of them."""
    install(session, ".[testing]", "tensorboard", "atheris", *TESTED)
    for target in session.posargs or ("json", "config", "logs", "events", "dialects"):
        corpus = Path(session.create_tmp()) / target
        corpus.mkdir(exist_ok=True)
        seeds = Path("reliability/seeds", target)
        folders = [str(corpus), *([str(seeds)] if seeds.is_dir() else [])]
        session.run("python", "-m", "reliability.fuzz", target, *folders, "-max_total_time=600")


@nox.session(python=OLDEST, default=False)
def soak(session: nox.Session) -> None:
    """An hour of threads and processes, and no growth in memory; `-- SECONDS` for another time."""
    install_frameworks(session)
    log = Path(session.create_tmp()) / "soak.csv"
    seconds = session.posargs or ("3600",)
    session.run("python", "-m", "reliability.soak", *seconds, str(log), env=REQUIRED)
