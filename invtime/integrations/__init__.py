"""The schedule in the optimizers that use it: PyTorch's, Keras's and optax's."""

from invtime.integrations.rates import current_rates

__all__ = ["current_rates"]
