"""Which of ComfyUI's attention functions our kernel replaces, and which stay."""

import importlib

import pytest
import torch


@pytest.fixture
def no_fused_kernel(monkeypatch):
    """Acts as a device without a fused kernel: Apple, DirectML and some AMD cards."""
    module = importlib.import_module("styleroute.attention.span_attention")
    monkeypatch.setattr(module, "attention_with_lse", lambda *args: None)
    monkeypatch.setattr(module, "has_fused_kernel", lambda *args: False)


@pytest.mark.parametrize("name", ["attention_sub_quad", "attention_split", "attention_basic", "attention_pytorch"])
def test_without_a_fused_kernel_the_image_equals_comfyuis(
    flux, capture, prompt, sample, with_reference, no_fused_kernel, monkeypatch, name, spy
):
    import comfy.ldm.flux.math
    import comfy.ldm.modules.attention

    positive, (spied, expected) = with_reference(prompt()), capture(spy(flux, []))
    sample(spied, positive)
    monkeypatch.setattr(comfy.ldm.flux.math, "optimized_attention", getattr(comfy.ldm.modules.attention, name))
    model, maps = capture()
    assert torch.equal(sample(model, positive), sample(flux, positive))
    for name in maps.spans:
        torch.testing.assert_close(maps.read(0, name).values, expected.read(0, name).values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "replaced"),
    [
        ("attention_pytorch", {}, True),
        ("attention_xformers", {}, True),
        ("attention_flash", {}, True),
        ("attention_sub_quad", {}, True),
        ("attention_sub_quad", {"attn_precision": torch.float32}, False),
        ("attention_split", {"attn_precision": torch.float16}, True),
        ("attention_basic", {"attn_precision": torch.float32}, False),
        ("attention_xformers", {"attn_precision": torch.float32}, True),  # xformers ignores this precision too
        ("attention_sage", {}, False),
    ],
)
def test_functions_that_one_flash_call_replaces(parts, name, settings, replaced):
    assert attended(name, **settings) == ([] if replaced else [name])


@pytest.mark.parametrize(("dtype", "replaced"), [(torch.float16, False), (torch.bfloat16, True), (torch.float32, True)])
def test_attention_that_comfyui_upcasts_is_not_replaced(parts, monkeypatch, dtype, replaced):
    """ComfyUI upcasts on macOS, where images were black, and with --force-upcast-attention."""
    import comfy.ldm.modules.attention

    monkeypatch.setattr(comfy.ldm.modules.attention, "FORCE_UPCAST_ATTENTION_DTYPE", {torch.float16: torch.float32})
    assert attended("attention_sub_quad", dtype) == ([] if replaced else ["attention_sub_quad"])


@pytest.mark.parametrize("name", ["attention_xformers", "attention_flash", "attention_pytorch"])
def test_no_function_is_replaced_without_a_kernel(parts, no_fused_kernel, name):
    assert attended(name) == [name]


def attended(name: str, dtype: torch.dtype = torch.float16, **settings) -> list[str]:
    """Captures one block whose attention function has this name, and returns the calls of the function."""
    from styleroute.nodes.maps.attention_override import AttentionOverride
    from styleroute.nodes.maps.region_spans import RegionSpan

    def function(q, k, v, heads, **kwargs):
        calls.append(name)
        return (q @ k.mT).softmax(-1) @ v

    calls, block = [], ("double", 0)
    function.__name__ = name
    q, k, v = torch.randn(3, 1, 2, 10, 8).to(dtype)
    call = AttentionOverride(0, [(RegionSpan("mosaic", "style", (1, 2)),)], 1, 4, (2, 3), frozenset({block}), None)
    options = {"block_type": block[0], "block_index": block[1]}
    call.attend(function, q, k, v, 2, skip_reshape=True, mask=None, transformer_options=options, **settings)
    ((_, maps),) = call.captured
    matrix = (q.double() @ k.double().mT / 8**0.5).softmax(-1)
    torch.testing.assert_close(maps[0, 0].double(), matrix[0, :, 4:, 1:3].mean(dim=(0, 2)), rtol=2e-2, atol=1e-4)
    return calls
