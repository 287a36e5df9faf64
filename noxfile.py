"""The tasks of the project. `nox` runs what CI runs; `nox --list` lists all tasks."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
# Always use pip, because users do, and because it reads their pip configuration.
nox.options.default_venv_backend = "virtualenv"
# `--no-compile` leaves compilation to the imports, so this variable must not disable it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# pyenv puts only the selected interpreters on the PATH; add the others at its end. If an
# interpreter is missing, nox skips the session, or fails if CI is set in the environment.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
INTERPRETERS = map(str, sorted(PYENV.glob("versions/3.*/bin")))
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *INTERPRETERS])

OLDEST = "3.11"
PYTHONS = [OLDEST, "3.12", "3.13"]
TESTED = ("-c", "constraints.txt")
# tensorflow-cpu instead of the extra `tensorflow`: the same code without the GPU libraries.
FRAMEWORKS = (
    *(".[torch,jax,keras,dask,plot,cli,testing]", "tensorflow-cpu", "optax", "jsonschema"),
    *("distributed", "array-api-strict", "tensorboard"),
)
TRAINERS = ("lightning", "jsonargparse", "transformers", "accelerate", "flax", "equinox")
SAMPLES = [f"./examples/plugins/invtime-{name}" for name in ("mlx", "paddle", "tinygrad", "fused")]
RUNNERS = ("pytest-xdist", "pytest-timeout")
PARALLEL = ("-n", "2", "--dist", "loadfile", "--timeout", "600")  # seconds for one test
SPREAD = ("-n", "2", "--dist", "worksteal", "--timeout", "600")  # if one file has most tests
# Tests that have their own tasks.
APART = tuple(f"--ignore=tests/{path}" for path in ("trainers", "package", "plugins/installed"))
KERAS = tuple(f"tests/integrations/test_{name}.py" for name in ("keras", "keras_laws", "rates"))
# For tasks that repeat the tests of `frameworks` on another Python or with another version: a tenth
# of the examples, and each value of a parameter once. INVTIME_PROFILE=invtime runs them in full.
BRIEF = {"INVTIME_PROFILE": os.environ.get("INVTIME_PROFILE", "brief")}
# These tests do not depend on the Python version: seeded faults, pages, logs as text.
SAME = tuple(
    f"--ignore=tests/{name}.py"
    for name in ("plugins/test_faults", "test_docs", "test_check_log")
    if BRIEF["INVTIME_PROFILE"] == "brief"
)
# Required packages: if one cannot be imported, the tests fail instead of being skipped.
REQUIRED = {
    "INVTIME_REQUIRE_BACKENDS": "numpy,torch,jax,tensorflow,dask",
    "INVTIME_REQUIRE_MODULES": (
        "keras,tf_keras,optax,array_api_strict,distributed,matplotlib,tensorboard,jsonschema"
    ),
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def install(session: nox.Session, *packages: str) -> None:
    """Install packages with pip, without compiling them: compiling every file takes long."""
    session.install("--no-compile", *packages)


def install_frameworks(session: nox.Session, *more: str) -> None:
    """Install the package with every framework, and more packages."""
    install(session, *FRAMEWORKS, *more, *TESTED)
    install(session, "tf-keras", "--no-deps", *TESTED)  # it asks for `tensorflow` by that name


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Check the code with Ruff, and the texts with codespell, proselint and a word list."""
    # The newest google-re2, which proselint needs, has no wheel for Python 3.11.
    install(session, "ruff", "codespell", "proselint", "google-re2", *TESTED)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    pages = sorted(map(str, (*Path().glob("*.md"), *Path("docs").rglob("*.md"))))
    session.run("ruff", "format", "--check", "--line-length", "80", *pages)
    session.run("codespell")
    session.run("proselint", "check", "--config", "docs/proselint.json", *pages)
    session.run("python", "docs/prose.py")


@nox.session(python=OLDEST)
def typecheck(session: nox.Session) -> None:
    """Check the package with mypy, and the types of calls with mypy and pyright.

    basedpyright is pyright in a wheel with Node. The frameworks are not analysed.
    """
    install(session, ".[cli,testing]", "mypy", "basedpyright", "nox", *TESTED)
    session.run("mypy")
    session.run("mypy", "tests/typing")
    session.run("basedpyright", "--project", "tests/typing")


@nox.session(python=PYTHONS, default=False)
def numpy(session: nox.Session) -> None:
    """Run all tests with NumPy alone, on every Python."""
    install(session, ".[cli,testing]", "jsonschema", *RUNNERS, *TESTED)
    session.run("pytest", *PARALLEL, *APART, *session.posargs)


@nox.session(python=PYTHONS[1:])
def pythons(session: nox.Session) -> None:
    """Run the tests of `numpy` in brief on the newer Pythons.

    The task `package` runs them on the oldest Python.
    """
    install(session, ".[cli,testing]", "jsonschema", *RUNNERS, *TESTED)
    session.run("pytest", *PARALLEL, *APART, *SAME, *session.posargs, env=BRIEF)


@nox.session(python=OLDEST)
def package(session: nox.Session) -> None:
    """Build and check the sdist and the wheel, and test the wheel with the oldest NumPy.

    The tests come from the sdist, and run in brief.
    """
    install(session, "build", "twine", *TESTED)
    folder = Path(session.virtualenv.location).resolve() / "built"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"))  # wheel from the sdist
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder / "direct"))
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    oldest = ("-c", "minimums/numpy.txt")
    install(session, f"{wheel}[cli,testing]", "jsonschema", *RUNNERS, *oldest)
    # pip skips a wheel whose version is already installed.
    install(session, "--force-reinstall", "--no-deps", str(wheel))
    built = {"INVTIME_BUILT": str(folder)}
    session.run("pytest", "tests/package", env=built)

    # Remove the sources, so that no test imports them instead of the installed package.
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(unpacked / "invtime")
    with session.chdir(unpacked):
        session.run("pytest", *PARALLEL, *APART, *SAME, *session.posargs, env=BRIEF)


@nox.session(python=OLDEST)
def frameworks(session: nox.Session) -> None:
    """Run the tests with NumPy, PyTorch, JAX and TensorFlow, which are all required.

    Keras runs on TensorFlow. Its tests then run in brief on its other backends.
    """
    install_frameworks(session, *RUNNERS)
    session.run("pytest", *PARALLEL, *APART, *session.posargs, env=REQUIRED)
    for backend in () if session.posargs else ("jax", "torch"):
        session.run("pytest", *KERAS, *SPREAD, env={**REQUIRED, **BRIEF, "KERAS_BACKEND": backend})


@nox.session(python=OLDEST)
def trainers(session: nox.Session) -> None:
    """Run the tests with trainers: Lightning, Hugging Face, flax, Equinox and others."""
    more = "jsonargparse[signatures]", "orbax-checkpoint", "pytorch-ignite", "pytorch-warmup"
    install_frameworks(session, *TRAINERS, *more, *RUNNERS)
    required = {**REQUIRED, "INVTIME_REQUIRE_MODULES": ",".join(TRAINERS)}
    session.run("pytest", "tests/trainers", *PARALLEL, *session.posargs, env=required)


def clang(session: nox.Session) -> dict[str, str]:
    """Return the variable CC for tinygrad: empty if clang exists, else the clang of Zig's wheel."""
    if shutil.which("clang"):
        return {}
    install(session, "ziglang", *TESTED)
    find = "import os, ziglang; print(os.path.dirname(ziglang.__file__))"
    folder = session.run("python", "-c", find, silent=True)
    script = Path(session.create_tmp()) / "clang"
    script.write_text(f'#!/bin/sh\nexec "{str(folder).strip()}/zig" clang "$@"\n')
    script.chmod(0o755)
    return {"CC": str(script.resolve())}


@nox.session(python=OLDEST)
def plugins(session: nox.Session) -> None:
    """Test the sample plugins as installed distributions, next to a broken plugin.

    Then run the tests of each sample plugin, without the broken one, in new processes.
    """
    distributions = (*SAMPLES, "./tests/plugins/invtime-broken")
    install(session, ".[torch,cli,testing]", *distributions, "pytest-xdist", *TESTED)
    required = "invtime_mlx,invtime_paddle,invtime_tinygrad,invtime_fused,invtime_broken"
    environment = {"INVTIME_REQUIRE_MODULES": required, **clang(session)}
    session.run("pytest", *SPREAD[:4], "tests/plugins/installed", *session.posargs, env=environment)
    environment["INVTIME_DISABLE_PLUGINS"] = "broken"
    for sample in () if session.posargs else SAMPLES:
        session.run("pytest", *SPREAD[:4], sample, env=environment)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Build the documentation with warnings as errors, and run the examples in it."""
    install(session, ".[torch,keras,cli,testing]", "sphinx", "furo", "myst-parser", *TESTED)
    for builder in ("html", "doctest"):
        options = ("-W", "-n", "--keep-going", "-q", "-b", builder)
        target = f"docs/_build/{builder}"
        session.run("sphinx-build", *options, "docs", target, env={"KERAS_BACKEND": "torch"})


@nox.session(python=OLDEST, default=False)
def property(session: nox.Session) -> None:  # noqa: A001 (the name of the task)
    """Run the property tests with many examples, on every framework."""
    install_frameworks(session, "pytest-xdist")
    thorough = ("tests/property", "--hypothesis-profile", "thorough")
    session.run("pytest", *PARALLEL[:2], *thorough, *session.posargs, env=REQUIRED)


KIT = "tests/plugins/test_conformance.py"
# For each minimums/NAME.txt: the packages to install at these versions, and the tests to run.
# The task `package` covers minimums/numpy.txt.
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
    """Test the lower bounds of pyproject.toml: each framework with its own tests, in brief.

    The task `package` covers NumPy, and `minimum_torch` covers PyTorch.
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
    """Test PyTorch's lower bound. The download has several gigabytes, with GPU libraries."""
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
    """Run the tests of `frameworks` with the newest compatible versions, on the newest Python.

    No version is pinned, so this task can fail without a change here. It runs only by name.
    """
    install(session, "--upgrade", *FRAMEWORKS, *RUNNERS)
    install(session, "tf-keras", "--no-deps")  # it asks for `tensorflow` by that name
    environment = {**REQUIRED, "INVTIME_MAY_SKIP": "^Skipped: the page is of another "}
    session.run("pytest", *PARALLEL, *APART, *session.posargs, env=environment)


@nox.session(python=OLDEST)
def instructions(session: nox.Session) -> None:
    """Count the instructions of a call on the host, independent of machine load."""
    if shutil.which("valgrind") is None:
        session.skip("valgrind is not installed")
    install(session, ".", *TESTED)
    session.run("python", "-m", "benchmarks", "--check", "instructions")


@nox.session(python=OLDEST, default=False)
def bench(session: nox.Session) -> None:
    """Run the benchmarks of the package and its peers, and write their page in docs/."""
    install_frameworks(session, "lrsched", "thinc")
    page = ("--write", "docs/benchmarks.md")
    session.run("python", "-m", "benchmarks", *(session.posargs or page), env=REQUIRED)


@nox.session(python=OLDEST, default=False)
def mutation(session: nox.Session) -> None:
    """Run mutation tests; reliability/mutation.py describes the options."""
    install_frameworks(session, "mutmut")
    folder = Path(session.create_tmp()) / "mutation"
    session.run("python", "-m", "reliability.mutation", str(folder), *session.posargs)


@nox.session(python=OLDEST, default=False)
def fuzz(session: nox.Session) -> None:
    """Run coverage-guided fuzzing for ten minutes per target; `-- TARGET...` selects targets."""
    install(session, ".[testing]", "tensorboard", "atheris", *TESTED)
    for target in session.posargs or ("json", "config", "logs", "events", "dialects"):
        corpus = Path(session.create_tmp()) / target
        corpus.mkdir(exist_ok=True)
        seeds = Path("reliability/seeds", target)
        folders = [str(corpus), *([str(seeds)] if seeds.is_dir() else [])]
        session.run("python", "-m", "reliability.fuzz", target, *folders, "-max_total_time=600")


@nox.session(python=OLDEST, default=False)
def soak(session: nox.Session) -> None:
    """Run threads and processes for an hour, and check the memory; `-- SECONDS` sets the time."""
    install_frameworks(session)
    log = Path(session.create_tmp()) / "soak.csv"
    seconds = session.posargs or ("3600",)
    session.run("python", "-m", "reliability.soak", *seconds, str(log), env=REQUIRED)
