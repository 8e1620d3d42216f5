"""Texts below nodes: every refusal of every node is shown before it is raised, and earlier texts disappear."""

import pytest
from styleroute.errors import StyleRouteError


@pytest.fixture
def shown(parts, monkeypatch):
    """All texts that ComfyUI's server is asked to show: (text, node id)."""
    from styleroute.nodes import comfy_server

    class Server:
        def __init__(self):
            self.texts, self.prompt_queue = [], self

        def get_current_queue_volatile(self):
            return [], []

        def send_progress_text(self, text, node_id):
            self.texts.append((text, node_id))

    server = Server()
    monkeypatch.setattr(comfy_server, "_server", lambda: server)
    monkeypatch.setattr(comfy_server, "_shown", set())
    monkeypatch.setattr(comfy_server, "_refused", set())
    return server.texts


@pytest.fixture
def executing(parts):
    """Executes code as the node "5" of a graph."""
    from comfy_execution.utils import CurrentNodeContext

    return lambda: CurrentNodeContext("prompt", "5", 0)


def test_every_node_shows_its_refusal(shown, executing):
    from styleroute.nodes.extension import NODES

    for node in NODES:
        shown.clear()
        name = next(field.id for field in node.define_schema().inputs if field.io_type != "CLIP")
        with executing(), pytest.raises(StyleRouteError) as refused:
            node.execute(**{name: object()})
        assert shown[-1] == (str(refused.value), "5")


def test_an_error_of_python_is_not_shown(shown, executing):
    from styleroute.nodes.comfy_server import errors_below_node

    with executing(), pytest.raises(ZeroDivisionError), errors_below_node():
        _ = 1 / 0
    assert not shown


def test_a_refusal_disappears_when_the_node_works(shown, executing, style_expert):
    from styleroute.nodes.comfy_server import NO_TEXT
    from styleroute.nodes.styles.routing_preview import RoutingPreview

    for _ in range(2):
        with executing(), pytest.raises(StyleRouteError):
            RoutingPreview.execute(routing=7)
    assert [text == NO_TEXT for text, _ in shown] == [False, True, False]


def test_a_text_keeps_its_lines_and_shows_each_once(shown):
    from styleroute.nodes.comfy_server import NO_TEXT, NodeText

    text = NodeText("5")
    text.add("one")
    text.add("one")
    text.warn("two")
    text.copy().warn("three")
    assert shown[-2:] == [("one\ntwo", "5"), ("one\ntwo\nthree", "5")]
    NodeText("5").show()
    NodeText("5").show()
    assert shown[-1] == (NO_TEXT, "5")
    assert shown[-2] != shown[-1]


def test_nothing_is_shown_without_a_node(shown, style_expert):
    from styleroute.nodes.comfy_server import NodeText

    NodeText(None).warn("a warning")
    assert not shown


def test_a_refusal_while_a_stock_sampler_runs_is_shown_and_disappears(
    shown, executing, capture, sample, plain, prompt, parts
):
    from styleroute.nodes.comfy_server import NO_TEXT

    model, _ = capture()
    with executing(), pytest.raises(StyleRouteError) as refused:
        sample(model, plain("a cat"), steps=1)
    with executing():
        sample(model, prompt(), steps=1)
    assert shown == [(str(refused.value), "5"), (NO_TEXT, "5")]
