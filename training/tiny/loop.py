"""The training loop of all stages: learning rate, loss, update, checkpoint."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...progress import track_steps
from .checkpoints import Stage
from .optimizer import set_rate

SAVE_EVERY = 200
"""Steps between two checkpoints."""


def run_stage(
    stage: Stage, model: nn.Module, optimizer: Optimizer, loss_of: Callable[[int], Tensor], clip: float = 1.0
) -> None:
    """Runs the remaining steps of a stage; writes checkpoints every `SAVE_EVERY` steps and at the end.

    Args:
        model: the model, already restored from the checkpoint.
        loss_of: returns the loss of a step; its random choices depend only on the step number.
        clip: upper limit for the norm of the gradient; infinite for no limit.
    """
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for step in track_steps(stage, stage.name):
        set_rate(optimizer, stage.rate())
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()
        if math.isfinite(clip):
            torch.nn.utils.clip_grad_norm_(trained, clip)
        optimizer.step()
        stage.losses.append(loss.item())
        if step % SAVE_EVERY == SAVE_EVERY - 1:
            stage.save(model=model, optimizer=optimizer)
    stage.save(model=model, optimizer=optimizer)
