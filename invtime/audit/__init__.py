"""Compare other implementations of the schedule with the exact values.

An audit finds the drops of a staircase that come late or early, and the rates whose bits differ.

>>> import invtime
>>> from invtime.audit import audit
>>> schedule = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)
>>> (finding,) = audit([schedule], peers=["numpy"]).findings
>>> finding.verdict, finding.drops, finding.late, finding.worst_ulp
('rounding', 2439, 0, 1)
"""

from invtime.audit.report import Audit, Finding, Shift, Skipped
from invtime.audit.runner import audit

__all__ = ["Audit", "Finding", "Shift", "Skipped", "audit"]
