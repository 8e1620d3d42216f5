"""Maps against the full softmax in float64: values, gradients, and memory (no full matrix)."""

import importlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from styleroute.attention import AttentionError, Columns, attend_at_once, attend_with_maps, kernels, span_attention
from styleroute.attention.kernels import attention_in_chunks
from torch.nn import functional as F

from .reference import Watch, full_matrix, maps_of

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 1e-2}
"""Tolerance, relative to the map's largest value."""


@st.composite
def cases(draw):
    """A case: q, k, v, spans (for the batch or for each sample), rows, mask."""
    batch, heads, tokens = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(2, 70))
    width = draw(st.sampled_from([1, 5, 8, 16, 33]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    q, k, v = (torch.randn(batch, heads, tokens, width, generator=generator) * 2 for _ in range(3))
    start = draw(st.integers(0, tokens - 1))
    rows = slice(start, draw(st.integers(start + 1, tokens)))
    span = st.lists(st.integers(0, tokens - 1), min_size=1, max_size=6, unique=True)
    spans = draw(st.lists(span, min_size=1, max_size=12))
    if draw(st.booleans()):
        sample = st.lists(span, max_size=4)
        spans = [draw(sample) for _ in range(batch - 1)] + [draw(st.lists(span, min_size=1, max_size=4))]
    return q, k, v, spans, rows, draw(masks(batch, heads, tokens, generator))


@st.composite
def masks(draw, batch, heads, tokens, generator):
    kind = draw(st.sampled_from(["none", "boolean", "added"]))
    shape = draw(
        st.sampled_from(
            [(tokens, tokens), (1, tokens), (batch, 1, 1, tokens), (batch, heads, tokens, tokens), (1, tokens, tokens)]
        )
    )
    if kind == "added":
        return torch.randn(shape, generator=generator)
    return None if kind == "none" else torch.rand(shape, generator=generator) > 0.3


def by_sample(spans, batch):
    return spans if any(sample and isinstance(sample[0], list) for sample in spans) else [spans] * batch


def error(found, expected):
    return (found.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-30)


def cast(mask, dtype):
    return mask if mask is None or mask.dtype == torch.bool else mask.to(dtype)


@settings(max_examples=80, deadline=None)
@given(cases(), st.sampled_from(list(TOLERANCE)), st.sampled_from([None, 0.3]))
def test_equals_full_softmax(case, dtype, scale):
    *qkv, spans, rows, mask = case
    q, k, v = (tensor.to(dtype) for tensor in qkv)
    mask = cast(mask, dtype)
    matrix = full_matrix(q, k, mask, scale)
    expected = maps_of(matrix, by_sample(spans, len(q)), rows)
    for gradient in (False, True):  # the two methods
        q.requires_grad_(gradient)
        maps = span_attention(q, k, spans, rows, mask=mask, scale=scale)
        output, beside = attend_with_maps(q, k, v, spans, rows, mask=mask, scale=scale)
        assert maps.dtype == beside.dtype == torch.promote_types(dtype, torch.float32)
        assert maps.shape == beside.shape == expected.shape
        assert error(maps, expected) <= TOLERANCE[dtype]
        assert error(beside, expected) <= TOLERANCE[dtype]
        assert output.dtype == dtype
        assert error(output, matrix @ v.double()) <= TOLERANCE[dtype]


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from(["all", "span"]))
def test_gradients_equal_those_of_the_full_softmax(case, normalise):
    *qkv, spans, rows, mask = case
    samples = by_sample(spans, len(qkv[0]))
    qkv = [tensor.double().requires_grad_() for tensor in qkv]
    mask = cast(mask, torch.float64)
    matrix = full_matrix(*qkv[:2], mask)
    expected = _span_maps(matrix, samples, rows) if normalise == "span" else maps_of(matrix, samples, rows)
    output = matrix @ qkv[2]
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(expected.shape, generator=generator).double()
    out_weights = torch.randn(output.shape, generator=generator).double()
    wanted = torch.autograd.grad((output * out_weights).sum() + (expected * weights).sum(), qkv)

    found_output, maps = attend_with_maps(*qkv, spans, rows, mask=mask, normalise=normalise)
    found = torch.autograd.grad((found_output * out_weights).sum() + (maps * weights).sum(), qkv)
    for name, one, other in zip("qkv", found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-11), name

    alone = span_attention(*qkv[:2], spans, rows, mask=mask, normalise=normalise)
    assert torch.allclose(alone, expected, rtol=1e-9, atol=1e-12)
    found = torch.autograd.grad((alone * weights).sum(), qkv[:2], allow_unused=True)
    wanted = torch.autograd.grad((_again(qkv, mask, samples, rows, normalise) * weights).sum(), qkv[:2])
    for name, one, other in zip("qk", found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-11), name


def _again(qkv, mask, samples, rows, normalise):
    matrix = full_matrix(*qkv[:2], mask)
    return _span_maps(matrix, samples, rows) if normalise == "span" else maps_of(matrix, samples, rows)


def _span_maps(matrix, samples, rows):
    """The release's softmax: the full softmax, renormalised over each sample's span tokens (repeats count)."""
    scaled = []
    for number, sample in enumerate(samples):
        tokens = [token for span in sample for token in span]
        total = matrix[number : number + 1][..., tokens].sum(dim=-1, keepdim=True)
        scaled.append(torch.where(total > 0, matrix[number : number + 1] / total.clamp_min(1e-300), 0.0))
    return maps_of(torch.cat(scaled), samples, rows)


@pytest.mark.parametrize("attend", [span_attention, lambda q, k, *rest: attend_with_maps(q, k, q * k, *rest)])
def test_gradcheck(attend):
    q, k = (torch.randn(2, 2, 9, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda q, k: attend(q, k, [[1, 2], [5]], slice(3, 9)), (q, k))


def test_single_token_of_a_single_span_has_the_constant_map_of_the_release():
    q, k = torch.randn(1, 2, 6, 4), torch.randn(1, 2, 6, 4)
    assert torch.equal(span_attention(q, k, [[3]], slice(0, 6), normalise="span"), torch.ones(1, 1, 6))
    tokens = span_attention(q, k, [[3], [4]], slice(0, 6), normalise="span")
    assert torch.allclose(tokens.sum(dim=1), torch.ones(1, 6))


def test_maps_of_all_keys_sum_to_one():
    q, k = torch.randn(2, 3, 20, 8), torch.randn(2, 3, 20, 8)
    maps = span_attention(q, k, [[token] for token in range(20)], slice(4, 20))
    assert torch.allclose(maps.sum(dim=1), torch.ones(2, 16), atol=1e-6)


def test_row_with_every_key_masked_has_no_attention():
    q, k, v = torch.randn(3, 1, 2, 6, 4)
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[3] = False
    for needs_gradient in (False, True):
        q.requires_grad_(needs_gradient)
        for maps in (
            span_attention(q, k, [[1, 2]], slice(2, 6), mask=mask),
            attend_with_maps(q, k, v, [[1, 2]], slice(2, 6), mask=mask)[1],
        ):
            assert maps.isfinite().all()
            assert maps[0, 0, 1] == 0
    assert attention_in_chunks(q, k, v, mask[None, None], 0.5)[0, :, 3].abs().max() == 0


def test_samples_with_fewer_spans_have_zeros():
    q, k = torch.randn(3, 2, 10, 4), torch.randn(3, 2, 10, 4)
    maps = span_attention(q, k, [[[1], [2, 3]], [], [[4]]], slice(5, 10))
    assert maps.shape == (3, 2, 5)
    assert not maps[1].any()
    assert not maps[2, 1].any()
    assert torch.allclose(maps[2, 0], span_attention(q[2:], k[2:], [[4]], slice(5, 10))[0, 0])


@pytest.mark.parametrize("spans", [[[1, 2], [5]], [[token] for token in range(40)]])
def test_devices_without_a_fused_kernel(monkeypatch, spans):
    """Other devices compute in chunks; the case has more spans than a head's width, too."""
    monkeypatch.setattr(kernels, "CHUNK_ELEMENTS", 7 * 2 * 3 * 60)
    q, k = (torch.randn(2, 3, 60, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    columns = Columns.of(spans, 2, 60, q.device)
    indicator = columns.indicator(60, len(spans), q.dtype).expand(-1, 3, -1, -1)
    attended = attention_in_chunks(q[:, :, 20:], k, indicator, None, 8**-0.5)
    maps, expected = columns.mean_of_indicator(attended), maps_of(full_matrix(q, k), [spans] * 2, slice(20, 60))
    assert torch.allclose(maps, expected, atol=1e-12)
    weights = torch.randn(maps.shape, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((maps * weights).sum(), (q, k)),
        torch.autograd.grad((expected * weights).sum(), (q, k)),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-12)
    with torch.no_grad():
        assert torch.allclose(span_attention(q, k, spans, slice(20, 60)), expected, atol=1e-12)


@pytest.fixture
def no_fused_kernel(monkeypatch):
    module = importlib.import_module("styleroute.attention.span_attention")
    monkeypatch.setattr(module, "attention_with_lse", lambda *args: None)
    monkeypatch.setattr(module, "has_fused_kernel", lambda *args: False)


@pytest.mark.parametrize("masked", [False, True])
def test_maps_without_a_fused_kernel_never_hold_the_full_matrix(no_fused_kernel, monkeypatch, masked):
    tokens = 512
    monkeypatch.setattr(kernels, "CHUNK_ELEMENTS", 32 * tokens)
    q, k, v = (torch.randn(1, 1, tokens, 16) for _ in range(3))
    mask = torch.rand(1, 1, 1, tokens) > 0.5 if masked else None
    with Watch() as watch:
        maps = span_attention(q, k, [[3, 4]], slice(128, tokens), mask=mask)
    assert watch.largest <= 32 * tokens
    assert not watch.attention
    assert error(maps, maps_of(full_matrix(q, k, mask), [[[3, 4]]], slice(128, tokens))) <= 1e-5
    assert attend_at_once(q, k, v, [[3, 4]], slice(128, tokens), mask=mask) is None


def test_graphics_cards_have_fused_kernels_as_torch_says(monkeypatch):
    q, k, v = (torch.empty(2, 3, tokens, 64, device="meta", dtype=torch.float16) for tokens in (50, 70, 70))
    for flash, efficient in ((True, False), (False, True), (False, False)):
        monkeypatch.setattr(torch.backends.cuda, "can_use_flash_attention", lambda params, can=flash: can)
        monkeypatch.setattr(torch.backends.cuda, "can_use_efficient_attention", lambda params, can=efficient: can)
        assert kernels._has_fused_kernel_on_cuda(q, k, v, None) == (flash or efficient)
    assert not kernels.has_fused_kernel(q, k, v, None)
    assert kernels.has_fused_kernel(*torch.randn(3, 1, 2, 10, 8), None)


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("normalise", ["all", "span"])
def test_columns_can_be_built_in_advance(gradient, normalise):
    q, k, v = (torch.randn(2, 3, 20, 8, requires_grad=gradient) for _ in range(3))
    spans = [[[1, 2], [5]], [[3]]]
    columns, asked = Columns.of(spans, 2, 6, q.device), {"rows": slice(6, 20), "normalise": normalise}
    assert torch.equal(span_attention(q, k, columns, **asked), span_attention(q, k, spans, **asked))
    for one, other in zip(
        attend_with_maps(q, k, v, columns, **asked), attend_with_maps(q, k, v, spans, **asked), strict=True
    ):
        assert torch.equal(one, other)


def test_kernels_of_graphics_cards_are_called_as_torch_declares_them(monkeypatch):
    """Only shapes are checked, on torch's meta device."""
    q, k, v = (torch.empty(2, 3, tokens, 64, device="meta", dtype=torch.float16) for tokens in (50, 70, 70))
    for flash in (True, False):
        monkeypatch.setattr(torch.backends.cuda, "can_use_flash_attention", lambda params, flash=flash: flash)
        monkeypatch.setattr(torch.backends.cuda, "can_use_efficient_attention", lambda params: True)
        output, lse = kernels._attention_with_lse_on_cuda(q, k, v, 0.125)
        assert (output.shape, lse.shape) == (q.shape, q.shape[:3])
    monkeypatch.setattr(torch.backends.cuda, "can_use_efficient_attention", lambda params: False)
    assert kernels._attention_with_lse_on_cuda(q, k, v, 0.125) is None


def test_layouts_of_the_networks():
    """Cases: heads split from [B, N, H * D], an expanded batch, and last axes that are not contiguous."""
    states = torch.randn(2, 12, 3 * 2 * 8)
    q, k, v = states.unflatten(2, (3, 2, 8)).permute(2, 0, 3, 1, 4)
    for tensors in (
        (q, k, v),
        [t[:1].expand(4, -1, -1, -1) for t in (q, k, v)],
        [t.mT.contiguous().mT for t in (q, k, v)],
    ):
        q, k, v = tensors
        output, maps = attend_with_maps(q, k, v, [[1, 4]], slice(5, 12))
        assert error(maps, maps_of(full_matrix(q, k), [[[1, 4]]] * len(q), slice(5, 12))) <= 1e-5
        assert torch.allclose(output, F.scaled_dot_product_attention(q, k, v), atol=1e-6)


@pytest.mark.parametrize("gradient", [False, True])
def test_autocast_casts_as_it_does_for_attention(gradient):
    q, k = (torch.randn(1, 2, 30, 16, requires_grad=gradient) for _ in range(2))
    v = torch.randn(1, 2, 30, 16, dtype=torch.bfloat16)
    rounded = full_matrix(q.bfloat16(), k.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        output, maps = attend_with_maps(q, k, v, [[1, 4]], slice(5, 30))
        alone = span_attention(q, k, [[1, 4]], slice(5, 30))
    assert output.dtype == torch.bfloat16
    assert maps.dtype == alone.dtype == torch.float32
    expected = maps_of(rounded, [[[1, 4]]], slice(5, 30))
    # Without a gradient the scores of the span stay in float32; only q and k are rounded.
    assert max(error(maps, expected), error(alone, expected)) <= (1e-2 if gradient else 1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("normalise", ["all", "span"])
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_never_holds_the_full_matrix(dtype, normalise, gradient, masked):
    tokens, width = 1024, 16
    q, k, v = (torch.randn(1, 1, tokens, width, dtype=dtype, requires_grad=gradient) for _ in range(3))
    mask = torch.rand(1, 1, 1, tokens) > 0.5 if masked else None
    spans, rows = [[3, 4, 5], [9]], slice(256, tokens)
    with Watch() as watch:
        output, maps = attend_with_maps(q, k, v, spans, rows, mask=mask, normalise=normalise)
        maps = maps + span_attention(q, k, spans, rows, mask=mask, normalise=normalise)
        if gradient:
            (output.float().square().sum() + maps.square().sum()).backward()
    assert watch.largest <= 2 * tokens * width  # q with some extra columns; the full matrix is 32 times as large


def test_the_watch_sees_a_full_matrix():
    q = torch.randn(1, 1, 1024, 16)
    with Watch() as watch:
        full_matrix(q, q)
    assert watch.largest == 1024 * 1024


@pytest.mark.parametrize("gradient", [False, True])
def test_output_and_maps_come_from_one_call(gradient):
    q, k, v = (torch.randn(1, 2, 10, 8, requires_grad=gradient) for _ in range(3))
    with Watch() as watch:
        attend_with_maps(q, k, v, [[1]], slice(4, 10))
    assert watch.attention == ["_scaled_dot_product_flash_attention_for_cpu.default"]


@pytest.mark.parametrize(
    ("spans", "rows", "sentence"),
    [
        ([], slice(0, 5), "no token"),
        ([[]], slice(0, 5), "no token"),
        ([[], []], slice(0, 5), "no token"),
        ([[1], []], slice(0, 5), "holds no token"),
        ([[[1]], [[]]], slice(0, 5), "holds no token"),
        ([[4, 10]], slice(0, 5), "from token 4 to 10, expected positions from 0 to 9"),
        ([[-1]], slice(0, 5), "from token -1"),
        ([[[1]]], slice(0, 5), "1 samples were given for a batch of 2"),
        ([[1]], slice(10, 20), "none of the 10 queries"),
        ([[1]], slice(4, 4), "none of the 10 queries"),
    ],
)
def test_refusals(spans, rows, sentence):
    q = torch.randn(2, 2, 10, 4)
    for attend in (lambda: span_attention(q, q, spans, rows), lambda: attend_with_maps(q, q, q, spans, rows)):
        with pytest.raises(AttentionError, match=sentence):
            attend()


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(AttentionError, match="do not fit"):
        span_attention(torch.randn(1, 2, 10, 4), torch.randn(1, 2, 10, 8), [[1]], slice(0, 5))
    with pytest.raises(AttentionError, match="do not fit"):
        span_attention(torch.randn(10, 4), torch.randn(10, 4), [[1]], slice(0, 5))
