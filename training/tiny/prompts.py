"""Token ids and text encoders for prompts, with the T5 and CLIP vocabularies of ComfyUI's Flux text encoders."""

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    PreTrainedTokenizerBase,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from ...comfy_client import find_comfyui
from ...errors import TrainingError
from .config import CLIP, T5, T5_TOKENS


class Tokenizers:
    """The T5 and CLIP tokenizers from the ComfyUI folder."""

    def __init__(self, comfyui: Path | None = None) -> None:
        self.folder = (comfyui or find_comfyui()) / "comfy"

    @cached_property
    def t5(self) -> T5TokenizerFast:
        return T5TokenizerFast.from_pretrained(self.folder / "text_encoders" / "t5_tokenizer")

    @cached_property
    def clip(self) -> CLIPTokenizer:
        return CLIPTokenizer.from_pretrained(self.folder / "sd1_tokenizer")

    def __call__(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Returns token ids for T5 [B, 32], padded with 0, and for CLIP [B, 77], padded with its end token.

        Raises:
            TrainingError: a prompt has more tokens.
        """
        t5 = [_pad(prompt, self.t5, T5_TOKENS, 0) for prompt in prompts]
        clip = [_pad(prompt, self.clip, 77, CLIP["pad_token_id"]) for prompt in prompts]
        return torch.tensor(t5), torch.tensor(clip)


def _pad(prompt: str, tokenizer: PreTrainedTokenizerBase, length: int, padding: int) -> list[int]:
    ids = tokenizer(prompt)["input_ids"]
    if len(ids) > length:
        raise TrainingError(
            f"a prompt has {len(ids)} tokens, expected at most {length} for the small Kontext: shorten {prompt!r}"
        )
    return ids + [padding] * (length - len(ids))


class TextEncoders(nn.Module):
    """The small T5 (one state per token) and the small CLIP-L (one pooled vector), trained with the transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.t5 = T5EncoderModel(T5Config(**T5))
        self.clip = CLIPTextModel(CLIPTextConfig(**CLIP))

    def forward(self, t5_ids: Tensor, clip_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes ids [B, 32] and [B, 77] to text states [B, 32, 128] and pooled [B, 64].

        The encoders attend to padding, as in ComfyUI.
        """
        states = self.t5(input_ids=t5_ids, attention_mask=torch.ones_like(t5_ids)).last_hidden_state
        return states, self.clip(input_ids=clip_ids).pooler_output
