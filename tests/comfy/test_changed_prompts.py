"""Stock nodes that change an encoded prompt keep its spans: the sampler's node says so. Other nodes change nothing."""

import logging

import pytest
import torch

OWL = "make the owl in crayon style, keep the rest"
CHANGED, LONGER = "changed the encoded prompt", "tokens behind the prompt"


@pytest.fixture
def stock(parts):
    """Calls a stock node by its class name: its first output."""
    from comfy_extras import nodes_edit_model, nodes_flux

    import nodes

    classes = {**nodes.NODE_CLASS_MAPPINGS, "ReferenceLatent": nodes_edit_model.ReferenceLatent}
    classes |= {"FluxGuidance": nodes_flux.FluxGuidance}

    def call(name: str, *args):
        cls = classes[name]
        if hasattr(cls, "define_schema"):
            return cls.execute(*args).result[0]
        return getattr(cls(), cls.FUNCTION)(*args)[0]

    call.names = set(classes)
    return call


@pytest.fixture
def warnings(capture, sample, caplog):
    """Samples a prompt with captured attention: the warnings."""

    def run(conditioning) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            sample(capture()[0], conditioning, steps=1)
        messages = [record.getMessage() for record in caplog.records]
        return [text for text in messages if CHANGED in text or LONGER in text]

    return run


@pytest.mark.parametrize("strength", [0.0, 0.5, 0.99])
def test_an_average_of_two_prompts_warns(prompt, stock, warnings, strength):
    """At 0.0 the text is that of the second prompt, but the spans are those of the first."""
    (sentence,) = warnings(stock("ConditioningAverage", prompt(), prompt(OWL), strength))
    assert CHANGED in sentence


def test_an_average_that_changes_nothing_does_not_warn(prompt, stock, warnings):
    assert warnings(stock("ConditioningAverage", prompt(), prompt(OWL), 1.0)) == []
    assert warnings(stock("ConditioningAverage", prompt(), prompt(), 0.5)) == []


def test_text_behind_the_prompt_warns(prompt, stock, warnings):
    tokens = prompt(OWL)[0][0].shape[1]
    (sentence,) = warnings(stock("ConditioningConcat", prompt(), prompt(OWL)))
    assert f"added {tokens} {LONGER}" in sentence


def test_text_behind_a_changed_prompt_warns_of_the_change(prompt, plain, stock, warnings):
    average = stock("ConditioningAverage", prompt(), plain(OWL), 0.3)
    (sentence,) = warnings(stock("ConditioningConcat", average, plain(OWL)))
    assert CHANGED in sentence


def test_a_zeroed_and_a_multiplied_prompt_warn(prompt, stock, warnings):
    assert CHANGED in warnings(stock("ConditioningZeroOut", prompt()))[0]
    if "ConditioningMultiply" in stock.names:
        assert CHANGED in warnings(stock("ConditioningMultiply", prompt(), 2.0))[0]


@pytest.mark.parametrize(
    ("node", "arguments"),
    [
        ("ConditioningSetTimestepRange", (0.0, 1.0)),
        ("ConditioningSetAreaStrength", (0.8,)),
        ("ConditioningSetMask", (torch.ones(1, 64, 96), "default", 1.0)),
        ("FluxGuidance", (3.0,)),
        ("ReferenceLatent", ({"samples": torch.zeros(1, 16, 8, 12)},)),
    ],
)
def test_nodes_that_change_only_options_do_not_warn(prompt, stock, warnings, node, arguments):
    assert warnings(stock(node, prompt(), *arguments)) == []


def test_combined_prompts_do_not_warn(prompt, stock, warnings):
    assert warnings(stock("ConditioningCombine", prompt(), prompt(OWL))) == []


def test_a_changed_negative_prompt_does_not_warn(capture, sample, prompt, stock, caplog):
    zeroed = stock("ConditioningZeroOut", prompt())
    with caplog.at_level(logging.WARNING):
        sample(capture()[0], prompt(), zeroed, steps=1, cfg=2.0)
    assert not [record for record in caplog.records if CHANGED in record.getMessage()]


def test_the_region_sampler_says_it_once(prompt, stock, region_sample, caplog):
    with caplog.at_level(logging.WARNING):
        region_sample(stock("ConditioningAverage", prompt(), prompt(OWL), 0.2), steps=1)
    assert len([record for record in caplog.records if CHANGED in record.getMessage()]) == 1
