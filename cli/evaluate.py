"""`styleroute evaluate`: the tiny Kontext's figures on photos kept out of training."""

from pathlib import Path

from rich.table import Table

from ..paths import RUNS
from ..progress import console
from ..training.tiny.evaluate import EvaluateConfig, evaluate


def run(per_edit: int = 8, steps: int = 20, output: Path = RUNS / "evaluate") -> None:
    """Edit test photos with the shipped weights, and print PSNR to each instruction's exact target.

    Args:
        per_edit: pictures for each instruction.
        steps: Euler steps of the sampler.
        output: folder for the sheet of pictures.
    """
    report = evaluate(EvaluateConfig(per_edit=per_edit, steps=steps, output=output))
    table = Table("instruction", "picture dB", "object inside dB", "outside dB", title="PSNR on test photos, 256 x 256")
    table.add_row("(autoencoder, all test photos)", f"{report.autoencoder:.1f}", "", "")
    for row in report.rows:
        inside = "" if row.inside is None else f"{row.inside:.1f}"
        outside = "" if row.outside is None else f"{row.outside:.1f}"
        table.add_row(row.name, f"{row.picture:.1f}", inside, outside)
    console.print(table)
    console.print(f"Pictures: {report.sheet}")
