"""Runs a protocol up to its folders of images: lists the trials, and generates the missing images."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...training.adapters.sharing import SharedWork
from .generating import GeneratingSystem, generate_trials
from .options import PaperRegions, PaperStyles
from .region_route import RegionTrial, region_trials
from .result_folders import ResultFolder, require_different_names, result_folders
from .style_expert import StyleTrial, style_trials

Systems = AbstractContextManager[list[GeneratingSystem]]


@dataclass(frozen=True)
class ProtocolImages:
    """The images that are ready to be scored.

    Attributes:
        trials: the protocol's trials.
        folders: the images of each system; the systems that generated their images here come first.
    """

    trials: Sequence[Any]
    folders: Sequence[ResultFolder]


def style_images(config: PaperStyles) -> ProtocolImages | None:
    """The images of StyleExpert's protocol; None in a process that does not score.

    Raises:
        StyleRouteError: a folder, file or server cannot be used, or an image cannot be generated.
    """

    def inputs(trials: Sequence[StyleTrial]) -> Iterable[Path]:
        return sorted({Path(name) for trial in trials for name in (trial.content, trial.reference)})

    return _images(config, lambda: style_trials(config.protocol), inputs, lambda work: _style_systems(config, work))


def region_images(config: PaperRegions) -> ProtocolImages | None:
    """The images of RegionRoute's protocol; None in a process that does not score.

    Raises:
        StyleRouteError: a folder, file or server cannot be used, or an image cannot be generated.
    """

    def inputs(trials: Sequence[RegionTrial]) -> Iterable[Path]:
        return sorted({config.protocol.output / name for trial in trials for name in (trial.photo, trial.mask)})

    return _images(config, lambda: region_trials(config.protocol), inputs, lambda work: _region_systems(config, work))


def _images(
    config: PaperStyles | PaperRegions,
    list_trials: Callable[[], Sequence[Any]],
    inputs: Callable[[Sequence[Any]], Iterable[Path]],
    open_systems: Callable[[SharedWork], Systems],
) -> ProtocolImages | None:
    """The images of all systems. Everything is checked before the trials are listed and the first image is made."""
    others = result_folders(config.results)
    if config.generation.generate == "no":
        return ProtocolImages(list_trials(), others)
    work = SharedWork()
    with open_systems(work) as systems:
        require_different_names([*(system.name for system in systems), *(folder.name for folder in others)])
        with work.first_process_first():
            trials = list_trials()
        ordered = sorted(trials, key=lambda trial: trial.style)  # a change of the style takes time
        files = list(inputs(trials))
        generated = [generate_trials(system, ordered, config.protocol.output, files, work) for system in systems]
    return ProtocolImages(trials, [*generated, *others]) if work.is_first else None


@contextmanager
def _style_systems(config: PaperStyles, work: SharedWork) -> Iterator[list[GeneratingSystem]]:
    # The libraries that generate take seconds to load, so they are imported where they are used.
    if config.generation.generate == "comfyui":
        from .comfyui_systems import style_workflow

        yield [style_workflow(config, work)]
        return
    from .diffusers_pipeline import LoadedPipeline
    from .diffusers_styles import style_system

    with LoadedPipeline(config.diffusers, work.device) as loaded:
        yield [style_system(config, loaded)]


@contextmanager
def _region_systems(config: PaperRegions, work: SharedWork) -> Iterator[list[GeneratingSystem]]:
    if config.generation.generate == "comfyui":
        from .comfyui_systems import region_workflow

        yield [region_workflow(config, work)]
        return
    from .diffusers_pipeline import LoadedPipeline
    from .diffusers_regions import region_systems

    with LoadedPipeline(config.diffusers, work.device) as loaded:
        yield region_systems(config, loaded)
