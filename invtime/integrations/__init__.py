"""Integrations with the optimizers of PyTorch, Keras and optax."""

from invtime.integrations.rates import current_rates

__all__ = ["current_rates"]
