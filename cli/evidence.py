"""`styleroute evidence`: whether trained experts do what the papers say, as tables, plots and pictures."""

from typing import Annotated

import tyro

from ..progress import console
from ..training.evidence.regions.config import RegionEvidenceConfig
from ..training.evidence.styles.config import EvidenceConfig
from ..training.evidence.styles.losses import LossesConfig


def styles(config: Annotated[EvidenceConfig, tyro.conf.arg(name="")]) -> None:
    """Paint unseen photos in unseen styles through ComfyUI, and measure them beside baselines and the teacher.

    Prints which of the orders that the paper reports come out. A run that was stopped goes on when the same command is
    given again; expert files that were trained anew are painted anew.
    """
    from ..training.evidence.finding import sentence
    from ..training.evidence.styles.gather import gather_evidence
    from ..training.evidence.styles.report import write_report
    from ..training.evidence.styles.tables import loss_table, overlap_table, score_table
    from ..training.evidence.verdict_table import verdict_table

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
    """Compare expert files by the flow-matching loss on unseen photos and styles, with the same noise for all.

    It takes about a minute a file, paints nothing, and tells smaller differences than painted pictures do.
    """
    from ..training.evidence.styles.losses import compare_losses, difference_table
    from ..training.evidence.styles.tables import loss_table

    rows, steps = compare_losses(config)
    console.print(loss_table(rows, steps))
    if len(rows) > 2:
        console.print(difference_table(rows))


def regions(config: Annotated[RegionEvidenceConfig, tyro.conf.arg(name="")]) -> None:
    """Paint unseen objects in unseen photos through ComfyUI, and measure where the attention is and what is kept.

    The variants that `styleroute train region-variants` trains stand beside the base and beside stylising all and
    blending with the true mask. A run that was stopped goes on when the same command is given again; experts that were
    trained anew are painted anew.
    """
    from ..training.evidence.finding import sentence
    from ..training.evidence.regions.gather import gather_regions
    from ..training.evidence.regions.tables import score_table
    from ..training.evidence.verdict_table import verdict_table

    evidence = gather_regions(config)
    report = evidence.write(config.output)
    console.print(score_table(evidence.rows, evidence.steps, evidence.trials.styles))
    console.print(verdict_table(evidence.findings))
    console.print(sentence(evidence.findings), soft_wrap=True)
    console.print("Wrote", ", ".join(str(path) for path in (report, *evidence.files)), soft_wrap=True)


SUBCOMMANDS = {"styles": styles, "losses": losses, "regions": regions}
