"""Preview Attention: right weights, and that the shipped model is seen to look where the same clothes are."""

import pytest
import torch
from host_graph import HostGraph
from mannequin.model_patches.attention.joint import Look
from mannequin.model_patches.attention.key_values import KeyValues
from mannequin.model_patches.attention.looking import looked_at
from mannequin.nodes.attention_preview import MannequinPreviewAttention
from mannequin.nodes.errors import NodeError
from mannequin.preprocessors.labels import LIP_20
from small import conditioning, difference, model, patched, random, sample, source

from devtools.demo import node_of

HEADS = 2


def sets(*counts: int) -> list[KeyValues]:
    return [KeyValues(random(1, count, 8, seed=count), random(1, count, 8, seed=99)) for count in counts]


def softmax(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """By definition, head by head."""
    heads = [(query[0, 0, part] @ keys[0, :, part].T / 4**0.5).softmax(-1) for part in (slice(0, 4), slice(4, 8))]
    return torch.stack(heads).mean(0)


class TestWeights:
    query = random(1, 1, 8, seed=5)

    def test_what_replaces_has_all(self):
        own, one, other = sets(6, 4, 5)
        (first, second) = looked_at(self.query, own, [Look("replace", [one]), Look("extend", [other])], HEADS)
        expected = softmax(self.query, torch.cat([one.key, other.key], 1))
        assert torch.allclose(torch.cat([first, second], 1)[0], expected, atol=1e-6)

    def test_what_extends_shares_with_the_blocks_own(self):
        own, one = sets(6, 4)
        (weights,) = looked_at(self.query, own, [Look("extend", [one])], HEADS)
        assert torch.allclose(weights[0], softmax(self.query, torch.cat([own.key, one.key], 1))[6:], atol=1e-6)

    def test_what_adds_is_by_itself(self):
        own, one, other = sets(6, 4, 5)
        (added, shared) = looked_at(self.query, own, [Look("add", [one]), Look("extend", [other])], HEADS)
        assert torch.allclose(added[0], softmax(self.query, one.key), atol=1e-6)
        assert torch.allclose(shared[0], softmax(self.query, torch.cat([own.key, other.key], 1))[6:], atol=1e-6)


@pytest.fixture(scope="module")
def base():
    with torch.inference_mode():
        return model()


def preview(patcher, **changes):
    given = {"x": 0.5, "y": 0.5, "percent": 0.5, "detail": "finest", "condition": 1}
    given |= {"positive": conditioning(), "latent": {"samples": random(1, 4, 16, 16)}}
    given |= {"source": torch.rand(1, 128, 64, 3)} | changes
    return MannequinPreviewAttention.execute(patcher, **given).result


class TestNode:
    def test_the_whole_attention_is_shown(self, base):
        drawn, weight, place = preview(patched(base, "hpfa", net=source(base, height=16, width=8)))
        assert drawn.shape == place.shape == (1, 128, 64, 3) and weight.shape == (1, 128, 64)
        assert 0 <= float(weight.min()) and 0.8 < float(weight.max()) <= 1

    def test_the_model_is_left_as_it_was(self, base):
        worn = patched(base, "hpfa", net=source(base, height=16, width=16))
        before = sample(worn, height=16, width=16)
        preview(worn)
        assert difference(sample(worn, height=16, width=16), before) == 0
        assert not any("watch" in key for key in worn.model_options["transformer_options"])

    def test_another_place_looks_elsewhere(self, base):
        worn = patched(base, "hpfa", net=source(base, height=16, width=16))
        one, other = (preview(worn, x=x)[1] for x in (0.1, 0.9))
        assert float((one - other).abs().max()) > 0.05

    def test_of_two_conditions_the_one_that_is_asked_for(self, base):
        first = patched(base, "hpfa", net=source(base, height=16, width=8))
        both = patched(first, "reference", net=source(base, 1, 8, 16))
        assert float((preview(both, condition=1)[1] - preview(both, condition=2)[1]).abs().max()) > 0.05
        with pytest.raises(NodeError, match="has 2 conditions .* condition is 3"):
            preview(both, condition=3)

    def test_nothing_that_looks(self, base):
        with pytest.raises(NodeError, match="Preview Attention: Nothing of this MODEL looks"):
            preview(base)

    def test_the_place_is_shown_in_the_picture(self, base):
        worn = patched(base, "hpfa", net=source(base, height=16, width=16))
        place = preview(worn, x=0.25, y=0.75, picture=torch.zeros(1, 64, 96, 3))[2]
        red = place[0, ..., 0].nonzero()
        assert red.float().mean(0).tolist() == [48, 24] and float(place[..., 1:].max()) == 0


def test_the_demo_looks_at_the_same_clothes(client):
    """A knee of the target at the source's trousers, its chest at the top: far beyond their share of the picture."""
    from devtools.demo import read_graph
    from devtools.host import ROOT

    prompt = read_graph(client, ROOT / "workflows" / "truepose.json")
    prompt[node_of(prompt, "KSampler")]["inputs"]["steps"] = 2
    graph = HostGraph(prompt)
    labels = graph.value(node_of(prompt, "MannequinParsePerson")).labels[0]
    points = graph.value(node_of(prompt, "MannequinDetectPose"))[0]
    body = torch.tensor(points["people"][0]["pose_keypoints_2d"]).view(18, 3)
    width, height = points["canvas_width"], points["canvas_height"]
    given = {
        "model": graph.value(node_of(prompt, "MannequinApplyCAA")),
        "positive": graph.value(node_of(prompt, "MannequinConditioning")),
        "latent": graph.value(node_of(prompt, "KSampler")),
        "source": graph.value(node_of(prompt, "ImageScale")),
        "percent": 0.3,
        "detail": "middle",
        "condition": 1,
    }
    chest = (body[1] + body[[8, 11]].mean(0)) / 2
    for place, label in ((body[9], "Pants"), (chest, "Upper-clothes")):
        x, y = float(place[0]) / width, float(place[1]) / height
        weight = MannequinPreviewAttention.execute(**given, x=x, y=y).result[1][0]
        there = labels == LIP_20.index(label)
        share = float(weight[there].sum() / weight.sum())
        assert share > 3 * float(there.float().mean()), (label, share)
