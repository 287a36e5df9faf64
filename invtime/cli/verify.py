"""`invtime verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from invtime.cli import schedule as options
from invtime.cli.output import check_writable, emit, progress_bar, prose
from invtime.cli.tables import as_table
from invtime.cli.values import Dtype, backends_here, completes, whole
from invtime.errors import ConfigError, shown
from invtime.spec import InverseTimeDecay

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from invtime.verification import Report


@options.takes()
def verify(
    found: InverseTimeDecay,
    *,
    steps: Annotated[
        int,
        typer.Option(
            metavar="N", parser=whole(1), help="Compare at steps 0 to N - 1 and at edge cases."
        ),
    ] = 100_000,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completes(backends_here),
            help="Verify only this backend; may be repeated.",
        ),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Verify only this mode, such as eager; may be repeated."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Verify only this device or kind of device; may be repeated."
        ),
    ] = None,
    dtype: Annotated[
        list[Dtype] | None,
        typer.Option(metavar="DTYPE", help="Verify only this dtype of the rates; may be repeated."),
    ] = None,
    layout: Annotated[
        Literal["table", "json"], typer.Option("--format", help="The output format.")
    ] = "table",
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a JUnit XML report.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on the Dask cluster at this address, such as tcp://host:8786.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="With --dask, the longest wait for a piece of the work; default: 1800.",
        ),
    ] = None,
) -> None:
    """Compare every installed backend with the exact values, bit for bit.

    Prints one row per backend, mode (eager, compiled), device and dtype. A mismatch is a rate
    with other bits than the guarantees allow.

    Example: `invtime verify --lr 0.1 -S 1000 -R 0.5 --backend numpy`

    Exit status: 0 if there is no mismatch, 1 if there is one or a framework or worker failed, 2
    for bad input.
    """
    from invtime import verification

    if timeout is not None and dask is None:
        raise ConfigError("--timeout was given without --dask; add --dask, or remove --timeout")
    if junit is not None:
        check_writable(junit)
    with _verify(dask, timeout or 1800) as work, progress_bar("verify") as progress:
        report = work(
            found,
            backends=backend,
            modes=mode,
            devices=device,
            dtypes=dtype,
            steps=steps,
            progress=progress,
        )
    if junit is not None:
        junit.write_text(verification.to_junit(report), "utf-8")
    emit([report.to_json(indent=2)] if layout == "json" else _lines(report))
    raise typer.Exit(0 if report.ok else 1)


@contextmanager
def _verify(address: str | None, timeout: float) -> Iterator[Callable[..., Report]]:
    """A function that runs the verification, in local processes or on a Dask cluster."""
    from invtime.verification import verify
    from invtime.verification.apart import verify_apart

    if address is None:
        yield verify_apart
        return
    with _executor(address) as executor:
        yield partial(verify, executor=executor, timeout=timeout)


@contextmanager
def _executor(address: str) -> Iterator[Executor]:
    """An executor that runs on the workers of a Dask cluster."""
    try:
        from distributed import Client
        from distributed.comm import resolve_address
    except ImportError as error:
        raise ImportError(
            f"--dask needs dask.distributed, which cannot be imported ({error}); "
            'run: python -m pip install "dask[distributed]"'
        ) from error
    try:
        resolve_address(address)  # a Client would keep retrying an invalid one in the background
    except ValueError as error:
        raise ConfigError(
            f"--dask is {shown(address)}: {error}; pass an address such as tcp://host:8786"
        ) from None
    with Client(address, timeout=10, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=30)
        with client.get_executor() as executor:
            yield executor


def _lines(report: Report) -> Iterator[str]:
    from invtime.verification import words

    yield from as_table(
        words.COLUMNS,
        map(words.cells, report.runs),
        numbers=words.NUMBERS,
        names=words.NAMES,
        notes=("note",),
    )
    yield ""
    yield from words.absences(report)  # not wrapped: each ends in a command to copy
    yield prose(words.verdict(report))
