"""RePoseDM's recurrent pose alignment: the numbers of every map, and each operator by itself."""

import pytest
import torch
from small import difference, random

from devtools import parity
from devtools.golden import Golden, read
from devtools.parity_reposedm import alignment
from model_patches.networks.map_former import (
    GLOBAL,
    AlignmentShape,
    RecurrentAlignment,
    RegionAttention,
    composed,
    correlation,
    warp,
)


def test_parity(golden, capsys):
    """Flow, warped source and features after N = 2, in double precision."""
    assert parity.main([str(golden("reposedm_align.safetensors"))]) == 0
    assert '"kind": "reposedm_align"' in capsys.readouterr().out


@pytest.mark.parametrize("budget", [RegionAttention.BUDGET, 1])
def test_attention_within_regions(golden, monkeypatch, budget):
    """A LayerNorm hides what is left out at the border, so attention is compared by itself; in any blocks of rows."""
    monkeypatch.setattr(RegionAttention, "BUDGET", budget)
    path = golden("reposedm_align.safetensors")
    network = alignment(Golden.read(path))
    maps = {key.removeprefix("mid."): tensor for key, tensor in read(path)[0].items() if key.startswith("mid.")}
    for n, region in enumerate(network.shape.regions):
        before, between = ([maps[f"n{n}.{when}_{side}"] for side in "ts"] for when in ("features_in", "after_self"))
        for one, other, side in ((0, 1, "t"), (1, 0, "s")):
            ours = network.self_attention.looked(before[one], before[one], region)
            assert difference(ours, maps[f"n{n}.self_{side}"]) < 1e-6
            ours = network.cross_attention.looked(between[one], between[other], region)
            assert difference(ours, maps[f"n{n}.cross_{side}"]) < 1e-6
        steps = network.attended(*before, region)
        assert difference(correlation(*steps, network.shape.radius), maps[f"n{n}.correlation"]) < 1e-6


def test_a_region_of_the_whole_map_is_global():
    attention = RegionAttention(6, torch.nn.Linear)
    x, other = random(2, 6, 4, 5), random(2, 6, 4, 5, seed=1)
    assert difference(attention.looked(x, other, 11), attention.looked(x, other, GLOBAL)) < 1e-6


def test_the_correlation_finds_a_shift():
    """The source is the target moved by one column to the right and two rows up."""
    source = torch.nn.functional.one_hot(torch.arange(48), 48).float().T.view(1, 48, 6, 8)
    target = source.roll((2, -1), (2, 3))
    found = correlation(target, source, 2)[0].view(5, 5, 6, 8)
    assert found[0, 3, 3:5, 2:5].all() and found[:, :, 3:5, 2:5].sum() == 6


def test_a_flow_points_back():
    """Where a pixel comes from: x first; beyond the picture is nothing."""
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0], flow[:, 1] = 1.0, 0.5
    warped = warp(picture, flow)[0, 0]
    assert difference(warped[0, :3], torch.tensor([3.0, 4.0, 5.0])) < 1e-5 and not warped[:, 3].any()
    assert difference(warp(picture, torch.zeros(1, 2, 3, 4)), picture) < 1e-5


def test_flows_are_composed():
    """First by the second flow, then by the first: as a picture warped by one after the other."""
    picture = random(1, 3, 9, 9)
    first, then = torch.zeros(1, 2, 9, 9), torch.zeros(1, 2, 9, 9)
    first[:, 0, :, 4:], then[:, 1] = 2.0, 1.0
    once = warp(picture, composed(first, then))
    assert difference(once[..., :7, :7], warp(warp(picture, first), then)[..., :7, :7]) < 1e-5
    assert difference(composed(then, first), first + then) < 1e-6


def test_any_size_batch_and_precision():
    network = RecurrentAlignment(AlignmentShape(width=8, hidden=8, radius=1, regions=(GLOBAL, 3)))
    source, pose = random(2, 4, 7, 5), random(2, 4, 7, 5, seed=1)
    steps = network(source, pose)
    assert len(steps) == 2 and steps[-1].features.shape == (2, 8, 7, 5)
    assert difference(steps[-1].flow[1:], network(source[1:], pose[1:])[-1].flow) < 1e-4
    half = network.bfloat16()(source.bfloat16(), pose.bfloat16())
    assert half[-1].features.dtype == torch.bfloat16 and torch.isfinite(half[-1].flow).all()
