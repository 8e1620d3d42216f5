"""Small samples and prompts' ids by checksum: the stages train without photos and without ComfyUI."""

import zlib

import pytest
import torch
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


@pytest.fixture(scope="session")
def samples() -> EditSamples:
    """Every kind of sample on four scenes of noise; the styles are 0, 1, 2, 0."""
    generator = torch.Generator().manual_seed(0)
    entries = [
        EditSample(kind, f"make it {kind}", f"a photo {i}", i, i + 1, style=i % 3, image=i)
        for i in range(4)
        for kind in KINDS
    ]
    latents = torch.randn(5, 16, 32, 32, generator=generator).half()
    return EditSamples(entries, latents, torch.randint(0, 255, (4, 3, 128, 128), generator=generator).byte())
