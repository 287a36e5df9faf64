"""The command `invtime`, called in this process: what it prints, and what it refuses."""

from typer.testing import CliRunner

from invtime.cli.app import app


def invoke(*arguments, **options):
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
