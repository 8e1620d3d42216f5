"""Generates RegionRoute's trials with diffusers: folders of region experts, the ablations, and the base model alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from ...attention.phrases import style_stem
from ...errors import DataError
from ...generation.kontext import stylise_with_seed
from ...generation.style_change import fitting_layers
from ...moe import StyleExpert
from ...progress import console
from ...storage.image_reader import read_image
from ...training.regions.config import ABLATIONS, PRESETS, RegionModel
from .diffusers_pipeline import BASE_ALONE, LoadedPipeline
from .generating import GeneratingSystem
from .options import PaperRegions
from .region_route import SEED, RegionTrial

NO_EXPERTS = "none"
"""Word for the base model alone in `--experts`."""
FULL = "full"
"""Name of the full method among its ablations."""


def region_systems(config: PaperRegions, loaded: LoadedPipeline) -> list[GeneratingSystem]:
    """Each folder of region experts, and the base model alone. All files are opened before the first image.

    Raises:
        DataError: a LoRA is missing, or no ablation was trained.
        StyleExpertError: a file is damaged.
    """
    folders = [*map(_named_folder, config.experts.experts)]
    if config.experts.ablations is not None:
        folders += _trained_ablations(config.experts.ablations, config.protocol.styles)
    if config.generation.name is not None and len(folders) > 1:
        raise DataError("--name is one name for several folders of experts: give --experts NAME=FOLDER.")
    folders = folders or [(BASE_ALONE, None)]
    return [_region_system(config, loaded, config.generation.name or name, folder) for name, folder in folders]


def _region_system(config: PaperRegions, loaded: LoadedPipeline, name: str, folder: Path | None) -> GeneratingSystem:
    files = {} if folder is None else _expert_files(folder, config.protocol.styles)
    experts = {style: StyleExpert.open(path) for style, path in files.items()}
    if other := next((expert for expert in experts.values() if not expert.config.is_lora), None):
        raise DataError(f"{other.path} holds routed experts, expected the plain LoRA of one style: give its folder.")

    @contextmanager
    def open_generator() -> Iterator["RegionTrialGenerator"]:
        yield RegionTrialGenerator(loaded, experts, config.protocol.output, config.protocol.side)

    settings, side = loaded.settings(side=config.protocol.side, seed=SEED), config.protocol.side
    return GeneratingSystem(name, settings, [*files.values(), *loaded.files], open_generator, side**2)


class RegionTrialGenerator:
    """Generates one trial after another. Consecutive trials of one style are the fastest.

    Args:
        loaded: the pipeline.
        experts: the LoRA of each style; empty for the base model alone.
        folder: folder of the protocol, with the photos.
        side: side of the images in pixels.
    """

    def __init__(self, loaded: LoadedPipeline, experts: Mapping[str, StyleExpert], folder: Path, side: int) -> None:
        self._loaded, self._experts, self._folder = loaded, experts, folder
        self._layers = {style: fitting_layers(loaded.pipeline, expert) for style, expert in experts.items()}
        self._current: str | None = None
        loaded.set_size(side)

    def __call__(self, trial: RegionTrial) -> Image.Image:
        expert = self._experts.get(trial.style)
        if trial.style != self._current:
            self._loaded.use(expert, self._layers.get(trial.style, []), None)
            self._current = trial.style
        recorded = None if expert is None else expert.text_tokens
        return stylise_with_seed(
            self._loaded.pipeline,
            read_image(self._folder / trial.photo),
            [],
            SEED,
            prompt=trial.prompt,
            **self._loaded.sampling(recorded, RegionModel.text_tokens),
        )


def _named_folder(text: str) -> tuple[str, Path | None]:
    """A system's name and its folder of LoRAs, from FOLDER, NAME=FOLDER or "none"."""
    name, equals, rest = text.partition("=")
    folder = rest if equals else text
    if folder == NO_EXPERTS:
        return (name if equals and name else BASE_ALONE), None
    return (name if equals and name else Path(folder).name), Path(folder)


def _expert_files(folder: Path, styles: Sequence[str]) -> dict[str, Path]:
    files = {style: folder / f"{style_stem(style)}.safetensors" for style in styles}
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}, expected a LoRA for each style: train them with `styleroute train "
            "region`, or choose other styles with --styles."
        )
    return files


def _trained_ablations(runs: Path, styles: Sequence[str]) -> list[tuple[str, Path | None]]:
    """The full method and the ablations whose runs have a LoRA of every style; prints which ones are left out."""
    presets = {FULL: "paper"} | {name: name for name in ABLATIONS}
    folders = {name: (preset, runs / PRESETS[preset].run.folder.name) for name, preset in presets.items()}
    trained: list[tuple[str, Path | None]] = []
    for name, (preset, folder) in folders.items():
        if all((folder / f"{style_stem(style)}.safetensors").is_file() for style in styles):
            trained.append((name, folder))
        else:
            console.print(
                f"Left out: {name}, because {folder} has not the LoRAs of all styles. Train them with `styleroute "
                f"train region --preset {preset}`.", soft_wrap=True,
            )  # fmt: skip
    if not trained:
        raise DataError(f"{runs} has no trained ablation, expected for instance {folders[FULL][1]}: train one.")
    return trained
