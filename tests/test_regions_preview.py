"""Preview Regions: what CAA chose and how it is attended to, and what HPFA's mask shows, computed another way."""

import io

import pytest
import torch
from host_graph import HostGraph
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.comfy_region_watch import (
    Attended,
    RegionWatch,
    Selected,
    attention_maps,
    outstanding_regions,
    region_shares,
    selected_map,
    selected_share,
    times_chosen,
)
from mannequin.model_patches.comfy_watch import watched_evaluation
from mannequin.model_patches.conditions import CAACondition, HPFACondition
from mannequin.model_patches.scope import Scope
from mannequin.nodes.errors import NodeError
from mannequin.nodes.regions_preview import MannequinPreviewRegions
from mannequin.preprocessors.labels import LIP_20, PALETTE
from mannequin.preprocessors.overlay import OPACITY
from PIL import Image
from small import DEFAULT, conditioning, difference, model, patched, random, sample, source
from watched import attention_inputs, by_heads, source_sites

from devtools.demo import node_of, read_graph
from devtools.host import ROOT

#: Of the target's latent, and of the source's.
SIDE = 16
HAIR, COAT, PANTS = (LIP_20.index(name) for name in ("Hair", "Coat", "Pants"))
NUMBER = len(LIP_20)


def of_parsing() -> torch.Tensor:
    """Hair at the top left, a coat at the top right, trousers at the bottom left: a quarter each, at any grid."""
    labels = torch.zeros(1, 8 * SIDE, 8 * SIDE, dtype=torch.uint8)
    middle = 4 * SIDE
    labels[:, :middle, :middle], labels[:, :middle, middle:], labels[:, middle:, :middle] = HAIR, COAT, PANTS
    return labels


def embeddings(seed: int = 7) -> torch.Tensor:
    return 3 * random(1, NUMBER, 32, seed=seed)


@pytest.fixture(scope="module")
def base():
    with torch.inference_mode():
        return model()


@pytest.fixture(scope="module")
def net(base):
    with torch.inference_mode():
        return source(base, height=SIDE, width=SIDE)


def with_caa(patcher, net, count: int = 2, regions=None, scope: Scope = DEFAULT, sites: str = "all"):
    condition = CAACondition(of_parsing(), embeddings() if regions is None else regions, count)
    return apply_condition(patcher, condition, net, sites, scope)


def with_hpfa(patcher, net, mask: torch.Tensor, sites: str = "all"):
    return apply_condition(patcher, HPFACondition(mask, hidden_space="block"), net, sites, DEFAULT)


LATENT = random(1, 4, SIDE, SIDE)


def preview(patcher, **changes):
    given = {"positive": conditioning(), "latent": {"samples": LATENT}, "percent": 0.5, "detail": "all", "condition": 1}
    given |= {"picture": torch.zeros(1, 512, 512, 3), "source": torch.ones(1, 8 * SIDE, 8 * SIDE, 3)} | changes
    return MannequinPreviewRegions.execute(patcher, **given).result


def read(table: str) -> dict[str, list[str]]:
    """The table's cells by region."""
    heading, *lines = (line for line in table.splitlines() if not line.startswith("HPFA sees"))
    assert heading.split()[0] == "region"
    return {line.split()[0]: line.split("  ")[1:] for line in lines}


def cells(table: str, region: str) -> list[str]:
    return [cell.strip() for cell in read(table)[region] if cell.strip()]


def percents(table: str, column: int) -> dict[str, float]:
    return {region: float(cells(table, region)[column].rstrip("%")) / 100 for region in read(table)}


def neglected(base, net, count: int) -> dict:
    """Labels that Eq. 9 gives every site, by definition: whole maps A', no linearity used."""
    chosen = {}
    for site, seen in source_sites(net, transformer_blocks(base)).items():
        q, k = (by_heads(t[0].float(), seen.heads) for t in (seen.q, seen.k))
        logits = torch.stack([a @ b.T / a.shape[-1] ** 0.5 for a, b in zip(q, k, strict=True)])
        height, width = seen.grid
        labels = of_parsing()[0, 4 :: 8 * SIDE // height, 4 :: 8 * SIDE // width].flatten()
        scores = {label: float(logits.mean((0, 1))[labels == label].mean()) for label in (HAIR, COAT, PANTS)}
        chosen[site] = sorted(scores, key=scores.get)[:count]
    return chosen


class TestCAA:
    @pytest.mark.parametrize("count", [1, 2])
    def test_the_chosen_are_those_of_the_equation(self, base, net, count):
        with torch.inference_mode():
            expected = neglected(base, net, count)
        table = preview(with_caa(base, net, count))[3]
        for label in (HAIR, COAT, PANTS):
            times = sum(label in labels for labels in expected.values())
            assert cells(table, LIP_20[label])[0] == f"{times} of {len(expected)}"

    def test_a_single_region_has_all_attention(self, base, net):
        with torch.inference_mode():
            expected = neglected(base, net, 1)
        table = preview(with_caa(base, net, 1))[3]
        for label in (HAIR, COAT, PANTS):
            share = sum(label in labels for labels in expected.values()) / len(expected)
            assert percents(table, 1)[LIP_20[label]] == pytest.approx(share, abs=0.001)

    def test_regions_that_look_alike_share_evenly(self, base, net):
        alike = random(1, 1, 32).expand(1, NUMBER, 32)
        with torch.inference_mode():
            expected = neglected(base, net, 2)
        table = preview(with_caa(base, net, 2, alike))[3]
        for label in (HAIR, COAT, PANTS):
            share = sum(label in labels for labels in expected.values()) / len(expected) / 2
            assert percents(table, 1)[LIP_20[label]] == pytest.approx(share, abs=0.001)

    def test_attention_is_that_of_the_equation(self, base, net):
        """SoftMax(Q̃Kᵀ/√d) head by head, of the very inputs that attention has."""
        patcher, watch = with_caa(base, net), RegionWatch()
        with torch.inference_mode():
            watched_evaluation(patcher, conditioning(), LATENT, 0.5, watch, 0)
            inputs, chosen = attention_inputs(patcher, LATENT)["attn2"], neglected(base, net, 2)
            (attended,) = watch.attended.values()
            assert attended.keys() == inputs.keys()
            for site, block in transformer_blocks(base).items():
                heads = block.attn2.heads
                queries = by_heads(block.attn2.to_q(inputs[site])[0], heads)
                keys = by_heads(block.attn2.to_k(embeddings())[0, chosen[site]], heads)
                shares = [(q @ k.T / q.shape[-1] ** 0.5).softmax(-1) for q, k in zip(queries, keys, strict=True)]
                expected = torch.zeros(len(inputs[site][0]), NUMBER)
                expected[:, chosen[site]] = torch.stack(shares).mean(0)
                assert torch.allclose(attended[site].weights, expected, atol=1e-5)
                assert attended[site].chosen.nonzero().flatten().tolist() == sorted(chosen[site])

    def test_more_than_there_are(self, base, net):
        """K beyond the parsing's labels: all of them, and nothing of those that are not there."""
        table = preview(with_caa(base, net, 19))[3]
        assert read(table).keys() == {"Hair", "Coat", "Pants"}
        sites = len(transformer_blocks(base))
        assert {cells(table, region)[0] for region in read(table)} == {f"{sites} of {sites}"}
        assert sum(percents(table, 1).values()) == pytest.approx(1, abs=0.002)

    def test_sizes_are_the_parsings(self, base, net):
        assert percents(preview(with_caa(base, net))[3], 4) == {"Hair": 0.25, "Coat": 0.25, "Pants": 0.25}

    def test_colours_and_bounds_are_those_of_the_equation(self, base, net):
        """At one site, over a picture of a pixel a token."""
        patcher, watch = with_caa(base, net, sites="input 1"), RegionWatch()
        with torch.inference_mode():
            watched_evaluation(patcher, conditioning(), LATENT, 0.5, watch, 0)
        (site,) = next(iter(watch.attended.values())).values()
        first, second = site.chosen.nonzero().flatten().tolist()
        one, other = (site.weights[:, label] for label in (first, second))
        # Two shares add up to 1: where one is above its mean, the other is below.
        expected = torch.where(one > one.mean(), first, second).view(SIDE, SIDE)
        maps = attention_maps([site], (SIDE, SIDE))
        assert torch.equal(outstanding_regions(maps, region_shares([site])), expected.to(torch.uint8))
        assert 0 < int((expected == first).sum()) < SIDE * SIDE
        table = preview(patcher, picture=torch.zeros(1, SIDE, SIDE, 3))[3]
        for label, weights in ((first, one), (second, other)):
            for column, expected in ((1, weights.mean()), (2, weights.min()), (3, weights.max())):
                assert percents(table, column)[LIP_20[label]] == pytest.approx(float(expected), abs=0.001)

    def test_the_picture_is_coloured_where_it_acts(self, base, net):
        left = torch.zeros(1, SIDE, SIDE)
        left[..., : SIDE // 2] = 1
        with torch.inference_mode():
            (label,) = next(iter(neglected(base, net, 1).values()))
        shown = preview(with_caa(base, net, 1, scope=Scope(mask=left), sites="input 1"))[0]
        colour = OPACITY * torch.tensor(PALETTE[label]) / 255
        assert torch.allclose(shown[0, :, :240], colour.expand(512, 240, 3), atol=1e-6)
        assert not shown[0, :, 272:512].any(), "where it does not act, the picture is as it was"

    def test_what_the_region_leaves_out_counts_nowhere(self, base, net):
        left = torch.zeros(1, SIDE, SIDE)
        left[..., : SIDE // 2] = 1
        table = preview(with_caa(base, net, 1, scope=Scope(mask=left), sites="input 1"))[3]
        assert sorted(percents(table, 1).values()) == [0, 0, 1]


class TestHPFA:
    def test_the_mask_is_that_of_the_tokens(self, base, net):
        mask = torch.zeros(1, 8 * SIDE, 8 * SIDE, dtype=torch.bool)
        mask[:, 16:64, 24:104] = True
        _, selected, shown, text = preview(with_hpfa(base, net, mask), detail="finest")
        assert torch.equal(shown, mask.float())
        assert torch.equal(selected[0, ..., 0], torch.where(mask[0], 1.0, 0.25))
        assert text == f"HPFA sees {48 * 80 / 128**2:.1%} of the source."

    def test_coarse_tokens_are_seen_whole_or_not(self, base, net):
        """A corner that is less than half of a coarse token is the fullest there is, and is seen as that token."""
        mask = torch.zeros(1, 8 * SIDE, 8 * SIDE, dtype=torch.bool)
        mask[:, :24, :24] = True
        patcher = with_hpfa(base, net, mask)
        coarse = preview(patcher, detail="coarsest")[2]
        sides = {seen.grid for seen in source_sites(net, transformer_blocks(base)).values()}
        pixels = 8 * SIDE // min(sides)[0]
        whole = torch.zeros_like(coarse)
        whole[:, :pixels, :pixels] = 1
        assert pixels == 64 and torch.equal(coarse, whole)

    def test_how_much_of_every_region(self, base, net):
        """All of the hair, half of the coat, none of the trousers."""
        mask = torch.zeros(1, 8 * SIDE, 8 * SIDE, dtype=torch.bool)
        mask[:, : 4 * SIDE, : 6 * SIDE] = True
        table = preview(with_caa(with_hpfa(base, net, mask), net), detail="finest")[3]
        assert percents(table, 5) == {"Hair": 1, "Coat": 0.5, "Pants": 0}
        assert table.splitlines()[-1] == "HPFA sees 37.5% of the source."


class TestNode:
    def test_the_first_in_the_graph_is_the_first(self, base, net):
        """Though the second is met earlier, at the input blocks."""
        upper, lower = (torch.zeros(1, 8 * SIDE, 8 * SIDE, dtype=torch.bool) for _ in range(2))
        upper[:, : 4 * SIDE], lower[:, 4 * SIDE :] = True, True
        both = with_hpfa(with_hpfa(base, net, upper, "mid"), net, lower, "all")
        for number, mask in ((1, upper), (2, lower)):
            assert torch.equal(preview(both, condition=number)[2], mask.float())
        with pytest.raises(NodeError, match="has 2 conditions that choose regions, and condition is 3"):
            preview(both, condition=3)

    def test_the_model_is_left_as_it_was(self, base, net):
        worn = patched(base, "hpfa", "caa", net=net)
        before = sample(worn, height=SIDE, width=SIDE)
        preview(worn)
        assert difference(sample(worn, height=SIDE, width=SIDE), before) == 0
        assert not any("watch" in key for key in worn.model_options["transformer_options"])

    def test_of_a_batch_the_first(self, base):
        """Two sources for two images: the first is shown."""
        pair = source(base, 2, SIDE, SIDE)
        mask = torch.zeros(2, 8 * SIDE, 8 * SIDE, dtype=torch.bool)
        mask[0, : 4 * SIDE], mask[1, 4 * SIDE :] = True, True
        shown = preview(with_hpfa(base, pair, mask), latent={"samples": LATENT.repeat(2, 1, 1, 1)})[2]
        assert torch.equal(shown, mask[:1].float())

    def test_nothing_that_chooses(self, base, net):
        for patcher in (base, patched(base, "reference", net=net)):
            with pytest.raises(NodeError, match="Preview Regions: Nothing of this MODEL chooses"):
                preview(patcher)

    def test_not_at_this_moment(self, base, net):
        late = with_caa(base, net, scope=Scope(start=0.8))
        with pytest.raises(NodeError, match="a moment within their span"):
            preview(late, percent=0.2)
        assert preview(late, percent=0.9)[3]


class TestMaps:
    """Of two sites, a fine one and a coarse one."""

    fine = Attended(
        (2, 2),
        torch.tensor([[0, 0.9, 0.1], [0, 0.2, 0.8], [0, 0.2, 0.8], [0, 0.2, 0.8]]),
        torch.tensor([True, True, True, False]),
        torch.tensor([False, True, True]),
    )
    coarse = Attended((1, 1), torch.tensor([[0, 1.0, 0]]), torch.tensor([True]), torch.tensor([False, True, False]))

    def test_shares_are_means_over_the_tokens_where_it_acts(self):
        assert torch.allclose(region_shares([self.fine]), torch.tensor([0, 1.3 / 3, 1.7 / 3]))
        assert torch.allclose(region_shares([self.fine, self.coarse]), torch.tensor([0, (1.3 / 3 + 1) / 2, 1.7 / 6]))

    def test_how_often(self):
        assert times_chosen([self.fine, self.coarse, self.fine]).tolist() == [0, 3, 2]

    def test_maps_are_means_over_sites(self):
        assert attention_maps([self.fine], (2, 2))[1].tolist() == torch.tensor([[0.9, 0.2], [0.2, 0]]).tolist()
        both = attention_maps([self.fine, self.coarse], (2, 2))
        assert torch.allclose(both[1], torch.tensor([[1.9, 1.2], [1.2, 1.0]]) / 2)
        assert torch.allclose(both[2], torch.tensor([[0.1, 0.8], [0.8, 0.0]]) / 2)

    def test_a_region_is_shown_where_it_has_more_than_elsewhere(self):
        maps = torch.zeros(4, 1, 3)
        maps[1], maps[3] = torch.tensor([[0.9, 0.7, 0.0]]), torch.tensor([[0.1, 0.3, 0.0]])
        # The first has most of it everywhere, the last place is none of theirs.
        assert outstanding_regions(maps, torch.tensor([0, 0.8, 0, 0.2])).tolist() == [[1, 3, 0]]

    def test_where_none_stands_out_the_most_is_shown(self):
        maps = torch.zeros(3, 2, 2)
        maps[1], maps[2] = 0.4, 0.6
        assert outstanding_regions(maps, torch.tensor([0, 0.4, 0.6])).tolist() == [[2, 2], [2, 2]]

    def test_masks(self):
        sites = [Selected((2, 2), torch.tensor([True, True, False, False])), Selected((1, 1), torch.tensor([True]))]
        assert selected_map(sites, (2, 2)).tolist() == [[1, 1], [0.5, 0.5]]
        labels = torch.tensor([[1, 1], [3, 1]])
        shares = selected_share(sites[:1], labels)
        assert torch.allclose(shares[[1, 3]], torch.tensor([2 / 3, 0.0])) and shares[2].isnan()
        assert torch.allclose(selected_share(sites, labels)[[1, 3]], torch.tensor([5 / 6, 0.5]))


def test_the_demo_in_a_server(client):
    """Its table is of its parsing's labels; of Select Parsing's mask little more is seen than it holds."""
    prompt = read_graph(client, ROOT / "workflows" / "truepose.json")
    sampler = prompt[node_of(prompt, "KSampler")]["inputs"]
    sampler["steps"] = 2
    inputs = {
        "model": sampler["model"],
        "positive": sampler["positive"],
        "latent": [node_of(prompt, "KSampler"), 0],
        "picture": [node_of(prompt, "VAEDecode"), 0],
        "source": [node_of(prompt, "ImageScale"), 0],
    } | {"percent": 0.3, "detail": "finest", "condition": 1}
    prompt |= {"90": {"class_type": "MannequinPreviewRegions", "inputs": inputs, "_meta": {"title": ""}}}
    for number, (kind, name, output) in enumerate(
        [("PreviewImage", "images", 0), ("PreviewImage", "images", 1), ("PreviewAny", "source", 3)], 91
    ):
        prompt[str(number)] = {"class_type": kind, "inputs": {name: ["90", output]}, "_meta": {"title": ""}}
    result = client.run(prompt)
    graph = HostGraph(prompt)
    parsing = graph.value(node_of(prompt, "MannequinParsePerson"))
    selected = graph.value(node_of(prompt, "MannequinSelectParsing"))
    (table,) = result.outputs["93"]["text"]
    assert list(read(table)) == parsing.present()
    shares = percents(table, 1)
    assert sum(shares.values()) == pytest.approx(1, abs=0.002 * len(shares))
    assert sum(percents(table, 4).values()) == pytest.approx(float((parsing.labels > 0).float().mean()), abs=0.005)
    seen = float(table.splitlines()[-1].split()[2].rstrip("%")) / 100
    assert seen == pytest.approx(float(selected.mean()), rel=0.2)
    regions, source = (Image.open(io.BytesIO(client.images(result, number)[0])) for number in ("91", "92"))
    assert regions.height == 256 and regions.width > 192 and source.size == (96, 128)
