"""Call the peers of each framework in a separate process, and collect their findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from importlib.util import find_spec

from invtime import children
from invtime.audit.peers import PEERS, Peer
from invtime.audit.report import Audit, Finding, Skipped
from invtime.audit.worker import Begun, Job, Over
from invtime.errors import ConfigError, UnknownBackendError, shown
from invtime.spec import InverseTimeDecay

WORKER = "invtime.audit.worker"
# JAX and TensorFlow would use an accelerator, and TensorFlow would write many log lines.
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


def audit(
    schedules: Sequence[InverseTimeDecay],
    *,
    peers: Sequence[str] | None = None,
    start: int = 0,
    steps: int = 100_000,
    progress: Callable[[int, int], object] | None = None,
) -> Audit:
    """Compare other implementations of these schedules with the exact values.

    Args:
        schedules: one or more schedules.
        peers: names from `invtime.audit.peers.PEERS`. None means all.
        start: the first step of the run.
        steps: the number of steps, 1 or more.
        progress: called as progress(done, total). It counts peers.

    Returns:
        An `Audit`. A peer whose framework is not installed or cannot be imported is listed in
        `skipped`, with the reason. A peer that raises, or crashes its process, has a finding
        with an error.

    Raises:
        UnknownBackendError: no peer has one of the names.
        ConfigError: there is no schedule, or the steps are not a range of 1 or more steps
            between 0 and 2**31 - 1.
    """
    schedules = tuple(schedules)
    if not schedules:
        raise ConfigError("there is no schedule to audit; pass at least one")
    # The count of a JAX optimizer is an int32, and optax stops counting at 2**31 - 1.
    if start < 0 or steps < 1 or start + steps > 2**31 - 1:
        raise ConfigError(
            f"the run starts at step {start} and has {steps} steps; it must start at 0 or later, "
            f"have at least 1 step, and end before {2**31 - 1}; pass another start or fewer steps"
        )
    for name in peers or ():
        if name not in PEERS:
            raise UnknownBackendError(
                f"no peer is named {shown(name)}; available: {', '.join(PEERS)}; pass one of these"
            )
    names = list(PEERS if peers is None else dict.fromkeys(peers))
    absent = {name: reason for name in names if (reason := _absent(PEERS[name]))}
    work = _Work(schedules, start, start + steps)
    work.do([name for name in names if name not in absent], progress or (lambda *counts: None))
    absent |= work.skipped
    findings = sorted(work.findings, key=lambda finding: names.index(finding.peer))
    findings.sort(key=lambda finding: schedules.index(finding.schedule))
    skipped = tuple(Skipped(name, absent[name]) for name in names if name in absent)
    return Audit(schedules, start, start + steps, tuple(findings), skipped)


def _absent(peer: Peer) -> str | None:
    missing = [module for module in peer.modules if find_spec(module) is None]
    return f"{missing[0]} is not installed" if missing else None


class _Work:
    """The findings of the processes so far."""

    def __init__(self, schedules: Sequence[InverseTimeDecay], start: int, stop: int) -> None:
        self.findings: list[Finding] = []
        self.skipped: dict[str, str] = {}
        self._schedules, self._start, self._stop = schedules, start, stop

    def do(self, names: Sequence[str], progress: Callable[[int, int], object]) -> None:
        """Call the peers; after a crash, call the remaining peers in a new process."""
        groups: dict[str, list[str]] = {}
        for name in names:  # a framework takes seconds to import, so its peers share a process
            groups.setdefault(PEERS[name].modules[-1], []).append(name)
        left = list(groups.values())
        while left:
            progress(len(names) - sum(map(len, left)), len(names))
            with closing(children.run([self._task(group) for group in left])) as messages:
                last: dict[int, Begun] = {}
                for index, message in messages:
                    if isinstance(message, Begun):
                        last[index] = message
                    self._enter(left[index], last.get(index), message)
                    progress(len(names) - sum(map(len, left)), len(names))
            left = [group for group in left if group]

    def _task(self, names: Sequence[str]) -> children.Task:
        environment = dict(ON_THE_CPU)
        for name in names:
            environment |= PEERS[name].environment
        configs = [schedule.get_config() for schedule in self._schedules]
        return children.Task(
            WORKER, Job(tuple(names), configs, self._start, self._stop), environment
        )

    def _enter(self, group: list[str], last: Begun | None, message: object) -> None:
        """Process a message from the process of these remaining peers; Ended is the last one."""
        if isinstance(message, Skipped):
            self.skipped[message.peer] = message.reason
        elif isinstance(message, Over):
            group.pop(0)
        elif isinstance(message, dict):
            assert last is not None  # a result comes after its beginning
            schedule = self._schedules[last.schedule]
            self.findings.append(Finding(schedule, last.peer, last.mode, last.version, **message))
        elif isinstance(message, children.Ended) and group:
            self._lose(group.pop(0), last, message.problem)

    def _lose(self, name: str, last: Begun | None, problem: str | None) -> None:
        """Record an error for a peer that crashed, for its schedule and all later ones."""
        if last is None or last.peer != name:
            last = Begun(name, 0, "", "")
        for schedule in self._schedules[last.schedule :]:
            self.findings.append(Finding(schedule, name, last.mode, last.version, error=problem))
            last = last._replace(mode="")
