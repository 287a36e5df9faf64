"""One small file for each framework; none is imported before its framework is in use.

The package is callable, because its name is also that of the public function: whichever of
the two `invtime.backends` is bound to, `invtime.backends()` lists the backends.
"""

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self) -> Any:
        from invtime.registry import backends

        return backends()


sys.modules[__name__].__class__ = _CallablePackage
