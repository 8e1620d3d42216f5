"""Hostile files and prompts on a real server: each is refused with a sentence, and the next prompt still runs.

ComfyUI's worker thread ends when it logs a lone surrogate. Then no later prompt runs until a restart.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from styleroute.comfy_client import ComfyServer
from styleroute.errors import ComfyError
from styleroute.paths import PACK

pytestmark = pytest.mark.comfy

GUARD_SECONDS = 120
"""A server without a worker thread never answers; after this time the test fails instead of waiting."""
ENTRY = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
SURROGATE, CODES = "\ud800", "\x1b[2J\x1b]0;title\x07\u202e"


def file_with_key(key: str, entry: str = ENTRY) -> bytes:
    """A small file with one tensor; `key` is JSON without its quotation marks."""
    header = f'{{"{key}.lora_A.weight": {entry}}}'.encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


FILES = {
    "surrogate.safetensors": file_with_key(r"\ud800"),
    "codes.safetensors": file_with_key(r"\u001b[2J\u001b]0;title\u0007\u202e"),
    "long.safetensors": file_with_key("x" * 100_000),
    "bomb.safetensors": file_with_key("x", ENTRY.replace("[1]", '["a", 1000000000]')),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ComfyServer]:
    """A server of its own: a dead worker thread must not fail other tests."""
    with ComfyServer.start(packs=[PACK, PACK / "examples" / "tiny_kontext"]) as server:
        (folder := server.models / "style_experts").mkdir(parents=True, exist_ok=True)
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        yield server


def loading(name: str) -> dict[str, Any]:
    inputs = {"expert": name, "encoder": "in the expert file", "routing": "as the file says"}
    apply = {"model": ["1", 0], "style_expert": ["2", 0], "strength": 1.0}
    return {
        "1": {"class_type": "TinyKontext_Load", "inputs": {}},
        "2": {"class_type": "StyleRoute_LoadStyleExpert", "inputs": inputs},
        "3": {"class_type": "StyleRoute_MoEApply", "inputs": apply},
        "4": {"class_type": "StyleRoute_RoutingPreview", "inputs": {"routing": ["3", 1]}},
    }


def prompting(**texts: str) -> dict[str, Any]:
    latent = {"width": 64, "height": 64, "batch_size": 1}
    sampler = {"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0]}
    settings = {"seed": 7, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    inputs = {"clip": ["1", 1], "text": "make the guitar in mosaic style"} | texts
    return {
        "1": {"class_type": "TinyKontext_Load", "inputs": {}},
        "2": {"class_type": "StyleRoute_RegionPrompt", "inputs": inputs},
        "3": {"class_type": "EmptySD3LatentImage", "inputs": latent},
        "4": {"class_type": "KSampler", "inputs": sampler | settings},
        "5": {"class_type": "SaveLatent", "inputs": {"samples": ["4", 0], "filename_prefix": "never"}},
    }


def harmless(name: str) -> dict[str, Any]:
    """A prompt of stock nodes that ComfyUI cannot take from its cache."""
    return {
        "1": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "2": {"class_type": "SaveLatent", "inputs": {"samples": ["1", 0], "filename_prefix": name}},
    }


def answer(server: ComfyServer, prompt: dict[str, Any]) -> str:
    """The refusal of a prompt; empty if it ran."""
    answers = []

    def run() -> None:
        try:
            server.run(prompt)
            answers.append("")
        except ComfyError as error:
            answers.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(GUARD_SECONDS)
    assert answers, "the server's worker thread has ended"
    return answers[0]


PROMPTS = {
    "a surrogate in a file": (loading("surrogate.safetensors"), "its header is not JSON"),
    "terminal codes in a file": (loading("codes.safetensors"), "codes.safetensors is"),
    "a long key in a file": (loading("long.safetensors"), "long.safetensors is"),
    "a header bomb": (loading("bomb.safetensors"), "the shape of"),
    "a surrogate in a file's name": (loading(f"{SURROGATE}.safetensors"), "was not found"),
    "a null byte in a file's name": (loading("a\0b.safetensors"), "was not found"),
    "a surrogate in a phrase": (prompting(object_phrase=SURROGATE), "holds a lone surrogate"),
    "a surrogate in the prompt": (prompting(text=f"make the guitar {SURROGATE}"), "holds a lone surrogate"),
    "terminal codes in a phrase": (prompting(object_phrase=f"guitar{CODES}"), r"'guitar\x1b[2J"),
    "a long phrase": (prompting(object_phrase="guitar " * 20_000), "is not in the prompt"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_hostile_text_is_refused_and_the_next_prompt_runs(server, name):
    prompt, words = PROMPTS[name]
    refusal = answer(server, prompt)
    assert words in refusal
    assert refusal.replace("\n", "").isprintable()
    assert answer(server, harmless(f"after_{list(PROMPTS).index(name)}")) == ""
    assert "\x1b[2J" not in server.log
    assert len(max(server.log.splitlines(), key=len)) < 5_000
