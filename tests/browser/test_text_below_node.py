"""A refusal is readable below its node on the page, and disappears when the node works."""

import pytest

pytestmark = pytest.mark.browser

SECONDS = 60
SENTENCE = "broken.safetensors is a text file, expected a safetensors file."
REFUSED = """
const [file, done] = arguments;
const app = window.app;
app.graph.clear();
const add = (type, x) => {
  const node = window.LiteGraph.createNode(type);
  node.pos = [x, 200];
  app.graph.add(node);
  return node;
};
const load = add("StyleRoute_LoadStyleExpert", 100), save = add("StyleRoute_SaveStyleLoRA", 600);
load.connect(0, save, 0);
load.widgets.find((widget) => widget.name === "expert").value = file;
app.queuePrompt(0).then(() => done(true), (error) => done(String(error)));
"""
MENDED = """
const done = arguments[0];
const node = window.app.graph.nodes.find((node) => node.type === "StyleRoute_LoadStyleExpert");
const expert = node.widgets.find((widget) => widget.name === "expert");
expert.value = expert.options.values.find((name) => name.includes("tiny_styles"));
window.app.queuePrompt(0).then(() => done(expert.value), (error) => done(String(error)));
"""
BELOW = """
const node = window.app.graph.nodes.find((node) => node.type === "StyleRoute_LoadStyleExpert");
const text = node.widgets.find((widget) => String(widget.value).includes(arguments[0]));
return !!text && document.body.innerText.includes(arguments[0]);
"""


def test_a_refusal_stands_below_the_node_until_it_works(page, broken_file):
    from selenium.webdriver.support.ui import WebDriverWait

    assert page.execute_async_script(REFUSED, broken_file) is True
    wait = WebDriverWait(page, SECONDS)
    wait.until(lambda opened: opened.execute_script(BELOW, SENTENCE))
    assert "tiny_styles" in page.execute_async_script(MENDED)
    wait.until_not(lambda opened: opened.execute_script(BELOW, SENTENCE))
