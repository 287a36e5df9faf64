"""Run the command `invtime`, in this process or in a new one, and return its output."""

import subprocess
import sys

import pytest


def invoke(*arguments, **options):
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from invtime.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def printed(*arguments, **options):
    """Return the stdout of a command that must succeed and write nothing to stderr."""
    result = invoke(*arguments, **options)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def refused(*arguments, **options):
    """Return the single line on stderr of a command that must reject its input."""
    result = invoke(*arguments, **options)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("invtime: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def command(*arguments):
    """Return the command line that starts the command in a new process."""
    return [sys.executable, "-m", "invtime.cli", *map(str, arguments)]


def finished(*arguments, **options):
    """Run the command in a new process; return the exit status, stdout and stderr."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, check=False, **options
    )
    return done.returncode, done.stdout, done.stderr
