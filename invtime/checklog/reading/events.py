"""Read TensorBoard event files with TensorBoard's record reader, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from invtime.checklog.log import Log, LogError, build
from invtime.checklog.reading import columns, conventions, runs
from invtime.checklog.reading.missing import no_events
from invtime.errors import BackendUnavailableError, shown

Scalars = dict[str, list[tuple[int, Any]]]
"""Steps and values by tag. A value is a float, or a tensor as TensorFlow writes it."""


def from_events(path: Path, tag: str | None, run: str | None) -> Log:
    """The log in an event file, or in the event files of one run in or below a directory."""
    files = _runs(path)
    wanted = files if run not in files else [run]
    found = {name: _scalars(files[name]) for name in wanted}
    rated = {
        name: scalars
        for name, scalars in found.items()
        if (tag in scalars if tag is not None else columns.rates(scalars))
    }
    scalars = rated[runs.pick(run, rated)] if rated else _all(found)
    chosen = columns.rate_among(scalars, tag, columns.rates(scalars))
    known = conventions.of_tag(chosen)
    unit = "epoch" if conventions.is_of_epochs(chosen) else "update"
    rows = ((step, _number(value, chosen), f"step {step}") for step, value in scalars[chosen])
    firsts = conventions.first_steps(known)
    return build(f"TensorBoard, {chosen}", rows, firsts, unit=unit, conventions=known)


def _runs(path: Path) -> dict[str, list[Path]]:
    """The event files by run. Each directory with event files is a run."""
    if not path.is_dir():
        return {path.name: [path]}
    found: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*tfevents*")):
        if file.is_file():
            found.setdefault(file.parent.relative_to(path).as_posix(), []).append(file)
    if not found:
        raise no_events(path)
    return found


def _all(found: dict[str, Scalars]) -> Scalars:
    """The scalars of all runs, for the error that no run has the tag."""
    scalars = {tag: rows for each in found.values() for tag, rows in each.items()}
    if not scalars:
        raise LogError("the event file has no scalars; pass one with learning rates")
    return scalars


def _scalars(files: list[Path]) -> Scalars:
    try:
        from tensorboard.compat.proto.event_pb2 import SessionLog
    except ImportError as error:
        raise BackendUnavailableError(
            f"an event file needs the package tensorboard, which cannot be imported ({error}); "
            "run: python -m pip install tensorboard"
        ) from error
    found: Scalars = {}
    for event in (event for file in files for event in _events(file)):
        if event.session_log.status == SessionLog.START:  # a resumed run logs later steps again
            for tag, rows in found.items():
                found[tag] = [(step, value) for step, value in rows if step < event.step]
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            elif value.metadata.plugin_data.plugin_name == "scalars" or value.tag in found:
                found.setdefault(value.tag, []).append((event.step, value.tensor))
    return found


def _events(file: Path) -> Iterator[Any]:
    """The events in a file, up to a record that is still being written."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub import errors
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    reader = PyRecordReader_New(str(file))
    while True:
        try:
            reader.GetNext()
            event = Event.FromString(reader.record())
        except errors.OutOfRangeError:
            return
        except OSError:
            raise
        except Exception as error:
            if "truncated record" in str(error):
                return
            raise LogError(
                f"a record of the event file is damaged ({error}); pass a good copy, or log again"
            ) from error
        yield event


def _number(value: Any, tag: str) -> float:
    from tensorboard.util.tensor_util import make_ndarray

    try:
        return value if isinstance(value, float) else make_ndarray(value).item()
    except (TypeError, ValueError) as error:
        raise LogError(
            f"{shown(tag)} has tensors that are not numbers ({error}); pass a tag with scalars"
        ) from error
