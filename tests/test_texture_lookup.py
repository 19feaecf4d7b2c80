"""A texture map's latents where the target shows them."""

from dataclasses import replace

import pytest
import torch
from small_methods import OPTIONS
from test_methods import batch_of, made

from model_patches.networks.mcld import MCLD, MCLDShape
from preprocessors.texture_lookup import look_up, texels
from preprocessors.texture_map import surface_of_texture
from training.draws import Draws
from training.methods.mcld import MCLDOptions


def test_a_pixel_finds_the_texel_that_shows_the_same():
    """Every texel of the body, taken for a pixel, finds itself or a neighbour that shows nearly the same."""
    surface = surface_of_texture()
    found = texels(surface[None])[0]
    body = surface[..., 0] > 0
    assert (found[~body] == -1).all() and (found[body] >= 0).all()
    said = surface.reshape(-1, 3)[found[body]].int()
    assert torch.equal(said[:, 0], surface[body][:, 0].int())
    off = (said - surface[body].int())[:, 1:].abs().amax(1)
    # To a step of the table; where a chart ends, to the nearest it has.
    assert float((off <= 4).float().mean()) > 0.98


def test_latents_come_from_the_texels_place_and_nowhere_else():
    """Two pixels, in a token each, of texels in different corners of the map."""
    surface = surface_of_texture()
    body = (surface[..., 0] > 0).nonzero()
    places = [tuple(body[len(body) * fifths // 5].tolist()) for fifths in (1, 4)]
    iuv = torch.stack([surface[place] for place in places] + [torch.zeros(3, dtype=torch.uint8)])[None, None]
    latent = torch.arange(64.0).view(1, 1, 8, 8)
    found = look_up(latent, iuv, (1, 3))[0, 0, 0].tolist()
    expected = [float(latent[0, 0, row * 8 // 512, column * 8 // 512]) for row, column in places]
    assert expected[0] != expected[1]
    assert found == [*expected, 0.0]


def test_a_token_is_the_mean_of_its_pixels_and_each_map_serves_its_own_targets():
    surface = surface_of_texture()
    row, column = (surface[..., 0] > 0).nonzero()[1000].tolist()
    iuv = torch.stack([surface[row, column], torch.zeros(3, dtype=torch.uint8)])[None, None].repeat(4, 1, 1, 1)
    maps = torch.stack([torch.full((2, 4, 4), 2.0), torch.full((2, 4, 4), 6.0)])
    assert look_up(maps, iuv, (1, 1))[:, 0].flatten().tolist() == [1.0, 1.0, 3.0, 3.0]


def test_weights_tell_whether_they_look_up():
    network = MCLD(MCLDShape(pose_widths=(8, 8), pose_channels=32, lookup_channels=16))
    assert MCLDShape.of(network.state_dict()) == network.shape
    assert MCLDShape.of(MCLD(replace(network.shape, lookup_channels=0)).state_dict()).lookup_channels == 0


def test_training_looks_up_what_the_map_shows():
    """Of two maps alike to every other part of the network, the pose's features tell which it was."""
    with torch.inference_mode(False):
        method = made("mcld", lookup=True)
        batch = batch_of(method)
        other = batch | {"texture_latent": batch["texture_latent"].roll(1, 0)}
        with torch.no_grad():
            assert float((method.encode_pose(batch) - method.encode_pose(other)).abs().max()) > 1e-3
            plain = made("mcld")
            assert torch.equal(plain.encode_pose(batch), plain.encode_pose(other))
        with torch.enable_grad():
            sum(method(batch, Draws(0, range(4), 0)).values()).backward()
        assert float(method.modules_.texture_lookup.weight.grad.abs().max()) > 0


def test_without_a_map_there_is_nothing_to_look_up():
    with pytest.raises(ValueError, match="lookup needs texture"):
        MCLDOptions(**{**vars(OPTIONS["mcld"]), "texture": False, "lookup": True})
