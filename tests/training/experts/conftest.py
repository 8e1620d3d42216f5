"""Triplets of coloured noise, a random SigLIP with a random style encoder, and trainers on the small random Kontext."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from PIL import Image
from styleroute.dataset.triplets import read_triplets
from styleroute.moe import EncoderConfig, StyleEncoder, save_encoder
from styleroute.training.adapters.config import FREE, with_options
from styleroute.training.bases import Base, load_base
from styleroute.training.experts.conditions import load_condition
from styleroute.training.experts.config import ExpertsTrainConfig
from styleroute.training.experts.examples import TripletExamples, make_examples
from styleroute.training.experts.routed_linear import AdapterConfig
from styleroute.training.experts.start import StartExperts
from styleroute.training.experts.trainer import ExpertsTrainer
from styleroute.training.run_folder import RunFolder
from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

SIDE = 64
STYLES = {"train": ("red", "green", "blue"), "test": ("yellow", "red")}
CONTENTS = 3
TINTS = {"red": (255, None, None), "green": (None, 255, None), "blue": (None, None, 255), "yellow": (255, 255, None)}


def _write_split(folder: Path, split: str) -> None:
    """A style fills channels; a content is noise."""
    rows = []
    (folder / split / "content").mkdir(parents=True)
    for content in range(CONTENTS):
        noise = np.random.default_rng(content + 10 * (split == "test")).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((SIDE, SIDE)).save(folder / split / "content" / f"{content}.png")
    for style in STYLES[split]:
        (folder / split / style).mkdir()
        for content in range(CONTENTS):
            pixels = np.array(Image.open(folder / split / "content" / f"{content}.png"))
            for channel, value in enumerate(TINTS[style]):
                pixels[..., channel] = pixels[..., channel] if value is None else value
            Image.fromarray(pixels).save(folder / split / style / f"{content}.png")
            rows.append(
                {
                    "content_file_name": f"content/{content}.png",
                    "reference_file_name": f"{style}/{(content + 1) % CONTENTS}.png",
                    "stylised_file_name": f"{style}/{content}.png",
                    "style": style,
                    "style_id": list(TINTS).index(style),
                    "content_name": f"noise {content}",
                    "prompt": f"a photo of {'abc'[content]}",
                    "seen_style": split == "train" or style in STYLES["train"],
                }
            )
    (folder / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three styles to train, an unseen one and a seen one to test, three contents each."""
    folder = tmp_path_factory.mktemp("triplets")
    for split in STYLES:
        _write_split(folder, split)
    return folder


@pytest.fixture
def own_data(data: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(data, tmp_path / "triplets")


@pytest.fixture(scope="session")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SigLIP of 2 layers, 4 tokens x 8."""
    folder = tmp_path_factory.mktemp("siglip")
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "num_hidden_layers": 2}
    torch.manual_seed(0)
    SiglipVisionModel(SiglipVisionConfig(image_size=32, patch_size=16, **sizes)).save_pretrained(folder)
    half = [0.5, 0.5, 0.5]
    SiglipImageProcessor(size={"height": 32, "width": 32}, image_mean=half, image_std=half).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def write_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a random style encoder for the SigLIP, with other sizes where some are given."""

    def write(num_tokens: int = 4, proj_dim: int = 6) -> Path:
        path = tmp_path_factory.mktemp("encoder") / "style_encoder.safetensors"
        sizes = {"num_queries": 2, "hidden_size": 8, "cond_dim": 2 * proj_dim}
        config = EncoderConfig(taps=(-1,), num_tokens=num_tokens, proj_dim=proj_dim, **sizes)
        torch.manual_seed(1)
        save_encoder(path, StyleEncoder(config).state_dict(), config)
        return path

    return write


@pytest.fixture(scope="session")
def encoder(write_encoder: Callable[..., Path]) -> Path:
    """Embeddings of width 12."""
    return write_encoder()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def config(
    tmp_path: Path, data: Path, kontext_folder: Path, siglip: Path, encoder: Path, cache: Path
) -> ExpertsTrainConfig:
    return with_options(
        ExpertsTrainConfig(),
        data=data,
        base=str(kontext_folder),
        encoder=encoder,
        vision=str(siglip),
        adapter=AdapterConfig(experts=4, rank=2, shared_rank=2, alpha=4.0, cond_dim=12),
        rate=1e-2,
        batch=2,
        steps=6,
        precision="no",
        checkpointing=False,
        run=tmp_path / "run",
        cache=cache,
        save_every=2,
        validate_every=0,
    )


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Each run of a process has its own precision."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def base(kontext_folder: Path) -> Base:
    return load_base(str(kontext_folder), dtype=torch.float32)


@pytest.fixture
def examples(config: ExpertsTrainConfig, base: Base) -> TripletExamples:
    condition = load_condition(config.model, "cpu")
    return make_examples(read_triplets(config.data.folder, "train"), base, condition, config.run.cache / "train")


@pytest.fixture
def make_trainer(config: ExpertsTrainConfig, base: Base, examples: TripletExamples) -> Callable[..., ExpertsTrainer]:
    """A trainer with other options, untrained or from the experts `begin`."""

    def make(
        identity: str = "these triplets",
        begin: StartExperts | None = None,
        options: ExpertsTrainConfig = config,
        **values: Any,
    ) -> ExpertsTrainer:
        AcceleratorState._reset_state(reset_partial_state=True)
        changed = with_options(options, **values)
        accelerator = Accelerator(mixed_precision=changed.optimisation.precision)
        run = RunFolder(changed.run.folder, changed, FREE)
        return ExpertsTrainer(changed, run, accelerator, base.transformer(), examples, identity, start=begin)

    return make
