"""`styleroute evaluate`: scores trained experts and the small Kontext, and writes tables, plots and images."""

from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from ..evaluation.regions.config import RegionEvidenceConfig
from ..evaluation.styles.config import EvidenceConfig
from ..evaluation.styles.losses import LossesConfig
from ..paths import RUNS
from ..progress import console


def styles(config: Annotated[EvidenceConfig, tyro.conf.arg(name="")]) -> None:
    """Stylise unseen photos in unseen styles through ComfyUI, and score them against baselines and the teacher.

    Prints which rankings of the paper are reproduced. The same command continues a stopped run; if expert files were
    trained again, their images are generated again.
    """
    from ..evaluation.finding import sentence
    from ..evaluation.styles.gather import gather_evidence
    from ..evaluation.styles.report import write_report
    from ..evaluation.styles.tables import loss_table, overlap_table, score_table
    from ..evaluation.verdict_table import verdict_table

    evidence = gather_evidence(config)
    report = write_report(config.output, evidence)
    for group in evidence.groups:
        console.print(score_table(group.rows, group.kind, group.trials.styles, evidence.steps))
    console.print(loss_table(evidence.losses, evidence.steps))
    if evidence.overlaps:
        console.print(overlap_table(evidence.overlaps))
    console.print(verdict_table(evidence.findings))
    console.print(sentence(evidence.findings), soft_wrap=True)
    console.print("Wrote", ", ".join(str(path) for path in (report, *evidence.files)), soft_wrap=True)


def losses(config: Annotated[LossesConfig, tyro.conf.arg(name="")]) -> None:
    """Compare expert files by the flow-matching loss on unseen photos and styles, with equal noise for all files.

    It takes about a minute per file, generates no images, and detects smaller differences than generated images do.
    """
    from ..evaluation.styles.losses import compare_losses, difference_table
    from ..evaluation.styles.tables import loss_table

    rows, steps = compare_losses(config)
    console.print(loss_table(rows, steps))
    if len(rows) > 2:
        console.print(difference_table(rows))


def regions(config: Annotated[RegionEvidenceConfig, tyro.conf.arg(name="")]) -> None:
    """Stylise unseen objects in unseen photos through ComfyUI, and score the attention maps and the background.

    It compares the variants of `styleroute train region-variants` with the base model, and with a stylised whole image
    that is blended with the true mask. The same command continues a stopped run; if experts were trained again, their
    images are generated again.
    """
    from ..evaluation.finding import sentence
    from ..evaluation.regions.gather import gather_regions
    from ..evaluation.regions.tables import score_table
    from ..evaluation.verdict_table import verdict_table

    evidence = gather_regions(config)
    report = evidence.write(config.output)
    console.print(score_table(evidence.rows, evidence.steps, evidence.trials.styles))
    console.print(verdict_table(evidence.findings))
    console.print(sentence(evidence.findings), soft_wrap=True)
    console.print("Wrote", ", ".join(str(path) for path in (report, *evidence.files)), soft_wrap=True)


def tiny(per_edit: int = 8, steps: int = 20, output: Path = RUNS / "evaluate") -> None:
    """Edit test photos with the weights in this repository, and print the PSNR to each instruction's exact target.

    Args:
        per_edit: number of images for each instruction.
        steps: number of Euler steps of the sampler.
        output: folder for the contact sheet.
    """
    from ..evaluation.tiny import EvaluateConfig, evaluate

    report = evaluate(EvaluateConfig(per_edit=per_edit, steps=steps, output=output))
    table = Table("instruction", "image dB", "object inside dB", "outside dB", title="PSNR on test photos, 256 x 256")
    table.add_row("(autoencoder, all test photos)", f"{report.autoencoder:.1f}", "", "")
    for row in report.rows:
        inside = "" if row.inside is None else f"{row.inside:.1f}"
        outside = "" if row.outside is None else f"{row.outside:.1f}"
        table.add_row(row.name, f"{row.image:.1f}", inside, outside)
    console.print(table)
    console.print(f"Images: {report.sheet}")


SUBCOMMANDS = {"styles": styles, "losses": losses, "regions": regions, "tiny": tiny}
