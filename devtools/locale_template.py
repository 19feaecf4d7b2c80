"""The nodes' English words as the front end's translations have them: ``python -m devtools.locale_template``.

It writes ``locales/en``, the template of every other language: what has changed there is to be translated again.
"""

import json

from .host import ROOT, import_host
from .say import say

LOCALES = ROOT / "locales"


def main_words() -> dict:
    """Parts of the nodes' categories."""
    from mannequin.nodes import NODES

    parts = {part: part for node in NODES for part in node.GET_SCHEMA().category.split("/")}
    return {"nodeCategories": parts}


def node_words() -> dict:
    """Every node's, its inputs' and its outputs'.

    An output that is called as its type has a tooltip only: the front end takes the name from its own words for types.
    """
    from mannequin.nodes import NODES

    return {schema.node_id: _words_of(schema) for schema in (node.GET_SCHEMA() for node in NODES)}


def _words_of(schema) -> dict:
    outputs = {}
    for index, output in enumerate(schema.outputs):
        name = {} if output.display_name == output.get_io_type() else {"name": output.display_name}
        outputs[str(index)] = name | {"tooltip": output.tooltip}
    inputs = {one.id: {"name": one.display_name or one.id, "tooltip": one.tooltip} for one in schema.inputs}
    words = {"display_name": schema.display_name, "description": schema.description}
    return words | {"inputs": inputs, "outputs": outputs}


def text_of(words: dict) -> str:
    """A locale file's text, written alike in every language so that differences are words."""
    return json.dumps(words, ensure_ascii=False, indent=1) + "\n"


def files() -> dict[str, str]:
    """Name and text of each file of ``locales/en``."""
    return {"main.json": text_of(main_words()), "nodeDefs.json": text_of(node_words())}


def main() -> None:
    import_host()
    (LOCALES / "en").mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (LOCALES / "en" / name).write_text(text, encoding="utf-8", newline="\n")
        say(f"locales/en/{name}")


if __name__ == "__main__":
    main()
