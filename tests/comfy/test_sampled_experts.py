"""RegionRoute Sampler's experts: which file it finds, what it changes, and that new seeds do not reload the model."""

import gc
import weakref

import pytest
import torch
from safetensors.torch import load_file
from styleroute.attention import AttentionError
from styleroute.moe import StyleExpertError

STYLE = "style: mosaic"


@pytest.mark.parametrize("folder", [0, 1])
@pytest.mark.parametrize(
    ("style", "file"),
    [("pixel-art", "pixel-art"), ("pixel-art", "Pixel_Art"), ("Pixel Art", "sub/pixel-art"), ("line art", "line-art")],
)
def test_auto_finds_the_file_by_the_style(
    flux, region_sample, sample, prompt, folders, folder, style, file, write_lora
):
    write_lora(folders[folder] / f"{file}.safetensors")
    write_lora(folders[0] / "cyberpunk.safetensors", seed=1)
    positive = prompt(f"make the man in {style} style, keep other area unchanged")
    name = f"{'loras/' * folder}{file}.safetensors"
    by_hand, by_itself = (
        region_sample(positive, region_expert=choice, blocks="none")[0]["samples"] for choice in (name, "auto")
    )
    assert torch.equal(by_itself, by_hand)
    assert not torch.allclose(by_itself, sample(flux, positive, steps=3), atol=1e-3)


def test_an_expert_changes_the_same_as_the_stock_loader(flux, region_sample, sample, prompt, folders, write_lora):
    import comfy.sd

    path = folders[1] / "mosaic.safetensors"
    write_lora(path)
    stock, _ = comfy.sd.load_lora_for_models(flux, None, load_file(path), 0.7, 0)
    expected = sample(stock, prompt(), steps=3)
    found = region_sample(prompt(), region_expert="auto", expert_strength=0.7, blocks="none")[0]["samples"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_strength_zero_equals_the_base_model_to_the_bit(flux, region_sample, sample, prompt, folders, write_lora):
    write_lora(folders[0] / "mosaic.safetensors")
    found = region_sample(prompt(), region_expert="auto", expert_strength=0.0, blocks="none")[0]["samples"]
    assert torch.equal(found, sample(flux, prompt(), steps=3))


def test_two_styles_get_an_expert_each(flux, region_sample, prompt, folders, write_lora):
    for seed, style in enumerate(("mosaic", "pixel-art")):
        write_lora(folders[0] / f"{style}.safetensors", seed)
    positive = prompt("make the guitar in mosaic style and the owl in pixel-art style")
    _, maps, _ = region_sample(positive, region_expert="auto")
    assert set(maps.spans) == {"object: guitar", STYLE, "object: owl", "style: pixel-art"}


def test_an_unknown_style_lists_the_files(region_sample, prompt, folders, write_lora):
    write_lora(folders[0] / "pixel-art.safetensors")
    write_lora(folders[1] / "line-art.safetensors")
    with pytest.raises(AttentionError, match=r"style 'mosaic': found 'pixel-art', 'line-art'. Name"):
        region_sample(prompt(), region_expert="auto")


def test_no_expert_file_at_all(region_sample, prompt, folders):
    with pytest.raises(AttentionError, match="style 'mosaic': found no expert file"):
        region_sample(prompt(), region_expert="auto")


def test_many_files_are_not_all_listed(parts):
    from styleroute.nodes.regions.region_experts import file_of_style

    with pytest.raises(AttentionError, match=r"'style 0', .*'style 11' and 988 more\."):
        file_of_style("mosaic", [f"loras/style {index}.safetensors" for index in range(1000)])


def test_routed_experts_are_refused_as_region_expert(region_sample, prompt, folders, style_expert):
    style_expert.path.rename(folders[0] / "mosaic.safetensors")
    with pytest.raises(ValueError, match="has routed style experts"):
        region_sample(prompt(), region_expert="auto")


@pytest.fixture
def fingerprint(parts, monkeypatch):
    """The node's fingerprint for a chosen expert, in a ComfyUI that has just started."""
    from styleroute.nodes.regions import region_sampler

    monkeypatch.setattr(region_sampler, "CHANGES", region_sampler.ExpertChanges())
    return lambda choice="auto", **others: region_sampler.RegionRouteSampler.fingerprint_inputs(
        region_expert=choice, **others
    )


OTHER_LAYER = ("transformer_blocks.0.attn.to_k",)


def test_a_changed_expert_file_changes_the_fingerprint(region_sample, prompt, folders, fingerprint, write_lora):
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


def test_unused_files_do_not_change_the_fingerprint(region_sample, prompt, folders, fingerprint, write_lora):
    write_lora(folders[0] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    before = fingerprint(), fingerprint(None)
    write_lora(folders[0] / "pixel-art.safetensors")
    write_lora(folders[1] / "mosaics.safetensors")
    assert (fingerprint(), fingerprint(None)) == before


def test_a_file_that_is_now_found_first_changes_the_fingerprint(
    region_sample, prompt, folders, fingerprint, write_lora
):
    import folder_paths

    write_lora(folders[1] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    before = fingerprint()
    write_lora(folders[0] / "mosaic.safetensors")
    folder_paths.filename_list_cache.clear()
    assert fingerprint() != before


def test_a_file_that_changes_before_the_next_run_changes_the_fingerprint(
    region_sample, prompt, folders, fingerprint, write_lora
):
    write_lora(folders[0] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    before = fingerprint()
    write_lora(folders[0] / "mosaic.safetensors", layers=OTHER_LAYER)
    region_sample(prompt(), region_expert="auto", blocks="none", steps=1)
    assert fingerprint() != before


@pytest.fixture
def unpatchings(parts, monkeypatch) -> list:
    """A list that grows each time ComfyUI restores a model's weights."""
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


def test_queued_seeds_do_not_reload_the_model(
    flux, region_sample, prompt, folders, unpatchings, loaded_uuid, write_lora
):
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


def test_a_retrained_expert_is_read_again(region_sample, prompt, folders, write_lora):
    samples = []
    for layers in (("transformer_blocks.0.attn.to_q",), ("transformer_blocks.0.attn.to_q", *OTHER_LAYER)):
        write_lora(folders[0] / "mosaic.safetensors", layers=layers)
        samples.append(region_sample(prompt(), region_expert="auto", steps=1, blocks="none")[0]["samples"])
    assert not torch.allclose(*samples, atol=1e-4)


@pytest.mark.parametrize("blocks", ["none", "all"])
def test_an_expert_survives_unloading_between_two_runs(region_sample, prompt, folders, blocks, write_lora):
    import comfy.model_management

    write_lora(folders[0] / "mosaic.safetensors")
    settings = {"region_expert": "auto", "steps": 1, "blocks": blocks}
    before = region_sample(prompt(), **settings)[0]["samples"]
    loaded = comfy.model_management.current_loaded_models[0].model  # ComfyUI does this if the VAE needs memory
    loaded.partially_unload(torch.device("cpu"), 1)
    loaded.partially_unload(torch.device("cpu"), 2**30)
    torch.testing.assert_close(region_sample(prompt(), **settings)[0]["samples"], before, rtol=1e-4, atol=1e-4)


def test_a_kept_clone_does_not_keep_its_model_alive(flux, region_sample, prompt, folders, write_lora):
    write_lora(folders[0] / "mosaic.safetensors")
    model = flux.clone()
    region_sample(prompt(), model=model, region_expert="auto", steps=1)
    alive = weakref.ref(model)
    gc.disable()  # the model must go with its last reference, without the garbage collector
    try:
        del model
        assert alive() is None
    finally:
        gc.enable()


def test_without_the_expert_the_model_is_unchanged(flux, region_sample, sample, prompt, folders, write_lora):
    before = sample(flux, prompt())
    write_lora(folders[0] / "mosaic.safetensors")
    region_sample(prompt(), region_expert="auto", steps=1)
    assert torch.equal(sample(flux, prompt()), before)


@pytest.mark.parametrize(
    ("training", "blocks", "captured"),
    [
        ({"blocks": ["single 0", "single 1"]}, "auto", ("single 0", "single 1")),
        ({"blocks": ["single 0"]}, "all", ("double 0", "single 0", "single 1")),
        ({"steps": 3}, "auto", ("double 0", "single 0", "single 1")),
        (None, "auto", ("double 0", "single 0", "single 1")),
    ],
)
def test_auto_captures_the_blocks_of_the_experts_training(
    region_sample, prompt, folders, write_lora, training, blocks, captured
):
    write_lora(folders[0] / "mosaic.safetensors", training=training)
    _, maps, _ = region_sample(prompt(), region_expert="auto", blocks=blocks)
    assert maps.read(0, "style: mosaic").blocks == captured


def test_an_expert_of_another_model_is_refused_before_its_blocks(region_sample, prompt, folders, write_lora):
    layers = ("single_transformer_blocks.37.attn.to_v",)
    write_lora(folders[0] / "mosaic.safetensors", layers=layers, training={"blocks": ["single 37"]})
    with pytest.raises(StyleExpertError, match=r"mosaic\.safetensors does not fit this model"):
        region_sample(prompt(), region_expert="auto", blocks="auto")


def test_blocks_of_another_model_are_refused(region_sample, prompt, folders, write_lora):
    write_lora(folders[0] / "mosaic.safetensors", training={"blocks": ["single 37"]})
    with pytest.raises(AttentionError, match="single 37"):
        region_sample(prompt(), region_expert="auto", blocks="auto")
