"""A PyTorch backend that evaluates the exact formula in place if it covers the step dtype."""

from typing import Any

import torch

from invtime.backends.torch import TorchBackend


class FusedBackend(TorchBackend):  # type: ignore[misc]  # final, except for this sample
    """PyTorch tensors. Everything except `evaluate` is inherited from the backend "torch"."""

    name = "fused"

    def evaluate(self, form: Any, x: Any, dtype: str) -> Any:
        """Return A / (B + C * n), in one temporary array if possible.

        The choice depends on the form and the dtype only, not on the values of the steps. It is
        therefore the same in a trace, and does not read an accelerator's memory.
        """
        if not self._fits(form, x):
            return super().evaluate(form, x, dtype)
        wide = self.widest(x).clamp_min_(0).mul_(form.C).add_(form.B)
        return self.round_to(torch.div(wide.new_full((), form.A), wide), dtype)

    def _fits(self, form: Any, x: Any) -> bool:
        """Return whether the exact formula covers every step of the dtype of x."""
        limits = self.integer_range(x)
        if limits is None or form.staircase or self.precision(x) < 53:
            return False
        return limits[1] <= form.last_exact_step(53)
