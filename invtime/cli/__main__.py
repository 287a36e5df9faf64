"""Run the `invtime` command as `python -m invtime.cli`."""

from invtime.cli import main

main()
