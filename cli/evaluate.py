"""`styleroute evaluate`: scores trained experts and the small Kontext, and writes tables, plots and images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..evaluation.dials.config import DialEvaluationConfig
from ..evaluation.objects.config import ObjectEvaluationConfig
from ..evaluation.protocols.options import STYLE_PRESETS, PaperRegions, PaperStyles
from ..evaluation.regions.config import ContrastConfig, RegionEvaluationConfig
from ..evaluation.report.config import ReportConfig
from ..evaluation.steering.config import SteeringConfig
from ..evaluation.styles.config import StyleEvaluationConfig
from ..evaluation.styles.loss_comparison import LossComparisonConfig
from ..evaluation.tiny.config import TinyEvaluationConfig
from ..paths import METRIC_MODELS, TINY_MODELS
from ..progress import console
from .presets import PresetCommand

if TYPE_CHECKING:
    from ..evaluation.claims import ClaimResult
    from ..evaluation.protocols.running import ProtocolImages


def styles(config: Annotated[StyleEvaluationConfig, tyro.conf.arg(name="")]) -> None:
    """Stylise unseen photos in unseen styles through ComfyUI, and score them beside baselines and the teacher.

    The command prints which claims of the paper and which goals of this pack hold. The images have the size of the
    dataset's images. The same command continues an interrupted run. Images of changed
    expert files are generated again. All scores are written to scores.json.
    """
    from ..evaluation.styles.evaluate import evaluate_styles
    from ..evaluation.styles.report import write_report
    from ..evaluation.styles.tables import loss_table, overlap_table, style_tables

    evaluation = evaluate_styles(config)
    report = write_report(config.output, evaluation)
    for group in evaluation.groups:
        console.print(*style_tables(group.scores, group.kind, group.trials, evaluation.steps))
    if evaluation.losses:
        console.print(loss_table(evaluation.losses, evaluation.steps))
    if evaluation.overlaps:
        console.print(overlap_table(evaluation.overlaps))
    _print_claims(evaluation.claims, [report, *evaluation.files])


def steering(config: Annotated[SteeringConfig, tyro.conf.arg(name="")]) -> None:
    """Measure what the routed experts add to the shared expert: give them wrong inputs, or none, through ComfyUI.

    The command stylises unseen photos in unseen styles with the right inputs, with another style's embedding or image,
    and without each. It prints colours apart from strokes, and which goals hold. The same command continues an
    interrupted run. All scores are written to scores.json.
    """
    from ..evaluation.steering.evaluate import evaluate_steering
    from ..evaluation.steering.report import steering_table, write_report

    evaluation = evaluate_steering(config)
    report = write_report(config.output, evaluation)
    console.print(steering_table(evaluation))
    _print_claims(evaluation.goals, [report, evaluation.sheet])


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


def mixing(experts: Path = TINY_MODELS / "style_experts" / "tiny_styles.safetensors", data: Path | None = None) -> None:
    """Print what rules for mixing two styles do to the routing of experts of the small Kontext.

    Args:
        experts: an expert file whose encoder reads the small vision model.
        data: folder of triplets, whose unseen styles are mixed; by default the 26 painting styles are mixed.
    """
    from ..evaluation.styles.mixing import evaluate_mixing, style_embeddings
    from ..moe import StyleExpert

    expert = StyleExpert.open(experts)
    console.print(evaluate_mixing(expert, style_embeddings(expert, data)).table())


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


def tiny(config: Annotated[TinyEvaluationConfig, tyro.conf.arg(name="")]) -> None:
    """Edit unseen photos with the small Kontext at several sizes, and score the images against their exact targets.

    The command prints the PSNR of every instruction, the largest seams, and whether each line of the bar holds. It
    writes a contact sheet for each size and scores.json. The same command continues an interrupted run.
    """
    from ..evaluation.tiny.evaluate import evaluate_tiny
    from ..evaluation.tiny.report import bar_table, size_table, summary_line, write_report

    sizes = evaluate_tiny(config)
    report = write_report(config, sizes)
    for found in sizes:
        console.print(size_table(found))
        console.print(summary_line(found), soft_wrap=True)
    console.print(bar_table(sizes))
    console.print("Wrote", ", ".join(map(str, (report, *(found.sheet for found in sizes)))), soft_wrap=True)


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


def paper_styles(config: PaperStyles) -> None:
    """Score images of any systems as StyleExpert's paper does: 50 pairs and 2 seeds for each unseen style.

    The command writes the list of trials, trials.json. It generates their images through diffusers or a running
    ComfyUI (--generate), or reads images of other systems that are named after the trials (--results). The same command
    continues an interrupted run. On several devices: `accelerate launch -m styleroute.cli evaluate paper-styles ...`.
    """
    from ..evaluation.metric_models import MetricModels
    from ..evaluation.paper_scores import STYLE_EXPERT_COLUMNS
    from ..evaluation.protocols.running import style_images
    from ..evaluation.protocols.style_expert import score_styles

    loaded = MetricModels(folder=config.models)
    _score_protocol(
        "StyleExpert's metrics", STYLE_EXPERT_COLUMNS, config.protocol.output, style_images(config),
        lambda some, files: score_styles(some, files, loaded),
    )  # fmt: skip


def paper_regions(config: Annotated[PaperRegions, tyro.conf.arg(name="")]) -> None:
    """Score images of any systems as RegionRoute's paper does, on objects of COCO, Pascal VOC or BIG in four styles.

    The command writes photos, masks and the list of trials, trials.json, with a prompt for each. It generates the
    images through diffusers or a running ComfyUI (--generate), or reads images of other systems that are named after
    the trials (--results). The same command continues an interrupted run. On several devices: `accelerate launch -m
    styleroute.cli evaluate paper-regions ...`.
    """
    from ..evaluation.metric_models import MetricModels
    from ..evaluation.paper_scores import REGION_ROUTE_COLUMNS
    from ..evaluation.protocols.region_route import score_regions
    from ..evaluation.protocols.running import region_images

    loaded, output = MetricModels(folder=config.models), config.protocol.output
    _score_protocol(
        "RegionRoute's metrics", REGION_ROUTE_COLUMNS, output, region_images(config),
        lambda some, files: score_regions(output, some, files, loaded),
    )  # fmt: skip


def report(config: Annotated[ReportConfig, tyro.conf.arg(name="")]) -> None:
    """Make one page and one table from the scores of other evaluations, beside the papers' own figures.

    The page, report.html, needs no other file and no network: tables with bootstrap intervals, paired comparisons,
    plots, and the best and worst images. The table, rows.parquet, has one line for each value.
    """
    from ..evaluation.report.make import make_report

    made = make_report(config)
    console.print(f"Wrote {made.page}, {made.rows} ({made.values:,} values)", soft_wrap=True, markup=False)


def _score_protocol(
    title: str, columns: Sequence[Any], folder: Path, images: "ProtocolImages | None", score: Any
) -> None:
    """Score the folders of images; without any, say what to generate."""
    from ..evaluation.protocols.scoring import protocol_table, score_folders, write_protocol_scores
    from ..evaluation.protocols.trial_list import TRIALS_FILE

    if images is None:
        return  # the first process scores
    if not images.folders:
        console.print(
            f"{folder / TRIALS_FILE} lists {len(images.trials):,} images. Generate them with --generate diffusers or "
            "--generate comfyui, or give folders of images with --results.", soft_wrap=True,
        )  # fmt: skip
        return
    systems = score_folders(images.folders, images.trials, score)
    console.print(protocol_table(title, columns, systems, len(images.trials)))
    for problem in sorted({text for system in systems for text in system.scores.problems.values()}):
        console.print(problem, soft_wrap=True, highlight=False, markup=False)
    console.print("Wrote", str(write_protocol_scores(folder, systems)), soft_wrap=True)


def _print_claims(claims: "Sequence[ClaimResult]", files: Sequence[Path]) -> None:
    from ..evaluation.claims import summarise
    from ..evaluation.tables import claims_table

    console.print(claims_table(claims))
    console.print(summarise(claims), soft_wrap=True)
    console.print("Wrote", ", ".join(str(path) for path in files), soft_wrap=True)


SUBCOMMANDS = {
    "styles": styles,
    "steering": steering,
    "dials": dials,
    "mixing": mixing,
    "losses": losses,
    "regions": regions,
    "objects": objects,
    "contrast": contrast,
    "tiny": tiny,
    "metrics": metrics,
    "paper-styles": PresetCommand(paper_styles, STYLE_PRESETS),
    "paper-regions": paper_regions,
    "report": report,
}
