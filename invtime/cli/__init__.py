"""The `invtime` command. Importing this, or the command itself, imports no framework."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command of `sys.argv` and leave with its exit status.

    2 where typer or rich are missing, 130 after Ctrl-C, 141 where the reader of the output
    has gone (what a shell shows for SIGPIPE); the commands' help texts state the others.
    """
    # TensorFlow reads it as it is imported: without it, a page of log lines.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell has closed it, as with `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for as long as we run)
    if isinstance(sys.stdout, TextIOWrapper):  # a name may have what its encoding has not
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as error:
        print(
            f"invtime: the command needs {error.name!r}, which does not import; "
            'run: python -m pip install "invtime[cli]"',
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        from invtime.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
