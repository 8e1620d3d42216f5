"""RegionRoute Sampler: equals KSampler to the bit without experts and capture, and adds maps, mask and experts."""

import numpy as np
import pytest
import torch
from styleroute.attention import AttentionError

LATENT = (1, 16, 8, 12)
STYLE = "style: mosaic"


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
def test_without_expert_and_capture_it_equals_ksampler(
    flux, region_sample, sample, prompt, plain, with_reference, changes
):
    positive, negative = with_reference(prompt()), plain("blurry")
    settings = region_sample.settings | changes
    latent = {"samples": torch.randn(LATENT, generator=torch.Generator().manual_seed(1))}
    expected = sample(
        flux, positive, negative, latent=latent, seed=settings["seed"], steps=settings["steps"], cfg=settings["cfg"],
        sampler=settings["sampler_name"], scheduler=settings["scheduler"], denoise=settings["denoise"],
    )  # fmt: skip
    found = region_sample(positive, latent=latent, negative=negative, blocks="none", **changes)[0]["samples"]
    assert torch.equal(found, expected)


def test_batches_masks_and_batch_indices_equal_ksamplers(flux, region_sample, sample, prompt):
    latent = {
        "samples": torch.randn(2, *LATENT[1:], generator=torch.Generator().manual_seed(1)),
        "noise_mask": torch.rand(1, 64, 96, generator=torch.Generator().manual_seed(2)).round(),
        "batch_index": [4, 2],
    }
    expected = sample(flux, prompt(), latent=latent, steps=3)
    found = region_sample(prompt(), latent=latent, blocks="none")[0]
    assert torch.equal(found["samples"], expected)
    assert found.keys() == latent.keys()


def test_a_prompt_of_clip_text_encode_works_without_capture(flux, region_sample, sample, plain):
    positive = plain("make the guitar in mosaic style")
    assert torch.equal(region_sample(positive, blocks="none")[0]["samples"], sample(flux, positive, steps=3))


def test_region_style_prompt_encodes_as_clip_text_encode(prompt, plain):
    text = "make the (guitar:1.3) in mosaic style"
    (found, options), (expected, plain_options) = prompt(text)[0], plain(text)[0]
    assert torch.equal(found, expected)
    assert torch.equal(options["pooled_output"], plain_options["pooled_output"])


def test_capture_changes_the_image_by_rounding_only(region_sample, prompt, with_reference):
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


@pytest.mark.parametrize(
    ("keep", "steps", "blocks"),
    [
        ("steps and blocks", (1, 2), ("single 1", "double 0")),
        ("steps", (1, 2), ("mean",)),
        ("blocks", ("mean",), ("single 1", "double 0")),
        ("mean only", ("mean",), ("mean",)),
    ],
)
def test_only_the_chosen_steps_and_blocks_are_captured(flux, sample, region_sample, prompt, keep, steps, blocks):
    from styleroute.attention.maps import MEAN_STEP
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    chosen = {"blocks": "double 0, single 1", "capture_steps": "1-2", "keep": keep}
    _, sampled, _ = region_sample(prompt(), **chosen)
    model, captured = CaptureAttention.execute(flux, prompt(), **chosen).result
    sample(model, prompt(), steps=3)
    _, whole, _ = region_sample(prompt())
    expected = whole.read(0, STYLE)
    rows, columns = [1, 2], [expected.blocks.index(block) for block in ("double 0", "single 1")]
    mean = expected.values[rows][:, columns].mean((0, 1))
    for maps in (sampled, captured):
        found = maps.read(0, STYLE)
        assert found.steps == tuple(MEAN_STEP if step == "mean" else step for step in steps)
        assert set(found.blocks) == set(blocks)
        torch.testing.assert_close(found.values.mean((0, 1)), mean)


def test_without_maps_the_mask_is_a_blocker(region_sample, prompt):
    from comfy_execution.graph_utils import ExecutionBlocker

    _, maps, mask = region_sample(prompt(), blocks="none")
    assert isinstance(mask, ExecutionBlocker)
    assert "'blocks' is none" in mask.message
    with pytest.raises(AttentionError, match="No attention map was captured"):
        maps.mean(0, STYLE)


def test_without_sampling_the_mask_is_a_blocker(region_sample, prompt):
    latent, _, mask = region_sample(prompt(), denoise=0.0)
    assert latent["samples"].shape == LATENT
    assert "denoise is 0" in mask.message


def test_a_prompt_without_phrases_is_refused(region_sample, plain):
    with pytest.raises(AttentionError, match="has no phrase to capture"):
        region_sample(plain("make the guitar in mosaic style"))
    with pytest.raises(AttentionError, match="names no style, so no region expert"):
        region_sample(plain("make the guitar in mosaic style"), region_expert="auto", blocks="none")


def test_a_region_that_the_prompt_does_not_name_is_refused(region_sample, prompt):
    with pytest.raises(AttentionError, match=r"names no style, only its object. Set 'region' .* to 'object'"):
        region_sample(prompt("a photo of the guitar", object_phrase="guitar"))


def test_cfg_without_a_negative_is_refused(region_sample, prompt):
    with pytest.raises(AttentionError, match=r"cfg is 3\.5, which needs a negative"):
        region_sample(prompt(), cfg=3.5)


def test_a_negative_that_is_evaluated_at_cfg_1_is_required(flux, region_sample, prompt, plain):
    with pytest.raises(AttentionError, match="The sampler euler_cfg_pp evaluates the negative prompt even at cfg 1"):
        region_sample(prompt(), sampler_name="euler_cfg_pp")
    model = flux.clone()
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"], disable_cfg1_optimization=True)
    with pytest.raises(AttentionError, match="A node before this one evaluates the negative"):
        region_sample(prompt(), model=model)
    region_sample(prompt(), model=model, negative=plain("blurry"), sampler_name="euler_cfg_pp")


@pytest.mark.parametrize("changes", [{"capture_steps": "30-40"}, {}])
def test_bad_steps_and_rectangles_are_refused_before_the_model_is_loaded(region_sample, prompt, monkeypatch, changes):
    import nodes

    monkeypatch.setattr(nodes, "common_ksampler", None)
    positive = prompt() if changes else nodes.ConditioningSetArea().append(prompt(), 32, 32, 0, 0, 1.0)[0]
    with pytest.raises(AttentionError, match=r"(starts at step 30|holds for a rectangle only)"):
        region_sample(positive, **changes)


def test_another_model_family_is_refused(region_sample, prompt, parts):
    with pytest.raises(ValueError, match="The model is SD15"):
        region_sample(prompt(), model=parts.random_model("SD15", parts.SD15))


def test_interrupting_leaves_the_model_clean(
    flux, region_sample, sample, prompt, with_reference, folders, monkeypatch, write_lora
):
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
def progress(parts, monkeypatch) -> list:
    """All messages of progress bars: (step, steps, preview)."""
    import comfy.utils

    messages: list = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda *message, node_id=None: messages.append(message))
    return messages


def test_progress_is_reported_with_and_without_heat(region_sample, prompt, progress):
    samples = []
    for heat in (False, True):
        progress.clear()
        samples.append(region_sample(prompt(), heat_preview=heat)[0]["samples"])
        # Newer ComfyUI skips steps that follow too quickly, but never the last one.
        steps = [message[:2] for message in progress]
        assert steps == sorted(set(steps))
        assert steps[-1] == (3, 3)
    assert torch.equal(*samples)
    kind, image, _ = progress[-1][2]
    assert kind == "JPEG"
    assert image.size == (12, 8)
    assert len(image.getcolors()) > 5


def test_the_heat_map_of_the_preview_grows_with_the_maps(region_sample, prompt, progress):
    from styleroute.attention import heat_map
    from styleroute.nodes.maps.colour_maps import colours
    from styleroute.nodes.maps.region_mask import to_image_size

    progress.clear()
    _, maps, _ = region_sample(prompt(), heat_preview=True, region="object")
    values = maps.read(0, "object: guitar").values[:, :, 0]
    shown = []
    for done, _, (_, image, _) in progress:
        heat = to_image_size(heat_map(values[:done].mean((0, 1))), (8, 12), (8, 12))
        shown.append(torch.from_numpy(np.array(image)) / 255)
        torch.testing.assert_close(shown[-1], colours(heat, "fire"), atol=1 / 255, rtol=0)
    assert not torch.equal(shown[0], shown[-1])


def test_heat_lies_over_the_samplers_own_preview(region_sample, prompt, progress, monkeypatch):
    from comfy.cli_args import LatentPreviewMethod, args
    from styleroute.nodes.maps.overlay import overlay_heat
    from styleroute.nodes.maps.region_mask import region_heat

    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod.Latent2RGB)
    previews = []
    for heat_preview in (False, True):
        region_sample(prompt(), heat_preview=heat_preview)
        previews.append(progress[-1][2][1])
    bare, heated = (torch.from_numpy(np.array(preview)) / 255 for preview in previews)
    _, maps, _ = region_sample(prompt(), heat_preview=True)
    expected = overlay_heat(bare[None], region_heat(maps, "style", bare.shape[:2]), "fire", 0.5)[0]
    torch.testing.assert_close(heated, expected, atol=1 / 255, rtol=0)


def test_a_weak_map_is_named_once_in_the_log(region_sample, prompt, caplog):
    """The random model looks everywhere, as the base model does for an absent object."""
    region_sample(prompt())
    (warning,) = [record.getMessage() for record in caplog.records if "attention map has a contrast" in record.message]
    assert "Words for an object that is not in the image reach" in warning
