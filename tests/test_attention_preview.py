"""Preview Attention: right weights, and that the shipped model is seen to look where the same clothes are."""

import pytest
import torch
from host_graph import HostGraph
from mannequin.model_patches.attention.joint import Look
from mannequin.model_patches.attention.key_values import KeyValues
from mannequin.model_patches.attention.looking import looked_at
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.conditions import HPFACondition
from mannequin.model_patches.source import SourceSite
from mannequin.nodes.attention_preview import MannequinPreviewAttention
from mannequin.nodes.errors import NodeError
from mannequin.preprocessors.labels import LIP_20
from small import DEFAULT, conditioning, difference, model, patched, random, sample, source
from watched import attention_inputs, by_heads, source_sites

from devtools.demo import node_of

HEADS = 2


def sets(*counts: int) -> list[KeyValues]:
    return [KeyValues(random(1, count, 8, seed=count), random(1, count, 8, seed=99)) for count in counts]


def softmax(query: torch.Tensor, keys: torch.Tensor, heads: int = HEADS) -> torch.Tensor:
    """By definition, head by head."""
    parts = zip(by_heads(query[0], heads), by_heads(keys[0], heads), strict=True)
    return torch.stack([(q @ k.T / q.shape[-1] ** 0.5).softmax(-1)[0] for q, k in parts]).mean(0)


def completed(seen: SourceSite, mask: torch.Tensor) -> torch.Tensor:
    """H' of Eq. 6 and 7 with the paper's δ and σ, put into the block that it is of."""
    results = []
    for q, k, v in zip(*(by_heads(t[0], seen.heads) for t in (seen.q, seen.k, seen.v)), strict=True):
        logits = q @ k.T / q.shape[-1] ** 0.5
        inside, outside = torch.where(logits > 0, 1.6, 0.6), torch.where(logits > 0, 0.3, 1.3)
        results.append((logits * torch.where(mask, inside, outside)).softmax(-1) @ v)
    hidden = torch.cat(results, -1)[None]
    for layer in seen.block.attn1.to_out:
        hidden = layer(hidden)
    return seen.block.norm1(seen.stream + hidden)


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

    def test_a_place_looks_where_the_equations_say(self, base):
        """Eq. 6 to 8 written out, of the very inputs that attention has, over a source of a pixel a token."""
        net, mask = source(base, height=16, width=16), torch.zeros(1, 128, 128, dtype=torch.bool)
        mask[:, 32:96, 16:80] = True
        worn = apply_condition(base, HPFACondition(mask, hidden_space="block"), net, "all", DEFAULT)
        latent = random(1, 4, 16, 16)
        blocks, inputs = transformer_blocks(base), attention_inputs(worn, latent)["attn1"]
        finest = {site: seen for site, seen in source_sites(net, blocks).items() if seen.grid == (16, 16)}
        for x, y in ((0.1, 0.5), (0.9, 0.2)):
            token = int(y * 16) * 16 + int(x * 16)
            maps = []
            for site, seen in finest.items():
                key = blocks[site].attn1.to_k(completed(seen, mask[0, 4::8, 4::8].flatten()))
                query = blocks[site].attn1.to_q(inputs[site])[:, token : token + 1]
                maps.append(softmax(query, key, seen.heads))
            expected = torch.stack(maps).mean(0)
            weight = preview(worn, x=x, y=y, latent={"samples": latent}, source=torch.rand(1, 16, 16, 3))[1]
            assert torch.allclose(weight[0].flatten(), expected / expected.max(), atol=1e-4)

    def test_of_two_conditions_the_one_that_is_asked_for(self, base):
        """By its place in the graph, though the second acts at earlier sites: each shows what it shows alone."""
        nets = source(base, height=16, width=8), source(base, 1, 8, 16)
        second = patched(base, "reference", net=nets[1], sites="input 1")
        both = patched(patched(base, "hpfa", net=nets[0], sites="output 11"), "reference", net=nets[1], sites="input 1")
        # Nothing of the first comes before the second's only site.
        assert difference(preview(both, condition=2)[1], preview(second)[1]) == 0
        assert difference(preview(both, condition=1)[1], preview(second)[1]) > 0.05
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
