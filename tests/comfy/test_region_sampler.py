"""RegionRoute Sampler: KSampler to the bit where nothing is asked of it, and what it adds where something is."""

import gc
import weakref

import pytest
import torch
from safetensors.torch import load_file, save_file
from styleroute.attention import AttentionError

LATENT = (1, 16, 8, 12)
STYLE = "style: mosaic"
SETTINGS = {
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
    """RegionRoute Sampler with these settings changed: (latent, maps, mask)."""
    from styleroute.nodes.region_sampler import RegionRouteSampler

    def run(positive, model=None, latent=None, **changes):
        latent = {"samples": torch.zeros(LATENT)} if latent is None else latent
        return RegionRouteSampler.execute(model or flux, positive, latent, **(SETTINGS | changes)).result

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


def write_lora(path, seed=0, layers=("transformer_blocks.0.attn.to_q", "single_transformer_blocks.1.attn.to_v")):
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for layer in layers:
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(4, 128, generator=generator) * 0.3
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(128, 4, generator=generator) * 0.3
    path.parent.mkdir(exist_ok=True)
    save_file(state, path)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sampler_name": "dpmpp_2m", "scheduler": "beta"},
        {"sampler_name": "euler_ancestral", "seed": 2**40 + 3},
        {"denoise": 0.6, "steps": 4},
        {"cfg": 2.5},
    ],
)
def test_without_expert_and_capture_it_is_ksampler_to_the_bit(
    flux, region_sample, sample, prompt, plain, with_reference, changes
):
    positive, negative = with_reference(prompt()), plain("blurry")
    settings = SETTINGS | changes
    latent = {"samples": torch.randn(LATENT, generator=torch.Generator().manual_seed(1))}
    expected = sample(
        flux, positive, negative, latent=latent, seed=settings["seed"], steps=settings["steps"], cfg=settings["cfg"],
        sampler=settings["sampler_name"], scheduler=settings["scheduler"], denoise=settings["denoise"],
    )  # fmt: skip
    found = region_sample(positive, latent=latent, negative=negative, blocks="none", **changes)[0]["samples"]
    assert torch.equal(found, expected)


def test_batches_masks_and_batch_indices_are_ksamplers(flux, region_sample, sample, prompt):
    latent = {
        "samples": torch.randn(2, *LATENT[1:], generator=torch.Generator().manual_seed(1)),
        "noise_mask": torch.rand(1, 64, 96, generator=torch.Generator().manual_seed(2)).round(),
        "batch_index": [4, 2],
    }
    expected = sample(flux, prompt(), latent=latent, steps=3)
    found = region_sample(prompt(), latent=latent, blocks="none")[0]
    assert torch.equal(found["samples"], expected)
    assert found.keys() == latent.keys()


def test_a_prompt_of_clip_text_encode_will_do_where_nothing_is_captured(flux, region_sample, sample, plain):
    positive = plain("make the guitar in mosaic style")
    assert torch.equal(region_sample(positive, blocks="none")[0]["samples"], sample(flux, positive, steps=3))


def test_region_style_prompt_encodes_as_clip_text_encode(prompt, plain):
    text = "make the (guitar:1.3) in mosaic style"
    (found, options), (expected, plain_options) = prompt(text)[0], plain(text)[0]
    assert torch.equal(found, expected)
    assert torch.equal(options["pooled_output"], plain_options["pooled_output"])


def test_capture_changes_the_picture_by_rounding_only(region_sample, prompt, with_reference):
    positive = with_reference(prompt())
    without, captured = (region_sample(positive, blocks=blocks)[0]["samples"] for blocks in ("none", "all"))
    torch.testing.assert_close(captured, without, rtol=1e-5, atol=1e-5)


def test_maps_and_mask_come_out(region_sample, prompt):
    latent, maps, mask = region_sample(prompt(), latent={"samples": torch.zeros(2, *LATENT[1:])})
    assert latent["samples"].shape == (2, *LATENT[1:])
    assert maps.read(1, STYLE).values.shape == (3, 3, 1, 4, 6)
    assert mask.shape == (2, 64, 96)
    assert mask.isfinite().all()
    assert 0 <= mask.min() < mask.max() <= 1


def test_without_maps_the_mask_blocks_what_uses_it(region_sample, prompt):
    from comfy_execution.graph_utils import ExecutionBlocker

    _, maps, mask = region_sample(prompt(), blocks="none")
    assert isinstance(mask, ExecutionBlocker)
    assert "'blocks' is none" in mask.message
    with pytest.raises(AttentionError, match="No attention map was captured"):
        maps.mean(0, STYLE)


def test_where_nothing_is_sampled_the_mask_says_so(region_sample, prompt):
    latent, _, mask = region_sample(prompt(), denoise=0.0)
    assert latent["samples"].shape == LATENT
    assert "denoise is 0" in mask.message


@pytest.mark.parametrize("folder", [0, 1])
@pytest.mark.parametrize(
    ("style", "file"),
    [("pixel-art", "pixel-art"), ("pixel-art", "Pixel_Art"), ("Pixel Art", "sub/pixel-art"), ("line art", "line-art")],
)
def test_auto_finds_the_file_by_the_style(flux, region_sample, sample, prompt, folders, folder, style, file):
    write_lora(folders[folder] / f"{file}.safetensors")
    write_lora(folders[0] / "cyberpunk.safetensors", seed=1)
    positive = prompt(f"make the man in {style} style, keep other area unchanged")
    name = f"{'loras/' * folder}{file}.safetensors"
    by_hand, by_itself = (
        region_sample(positive, region_expert=choice, blocks="none")[0]["samples"] for choice in (name, "auto")
    )
    assert torch.equal(by_itself, by_hand)
    assert not torch.allclose(by_itself, sample(flux, positive, steps=3), atol=1e-3)


def test_an_expert_changes_what_the_stock_loader_changes(flux, region_sample, sample, prompt, folders):
    import comfy.sd

    path = folders[1] / "mosaic.safetensors"
    write_lora(path)
    stock, _ = comfy.sd.load_lora_for_models(flux, None, load_file(path), 0.7, 0)
    expected = sample(stock, prompt(), steps=3)
    found = region_sample(prompt(), region_expert="auto", expert_strength=0.7, blocks="none")[0]["samples"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_strength_zero_is_the_base_to_the_bit(flux, region_sample, sample, prompt, folders):
    write_lora(folders[0] / "mosaic.safetensors")
    found = region_sample(prompt(), region_expert="auto", expert_strength=0.0, blocks="none")[0]["samples"]
    assert torch.equal(found, sample(flux, prompt(), steps=3))


def test_two_styles_get_an_expert_each(flux, region_sample, prompt, folders):
    for seed, style in enumerate(("mosaic", "pixel-art")):
        write_lora(folders[0] / f"{style}.safetensors", seed)
    positive = prompt("make the guitar in mosaic style and the owl in pixel-art style")
    _, maps, _ = region_sample(positive, region_expert="auto")
    assert set(maps.spans) == {"object: guitar", STYLE, "object: owl", "style: pixel-art"}


def test_an_unknown_style_says_which_exist(region_sample, prompt, folders):
    write_lora(folders[0] / "pixel-art.safetensors")
    write_lora(folders[1] / "line-art.safetensors")
    with pytest.raises(AttentionError, match=r"style 'mosaic': there are 'pixel-art', 'line-art'; name"):
        region_sample(prompt(), region_expert="auto")


def test_no_expert_file_at_all(region_sample, prompt, folders):
    with pytest.raises(AttentionError, match="style 'mosaic': there is no expert file at all"):
        region_sample(prompt(), region_expert="auto")


def test_many_files_are_not_all_listed(parts):
    from styleroute.nodes.region_experts import file_of_style

    with pytest.raises(AttentionError, match=r"'style 0', .*'style 11' and 988 more;"):
        file_of_style("mosaic", [f"loras/style {index}.safetensors" for index in range(1000)])


def test_routed_experts_are_no_region_expert(region_sample, prompt, folders, style_expert):
    style_expert.path.rename(folders[0] / "mosaic.safetensors")
    with pytest.raises(ValueError, match="holds routed style experts"):
        region_sample(prompt(), region_expert="auto")


@pytest.fixture
def fingerprint(parts, monkeypatch):
    """That of a ComfyUI which has just been started, by the expert that is chosen."""
    from styleroute.nodes import region_sampler

    monkeypatch.setattr(region_sampler, "CHANGES", region_sampler.ExpertChanges())
    return lambda choice="auto", **others: region_sampler.RegionRouteSampler.fingerprint_inputs(
        region_expert=choice, **others
    )


OTHER_LAYER = ("transformer_blocks.0.attn.to_k",)


def test_a_changed_expert_file_changes_the_fingerprint(region_sample, prompt, folders, fingerprint):
    path = folders[0] / "mosaic.safetensors"
    write_lora(path)
    before = {choice: fingerprint(choice, seed=1) for choice in ("auto", None, "mosaic.safetensors", "none")}
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    assert {choice: fingerprint(choice, seed=2) for choice in before} == before
    write_lora(path, layers=OTHER_LAYER)
    assert [choice for choice in before if fingerprint(choice) != before[choice]] == [
        "auto",
        None,
        "mosaic.safetensors",
    ]
    changed = fingerprint()
    assert fingerprint() == changed
    assert fingerprint("none") == ""


def test_files_that_no_run_has_used_do_not_change_the_fingerprint(region_sample, prompt, folders, fingerprint):
    write_lora(folders[0] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    before = fingerprint(), fingerprint(None)
    write_lora(folders[0] / "pixel-art.safetensors")
    write_lora(folders[1] / "mosaics.safetensors")
    assert (fingerprint(), fingerprint(None)) == before


def test_a_file_that_is_now_found_first_changes_the_fingerprint(region_sample, prompt, folders, fingerprint):
    import folder_paths

    write_lora(folders[1] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    before = fingerprint()
    write_lora(folders[0] / "mosaic.safetensors")
    folder_paths.filename_list_cache.clear()
    assert fingerprint() != before


def test_a_file_that_changes_while_another_run_uses_it_is_noticed(region_sample, prompt, folders, fingerprint):
    write_lora(folders[0] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    before = fingerprint()
    write_lora(folders[0] / "mosaic.safetensors", layers=OTHER_LAYER)
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    assert fingerprint() != before


@pytest.fixture
def unpatchings(parts, monkeypatch) -> list:
    """Grows each time that ComfyUI restores a model's weights."""
    from comfy.model_patcher import ModelPatcher

    restored, unpatch = [], ModelPatcher.unpatch_model

    def counted(self, device_to=None, unpatch_weights=True):
        if unpatch_weights:
            restored.append(self)
        return unpatch(self, device_to, unpatch_weights)

    monkeypatch.setattr(ModelPatcher, "unpatch_model", counted)
    return restored


@pytest.fixture
def loaded_uuid(flux):
    return lambda: flux.model.current_weight_patches_uuid


def test_queued_seeds_do_not_load_the_model_anew(flux, region_sample, prompt, folders, unpatchings, loaded_uuid):
    write_lora(folders[0] / "mosaic.safetensors")
    settings = {"region_expert": "auto", "steps": 1}
    region_sample(prompt(), seed=1, **settings)
    first = loaded_uuid()
    unpatchings.clear()
    queued = region_sample(prompt(), seed=2, **settings)[0]["samples"]
    assert loaded_uuid() == first
    assert not unpatchings

    region_sample(prompt(), seed=2, expert_strength=0.5, **settings)
    assert loaded_uuid() != first
    assert unpatchings
    assert torch.equal(region_sample(prompt(), seed=2, **settings)[0]["samples"], queued)
    assert torch.equal(region_sample(prompt(), model=flux.clone(), seed=2, **settings)[0]["samples"], queued)


def test_a_retrained_expert_is_read_anew(region_sample, prompt, folders):
    samples = []
    for layers in (("transformer_blocks.0.attn.to_q",), ("transformer_blocks.0.attn.to_q", *OTHER_LAYER)):
        write_lora(folders[0] / "mosaic.safetensors", layers=layers)
        samples.append(region_sample(prompt(), region_expert="auto", steps=1, blocks="none")[0]["samples"])
    assert not torch.allclose(*samples, atol=1e-4)


@pytest.mark.parametrize("blocks", ["none", "all"])
def test_an_expert_is_not_lost_where_weights_were_unloaded_between_two_runs(region_sample, prompt, folders, blocks):
    import comfy.model_management

    write_lora(folders[0] / "mosaic.safetensors")
    settings = {"region_expert": "auto", "steps": 1, "blocks": blocks}
    before = region_sample(prompt(), **settings)[0]["samples"]
    loaded = comfy.model_management.current_loaded_models[0].model  # as the VAE's need for memory does
    loaded.partially_unload(torch.device("cpu"), 1)
    loaded.partially_unload(torch.device("cpu"), 2**30)
    torch.testing.assert_close(region_sample(prompt(), **settings)[0]["samples"], before, rtol=1e-4, atol=1e-4)


def test_a_kept_clone_does_not_keep_its_model(flux, region_sample, prompt, folders):
    write_lora(folders[0] / "mosaic.safetensors")
    model = flux.clone()
    region_sample(prompt(), model=model, region_expert="auto", steps=1)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_without_the_expert_the_model_is_itself_again(flux, region_sample, sample, prompt, folders):
    before = sample(flux, prompt())
    write_lora(folders[0] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", steps=1)
    assert torch.equal(sample(flux, prompt()), before)


def test_a_prompt_without_phrases_is_refused(region_sample, plain):
    with pytest.raises(AttentionError, match="knows no phrase to look for"):
        region_sample(plain("make the guitar in mosaic style"))
    with pytest.raises(AttentionError, match="names no style to find a region expert by"):
        region_sample(plain("make the guitar in mosaic style"), region_expert="auto", blocks="none")


def test_a_region_that_the_prompt_does_not_name_is_refused(region_sample, prompt):
    with pytest.raises(AttentionError, match="names no style, only its object; choose 'object'"):
        region_sample(prompt("a photo of the guitar", object_phrase="guitar"))


def test_cfg_without_a_negative_is_refused(region_sample, prompt):
    with pytest.raises(AttentionError, match=r"cfg is 3\.5, which needs a negative"):
        region_sample(prompt(), cfg=3.5)


def test_another_family_is_refused(region_sample, prompt, parts):
    with pytest.raises(ValueError, match="The model is SD15"):
        region_sample(prompt(), model=parts.random_model("SD15", parts.SD15))


def test_interrupting_leaves_the_model_clean(flux, region_sample, sample, prompt, with_reference, folders, monkeypatch):
    import comfy.model_management
    import comfy.utils

    interruption = comfy.model_management.InterruptProcessingException
    write_lora(folders[0] / "mosaic.safetensors")
    before = sample(flux, prompt())
    forwards = {name: module.forward for name, module in flux.model.named_modules()}

    def hook(value, *args, **kwargs):
        raise interruption

    for heat_preview in (False, True):
        changes = {"region_expert": "auto", "background_lock": 1.0, "heat_preview": heat_preview}
        monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
        with pytest.raises(interruption):
            region_sample(with_reference(prompt()), **changes)
        monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", None)
        assert all(module.forward == forwards[name] for name, module in flux.model.named_modules())
        assert not flux.patches
        assert not flux.wrappers
        assert torch.equal(sample(flux, prompt()), before)


@pytest.fixture
def told(parts, monkeypatch) -> list:
    """Everything that progress bars tell: (step, steps, preview)."""
    import comfy.utils

    messages: list = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda *message, node_id=None: messages.append(message))
    return messages


def test_progress_is_told_with_and_without_heat(region_sample, prompt, told):
    samples = []
    for heat in (False, True):
        told.clear()
        samples.append(region_sample(prompt(), heat_preview=heat)[0]["samples"])
        # Newer ComfyUI leaves out steps that follow each other too quickly, but never the last.
        steps = [message[:2] for message in told]
        assert steps == sorted(set(steps))
        assert steps[-1] == (3, 3)
    assert torch.equal(*samples)
    kind, image, _ = told[-1][2]
    assert kind == "JPEG"
    assert image.size == (12, 8)
    assert len(image.getcolors()) > 5


def test_heat_lies_over_the_samplers_own_preview(region_sample, prompt, told, monkeypatch):
    from comfy.cli_args import LatentPreviewMethod, args

    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod.Latent2RGB)
    previews = []
    for heat_preview in (False, True):
        region_sample(prompt(), heat_preview=heat_preview)
        previews.append(told[-1][2][1])
    bare, heated = previews
    assert bare.size == heated.size
    assert bare.tobytes() != heated.tobytes()
