"""The `invtime` command. Importing it does not import a framework."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command in `sys.argv` and exit with its status.

    The status is 2 if typer or rich is not installed, 130 after Ctrl-C, and 141 if the program
    that reads the output closed the pipe (as a shell reports SIGPIPE). The help of each
    subcommand states its other statuses.
    """
    # TensorFlow reads this variable when it is imported. Without it, it prints a page of logs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell closed it, as in `invtime ... >&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (open until exit)
    if isinstance(sys.stdout, TextIOWrapper):  # names may not be encodable, as in ASCII
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as error:
        print(
            f"invtime: the command needs {error.name!r}, which cannot be imported; "
            'run: python -m pip install "invtime[cli]"',
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        from invtime.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
