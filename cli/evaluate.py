"""`styleroute evaluate`: scores trained experts and the small Kontext, and writes tables, plots and images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table

from ..evaluation.dials.config import DialEvaluationConfig
from ..evaluation.objects.config import ObjectEvaluationConfig
from ..evaluation.regions.config import ContrastConfig, RegionEvaluationConfig
from ..evaluation.styles.config import StyleEvaluationConfig
from ..evaluation.styles.loss_comparison import LossComparisonConfig
from ..paths import METRIC_MODELS, RUNS, TINY_MODELS
from ..progress import console

if TYPE_CHECKING:
    from ..evaluation.claims import ClaimResult


def styles(config: Annotated[StyleEvaluationConfig, tyro.conf.arg(name="")]) -> None:
    """Stylise unseen photos in unseen styles through ComfyUI, and score them beside baselines and the teacher.

    The command prints which claims of the paper hold. The same command continues an interrupted run. Images of changed
    expert files are generated again. All scores are written to scores.json.
    """
    from ..evaluation.styles.evaluate import evaluate_styles
    from ..evaluation.styles.report import write_report
    from ..evaluation.styles.tables import loss_table, overlap_table, style_table

    evaluation = evaluate_styles(config)
    report = write_report(config.output, evaluation)
    for group in evaluation.groups:
        console.print(style_table(group.scores, group.kind, group.trials.styles, evaluation.steps))
    console.print(loss_table(evaluation.losses, evaluation.steps))
    if evaluation.overlaps:
        console.print(overlap_table(evaluation.overlaps))
    _print_claims(evaluation.claims, [report, *evaluation.files])


def losses(config: Annotated[LossComparisonConfig, tyro.conf.arg(name="")]) -> None:
    """Compare expert files by the flow-matching loss on unseen photos and styles, with the same noise for all files.

    The command takes about a minute per file and generates no images. The loss shows smaller differences than generated
    images do.
    """
    from ..evaluation.styles.loss_comparison import compare_losses, difference_table
    from ..evaluation.styles.tables import loss_table

    losses, steps = compare_losses(config)
    console.print(loss_table(losses, steps))
    if len(losses) > 2:
        console.print(difference_table(losses))


def regions(config: Annotated[RegionEvaluationConfig, tyro.conf.arg(name="")]) -> None:
    """Stylise unseen objects in unseen photos through ComfyUI; measure the attention and the background.

    The command compares the variants of `styleroute train region-variants`. The baselines are the base model, a fully
    stylised photo, and a blend by the true mask. The same command continues an interrupted run. Images of changed
    expert files are generated again. All scores are written to scores.json.
    """
    from ..evaluation.regions.evaluate import evaluate_regions
    from ..evaluation.regions.report import write_report
    from ..evaluation.regions.tables import region_table

    evaluation = evaluate_regions(config)
    report = write_report(config.output, evaluation)
    console.print(region_table(evaluation.scores, evaluation.steps, evaluation.trials.styles))
    _print_claims(evaluation.claims, [report, *evaluation.files])


def objects(config: Annotated[ObjectEvaluationConfig, tyro.conf.arg(name="")]) -> None:
    """Give one or two named objects a style each from example images, through ComfyUI, and score the images.

    The command compares the object phrases with true masks, with one pass per object, and with whole images that are
    blended by the true masks. The same command continues an interrupted run. All scores are written to scores.json.
    """
    from ..evaluation.objects.evaluate import evaluate_objects
    from ..evaluation.objects.tables import object_table, write_report

    evaluation = evaluate_objects(config)
    report = write_report(config.output, evaluation)
    for count in (1, 2):
        console.print(object_table(evaluation, count))
    console.print(f"Wrote {report}, {evaluation.sheet}", soft_wrap=True)


def mixing(experts: Path = TINY_MODELS / "style_experts" / "tiny_styles.safetensors") -> None:
    """Print what rules for mixing two styles do to the routing of experts of the small Kontext.

    Args:
        experts: an expert file whose encoder reads the small vision model.
    """
    from ..evaluation.styles.mixing import embed_styles, evaluate_mixing
    from ..moe import StyleExpert

    expert = StyleExpert.open(experts)
    console.print(evaluate_mixing(expert, embed_styles(expert)).table())


def dials(config: Annotated[DialEvaluationConfig, tyro.conf.arg(name="")]) -> None:
    """Compare settings of Style Guider's dials: how much of the photo is kept, and how much of the style is taken.

    The command stylises unseen photos in unseen styles with the small Kontext through ComfyUI, and prints the cost of
    each setting. It writes a plot, a sheet of images and scores.json. The same command continues an interrupted run.
    """
    from ..evaluation.dials.evaluate import evaluate_dials
    from ..evaluation.dials.plot import plot_dials
    from ..evaluation.dials.report import dial_table, write_report

    evaluation = evaluate_dials(config)
    report = write_report(config.output, evaluation)
    plot = plot_dials(config.plot or config.output / "dials.png", evaluation.results)
    console.print(dial_table(evaluation))
    console.print("Wrote", ", ".join(map(str, (report, plot, evaluation.sheet))), soft_wrap=True)


def contrast(config: Annotated[ContrastConfig, tyro.conf.arg(name="")]) -> None:
    """Compare the contrast of attention maps for objects in the image with that for objects that are absent.

    The command uses the small Kontext through ComfyUI, on photos and objects that no training has seen. It prints the
    contrast that the nodes show, for the base model and for a shipped region expert.
    """
    from ..evaluation.regions.contrast import contrast_table, measure_contrast

    console.print(contrast_table(measure_contrast(config)))


def tiny(per_edit: int = 8, steps: int = 20, output: Path = RUNS / "evaluate_tiny") -> None:
    """Edit test photos with the shipped weights, and print the PSNR to each instruction's exact target.

    Args:
        per_edit: number of images for each instruction.
        steps: number of Euler steps of the sampler.
        output: folder for the contact sheet.
    """
    from ..evaluation.tiny import TinyEvaluationConfig, evaluate_tiny

    evaluation = evaluate_tiny(TinyEvaluationConfig(per_edit=per_edit, steps=steps, output=output))
    table = Table("instruction", "image dB", "object inside dB", "outside dB", title="PSNR on test photos, 256 x 256")
    table.add_row("(autoencoder, all test photos)", f"{evaluation.autoencoder:.1f}", "", "")
    for row in evaluation.rows:
        inside = "" if row.inside is None else f"{row.inside:.1f}"
        outside = "" if row.outside is None else f"{row.outside:.1f}"
        table.add_row(row.name, f"{row.image:.1f}", inside, outside)
    console.print(table)
    console.print(f"Images: {evaluation.sheet}")


def metrics(folder: Path = METRIC_MODELS) -> None:
    """List the models that metrics need, and say where to get the missing ones. Nothing is loaded or downloaded.

    Args:
        folder: folder of the downloaded models.
    """
    from ..evaluation.metric_models import MetricModels
    from ..evaluation.metric_models.table import model_table

    status = MetricModels(folder=folder).status()
    console.print(model_table(status))
    for model in status:
        if model.problem is not None:
            console.print(model.problem, soft_wrap=True, highlight=False, markup=False)


def _print_claims(claims: "Sequence[ClaimResult]", files: Sequence[Path]) -> None:
    from ..evaluation.claims import summarise
    from ..evaluation.tables import claims_table

    console.print(claims_table(claims))
    console.print(summarise(claims), soft_wrap=True)
    console.print("Wrote", ", ".join(str(path) for path in files), soft_wrap=True)


SUBCOMMANDS = {
    "styles": styles,
    "dials": dials,
    "mixing": mixing,
    "losses": losses,
    "regions": regions,
    "objects": objects,
    "contrast": contrast,
    "tiny": tiny,
    "metrics": metrics,
}
