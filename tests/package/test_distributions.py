"""The distributions of `nox -s package`: the contents of the sdist, the wheels, the install."""

from __future__ import annotations

import os
import subprocess
import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_string
from pathlib import Path

import pytest

import invtime

ROOT = Path(__file__).parents[2]
NAME = f"invtime-{invtime.__version__}"
INFO = f"{NAME}.dist-info"


@pytest.fixture(scope="module")
def built():
    if "INVTIME_BUILT" not in os.environ:
        pytest.skip("run by `nox -s package`, which builds them")
    return Path(os.environ["INVTIME_BUILT"])


def files_of_wheel(folder):
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(built):
    """The wheel that was built from the sdist, each file with its bytes."""
    return files_of_wheel(built / "dist")


def test_the_package_that_is_tested_is_the_wheel(wheel):
    folder = Path(invtime.__file__).parents[1]
    assert folder.name == "site-packages"
    for name, content in wheel.items():
        if name.startswith("invtime/"):
            assert (folder / name).read_bytes() == content, name


def test_the_wheel_is_the_package_and_its_metadata(wheel):
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "invtime").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "invtime/py.typed" in package
    metadata = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    assert wheel.keys() == package | {f"{INFO}/{name}" for name in metadata}
    assert wheel[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_the_sdist_gives_the_wheel_that_the_checkout_gives(built, wheel):
    assert files_of_wheel(built / "direct") == wheel


def test_the_sdist_has_every_file_of_the_repository(built):
    (path,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True)
    tracked = {name for name in listed.stdout.decode().splitlines() if (ROOT / name).exists()}
    assert tracked - found == set()
    assert "PKG-INFO" in found


def test_the_wheel_announces_the_command_and_the_plugin_of_pytest(wheel):
    points = ConfigParser()
    points.read_string(wheel[f"{INFO}/entry_points.txt"].decode())
    assert {section: dict(points[section]) for section in points.sections()} == {
        "console_scripts": {"invtime": "invtime.cli:main"},
        "pytest11": {"invtime.testing.pytest_plugin": "invtime.testing.pytest_plugin"},
    }


def test_the_metadata(wheel):
    metadata = message_from_string(wheel[f"{INFO}/METADATA"].decode())
    assert metadata["Name"] == "invtime"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text("utf-8").strip()
    assert set(metadata.get_all("Provides-Extra")) == {
        *("torch", "jax", "tensorflow", "keras", "dask", "plot", "cli", "testing", "all"),
    }
