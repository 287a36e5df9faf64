"""Faults in the evaluation of schedules with phases, each in an otherwise correct backend."""

from __future__ import annotations

import numpy as np
from sound import Fault, Sound

from invtime.form import Form
from invtime.table import Line, Row, Table


def spans(table):
    """Yield each row with the first step of the next one."""
    return zip(table.rows, [*table.starts[1:], 2**63], strict=True)


def moved(row, knot=None, origin=None):
    """The row with another first step, or with t counted from another one."""
    knot = row.knot if knot is None else (knot, 1)
    return Row(row.name, knot, row.origin if origin is None else origin, row.piece)


class OtherRows(Sound):
    """Evaluates a table whose rows differ from the schedule's."""

    def evaluate_phases(self, form, x, dtype):
        rows = tuple(self.row(row, x) for row in form.rows)
        return super().evaluate_phases(Table(rows), x, dtype)


class KnotsOneStepLate(OtherRows):
    """The step at a knot belongs to the piece before it; visible if a floor is not met exactly."""

    def row(self, row, x):
        return moved(row, knot=row.first + 1) if row.first else row


class WrappedKnots(OtherRows):
    """`int8(100) < 200` with the 200 in 8 bits."""

    def row(self, row, x):
        if x.dtype.kind == "f" or row.first >= 2**63:
            return row
        return moved(row, knot=int(np.array(row.first).astype(x.dtype)))


class KnotsModuloInt64(OtherRows):
    def row(self, row, x):
        return moved(row, knot=(row.first + 2**63) % 2**64 - 2**63)


class FloorAtAWholeStep(OtherRows):
    """Float steps just after the floor is met still belong to the decay."""

    def row(self, row, x):
        return moved(row, knot=row.first)


class DecayFromStepZero(OtherRows):
    def row(self, row, x):
        return moved(row, origin=0) if row.name == "decay" else row


class CooldownAStepAhead(OtherRows):
    """(n - X + 1) / K."""

    def row(self, row, x):
        return moved(row, origin=row.origin - 1) if row.name == "cool-down" else row


class FloorAfterTheCooldown(Sound):
    def evaluate_phases(self, form, x, dtype):
        out = super().evaluate_phases(form, x, dtype)
        for row in form.rows:
            if row.name == "floor":
                floor = self.round_to(np.array(row.piece.A / row.piece.B), dtype)
                out = np.where(x >= row.first, np.maximum(out, floor), out)
        return out


class StagesFromStepZero(Sound):
    """floor(n / S) - floor(start / S)."""

    def evaluate_phases(self, form, x, dtype):
        for row, end in spans(form):
            piece, start = row.piece, row.origin
            if isinstance(piece, Form) and piece.staircase and piece.Q == 1 and x.dtype.kind == "i":
                turned = start + (x // piece.P - start // piece.P) * piece.P
                x = np.where((x >= row.first) & (x < end), turned, x)
        return super().evaluate_phases(form, x, dtype)


class ReciprocalOfALine(Sound):
    """A compiled division by the constant of a line, as a product with the reciprocal."""

    def evaluate_phases(self, form, x, dtype):
        out = super().evaluate_phases(form, x, dtype)
        for row, end in spans(form):
            line = row.piece
            if isinstance(line, Line) and line.last_exact_step(53) >= 0 and x.dtype.kind == "i":
                t = (x - row.origin).astype(np.float64)
                value = (line.a * line.K + (line.b - line.a) * t) * (1 / line.d)
                own = (x >= row.first) & (x < end)
                out = np.where(own, self.round_to(value, dtype), out)
        return out


class OneModeWithoutAFloor(Sound):
    fast = False

    def modes(self):
        def fast(function):
            def run(x):
                self.fast = True
                try:
                    return function(x)
                finally:
                    self.fast = False

            return run

        return {"eager": lambda function: function, "fast": fast}

    def evaluate_phases(self, form, x, dtype):
        rows = tuple(row for row in form.rows if row.name != "floor")
        return super().evaluate_phases(Table(rows) if self.fast else form, x, dtype)


class SelectInBinary64(Sound):
    """An override that selects among plain formulas, as in hand-written code."""

    def evaluate_phases(self, form, x, dtype):
        if x.dtype.kind == "f":
            return super().evaluate_phases(form, x, dtype)
        n = np.maximum(x, 0).astype(np.float64)
        out = np.zeros(n.shape)
        for row in form.rows:
            piece, t = row.piece, n - row.origin
            if isinstance(piece, Line):
                first, last = piece.a * piece.K / piece.d, piece.b * piece.K / piece.d
                value = first + (last - first) * (t / piece.K)
            else:
                stage = np.floor(t * piece.Q / piece.P) if piece.staircase else t
                value = piece.A / piece.B / (1 + piece.C / piece.B * stage)
            out = np.where(n >= row.first, value, out)
        return self.round_to(out, dtype)


def torch_all_derivatives():
    """`where` only on the output, so the derivative of the decay is used everywhere."""
    from invtime.backends.torch import TorchBackend

    class Fault(TorchBackend):
        def evaluate_phases(self, form, x, dtype):
            out = super().evaluate_phases(form, x, dtype)
            if not x.is_floating_point():
                return out
            for row in form.rows:
                if row.name == "decay":
                    everywhere = super().evaluate(row.piece, x - row.origin, dtype)
                    out = out + (everywhere - everywhere.detach())
            return out

    return Fault()


def torch_left_derivatives():
    """At a knot the derivative is that of the piece before it."""
    from invtime.backends.torch import TorchBackend

    class Fault(TorchBackend):
        def evaluate_phases(self, form, x, dtype):
            if not x.is_floating_point():
                return super().evaluate_phases(form, x, dtype)
            value = super().evaluate_phases(form, x.detach(), dtype)
            before = super().evaluate_phases(form, x * (1 - 2.0**-50), dtype)
            return value + (before - before.detach())

    return Fault()


def jax_constant_denominators():
    """XLA changes a division by a line's constant to a product with the reciprocal."""
    import jax.numpy as jnp

    from invtime.backends.jax import JaxBackend

    class Fault(JaxBackend):
        def evaluate_phases(self, form, x, dtype):
            out = super().evaluate_phases(form, x, dtype)
            if x.dtype.kind != "i":
                return out
            with self.scope(x):
                for row, end in spans(form):
                    line = row.piece
                    if isinstance(line, Line) and line.last_exact_step(53) >= 0:
                        t = self.widest(x) - float(row.origin)
                        slope = float(line.b - line.a)
                        value = (float(line.a * line.K) + slope * t) / float(line.d)
                        own = (x >= row.first) & (x < end)
                        out = jnp.where(own, self.round_to(value, dtype), out)
            return out

    return Fault()


PHASE_FAULTS = [
    Fault("a stage counted from step 0", StagesFromStepZero, "phase_bits", "staircase=True"),
    Fault("a line multiplied by a reciprocal", ReciprocalOfALine, "linear_phases", "1 ULP"),
    Fault("a knot wraps in the step's dtype", WrappedKnots, "phase_steps", "of int8"),
    Fault(
        *("the floor starts at a whole step", FloorAtAWholeStep),
        *("phase_float_steps", "step      54.5, in"),
    ),
    Fault("a cool-down one step early", CooldownAStepAhead, "continuity", "recipe    "),
    Fault("a knot belongs to the piece before it", KnotsOneStepLate, "floor", " or more"),
    Fault("the floor after the cool-down", FloorAfterTheCooldown, "floor", "cooldown_start=180"),
    Fault("a knot beyond int64 wraps", KnotsModuloInt64, "idle_phases", "recipe    "),
    Fault("the decay counted from step 0", DecayFromStepZero, "shift", "stable_steps=1)"),
    Fault("one mode without a floor", OneModeWithoutAFloor, "phase_modes", "mode      fast"),
    Fault("phases selected in plain float64", SelectInBinary64, "override", "`evaluate_phases`"),
    Fault(
        *("the derivative of another piece", torch_all_derivatives),
        *("phase_gradient", "a derivative of", "torch"),
    ),
    Fault(
        *("the left derivative at a knot", torch_left_derivatives),
        *("phase_gradient", "a derivative of", "torch"),
    ),
    Fault(
        *("a line divided by a constant in XLA", jax_constant_denominators),
        *("linear_phases", "1 ULP", "jax"),
    ),
]
