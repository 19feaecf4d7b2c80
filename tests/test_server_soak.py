"""A dozen prompts of the soak on a real server, and what a soak makes of its samples."""

import pytest

from devtools.soak import (
    DOZEN,
    FAILED,
    FREED,
    INTERRUPTED,
    MIB,
    RAN,
    REFUSED,
    Sample,
    growth,
    lacking,
    runnable,
    soak,
    table,
)


def samples(*memory: int) -> list[Sample]:
    return [Sample("truepose", RAN, 1.5, each * MIB) for each in memory]


#: Those that need nothing but what the repository carries.
OWN = {"mcld_demo", "pcdms_demo", "reposedm", "style_transfer", "truepose"}


def test_a_dozen_prompts(server, client):
    # Other tests leave files in this server's folders, with which more graphs run.
    assert runnable(client).keys() >= OWN
    done = soak(server, 12)
    assert {place: sample.kind for place, sample in enumerate(done) if sample.kind != RAN} == DOZEN
    assert {sample.graph for sample in done} <= runnable(client).keys()
    assert server.alive and all(sample.memory > 100 * MIB for sample in done)
    assert table(done, rows=1).splitlines()[2].startswith("| 1–12 | 9 | 1 | 1 | 1 | 0 |")


def test_growth_is_of_the_peak_after_the_first_third():
    assert growth(samples(300, 400, 399, 400, 380, 404)) == pytest.approx(0.01)
    assert growth(samples(400, 300, 300)) < 0


def test_a_table_has_every_prompt_once():
    lines = table(samples(*range(100, 110)), rows=3).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["1–3", "4–6", "7–10"]
    assert lines[2].endswith("| 3 | 0 | 0 | 0 | 0 | 1.5 | 101 | 102 |")
    assert all(kind in lines[0] for kind in (RAN, FREED, REFUSED, INTERRUPTED, FAILED))


def test_what_a_graph_lacks_is_what_no_list_offers():
    """Lists of both generations of nodes; links and what is typed are no choice."""
    choices = {"old": [["a"]], "new": ["COMBO", {"options": ["b"]}], "text": ["STRING"]}
    info = {"Load": {"input": {"required": choices, "hidden": {"prompt": "PROMPT"}}}}
    prompt = {"1": {"class_type": "Load", "inputs": {"old": "a", "new": "c", "text": "d"}}}
    assert list(lacking(prompt, info)) == ["c"]
    prompt["1"]["inputs"] = {"old": ["2", 0], "new": "b"}
    assert list(lacking(prompt, info)) == []
