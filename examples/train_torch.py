"""Train the recipe in PyTorch with InverseTimeLR.

python -m pip install ".[torch]" && python examples/train_torch.py
"""

import torch
from recipe import SCHEDULE, WEIGHTS, batches, report

from invtime.integrations import current_rates
from invtime.integrations.torch import InverseTimeLR

tensors = [torch.tensor(value) for value in WEIGHTS.values()]
w1, b1, w2, b2 = map(torch.nn.Parameter, tensors)
# A float works too. The tensor keeps the rate in float32, as the weights are.
optimizer = torch.optim.SGD([w1, b1, w2, b2], lr=torch.tensor(1.0))
scheduler = InverseTimeLR.from_schedule(optimizer, SCHEDULE)
rates, losses = [], []

for inputs, targets in batches():
    outputs = torch.tanh(torch.tensor(inputs) @ w1 + b1) @ w2 + b2
    loss = torch.nn.functional.mse_loss(outputs, torch.tensor(targets))
    optimizer.zero_grad()
    loss.backward()
    rates += current_rates(optimizer)
    losses.append(loss.item())
    optimizer.step()
    scheduler.step()

report("torch", rates, losses)
