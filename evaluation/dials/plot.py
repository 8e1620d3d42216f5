"""The plot of content kept against style taken, for all settings."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...storage.whole_file import whole_file
from ..method_scores import MetricColumn
from .evaluate import SettingScores
from .scores import COLOUR_DISTANCE, CONTENT_KEPT, STYLE_SIMILARITY
from .settings import DialSetting

MARKERS = {"no guidance": "s", "KSampler, negative prompt": "^", "Style Guider": "o"}


def plot_dials(path: Path, results: Sequence[SettingScores]) -> Path:
    """Write a PNG of the figure."""
    figure = dial_figure(results)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=80, format="png")
    return path


def dial_figure(results: Sequence[SettingScores]) -> Figure:
    """One plot for each measure of the style. Lines join settings with the same style dial."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), (COLOUR_DISTANCE, STYLE_SIMILARITY), strict=True):
        _plot(axes, results, column)
    return figure


def _plot(axes: Axes, results: Sequence[SettingScores], style: MetricColumn) -> None:
    for number, (name, group) in enumerate(_groups(results).items()):
        points = [(each.scores.mean(style.key).value, each.scores.mean(CONTENT_KEPT.key).value) for each in group]
        form = group[-1].setting.form
        axes.plot(*zip(*points, strict=True), color=f"C{number}", marker=MARKERS[form], label=name)
        for each, point in zip(group, points, strict=True):
            if each.setting.form == form:  # the neutral point has its label already
                axes.annotate(_label(each.setting), point, xytext=(5, 4), textcoords="offset points", fontsize=8)
    if style.lower_is_better:
        axes.invert_xaxis()
    axes.set(xlabel=f"{style.name} (right is closer to the style)", ylabel=f"{CONTENT_KEPT.name} (edge correlation)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _groups(results: Sequence[SettingScores]) -> dict[str, list[SettingScores]]:
    """The settings of each line. Sampling without guidance at the same steps is the neutral point of the dials."""
    guided = [each for each in results if each.setting.form == "Style Guider"]
    groups: dict[str, list[SettingScores]] = {}
    for each in results:
        if each.setting.form != "Style Guider":
            groups.setdefault(each.setting.form, []).append(each)
    for style in dict.fromkeys(each.setting.style for each in guided):
        own = [each for each in guided if each.setting.style == style]
        groups[f"Style Guider, style {style:g}"] = [*_neutral(results, style, own[0].setting.steps), *own]
    return groups


def _neutral(results: Sequence[SettingScores], style: float, steps: int) -> list[SettingScores]:
    """The results without guidance at these steps, if they equal a dial setting with this style."""
    return [each for each in results if style == 1 and each.setting == DialSetting("no guidance", steps)]


def _label(setting: DialSetting) -> str:
    if setting.form == "no guidance":
        return f"{setting.steps} steps"
    return f"content {setting.content:g}" if setting.form == "Style Guider" else f"strength {setting.strength:g}"
