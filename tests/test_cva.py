"""Cross-view attention: the published numbers, tiles, and what it begins with."""

import pytest
import torch
from mannequin.model_patches.attention import cva as module
from mannequin.model_patches.attention.cva import CVA, CVAShape, join_tiles, split_tiles
from small import difference, random

from devtools import parity

SHAPE = CVAShape(32, views=8)


def seeded(shape: CVAShape = SHAPE) -> CVA:
    layer = CVA(shape)
    generator = torch.Generator().manual_seed(1)
    for name, weight in layer.named_parameters():
        if weight.ndim > 1:
            weight.data = torch.randn(weight.shape, generator=generator) * weight.shape[1] ** -0.5
        elif name.endswith("bias"):
            weight.data = torch.randn(weight.shape, generator=generator) * 0.1
    return layer.requires_grad_(False)


def test_parity(golden, capsys):
    assert parity.main([str(golden("cva.safetensors"))]) == 0
    assert '"kind": "cva"' in capsys.readouterr().out


@pytest.mark.parametrize("tiles", [(2, 2), (1, 2), (2, 3)], ids=str)
def test_tiles_are_cut_row_by_row(tiles):
    picture = random(2, 3, 12, 12)
    views = split_tiles(picture, tiles)
    height, width = 12 // tiles[0], 12 // tiles[1]
    for number, view in enumerate(views.unbind(1)):
        top, left = number // tiles[1] * height, number % tiles[1] * width
        assert torch.equal(view, picture[..., top : top + height, left : left + width])
    assert torch.equal(join_tiles(views, tiles), picture)


def test_a_pixel_sees_its_own_place_alone():
    """Beyond normalisation, which is of a whole tile: change two pixels such that its statistics stay."""
    layer, views = seeded(), random(1, 4, 32, 5, 3)
    swapped = views.clone()
    swapped[0, 2, :, 0, 0], swapped[0, 2, :, 4, 2] = views[0, 2, :, 4, 2], views[0, 2, :, 0, 0]
    changed = (layer(swapped) - layer(views)).abs().amax((0, 2)) > 1e-5
    expected = torch.zeros(4, 5, 3, dtype=torch.bool)
    expected[:, 0, 0] = expected[:, 4, 2] = True
    assert torch.equal(changed, expected), "all views at the two places, and no other"


def test_views_know_their_positions():
    layer, views = seeded(), random(1, 4, 32, 2, 2)
    turned = layer(views.flip(1)).flip(1)
    assert difference(turned, layer(views)) > 1e-2


def test_it_begins_with_adding_nothing():
    views = random(1, 4, 32, 2, 2)
    assert torch.equal(CVA(SHAPE).zero_output()(views), views)


def test_blocks_of_pixels_are_the_whole(monkeypatch):
    layer, views = seeded(), random(1, 4, 32, 4, 3)
    whole = layer(views)
    monkeypatch.setattr(module, "_ROWS", 5)
    assert difference(layer(views), whole) < 1e-6


def test_the_shape_is_read_off_the_weights():
    shape = CVAShape(64, views=24, depth=2)
    assert CVAShape.of(CVA(shape).state_dict()) == shape
