"""A compiled model can be captured: its maps are right, and its compiled graphs stay as they were."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from styleroute.moe import StyleExpert

from .conftest import write_style_expert


@pytest.fixture(autouse=True)
def forget_graphs(parts):
    """Starts and ends each test without compiled graphs, and does not log how torch compiles: that takes minutes."""
    logging.disable(logging.INFO)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()
    logging.disable(logging.NOTSET)


def whole_model(model):
    """ComfyUI's own node compiles the whole diffusion model."""
    from comfy_extras.nodes_torch_compile import TorchCompileModel

    return TorchCompileModel.execute(model, "eager").result[0]


def block_by_block(model, blocks=("double_blocks.0", "single_blocks.0", "single_blocks.1")):
    """Nodes such as KJNodes' compile each block, and drop the guards on `transformer_options`."""
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    clone = model.clone()
    options = {"guard_filter_fn": lambda guards: ["transformer_options" not in guard.name for guard in guards]}
    set_torch_compile_wrapper(clone, "eager", options, keys=[f"diffusion_model.{block}" for block in blocks])
    return clone


def one_block(model):
    """Compiling one block takes seconds."""
    return block_by_block(model, ("single_blocks.1",))


def by_object_patch(model):
    """Older nodes put a compiled module in the place of the model's own."""
    clone = model.clone()
    clone.add_object_patch("diffusion_model", torch.compile(clone.get_model_object("diffusion_model"), backend="eager"))
    return clone


COMPILERS = [whole_model, block_by_block, by_object_patch]


def compilations() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("is_compiled_first", [True, False], ids=["compile first", "capture first"])
def test_a_captured_run_of_a_compiled_model_has_the_maps_of_the_plain_model(
    flux, capture, prompt, sample, compiler, is_compiled_first
):
    plain, expected = capture()
    if is_compiled_first:
        model, maps = capture(compiler(flux))
    else:
        captured, maps = capture()
        model = compiler(captured)
    for seed in (1, 2):
        sample(plain, prompt(), seed=seed)
        sample(model, prompt(), seed=seed)
        assert maps.spans.keys() == expected.spans.keys()
        for name in maps.spans:
            torch.testing.assert_close(maps.read(0, name).values, expected.read(0, name).values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_captured_run_compiles_nothing(flux, capture, prompt, sample, compiler):
    for seed in (1, 2):
        sample(capture(compiler(flux))[0], prompt(), seed=seed)
    assert compilations() == 0


def test_a_captured_run_changes_no_compiled_graph(flux, capture, prompt, sample):
    compiled, expected = one_block(flux), sample(flux, prompt(), steps=1)
    sample(capture(compiled)[0], prompt(), steps=1)
    graphs = []
    for _ in range(3):  # torch compiles again in the second run, also without our nodes
        torch.testing.assert_close(sample(compiled, prompt(), steps=1), expected, rtol=1e-4, atol=1e-5)
        graphs.append(compilations())
        sample(capture(compiled)[0], prompt(), steps=1)
    assert 0 < graphs[0] <= graphs[1] == graphs[2] == compilations()


def test_steps_that_are_not_captured_stay_compiled_and_are_compiled_once(flux, capture, prompt, sample):
    compiled = one_block(flux)
    for _ in range(2):
        sample(compiled, prompt(), steps=2)
    graphs = compilations()
    assert graphs > 0
    for seed in (1, 2):
        model, maps = capture(compiled, steps=frozenset({0}))
        sample(model, prompt(), steps=2, seed=seed)
        assert maps.read(0, "style: mosaic").steps == (0,)
    assert compilations() == graphs


def test_a_call_that_is_not_changed_gets_the_options_of_the_model_without_our_nodes(
    flux, capture, prompt, sample, monkeypatch
):
    from styleroute.nodes.maps.live_preview import with_heat_preview

    seen = []
    apply_model = flux.model._apply_model

    def spy(x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **named):
        seen.append(transformer_options)
        return apply_model(x, t, c_concat, c_crossattn, control, transformer_options, **named)

    monkeypatch.setattr(flux.model, "_apply_model", spy)
    model, maps = capture(steps=frozenset({0}))
    sample(with_heat_preview(model, maps, "style"), prompt(), steps=2)
    sample(flux, prompt(), steps=2)
    changed, unchanged, *without = seen
    assert changed.keys() - unchanged.keys() == {"optimized_attention_override"}
    assert changed["wrappers"] == unchanged["wrappers"] == without[1]["wrappers"]
    assert unchanged.keys() == without[1].keys()


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_node_says_that_a_captured_run_is_not_compiled(flux, prompt, sample, region_sample, shown, compiler):
    from styleroute.nodes.maps.capture import NOT_COMPILED
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    def says_it() -> bool:
        """Whether the last text below the node says it; the node may show other lines as well."""
        said = bool(shown) and NOT_COMPILED in shown[-1][0].splitlines()
        shown.clear()
        return said

    region_sample(prompt(), model=flux, steps=1)
    assert not says_it()
    region_sample(prompt(), model=compiler(flux), steps=1)
    assert says_it()
    model, _ = CaptureAttention.execute(flux, prompt()).result
    sample(compiler(model), prompt())  # the compile node may stand behind the capture
    assert says_it()


@pytest.mark.parametrize(("rows", "is_said"), [(0, False), (64, True)])
def test_moe_apply_says_that_moved_style_rows_are_not_compiled(
    flux, plain, sample, with_reference, tmp_path, caplog, rows, is_said
):
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.style_types import Style, encoder_id

    training = {"style_reference": True, "style_rows": rows}
    expert = StyleExpert.open(write_style_expert(tmp_path / "styles.safetensors", training=training))
    style = Style(torch.ones(1, 32), 1, encoder_id(expert.encoder))
    styled = MoEApply.execute(flux, expert, 1.0, style).result[0]
    logging.disable(logging.NOTSET)
    caplog.set_level(logging.WARNING)
    sample(one_block(styled) if is_said else styled, with_reference(plain("a cat")), steps=1)
    assert ("runs without torch.compile" in caplog.text) == is_said
    assert compilations() == 0


def test_a_compiled_model_is_recognised_as_flux(flux, monkeypatch):
    from styleroute.nodes.model_family import require_flux

    network = flux.model.diffusion_model
    monkeypatch.setattr(flux.model, "diffusion_model", torch.compile(network, backend="eager"))
    assert require_flux(flux) is network


def test_calls_in_several_threads_restore_the_stance_of_torch_compile(parts):
    """ComfyUI calls one model per graphics card, each in a thread."""
    from styleroute.nodes.compilation import eager

    def stance():
        return torch._dynamo.eval_frame._stance.stance

    first, second = eager(), eager()
    first.__enter__()
    with ThreadPoolExecutor(1) as other:
        other.submit(second.__enter__).result()
        first.__exit__(None, None, None)
        assert stance() == "force_eager"
        other.submit(second.__exit__, None, None, None).result()
    assert stance() == "default"


def test_an_error_in_a_captured_call_restores_the_stance_of_torch_compile(flux, capture, prompt, sample, monkeypatch):
    def fail(*args, **named):
        raise RuntimeError("out of memory")

    model, _ = capture(one_block(flux))
    monkeypatch.setattr(flux.model, "_apply_model", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        sample(model, prompt())
    assert torch._dynamo.eval_frame._stance.stance == "default"
