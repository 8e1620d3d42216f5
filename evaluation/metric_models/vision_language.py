"""A vision-language model that answers questions about images by token probabilities. No answer text is parsed.

The answer's probability comes from the model's distribution of its first token. It is divided by the probability of all
allowed answers, because the model may also begin with other words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import DataError
from ...paths import METRIC_MODELS
from .catalogue import VLM
from .image_batch import batches, pil_images, require_equal_lengths, require_images
from .reading import device_of, load_pretrained
from .weights import find_weights

QUESTIONS_AT_ONCE = 4
"""Questions that the model reads at once; each has up to two images."""
YES_NO = ("yes", "no")


@dataclass(frozen=True)
class AnswerProbabilities:
    """The probabilities of the allowed answers.

    Attributes:
        answers: [N, answers], each row sums to 1.
        mass: [N], the probability of all allowed answers before that division. A mass far below 1 means that the model
            would rather say something else, so its answers mean little.
    """

    answers: np.ndarray
    mass: np.ndarray


class VisionLanguageModel:
    """A chat model of transformers that reads images, such as Qwen2.5-VL or Qwen3-VL (Instruct).

    Args:
        model: an image-text-to-text model.
        processor: its processor with tokenizer and chat template.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model.eval(), processor
        # The last position must be the last token of every question.
        processor.tokenizer.padding_side = "left"

    @classmethod
    def load(
        cls,
        name: str | Path | None = None,
        folder: Path = METRIC_MODELS,
        device: str | None = None,
        dtype: str | torch.dtype = "auto",
    ) -> "VisionLanguageModel":
        """Load a vision-language model from this machine.

        Args:
            name: a name at Hugging Face, or the path of a folder; None for Qwen2.5-VL-7B-Instruct.
            folder: the folder of metric models.
            device: None for the graphics card if there is one.
            dtype: "auto" for the dtype of the stored weights.

        Raises:
            DataError: the weights are not on this machine or cannot be read.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        weights = VLM.named(name)
        path = find_weights(weights, folder)
        processor = load_pretrained(AutoProcessor, weights, path)
        if getattr(processor, "tokenizer", None) is None or not processor.chat_template:
            raise DataError(
                f"{path} has no tokenizer or no chat template, expected a chat model that reads images. Use {VLM.name}."
            )
        model = load_pretrained(AutoModelForImageTextToText, weights, path, dtype=dtype)
        return cls(model.to(device_of(device)), processor)

    def yes_probability(self, images: Sequence[Sequence[np.ndarray]], questions: Sequence[str]) -> AnswerProbabilities:
        """The probabilities of "yes" and "no"; see `ask`."""
        return self.ask(images, questions, YES_NO)

    @torch.inference_mode()
    def ask(
        self, images: Sequence[Sequence[np.ndarray]], questions: Sequence[str], answers: Sequence[str] = YES_NO
    ) -> AnswerProbabilities:
        """The probabilities of given answers.

        Args:
            images: for each question, its images [H, W, 3] uint8. The question calls them "Image 1", "Image 2", ...
            questions: N questions.
            answers: the allowed answers, of one token each, such as "yes" and "no", or "1" to "5".

        Raises:
            DataError: the lists differ in length, or an answer is longer than one token.
        """
        require_equal_lengths(images, questions)
        for shown in images:
            require_images(shown)
        tokens = [self._first_tokens(answer) for answer in answers]
        asked = list(zip(images, questions, strict=True))
        logits = [self._logits(batch) for batch in batches(asked, QUESTIONS_AT_ONCE)]
        probabilities = torch.cat(logits).softmax(-1) if logits else torch.zeros(0, 1)
        found = torch.stack([probabilities[:, ids].sum(-1) for ids in tokens], dim=-1).double()  # [N, answers]
        mass = found.sum(-1)
        smallest = torch.finfo(torch.float64).tiny
        return AnswerProbabilities((found / mass.clamp_min(smallest)[:, None]).numpy(), mass.numpy())

    def _first_tokens(self, answer: str) -> list[int]:
        """The tokens that mean the answer: in lower and upper case, with and without a space before."""
        words = (answer, answer.capitalize(), answer.upper())
        forms = dict.fromkeys(form for word in words for form in (word, f" {word}"))
        encoded = [self._processor.tokenizer.encode(form, add_special_tokens=False) for form in forms]
        unknown = self._processor.tokenizer.unk_token_id
        tokens = sorted({ids[0] for ids in encoded if len(ids) == 1 and ids[0] != unknown})
        if not tokens:
            raise DataError(
                f"The answer {answer!r} is not one token of the vision-language model, expected a short common word: "
                "choose another answer or model."
            )
        return tokens

    def _logits(self, asked: Sequence[tuple[Sequence[np.ndarray], str]]) -> Tensor:
        """The logits [n, vocabulary] of the first token of each answer, float32 on the CPU."""
        texts = [
            self._processor.apply_chat_template(
                [{"role": "user", "content": _content(len(images), question)}],
                add_generation_prompt=True,
                tokenize=False,
            )
            for images, question in asked
        ]
        shown = [image for images, _ in asked for image in pil_images(images)]
        inputs = self._processor(text=texts, images=shown or None, padding=True, return_tensors="pt")
        inputs = inputs.to(self._model.device)
        # Logits of all positions would need gigabytes.
        return self._model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].float().cpu()


def _content(images: int, question: str) -> list[dict[str, str]]:
    """The chat message: the images, numbered if there are several, then the question."""
    content = []
    for number in range(1, images + 1):
        if images > 1:
            content.append({"type": "text", "text": f"Image {number}: "})
        content.append({"type": "image"})
    return [*content, {"type": "text", "text": question}]
