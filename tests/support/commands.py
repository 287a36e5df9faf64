"""The command `invtime` in this process and in one of its own: what it prints, what it refuses."""

import subprocess
import sys

import pytest


def invoke(*arguments, **options):
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from invtime.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def printed(*arguments, **options):
    """What a command that succeeds writes to stdout, and nothing to stderr."""
    result = invoke(*arguments, **options)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def refused(*arguments, **options):
    """The one line that a refusal leaves on stderr."""
    result = invoke(*arguments, **options)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("invtime: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def command(*arguments):
    """What starts a process of the command."""
    return [sys.executable, "-m", "invtime.cli", *map(str, arguments)]


def finished(*arguments, **options):
    """The exit status, stdout and stderr of a process of the command."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, check=False, **options
    )
    return done.returncode, done.stdout, done.stderr
