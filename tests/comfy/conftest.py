"""ComfyUI in this process, for tests of patching, and one real server for all tests."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from styleroute.comfy_client import ComfyServer, find_comfyui
from styleroute.flux.layer_names import all_layers, layer_shape
from styleroute.moe import EncoderConfig, ExpertConfig, StyleEncoder, StyleExpert, save_expert
from styleroute.paths import PACK

HERE = Path(__file__).parent
CONFIG = ExpertConfig(kind="style-moe", num_experts=4, rank=2, shared_rank=2, top_k=2, alpha=2.0, cond_dim=32)
ENCODER = EncoderConfig(
    taps=(-1, -3),
    num_queries=2,
    num_tokens=4,
    hidden_size=32,
    proj_dim=8,
    cond_dim=32,
    vision_model="small.safetensors",
)


@pytest.fixture(scope="session")
def parts() -> ModuleType:
    """`random_parts/parts.py`, with ComfyUI importable and set to the CPU."""
    sys.path.insert(0, str(find_comfyui()))
    importlib.import_module("comfy.cli_args").args.cpu = True
    spec = importlib.util.spec_from_file_location("random_parts_module", HERE / "random_parts" / "parts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def flux(parts):
    return parts.random_model("Flux", parts.FLUX)


@pytest.fixture(scope="session")
def siglip(parts, tmp_path_factory):
    return parts.random_vision(parts.SIGLIP, tmp_path_factory.mktemp("siglip"))


def write_style_expert(path: Path, hidden: int = 128, seed: int = 3, training: dict | None = None) -> Path:
    """Experts for every linear layer of the small Flux, none of them zero."""
    generator = torch.Generator().manual_seed(seed)
    experts = {}
    for layer in all_layers(1, 2):
        out, inp = layer_shape(layer, hidden)
        for name, shape in {
            "loraA": (4, 2, inp),
            "loraB": (4, out, 2),
            "shared_A": (1, 2, inp),
            "shared_B": (1, out, 2),
            "cond_gate.weight": (4, 32),
        }.items():
            experts[f"{layer}.lora_layer.{name}"] = torch.randn(shape, generator=generator) * 0.1
    torch.manual_seed(seed)
    save_expert(path, experts, CONFIG, StyleEncoder(ENCODER).state_dict(), ENCODER, training)
    return path


def write_region_lora(path: Path, hidden: int = 128) -> Path:
    """A RegionRoute file for the first block's queries."""
    lora_a, lora_b = torch.randn(4, hidden) * 0.1, torch.randn(hidden, 4) * 0.1
    key = "transformer.transformer_blocks.0.attn.to_q"
    save_file({f"{key}.lora_A.weight": lora_a, f"{key}.lora_B.weight": lora_b}, path)
    return path


@pytest.fixture
def style_expert(tmp_path: Path) -> StyleExpert:
    return StyleExpert.open(write_style_expert(tmp_path / "styles.safetensors"))


@pytest.fixture
def shown_expert(tmp_path: Path) -> StyleExpert:
    """Experts that were trained with the style image as a second reference."""
    return StyleExpert.open(write_style_expert(tmp_path / "shown.safetensors", training={"style_reference": True}))


@pytest.fixture
def region_expert(tmp_path: Path) -> StyleExpert:
    return StyleExpert.open(write_region_lora(tmp_path / "pixel-art.safetensors"))


@pytest.fixture(scope="session")
def clip(parts):
    return parts.random_clip()


@pytest.fixture(scope="session")
def prompt(clip):
    """Encodes a prompt with Region Style Prompt."""
    from styleroute.nodes.regions.region_prompt import RegionPrompt

    text = "make the guitar in mosaic style, keep other area unchanged"
    return lambda text=text, **phrases: RegionPrompt.execute(clip, text, **phrases).result[0]


@pytest.fixture(scope="session")
def plain(clip):
    """Encodes a prompt with CLIP Text Encode."""
    return lambda text: clip.encode_from_tokens_scheduled(clip.tokenize(text))


@pytest.fixture(scope="session")
def sample(parts):
    """Samples with KSampler's own function, on latents of 8 x 12, which are 4 x 6 cells."""
    import nodes

    def run(model, positive, negative=None, *, latent=None, seed=7, steps=2, cfg=1.0, sampler="euler", **settings):
        latent = {"samples": torch.zeros(1, 16, 8, 12)} if latent is None else latent
        negative = positive if negative is None else negative
        settings = {"scheduler": "simple", **settings}
        (out,) = nodes.common_ksampler(
            model, seed, steps, cfg, sampler, positive=positive, negative=negative, latent=latent, **settings
        )
        return out["samples"]

    return run


@pytest.fixture(scope="session")
def with_reference():
    """Adds a random reference latent to a conditioning, by default of the sampled size."""

    def refer(conditioning, height=8, width=12):
        reference = torch.randn(1, 16, height, width, generator=torch.Generator().manual_seed(9))
        return [[text, {**options, "reference_latents": [reference]}] for text, options in conditioning]

    return refer


@pytest.fixture(scope="session")
def server() -> Iterator[ComfyServer]:
    """A real ComfyUI with this pack, the small Kontext, random parts, and small expert files in its model folders."""
    with ComfyServer.start(packs=[PACK, PACK / "examples" / "tiny_kontext", HERE / "random_parts"]) as server:
        experts, loras = server.models / "style_experts", server.models / "loras"
        for folder in (experts, loras):
            folder.mkdir(parents=True, exist_ok=True)
        write_style_expert(experts / "styles.safetensors")
        write_style_expert(experts / "shown.safetensors", training={"style_reference": True})
        write_region_lora(loras / "pixel-art.safetensors")
        (experts / "text.safetensors").write_text("This is not a safetensors file.")
        yield server


ALL_BLOCKS = frozenset({("double", 0), ("single", 0), ("single", 1)})
"""All blocks of the small Flux."""


@pytest.fixture
def capture(flux):
    """Captures the small Flux or another model: (model, maps)."""
    from styleroute.nodes.maps.capture import with_capture
    from styleroute.nodes.maps.recorded_maps import RecordedMaps

    def make(model=None, blocks=ALL_BLOCKS, steps=None):
        maps = RecordedMaps()
        return with_capture(model or flux, maps, blocks, steps), maps

    return make


REGION_SETTINGS = {
    "seed": 7,
    "steps": 3,
    "cfg": 1.0,
    "sampler_name": "euler",
    "scheduler": "simple",
    "denoise": 1.0,
    "region_expert": "none",
    "expert_strength": 1.0,
    "region": "style",
    "background_lock": 0.0,
    "heat_preview": False,
}


@pytest.fixture
def region_sample(flux):
    """Runs RegionRoute Sampler with changed settings: (latent, maps, mask)."""
    from styleroute.nodes.regions.region_sampler import RegionRouteSampler

    def run(positive, model=None, latent=None, **changes):
        latent = {"samples": torch.zeros(1, 16, 8, 12)} if latent is None else latent
        return RegionRouteSampler.execute(model or flux, positive, latent, **(REGION_SETTINGS | changes)).result

    run.settings = REGION_SETTINGS
    return run


@pytest.fixture
def folders(parts, tmp_path, monkeypatch):
    """Empty model folders: (style_experts, loras)."""
    import folder_paths
    from styleroute.nodes.model_folders import register_model_folders

    register_model_folders()
    for kind in ("style_experts", "loras"):
        (tmp_path / kind).mkdir()
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / kind)], {".safetensors"}))
        folder_paths.filename_list_cache.pop(kind, None)
    yield tmp_path / "style_experts", tmp_path / "loras"
    for kind in ("style_experts", "loras"):
        folder_paths.filename_list_cache.pop(kind, None)


@pytest.fixture
def write_lora():
    """Writes a plain LoRA for some layers of the small Flux. With a training summary it has our header."""

    def write(
        path, seed=0, layers=("transformer_blocks.0.attn.to_q", "single_transformer_blocks.1.attn.to_v"), training=None
    ):
        generator = torch.Generator().manual_seed(seed)
        state = {}
        for layer in layers:
            state[f"transformer.{layer}.lora_A.weight"] = torch.randn(4, 128, generator=generator) * 0.3
            state[f"transformer.{layer}.lora_B.weight"] = torch.randn(128, 4, generator=generator) * 0.3
        path.parent.mkdir(exist_ok=True)
        if training is None:
            save_file(state, path)
        else:
            save_expert(path, state, ExpertConfig.plain_lora(4, "random-flux"), None, None, training)

    return write


@pytest.fixture
def spy():
    """Adds another pack's attention override to a model."""

    def spied(model, seen: list):
        """A clone whose override computes attention by the formula in float64 and records the matrices."""

        def override(func, q, k, v, heads, *args, transformer_options=None, **kwargs):
            matrix = (q.double() @ k.double().transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
            seen.append((transformer_options["block_type"], transformer_options["block_index"], matrix))
            return (matrix @ v.double()).to(v.dtype).transpose(1, 2).flatten(2)

        clone = model.clone()
        clone.model_options["transformer_options"]["optimized_attention_override"] = override
        return clone

    return spied


@pytest.fixture
def shown(parts, monkeypatch) -> list:
    """The texts that the nodes show, as (text, node id). Nodes run in this process get the id "5"."""
    from comfy_api.latest import io
    from styleroute.nodes import comfy_server
    from styleroute.nodes.maps.capture_attention import CaptureAttention
    from styleroute.nodes.regions.region_sampler import RegionRouteSampler

    texts: list = []
    queue = SimpleNamespace(get_current_queue_volatile=lambda: ((), ()))
    server = SimpleNamespace(send_progress_text=lambda text, node_id: texts.append((text, node_id)), prompt_queue=queue)
    module = SimpleNamespace(PromptServer=SimpleNamespace(instance=server))
    monkeypatch.setitem(sys.modules, "server", module)
    monkeypatch.setattr(comfy_server, "_shown", set())
    for node in (CaptureAttention, RegionRouteSampler):
        monkeypatch.setattr(node, "hidden", io.HiddenHolder.from_dict({io.Hidden.unique_id: "5"}))
    return texts
