"""Generates the images of object methods in ComfyUI: core's sampler and this pack's nodes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ...comfy_client import ComfyServer
from ...paths import PACK
from ..comfy_generator import ServerImages, evaluation_server
from .config import ObjectEvaluationConfig
from .jobs import GeneratedObjects, ObjectJob
from .workflow import MAPS, RESULT, ServerFiles, ServerObject, workflow

MAP_READER_PACK = PACK / "evaluation" / "comfy_pack"
CALIBRATION = PACK / "nodes" / "branch" / "calibrations" / "small-kontext.json"
"""Names the blocks in which the nodes find objects."""


@contextmanager
def open_object_generator(config: ObjectEvaluationConfig) -> Iterator["ObjectGenerator"]:
    """Start a ComfyUI with the node that reads maps; stop it at the end of the block.

    Raises:
        ComfyNotFound, ComfyError: no ComfyUI was found, or it does not start.
    """
    with evaluation_server(MAP_READER_PACK) as server:
        yield ObjectGenerator(server, config)


class ObjectGenerator(ServerImages):
    """Generates one job after another."""

    def __init__(self, server: ComfyServer, config: ObjectEvaluationConfig) -> None:
        super().__init__(server)
        self._config = config
        self._blocks = json.loads(CALIBRATION.read_text(encoding="utf-8"))["blocks"]

    def __call__(self, job: ObjectJob) -> GeneratedObjects:
        config, seed = self._config, self._config.seed + job.trial.number
        prompt = workflow(job.method, self._files(job), steps=config.steps, strength=config.strength, seed=seed)
        outputs = self.run(prompt)
        maps = json.loads(outputs[MAPS]["maps"][0]) if job.method.has_maps else {}
        return GeneratedObjects(self.fetch_image(prompt, outputs, RESULT), maps)

    def _files(self, job: ObjectJob) -> ServerFiles:
        """Uploads the files of a job."""
        folder, grounding = job.method.images_folder, job.method.grounding
        objects = (
            ServerObject(styled.name, self.upload(styled.style_image), self.upload(styled.mask))
            for styled in job.trial.objects
        )
        return ServerFiles(
            photo=self.upload(job.trial.photo),
            prompt=job.trial.prompt,
            objects=tuple(objects),
            experts=self.install_expert(self._config.experts, folder),
            grounding=None if grounding is None else self.install_lora(grounding, folder),
            grounding_strength=self._config.grounding_strength,
            blocks=self._blocks,
        )
