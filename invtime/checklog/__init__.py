"""Check the learning rates that a run logged against the schedule it should follow.

>>> import invtime
>>> from invtime.checklog import Log, diagnose
>>> schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
>>> diagnose(Log.of({0: 0.1, 1000: 0.0667}), schedule).level
'digits'
>>> diagnose(Log.of({0: 0.2, 1000: 0.1333}), schedule).explanations[0].parameters
{'initial_learning_rate': 0.2}
"""

from invtime.checklog.diagnosis import diagnose
from invtime.checklog.log import Log, LogError
from invtime.checklog.reading import read
from invtime.checklog.report import Diagnosis, Explanation

__all__ = ["Diagnosis", "Explanation", "Log", "LogError", "diagnose", "read"]
