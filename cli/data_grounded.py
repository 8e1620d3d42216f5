"""`styleroute data grounded`: region samples from photos with segmented objects, by "stylise and blend"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..comfy_client import ComfyClient
from ..dataset.grounded.comfy_stylist import ComfyStylist
from ..dataset.grounded.diffusers_stylist import DiffusersStylist, load_pipeline, parse_options
from ..dataset.grounded.grounded_scenes import GroundedConfig, GroundedScenes
from ..dataset.grounded.kept_images import KeptImages
from ..dataset.grounded.select_photos import LeftOut, select_photos
from ..dataset.grounded.styles import GroundedStyle, parse_styles
from ..dataset.grounded.stylists import FolderStylist, Stylist, TeacherStylist
from ..dataset.new_folder import require_target
from ..dataset.region_writer import REPORT_FILE, RegionReport, write_regions
from ..dataset.segmentation import SegmentedPhoto, read_dataset
from ..dataset.segmentation.coco import read_coco_annotations
from ..dataset.segmentation.token_compose import SPLIT, read_token_compose
from ..errors import DataError
from ..generation.kontext import PRECISIONS
from ..progress import console

GROUNDED_COCO = "grounded-coco"


@dataclass(frozen=True)
class StylistOptions:
    """What stylises the photos: give one of images, workflow, pipeline and teacher. Without any, no object is stylised.

    Attributes:
        styles: the styles, each as NAME, NAME="PROMPT", NAME=STYLE_IMAGE or NAME=LORA.safetensors. The name stands in
            the samples' prompts.
        images: folder of images that another program stylised, <style>/<photo>.png; without --styles, all its folders.
        workflow: a workflow in API form for a running ComfyUI. Tags in the titles of its nodes say where values go:
            [content] the photo, [prompt], [style] the style image, [lora], [seed], [width], [height].
        server: address of the running ComfyUI.
        pipeline: a pipeline of diffusers that edits an image by a prompt: a hub name or a folder.
        pipeline_options: further arguments of the pipeline, as NAME=VALUE, such as strength=0.6.
        device: device of the pipeline, such as "cuda"; "offload" loads each part when it is used.
        precision: number format of the pipeline's weights.
        teacher: whether the painting teacher stylises; the styles are names of its 26 styles.
        keep: folder that keeps the stylised photos, so that an interrupted run continues; by default the output's name
            with ".stylised" at its end.

    Raises:
        DataError: several stylists are given, or styles without one.
    """

    styles: tuple[str, ...] = ()
    images: Path | None = None
    workflow: Path | None = None
    server: str = "http://127.0.0.1:8188"
    pipeline: str | None = None
    pipeline_options: tuple[str, ...] = ()
    device: str | None = None
    precision: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    teacher: bool = False
    keep: Path | None = None

    def __post_init__(self) -> None:
        given = [f"--{name}" for name in ("images", "workflow", "pipeline", "teacher") if getattr(self, name)]
        if len(given) > 1:
            raise DataError(f"Found {' and '.join(given)}, expected one stylist: leave the others out.")
        if self.styles and not given:
            raise DataError(
                "Found --styles without a stylist, expected one of --images, --workflow, --pipeline and --teacher: add "
                "one, or leave the styles out to ground objects only."
            )
        if not self.styles and given and given != ["--images"]:
            raise DataError(f"Found {given[0]} without styles, expected one or more: give --styles NAME.")
        if self.workflow is not None and not self.workflow.is_file():
            raise DataError(f"There is no workflow {self.workflow}: check the path.")


def grounded(
    folder: Annotated[Path, tyro.conf.Positional],
    output: Annotated[Path, tyro.conf.Positional] = Path("data") / "regions",
    config: Annotated[GroundedConfig, tyro.conf.arg(name="")] = GroundedConfig(),  # noqa: B008
    stylist: Annotated[StylistOptions, tyro.conf.arg(name="")] = StylistOptions(),  # noqa: B008
    dataset: Literal["grounded-coco", "coco", "voc", "big"] = GROUNDED_COCO,
    split: str | None = None,
    annotations: Path | None = None,
) -> None:
    """Make training examples for region experts from photos with segmented objects, as RegionRoute's paper does.

    Of each photo, the largest fitting object is stylised: a stylist changes the whole photo, and the result is blended
    with the photo by the object's mask. The manifest has RegionRoute's format. Without a stylist, the samples only
    ground the objects' words (`train region --task ground`).

    Args:
        folder: the dataset; with --annotations the folder of photos.
        output: the folder to create; the default is the folder that `train region` reads.
        config: the number of photos, and the rules for objects.
        stylist: what stylises the photos, and the styles.
        dataset: layout of the dataset; "grounded-coco" is TokenCompose's Grounded COCO.
        split: split of the dataset; by default "train" of Grounded COCO, "val2017" of COCO.
        annotations: a file of annotations in COCO's format, for photos in any folder.
    """
    styles = parse_styles(stylist.styles)
    require_target(output, 0, config.size)
    photos = _read(folder, dataset, split, annotations)
    if stylist.images is not None:
        made_before = FolderStylist(stylist.images, styles)
        styles, photos = made_before.styles, [photo for photo in photos if made_before.has(photo)]
    left_out: LeftOut = {}
    count = None if config.photos is None else config.photos + config.test_photos
    chosen = select_photos(photos, count, config.seed, config.choice, left_out)
    if len(chosen) <= config.test_photos:
        raise DataError(
            f"Found {len(chosen)} photos with a fitting object, {config.test_photos} of them for the test, expected at "
            "least one for training: give a smaller --test-photos."
        )
    require_target(output, len(chosen) * (2 + len(styles)), config.size)
    made_with = {"dataset": dataset if annotations is None else annotations.name, "source": folder.name}
    worker = made_before if stylist.images is not None else _stylist(stylist, styles, config, output)
    settings = {"stylist": worker.settings if worker else None, "styles": [style.record for style in styles]}
    _write(output, chosen, config, styles, worker, left_out, made_with | settings)


def _read(folder: Path, dataset: str, split: str | None, annotations: Path | None) -> Sequence[SegmentedPhoto]:
    with console.status("Reading the annotations"):
        if annotations is not None:
            return read_coco_annotations(annotations, folder)
        if dataset == GROUNDED_COCO:
            return read_token_compose(folder, split or SPLIT)
        return read_dataset(dataset, folder, split)


def _stylist(
    options: StylistOptions, styles: Sequence[GroundedStyle], config: GroundedConfig, output: Path
) -> Stylist | None:
    """The stylist of the options, which keeps its images; None without one."""
    makers: list[tuple[object, Callable[[], Stylist]]] = [
        (options.workflow, lambda: _workflow(options, styles, config.seed)),
        (options.pipeline, lambda: _pipeline(options, styles, config.seed)),
        (options.teacher, lambda: TeacherStylist(styles)),
    ]
    made = next((make() for given, make in makers if given), None)
    if made is None:
        return None
    keep = options.keep or output.with_name(f"{output.name}.stylised")
    return KeptImages(made, keep, {"size": config.size, "styles": [style.record for style in styles]})


def _workflow(options: StylistOptions, styles: Sequence[GroundedStyle], seed: int) -> Stylist:
    return ComfyStylist(ComfyClient(options.server), options.workflow or Path(), styles, seed)


def _pipeline(options: StylistOptions, styles: Sequence[GroundedStyle], seed: int) -> Stylist:
    name, more = options.pipeline or "", parse_options(options.pipeline_options)
    with console.status("Loading the pipeline"):
        pipeline = load_pipeline(name, options.device, PRECISIONS[options.precision])
    return DiffusersStylist(pipeline, styles, seed, more, name)


def _write(
    output: Path,
    photos: list[SegmentedPhoto],
    config: GroundedConfig,
    styles: Sequence[GroundedStyle],
    stylist: Stylist | None,
    left_out: LeftOut,
    made_with: dict[str, object],
) -> None:
    split = {"train": photos[config.test_photos :], "test": photos[: config.test_photos]}
    scenes = {name: GroundedScenes(part, config, styles, stylist, left_out) for name, part in split.items() if part}
    report = RegionReport(config, more=made_with, left_out=left_out)
    write_regions(output, scenes, report)
    console.print(report.table())
    if left_out:
        console.print(report.left_out_table())
    console.print(f"Wrote {output.resolve()}; all names are in {REPORT_FILE}", soft_wrap=True)
