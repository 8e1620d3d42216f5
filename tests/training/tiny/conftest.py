"""Small samples and prompts' ids by checksum: the stages train without photos and without ComfyUI."""

import zlib

import pytest
import torch
from styleroute.training.tiny import train_kontext
from styleroute.training.tiny.edit_samples import KINDS, EditSample, EditSamples
from torch import Tensor


class ChecksumTokenizers:
    """Ids as the real tokenizers lay them out, each word's own from its checksum."""

    def __call__(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        words = [[zlib.crc32(word.encode()) % 32000 + 2 for word in prompt.split()] for prompt in prompts]
        t5 = [[*ids, 1] + [0] * (31 - len(ids)) for ids in words]
        clip = [[49406, *ids] + [49407] * (76 - len(ids)) for ids in words]
        return torch.tensor(t5), torch.tensor(clip)


@pytest.fixture(scope="session")
def tokenizers() -> ChecksumTokenizers:
    return ChecksumTokenizers()


WINDOWS = {(8, 8): 0.5, (12, 12): 0.2, (6, 10): 0.3}
WHOLE = {(16, 16): 0.5, (12, 20): 0.25, (20, 12): 0.25}
WINDOW_TOKENS = 16


@pytest.fixture
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of quarter sizes: windows of 4 x 4 tokens, and whole images of 8 x 8 tokens."""
    monkeypatch.setattr(train_kontext, "WINDOW_SHARES", WINDOWS)
    monkeypatch.setattr(train_kontext, "WHOLE_SIZES", WHOLE)
    monkeypatch.setattr(train_kontext, "WINDOW_TOKENS", WINDOW_TOKENS)


@pytest.fixture(scope="session")
def samples() -> EditSamples:
    """Every kind of sample on six scenes, two for each whole size; the styles are 0, 1, 2, 0, 1, 2.

    The first latent channels hold the row, the column and the index of the latents; the others are noise.
    """
    generator = torch.Generator().manual_seed(0)
    latents, entries = list[Tensor](), list[EditSample]()
    for i, (height, width) in enumerate([*WHOLE, *WHOLE]):
        for kind in KINDS:
            scene, target = len(latents), len(latents) + 1
            entries.append(EditSample(kind, f"make it {kind}", f"a photo {i}", scene, target, style=i % 3, image=i))
            latents += [_latents(height, width, index, generator) for index in (scene, target)]
    images = torch.randint(0, 255, (6, 3, 128, 128), generator=generator).byte()
    return EditSamples(entries, latents, images)


def _latents(height: int, width: int, index: int, generator: torch.Generator) -> Tensor:
    latents = torch.randn(16, height, width, generator=generator)
    latents[0], latents[1] = torch.arange(height)[:, None], torch.arange(width)
    latents[2] = index
    return latents.half()
