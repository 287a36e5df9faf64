"""PyTorch, with the exact form in place where every step of a dtype fits it."""

from typing import Any

import torch

from invtime.backends.torch import TorchBackend


class FusedBackend(TorchBackend):  # type: ignore[misc]  # it is final, except for a sample
    """Tensors of PyTorch; all but `evaluate` is the work of "torch"."""

    name = "fused"

    def evaluate(self, form: Any, x: Any, dtype: str) -> Any:
        """A / (B + C * n) in one temporary array, or whatever "torch" does.

        Decided by the form and the dtype alone, and by nothing that a step holds, so that it is
        the same in a trace and needs no look at an accelerator's memory.
        """
        if not self._fits(form, x):
            return super().evaluate(form, x, dtype)
        wide = self.widest(x).clamp_min_(0).mul_(form.C).add_(form.B)
        return self.round_to(torch.div(wide.new_full((), form.A), wide), dtype)

    def _fits(self, form: Any, x: Any) -> bool:
        limits = self.integer_range(x)
        if limits is None or form.staircase or self.precision(x) < 53:
            return False
        return limits[1] <= form.last_exact_step(53)
