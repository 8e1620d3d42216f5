"""Whether a map preview waits for the sampler that fills its maps, and digests of nodes."""

import pytest
from styleroute.nodes.execution_order import signature_of, upstream_signatures, waits_for_sampler

GRAPH = {
    "capture": {"class_type": "Capture", "inputs": {"model": ["lora", 0], "conditioning": ["prompt", 0]}},
    "sampler": {"class_type": "KSampler", "inputs": {"model": ["capture", 0], "latent_image": ["empty", 0], "seed": 1}},
    "decode": {"class_type": "VAEDecode", "inputs": {"samples": ["sampler", 0], "vae": ["vae", 0]}},
    "photo": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
    "other": {"class_type": "KSampler", "inputs": {"model": ["lora", 0]}},
}


def waits(**inputs) -> bool:
    graph = GRAPH | {"preview": {"class_type": "Preview", "inputs": {"maps": ["capture", 1], "opacity": 0.5} | inputs}}
    return waits_for_sampler(graph, "preview", "maps", "Capture")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"image": ["decode", 0]}, True),
        ({"image": ["photo", 0]}, False),
        ({"image": ["photo", 0], "latent": ["sampler", 0]}, True),
        ({"image": ["other", 0]}, False),
        ({"image": ["photo", 0], "maps": ["sampler", 1]}, True),
        ({}, False),
    ],
)
def test_a_preview_waits_only_if_a_link_leads_back_to_the_sampler(inputs, expected):
    assert waits(**inputs) is expected


def test_the_captured_model_may_pass_through_other_nodes():
    graph = GRAPH | {
        "guider": {"class_type": "BasicGuider", "inputs": {"model": ["capture", 0]}},
        "advanced": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["guider", 0]}},
        "preview": {"class_type": "Preview", "inputs": {"maps": ["capture", 1], "image": ["advanced", 0]}},
    }
    assert waits_for_sampler(graph, "preview", "maps", "Capture")


def test_unknown_nodes_count_as_waiting():
    assert waits_for_sampler({}, "preview", "maps", "Capture")
    assert waits_for_sampler({"preview": {"inputs": {"maps": ["gone", 0]}}}, "preview", "maps", "Capture")


def test_a_signature_depends_on_the_seed_and_upstream_nodes():
    first = signature_of(GRAPH, "sampler")
    seed = GRAPH | {"sampler": {**GRAPH["sampler"], "inputs": {**GRAPH["sampler"]["inputs"], "seed": 2}}}
    behind = GRAPH | {"empty": {"class_type": "EmptyLatent", "inputs": {"width": 64}}}
    beside = GRAPH | {"photo": {"class_type": "LoadImage", "inputs": {"image": "other.png"}}}
    assert len({first, signature_of(seed, "sampler"), signature_of(behind, "sampler")}) == 3
    assert signature_of(beside, "sampler") == first


def test_a_signature_does_not_depend_on_ids():
    def renamed(value):
        return ["21", *value[1:]] if isinstance(value, list) and value[0] == "capture" else value

    graph = {("21" if name == "capture" else name): node for name, node in GRAPH.items()}
    graph["sampler"] = {
        "class_type": "KSampler",
        "inputs": {name: renamed(value) for name, value in GRAPH["sampler"]["inputs"].items()},
    }
    assert graph != GRAPH
    assert signature_of(graph, "sampler") == signature_of(GRAPH, "sampler")


def test_a_signature_does_not_depend_on_the_order_of_inputs():
    """The page lists the inputs of a node in another order after it has loaded the workflow again."""
    reordered = {
        name: {"class_type": node["class_type"], "inputs": dict(reversed(node["inputs"].items()))}
        for name, node in GRAPH.items()
    }
    assert [*reordered["sampler"]["inputs"]] != [*GRAPH["sampler"]["inputs"]]
    for name in GRAPH:
        assert signature_of(reordered, name) == signature_of(GRAPH, name)


def test_upstream_signatures_leave_out_the_node_itself():
    found = upstream_signatures(GRAPH, "decode")
    assert {signature_of(GRAPH, name) for name in ("sampler", "capture")} <= found
    assert not {signature_of(GRAPH, name) for name in ("decode", "photo", "other")} & found
