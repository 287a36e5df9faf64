"""Every peer in a process of its own, and its findings put together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec

from invtime.audit.peers import PEERS, Peer
from invtime.audit.report import Audit, Finding, Shift, Skipped
from invtime.errors import ConfigError, UnknownBackendError, shown
from invtime.spec import InverseTimeDecay

# JAX and TensorFlow would take an accelerator, and TensorFlow writes a page of log lines.
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


def audit(
    schedules: Sequence[InverseTimeDecay],
    *,
    peers: Sequence[str] | None = None,
    start: int = 0,
    steps: int = 100_000,
    progress: Callable[[str], object] | None = None,
) -> Audit:
    """Compare what people use for these schedules with the exact values.

    Args:
        schedules: one or more.
        peers: names of `invtime.audit.peers.PEERS`; None means all.
        start: the first step of the run.
        steps: the number of its steps, 1 or more.
        progress: called with the name of each peer as it starts.

    Returns:
        An `Audit`. A peer whose framework is not installed, or does not import, is skipped
        there with the reason; one that raises for a schedule makes a finding with an error.

    Raises:
        UnknownBackendError: a peer has another name.
        ConfigError: there is no schedule, one has phases, or the steps are no range in int32.
    """
    schedules = tuple(schedules)
    if not schedules:
        raise ConfigError("there is no schedule to audit; pass at least one")
    # The count of a JAX optimizer is an int32, and 2**31 - 1 is where optax's stands still.
    if start < 0 or steps < 1 or start + steps > 2**31 - 1:
        raise ConfigError(
            f"the run begins at step {start} and has {steps} steps; it must begin at 0 or later, "
            f"have at least one, and end before {2**31 - 1}"
        )
    for name in peers or ():
        if name not in PEERS:
            raise UnknownBackendError(
                f"no peer is named {shown(name)}; there are {', '.join(PEERS)}; pass one of these"
            )
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for name in PEERS if peers is None else dict.fromkeys(peers):
        if progress is not None:
            progress(name)
        missing = [module for module in PEERS[name].modules if find_spec(module) is None]
        if missing:
            skipped.append(Skipped(name, f"{missing[0]} is not installed"))
            continue
        try:
            findings += _findings(PEERS[name], schedules, start, start + steps)
        except _EndedError as ended:
            skipped.append(Skipped(name, str(ended)))
    ordered = sorted(findings, key=lambda finding: schedules.index(finding.schedule))
    return Audit(schedules, start, start + steps, tuple(ordered), tuple(skipped))


class _EndedError(Exception):
    """The process of a peer ended before it had done its job."""


def _findings(
    peer: Peer, schedules: Sequence[InverseTimeDecay], start: int, stop: int
) -> Iterator[Finding]:
    configs = [schedule.get_config() for schedule in schedules]
    job = {"peer": peer.name, "schedules": configs, "start": start, "stop": stop}
    done = subprocess.run(
        [sys.executable, "-m", "invtime.audit.worker"],
        input=json.dumps(job),
        env={**os.environ, **ON_THE_CPU, **peer.environment},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise _EndedError(f"its process ended with status {done.returncode}: {last}")
    for line in done.stdout.splitlines():
        fields = json.loads(line)
        shifts = tuple(Shift(**shift) for shift in fields.get("shifts", ()))
        schedule = schedules[fields["schedule"]]
        yield Finding(**fields | {"schedule": schedule, "shifts": shifts})
