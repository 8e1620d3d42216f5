"""The loss curves of the trainings in one plot, to compare their convergence."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...progress import console
from ...storage.whole_file import whole_file

DECAY = 0.95
"""Weight of the previous values at each step of the running mean."""
FEW = 20
"""Curves with fewer values get point markers, because a single value has no line."""

LossCurve = tuple[np.ndarray, np.ndarray]
"""Steps and losses, both [N]."""


def read_curves(runs: Mapping[str, Path]) -> dict[str, LossCurve]:
    """The loss curve of each run by name; prints the runs without a curve."""
    curves: dict[str, LossCurve] = {}
    for name, run in runs.items():
        curve = read_losses(run)
        if curve is None:
            console.print(f"No curve: {name}, because {run} has no TensorBoard file with a loss", soft_wrap=True)
        else:
            curves[name] = curve
    return curves


def read_losses(run: Path) -> LossCurve | None:
    """The losses in a run's TensorBoard files; None without any.

    A step that was repeated after an interruption has the loss of its last repetition.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run / "tensorboard"
    if not folder.is_dir():
        return None
    losses: dict[int, float] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        if "loss" in events.Tags()["scalars"]:
            losses |= {event.step: event.value for event in events.Scalars("loss")}
    steps = np.array(sorted(losses))
    return (steps, np.array([losses[step] for step in steps])) if losses else None


def smooth(values: np.ndarray, decay: float = DECAY) -> np.ndarray:
    """Exponential running mean [N] of values [N]; value i has the weight decay^(n - i), so it does not start at 0."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = decay * total + value, decay * weight + 1
        means.append(total / weight)
    return np.array(means)


def plot_curves(path: Path, curves: Mapping[str, LossCurve]) -> Path | None:
    """Write a PNG of the figure; None without curves."""
    if not curves:
        return None
    figure = curves_figure(curves)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
    return path


def curves_figure(curves: Mapping[str, LossCurve]) -> Figure:
    """The smoothed curves over the pale raw ones, for one curve or more."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for number, (name, (steps, losses)) in enumerate(curves.items()):
        axes.plot(steps, losses, color=f"C{number}", alpha=0.15, linewidth=0.7)
        axes.plot(steps, smooth(losses), color=f"C{number}", label=name, marker="." if len(steps) < FEW else None)
    # The large losses of the first tenth would flatten the rest of the plot.
    late = np.concatenate([smooth(losses)[len(losses) // 10 :] for _, losses in curves.values()])
    margin = 0.3 * (np.ptp(late) or late[0])
    axes.set(xlabel="step", ylabel="flow-matching loss", ylim=(late.min() - margin, late.max() + margin))
    axes.legend()
    axes.grid(alpha=0.3)
    return figure
