"""`styleroute benchmark`: the pack against bare ComfyUI, as a table."""

from rich.table import Table

from ..benchmark import Row, run_benchmark
from ..progress import console


def run(pairs: int = 7) -> None:
    """Time the pack inside a real ComfyUI, against ComfyUI alone; the exit code is 1 if a limit is missed.

    The model is a random Flux of hidden size 1024 (2 double and 4 single blocks) on 64 x 64 latents with one reference;
    both sides alternate in one run. The encoding of the style picture is not part of a change of style.

    Args:
        pairs: how often each side's steps are measured; changes of style five times as often.
    """
    with console.status("Measuring in ComfyUI"):
        rows = run_benchmark(pairs)
    console.print(table(rows))
    if not all(row.passed for row in rows):
        raise SystemExit(1)


def table(rows: list[Row]) -> Table:
    """Median, spread and limit of each row."""
    shown = Table(title="StyleRoute in ComfyUI: ours / theirs")
    for heading in ("what", "against"):
        shown.add_column(heading)
    for heading in ("median", "min..max", "pairs", "at most", ""):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(
            row.what,
            row.against,
            _number(row.middle, row.unit),
            f"{_number(min(row.values))}..{_number(max(row.values))}",
            str(len(row.values)),
            _number(row.limit, row.unit),
            "[green]kept[/]" if row.passed else "[red]missed[/]",
        )
    return shown


def _number(value: float, unit: str = "") -> str:
    return f"{value:.0f} {unit}".strip() if value >= 10 else f"{value:.3f}"
