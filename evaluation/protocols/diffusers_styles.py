"""Generates StyleExpert's trials with diffusers: its experts, or the base model with the style image as a reference."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from ...errors import DataError
from ...generation.kontext import TINY, stylise_with_seed
from ...generation.style_change import fitting_layers
from ...generation.vision import SIGLIP, load_vision
from ...moe import StyleExpert
from ...moe.baking import encode_style, reads_style_image
from ...moe.siglip import SiglipVision
from ...storage.image_reader import read_image
from ...storage.image_tensor import read_image_tensor
from .diffusers_pipeline import BASE_ALONE, LoadedPipeline
from .generating import GeneratingSystem
from .options import PaperStyles
from .style_expert import StyleTrial


def style_system(config: PaperStyles, loaded: LoadedPipeline) -> GeneratingSystem:
    """StyleExpert's experts, or the base model with the style image as a second reference.

    Raises:
        StyleExpertError: the expert file is damaged, or has no encoder.
    """
    files = config.experts
    expert = None if files.experts is None else StyleExpert.open(files.experts, encoder_path=files.encoder)
    routed = expert is not None and not expert.config.is_lora
    if expert is not None and routed and expert.encoder_config is None:
        raise DataError(f"{expert.path} holds no style encoder, which reads the style images: give --encoder.")
    vision = files.vision or (TINY if loaded.is_tiny else SIGLIP)

    @contextmanager
    def open_generator() -> Iterator["StyleTrialGenerator"]:
        tower = load_vision(vision) if routed else None
        yield StyleTrialGenerator(loaded, expert, tower, files.size)

    used = [path for path in (files.experts, files.encoder, Path(vision)) if path is not None and path.is_file()]
    settings = loaded.settings(size=files.size, vision=vision if routed else None)
    name = config.generation.name or (BASE_ALONE if expert is None else expert.path.stem)
    return GeneratingSystem(name, settings, [*used, *loaded.files], open_generator, (files.size or 1024) ** 2)


class StyleTrialGenerator:
    """Generates one trial after another. Consecutive trials of one style image are the fastest.

    Args:
        loaded: the pipeline.
        expert: the experts; None for the base model alone.
        vision: the vision model of their encoder; None for a plain LoRA and the base model.
        size: side of square images in pixels; None: the trained size nearest to the content's proportions.
    """

    def __init__(
        self, loaded: LoadedPipeline, expert: StyleExpert | None, vision: SiglipVision | None, size: int | None
    ) -> None:
        self._loaded, self._expert, self._vision = loaded, expert, vision
        self._layers = [] if expert is None else fitting_layers(loaded.pipeline, expert)
        self._current: str | None = None
        if size is not None:
            loaded.set_size(size)

    def __call__(self, trial: StyleTrial) -> Image.Image:
        loaded, expert = self._loaded, self._expert
        self._use_style(trial.reference)
        shown = expert is None or reads_style_image(expert)
        return stylise_with_seed(
            loaded.pipeline,
            read_image(Path(trial.content)),
            [read_image(Path(trial.reference))] if shown else [],
            trial.seed,
            prompt=trial.prompt,
            style_rows=(expert.style_rows if expert is not None else None) or 0,
            **loaded.sampling(expert.text_tokens if expert is not None else None, loaded.pipeline.text_tokens),
        )

    def _use_style(self, reference: str) -> None:
        if reference == self._current:
            return
        embedding = None
        if self._vision is not None and self._expert is not None:
            embedding = encode_style(self._expert, self._vision, [read_image_tensor(Path(reference))]).embedding
        self._loaded.use(self._expert, self._layers, embedding)
        self._current = reference
