"""Every framework in a process of its own, with its peers, and their findings put together."""

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
# JAX and TensorFlow would take an accelerator, and TensorFlow writes a page of log lines.
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


def audit(
    schedules: Sequence[InverseTimeDecay],
    *,
    peers: Sequence[str] | None = None,
    start: int = 0,
    steps: int = 100_000,
    progress: Callable[[int, int], object] | None = None,
) -> Audit:
    """Compare what people use for these schedules with the exact values.

    Args:
        schedules: one or more.
        peers: names of `invtime.audit.peers.PEERS`; None means all.
        start: the first step of the run.
        steps: the number of its steps, 1 or more.
        progress: called as progress(done, total), in peers.

    Returns:
        An `Audit`. A peer whose framework is not installed, or does not import, is skipped
        there with the reason; one that raises for a schedule, or takes its process with it,
        makes a finding with an error.

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
    """What the processes have found so far."""

    def __init__(self, schedules: Sequence[InverseTimeDecay], start: int, stop: int) -> None:
        self.findings: list[Finding] = []
        self.skipped: dict[str, str] = {}
        self._schedules, self._start, self._stop = schedules, start, stop

    def do(self, names: Sequence[str], progress: Callable[[int, int], object]) -> None:
        """Call the peers; those after one that ended its process go on in another."""
        groups: dict[str, list[str]] = {}
        for name in names:  # a framework takes seconds to import, and its peers share that
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
        """Take in a message of the process that has these peers left; its last word is Ended."""
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
        """Enter a peer that took its process with it: an error where it was, and after that."""
        if last is None or last.peer != name:
            last = Begun(name, 0, "", "")
        for schedule in self._schedules[last.schedule :]:
            self.findings.append(Finding(schedule, name, last.mode, last.version, error=problem))
            last = last._replace(mode="")
