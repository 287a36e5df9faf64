"""Write distributions as an installer does, and run new processes that find them."""

import os
import subprocess
import sys
import textwrap

import pytest


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder):
        self.folder = folder

    def install(self, distribution, modules, version="1.5", **entry_points):
        """Write the modules and the metadata, with entry points of the group `invtime`."""
        info = f"{distribution.replace('-', '_')}-{version}.dist-info"
        files = {f"{name}.py": textwrap.dedent(source) for name, source in modules.items()}
        points = [f"{name} = {value}" for name, value in entry_points.items()]
        files[f"{info}/METADATA"] = (
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        files[f"{info}/entry_points.txt"] = "\n".join(["[invtime]", *points, ""])
        files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def run(self, *arguments, status=0, **environment):
        """Run Python with these arguments, or with a single argument as code."""
        if len(arguments) == 1:
            arguments = ("-c", textwrap.dedent(arguments[0]))
        done = subprocess.run(
            [sys.executable, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(self.folder), "COLUMNS": "400", **environment},
        )
        assert done.returncode == status, done.stderr
        return done


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


LOOPBACK = {
    "loopback": """
        import numpy as np

        class Array:
            def __init__(self, data):
                self.data = np.asarray(data)
                self.dtype = self.data.dtype
        """,
    "invtime_loop": """
        import invtime

        @invtime.hookimpl
        def invtime_backends():
            target = "invtime_loop_backend:Loop"
            return [invtime.BackendInfo("loop", ("loopback",), target, "pip install loopback")]
        """,
    "invtime_loop_backend": """
        from loopback import Array
        from invtime.backends.numpy import NumpyBackend

        class Loop(NumpyBackend):
            name = "loop"

            def coerce(self, step, device):
                return super().coerce(step.data if isinstance(step, Array) else step, device)

            def __call__(self, form, step, dtype=None, device=None):
                return Array(super().__call__(form, step, dtype, device))
        """,
}


@pytest.fixture
def loopback_modules():
    """The sources of a one-class framework and of its plugin `loop`, by module."""
    return LOOPBACK


@pytest.fixture
def loopback(site, loopback_modules):
    """A correct plugin that must work next to broken ones: `loop` for `loopback.Array`."""
    site.install("invtime-loop", loopback_modules, loop="invtime_loop")
