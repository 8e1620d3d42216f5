"""How fast the trainings converge: their losses in one plot."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...progress import console
from ...storage.whole_file import whole_file

KEPT = 0.95
"""Share of the running mean that a new value leaves."""

FEW = 20
"""A curve of fewer values is drawn with points, as a single one has no line."""

Curve = tuple[np.ndarray, np.ndarray]
"""Steps and losses, both [N]."""


def read_curves(runs: Mapping[str, Path]) -> dict[str, Curve]:
    """The loss of each run by name; a run without a curve is left out, which is printed."""
    found: dict[str, Curve] = {}
    for name, run in runs.items():
        curve = read_losses(run)
        if curve is None:
            console.print(f"No curve: {name}, as {run} holds no TensorBoard file with a loss", soft_wrap=True)
        else:
            found[name] = curve
    return found


def read_losses(run: Path) -> Curve | None:
    """The losses in a run's TensorBoard files; of a step that was done twice, as after a kill, the last one."""
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


def smooth(values: np.ndarray, kept: float = KEPT) -> np.ndarray:
    """Exponential running mean [N], without the pull of its start towards 0: value i has weight kept^(n - i)."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = kept * total + value, kept * weight + 1
        means.append(total / weight)
    return np.array(means)


def draw_curves(path: Path, curves: Mapping[str, Curve]) -> Path | None:
    """All curves in one PNG, the unsmoothed ones pale behind; None without any."""
    if not curves:
        return None
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for number, (name, (steps, losses)) in enumerate(curves.items()):
        axes.plot(steps, losses, color=f"C{number}", alpha=0.15, linewidth=0.7)
        axes.plot(steps, smooth(losses), color=f"C{number}", label=name, marker="." if len(steps) < FEW else None)
    # The first steps' losses would press all others flat.
    late = np.concatenate([smooth(losses)[len(losses) // 10 :] for _, losses in curves.values()])
    margin = 0.3 * (np.ptp(late) or late[0])
    axes.set(xlabel="step", ylabel="flow-matching loss", ylim=(late.min() - margin, late.max() + margin))
    axes.legend()
    axes.grid(alpha=0.3)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
    return path
