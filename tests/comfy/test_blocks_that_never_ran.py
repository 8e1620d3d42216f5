"""A run without any map says why, right after the run, also if no node reads the maps."""

import contextlib
import unittest.mock

import pytest
import torch
from styleroute.attention import AttentionError

REPLACED = (
    r"another node replaced the model's blocks, as TeaCache, WaveSpeed and NAG do. Remove that node and run again"
)


def blocks_without_options(network):
    """A `forward_orig` that calls the blocks without `transformer_options`, as TeaCache's and WaveSpeed's do."""

    def forward(img, img_ids, txt, txt_ids, timesteps, y, guidance=None, *args, **named):
        from comfy.ldm.flux.layers import timestep_embedding

        img, txt = network.img_in(img), network.txt_in(txt)
        vec = network.time_in(timestep_embedding(timesteps, 256).to(img.dtype)) + network.vector_in(y)
        pe = network.pe_embedder(torch.cat((txt_ids, img_ids), dim=1))
        for block in network.double_blocks:
            img, txt = block(img=img, txt=txt, vec=vec, pe=pe)
        joint = torch.cat((txt, img), dim=1)
        for block in network.single_blocks:
            joint = block(joint, vec=vec, pe=pe)
        return network.final_layer(joint[:, txt.shape[1] :], vec)

    return forward


def cached_blocks(model):
    """Replaces the loop over the blocks for each model call, as TeaCache and WaveSpeed do."""
    network = model.model.diffusion_model
    clone = model.clone()

    def wrapper(apply_model, arguments):
        with unittest.mock.patch.object(network, "forward_orig", blocks_without_options(network)):
            return apply_model(arguments["input"], arguments["timestep"], **arguments["c"])

    clone.set_model_unet_function_wrapper(wrapper)
    return clone


@contextlib.contextmanager
def own_forward(network):
    """Replaces the whole forward for a run, as NAG's samplers do. No wrapper of the diffusion model is asked then."""

    def forward(x, timestep, context, y=None, guidance=None, **named):
        img, img_ids = network.process_img(x)
        txt_ids = torch.zeros(len(x), context.shape[1], 3)
        out = blocks_without_options(network)(img, img_ids, context, txt_ids, timestep, y, guidance)
        height, width = x.shape[-2] // 2, x.shape[-1] // 2
        return out.reshape(len(x), height, width, 16, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)

    with unittest.mock.patch.object(network, "forward", forward):
        yield


def replaced_blocks(model):
    """Replaces each block by a patch that does not call it."""
    clone = model.clone()
    for kind, count in (("double_block", 1), ("single_block", 2)):
        for index in range(count):
            clone.set_model_patch_replace(lambda args, extra: args, "dit", kind, index)
    return clone


@pytest.mark.parametrize("other", [cached_blocks, replaced_blocks])
def test_replaced_blocks_are_named_right_after_the_run(flux, prompt, sample, shown, other):
    from styleroute.nodes.maps.capture_attention import CaptureAttention
    from styleroute.nodes.maps.sampler_run import BLOCKS_REPLACED

    model, maps = CaptureAttention.execute(other(flux), prompt()).result
    sample(model, prompt())
    assert shown == [(BLOCKS_REPLACED, "5")]
    with pytest.raises(AttentionError, match=REPLACED):
        maps.mean(0, "style: mosaic")


def test_a_replaced_forward_is_named_right_after_the_run(flux, prompt, sample, shown):
    from styleroute.nodes.maps.capture_attention import CaptureAttention
    from styleroute.nodes.maps.sampler_run import BLOCKS_REPLACED

    model, maps = CaptureAttention.execute(flux, prompt()).result
    with own_forward(flux.model.diffusion_model):
        sample(model, prompt())
    assert shown == [(BLOCKS_REPLACED, "5")]
    sample(model, prompt())
    assert maps.missing is None
    assert maps.spans
    assert shown[1:] == [(" ", "5")]  # the next run removes the text


@pytest.mark.parametrize("lock", [0.0, 1.0])
def test_regionroute_sampler_names_replaced_blocks(flux, region_sample, prompt, with_reference, shown, lock):
    settings = {"model": cached_blocks(flux), "background_lock": lock}
    if lock:
        with pytest.raises(AttentionError, match=rf"background lock had no effect\. .*{REPLACED}"):
            region_sample(with_reference(prompt()), **settings)
    else:
        *_, mask = region_sample(prompt(), **settings)
        assert "replaced the model's blocks" in mask.message
    assert "replaced the model's blocks" in shown[-1][0]


def test_a_node_that_skips_some_calls_keeps_the_maps_of_the_others(flux, capture, prompt, sample):
    """A cache may return an earlier result instead of calling the model."""
    skipping, results = flux.clone(), []

    def wrapper(apply_model, arguments):
        if len(results) % 2 == 0:
            results.append(apply_model(arguments["input"], arguments["timestep"], **arguments["c"]))
        else:
            results.append(results[-1])
        return results[-1]

    skipping.set_model_unet_function_wrapper(wrapper)
    model, maps = capture(skipping)
    sample(model, prompt(), steps=4)
    assert maps.read(0, "style: mosaic").steps == (0, 2)
    assert maps.missing is None


def test_a_run_whose_captured_steps_have_no_phrase_says_so(capture, prompt, plain, sample):
    import nodes

    late = nodes.ConditioningSetTimestepRange().set_range(prompt(), 0.5, 1.0)[0]
    early = nodes.ConditioningSetTimestepRange().set_range(plain("a guitar"), 0.0, 0.5)[0]
    model, maps = capture(steps=frozenset({0}))
    sample(model, early + late, steps=4)
    assert "no prompt with phrases was used at a captured step" in maps.missing


def test_a_pack_that_calls_the_model_without_naming_the_prompts_still_samples(flux, capture, prompt, sample):
    def wrapper(apply_model, arguments):
        c = {**arguments["c"], "transformer_options": {}}
        return apply_model(arguments["input"], arguments["timestep"], **c)

    bare = flux.clone()
    bare.set_model_unet_function_wrapper(wrapper)
    model, maps = capture(bare)
    assert torch.equal(sample(model, prompt()), sample(bare, prompt()))
    assert not maps.spans


def test_a_sampler_that_never_calls_the_model_is_named(flux, region_sample, prompt, sample, shown):
    from styleroute.nodes.maps.capture_attention import CaptureAttention
    from styleroute.nodes.maps.sampler_run import NO_CALL

    model, _ = CaptureAttention.execute(flux, prompt()).result
    sample(model, prompt(), sampler="dpm_adaptive", steps=1)
    assert shown == [(NO_CALL, "5")]
    with pytest.raises(AttentionError, match="dpm_adaptive never calls the model at 1 step"):
        region_sample(prompt(), sampler_name="dpm_adaptive", steps=1)


def test_every_other_sampler_calls_the_model_at_1_step(flux, capture, prompt, sample):
    import comfy.samplers
    from styleroute.nodes.maps.sampler_run import NO_CALL

    without_call = []
    for sampler in comfy.samplers.KSampler.SAMPLERS:
        model, maps = capture(blocks=frozenset({("double", 0)}))
        sample(model, prompt(), sampler=sampler, steps=1)
        if maps.missing == NO_CALL:
            without_call.append(sampler)
    assert without_call == ["dpm_adaptive"]


def test_another_packs_wrapper_may_pass_all_arguments_by_name(flux, region_sample, prompt):
    """Wrappers of other packs may call the next wrapper with keyword arguments."""
    from comfy.patcher_extension import WrappersMP

    def sampler(executor, guider, sigmas, extra_args, callback, noise, latent_image, denoise_mask, disable_pbar):
        return executor(
            guider, sigmas=sigmas, extra_args=extra_args, callback=callback, noise=noise, latent_image=latent_image,
            denoise_mask=denoise_mask, disable_pbar=disable_pbar,
        )  # fmt: skip

    def evaluation(executor, x, timestep, model_options, seed):
        return executor(x=x, timestep=timestep, model_options=model_options, seed=seed)

    def call(executor, x, t, c_concat, c_crossattn, control, transformer_options, **named):
        return executor(
            x=x, t=t, c_concat=c_concat, c_crossattn=c_crossattn, control=control,
            transformer_options=transformer_options, **named,
        )  # fmt: skip

    outer = flux.clone()
    for kind, wrapper in (
        (WrappersMP.SAMPLER_SAMPLE, sampler),
        (WrappersMP.PREDICT_NOISE, evaluation),
        (WrappersMP.APPLY_MODEL, call),
    ):
        outer.add_wrapper_with_key(kind, "another pack", wrapper)
    latent, maps, _ = region_sample(prompt(), model=outer, heat_preview=True)
    expected, expected_maps, _ = region_sample(prompt(), heat_preview=True)
    assert torch.equal(latent["samples"], expected["samples"])
    assert torch.equal(maps.mean(0, "style: mosaic"), expected_maps.mean(0, "style: mosaic"))
