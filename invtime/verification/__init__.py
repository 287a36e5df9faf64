"""Compare every backend, mode, device and dtype with the exact value, bit by bit.

>>> import invtime
>>> from invtime.verification import verify
>>> schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
>>> report = verify(schedule, backends=["numpy"], dtypes=["float32"], steps=5000)
>>> report.ok, [run.mismatches for run in report.runs]
(True, [0])
"""

from invtime.verification.junit import to_junit
from invtime.verification.report import Difference, Missing, Report, Run
from invtime.verification.runner import verify

__all__ = ["Difference", "Missing", "Report", "Run", "to_junit", "verify"]
