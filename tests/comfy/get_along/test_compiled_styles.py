"""Compiled models: a style before or after TorchCompileModel gives the image of the model that is not compiled."""

import logging
import os
import sys
from importlib import util
from pathlib import Path

import pytest
import torch

from ..test_compiled_models import (  # noqa: F401 (a fixture for each test)
    COMPILERS,
    compilations,
    forget_graphs,
    one_block,
)

KJNODES = "STYLEROUTE_TEST_KJNODES"
"""Environment variable with the folder of ComfyUI-KJNodes; the packages of its requirements must be installed."""
CLOSE = {"rtol": 1e-3, "atol": 1e-3}


ORDERS = pytest.mark.parametrize("is_compiled_first", [True, False], ids=["compile first", "style first"])


@pytest.fixture
def check(flux, add_style, prompt, sample):
    """Compares a compiled styled model with the one that is not compiled, for two styles."""

    def compare(compiler, method: str, is_compiled_first: bool) -> None:
        compiled = compiler(flux)
        for seed in (1, 2) if is_compiled_first else (1,):  # compiled code of one style must not serve another
            expected = sample(add_style(method=method, seed=seed), prompt(), steps=1)
            styled = (
                add_style(compiled, method, seed)
                if is_compiled_first
                else compiler(add_style(method=method, seed=seed))
            )
            torch.testing.assert_close(sample(styled, prompt(), steps=1), expected, **CLOSE)

    return compare


@pytest.mark.parametrize("compiler", COMPILERS)
@ORDERS
def test_a_branch_on_a_compiled_model(check, compiler, is_compiled_first):
    check(compiler, "branch", is_compiled_first)
    assert compilations() == 0


@pytest.mark.parametrize("is_compiled_first", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_patch_on_a_compiled_model(check, is_compiled_first):
    check(one_block, "patch", is_compiled_first)
    assert compilations() > 0


@pytest.mark.slow
def test_steps_outside_of_the_branchs_part_stay_compiled(flux, add_style, prompt, sample):
    compiled = one_block(flux)
    sample(compiled, prompt())
    before = compilations()
    assert before > 0
    styled = add_style(compiled, end_percent=0.4)
    torch.testing.assert_close(sample(styled, prompt()), sample(add_style(end_percent=0.4), prompt()), **CLOSE)
    assert compilations() == before


@pytest.mark.parametrize(("method", "is_said"), [("patch", False), ("branch", True)])
def test_moe_apply_says_that_a_branch_is_not_compiled(flux, add_style, prompt, sample, caplog, method, is_said):
    from styleroute.nodes.compilation import eager

    styled = add_style(one_block(flux), method)
    logging.disable(logging.NOTSET)
    caplog.set_level(logging.WARNING)
    with eager():  # only the words count here; compilation takes seconds
        sample(styled, prompt(), steps=1)
    assert ("steps run without torch.compile. Set method to patch" in caplog.text) == is_said


@pytest.fixture
def kjnodes(comfyui):
    """KJNodes' module of compile nodes, imported from its folder."""
    folder = os.environ.get(KJNODES)
    if not folder:
        pytest.skip(f"Set {KJNODES} to a folder with ComfyUI-KJNodes.")
    for name in ("comfyui_kjnodes", "comfyui_kjnodes.nodes"):
        path = Path(folder, *name.split(".")[1:])
        spec = util.spec_from_file_location(name, path / "__init__.py", submodule_search_locations=[str(path)])
        sys.modules.setdefault(name, util.module_from_spec(spec))
    spec = util.spec_from_file_location(
        "comfyui_kjnodes.nodes.model_optimization_nodes", Path(folder, "nodes", "model_optimization_nodes.py")
    )
    sys.modules[spec.name] = module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    limit = torch._dynamo.config.recompile_limit  # its node raises the limit for the whole process
    yield module
    torch._dynamo.config.recompile_limit = limit


@ORDERS
def test_a_style_on_a_model_compiled_by_kjnodes(check, kjnodes, method, is_compiled_first):
    compile_node = kjnodes.TorchCompileModelAdvanced()

    def compiler(model):
        return compile_node.patch(model, "eager", False, "default", "false", 64, True, False)[0]

    check(compiler, method, is_compiled_first)
    assert (compilations() > 0) == (method == "patch")
