"""Generates a protocol's trials in a running ComfyUI server, with a workflow in API form as a template."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from ...attention.phrases import style_stem
from ...comfy_client import ComfyClient, WorkflowTemplate, run_template
from ...errors import DataError
from ...generation.pipeline import PREFERRED, nearest_size
from ...progress import console
from ...storage.image_reader import read_image
from ...training.adapters.sharing import SharedWork
from .generating import GeneratingSystem
from .options import ComfyOptions, PaperRegions, PaperStyles
from .region_route import SEED, RegionTrial
from .style_expert import StyleTrial

TEXT = ("text", "prompt", "value", "string")
SIZES = {"width": ("width", "value"), "height": ("height", "value")}
SEEDS = ("seed", "noise_seed", "value")
STYLE_TAGS = {"content": ("image",), "style": ("image",), "prompt": TEXT, "seed": SEEDS, **SIZES}
"""Tags of StyleExpert's trials, with the inputs that usually take their values."""
REGION_TAGS = {
    "content": ("image",), "mask": ("image",), "prompt": TEXT, "object": TEXT, "style": TEXT,
    "expert": ("lora_name", "region_expert", "value", "string"), "seed": SEEDS, **SIZES,
}  # fmt: skip
"""Tags of RegionRoute's trials. The style is its words, and the expert is a file name such as pixel-art.safetensors."""
NEEDED_FOR_STYLES, NEEDED_FOR_REGIONS = ("content", "style", "seed"), ("content", "prompt")
"""Tags that a workflow must have: otherwise trials would not differ."""
UPLOADS = "styleroute"
"""Folder of the uploaded images inside the server's input folder."""

TrialValues = Callable[[Any, Callable[[Path], str]], Mapping[str, Any]]
"""The values of a trial's tags; the second argument uploads an image and returns its name on the server."""


class TemplateServer:
    """Runs a template on a server, and uploads each image once.

    Args:
        client: the server.
        template: the workflow.
        values: the values of a trial's tags.
    """

    def __init__(self, client: ComfyClient, template: WorkflowTemplate, values: TrialValues) -> None:
        self._client, self._template, self._values = client, template, values
        self._uploaded: dict[Path, str] = {}

    def __call__(self, trial: Any) -> Image.Image:
        values = self._values(trial, self._upload)
        return run_template(self._client, self._template, values, trial.name)

    def _upload(self, image: Path) -> str:
        if image not in self._uploaded:
            self._uploaded[image] = self._client.upload_image(image, UPLOADS)
        return self._uploaded[image]


def style_workflow(config: PaperStyles, work: SharedWork) -> GeneratingSystem:
    """StyleExpert's trials in ComfyUI; the server and the workflow are checked at once.

    Raises:
        ComfyError: the server does not answer, or the workflow does not fit.
    """
    side = config.experts.size

    def values(trial: StyleTrial, upload: Callable[[Path], str]) -> Mapping[str, Any]:
        content, style = Path(trial.content), Path(trial.reference)
        width, height = (side, side) if side else nearest_size(read_image(content), PREFERRED)
        images = {"content": upload(content), "style": upload(style)}
        return images | {"prompt": trial.prompt, "seed": trial.seed, "width": width, "height": height}

    options, name = config.comfyui, config.generation.name
    return _system(options, name, work, STYLE_TAGS, NEEDED_FOR_STYLES, values, side or 1024)


def region_workflow(config: PaperRegions, work: SharedWork) -> GeneratingSystem:
    """RegionRoute's trials in ComfyUI; the server and the workflow are checked at once.

    Raises:
        ComfyError: the server does not answer, or the workflow does not fit.
    """
    folder, side = config.protocol.output, config.protocol.side

    def values(trial: RegionTrial, upload: Callable[[Path], str]) -> Mapping[str, Any]:
        return {
            "content": upload(folder / trial.photo),
            "mask": upload(folder / trial.mask),
            "prompt": trial.prompt,
            "object": trial.object,
            "style": trial.style,
            "expert": f"{style_stem(trial.style)}.safetensors",
            "seed": SEED,
            "width": side,
            "height": side,
        }

    options, name = config.comfyui, config.generation.name
    return _system(options, name, work, REGION_TAGS, NEEDED_FOR_REGIONS, values, side)


def _system(
    options: ComfyOptions,
    name: str | None,
    work: SharedWork,
    usual: Mapping[str, Sequence[str]],
    needed: Sequence[str],
    values: TrialValues,
    side: int,
) -> GeneratingSystem:
    path = options.workflow
    if path is None:
        raise DataError("--generate comfyui needs a workflow in API form: give --workflow.")
    client = ComfyClient(options.server[work.index % len(options.server)])
    template = WorkflowTemplate.read(path, usual, needed, client.object_info())
    for one in template.inputs:
        console.print(f"[{one.tag}] -> {one.name} of {one.label}", markup=False, soft_wrap=True)

    @contextmanager
    def open_generator() -> Iterator[TemplateServer]:
        yield TemplateServer(client, template, values)

    return GeneratingSystem(name or path.stem, {"side": side}, [path], open_generator, side**2)
