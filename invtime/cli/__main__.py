"""`python -m invtime.cli` is the `invtime` command."""

from invtime.cli import main

main()
