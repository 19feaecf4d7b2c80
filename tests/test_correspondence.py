"""Which tokens show the same place of the body, and attention that is taught to look there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_methods import OPTIONS, recipe
from training_people import NoisePeople

from model_patches.attention.joint import Look
from model_patches.attention.key_values import KeyValues
from model_patches.attention.multihead import fused_attention
from preprocessors.texture_map import scatter, surface_of_texture, to_texture
from training.correspondence import (
    LABEL_WEIGHT,
    Correspondence,
    Looking,
    Surface,
    correspondence_error,
    grid_of,
    looked_at,
    surface_bins,
    token_histograms,
)
from training.diffusers_binding import attention_on
from training.draws import Draws
from training.examples import Examples, collate
from training.loop import Run
from training.methods import METHODS

GRIDS = (1, 4), (1, 4)
GRID_OF_3 = (1, 3), (1, 3)


def picture(*parts: int) -> torch.Tensor:
    """Two rows of pixels, two columns for every part, all in the middle of its chart; ``[1, 2, 2 · parts, 3]``."""
    part = torch.tensor(parts).repeat_interleave(2).expand(2, -1)
    return torch.stack([part, torch.full_like(part, 100), torch.full_like(part, 100)], -1)[None].to(torch.uint8)


def labels(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.uint8).repeat_interleave(2).expand(1, 2, -1)


def test_a_histogram_is_the_shares_of_a_tokens_pixels():
    bins = torch.tensor([[[0, 0, 2, -1], [0, 1, 2, -1], [3, 3, 9, 9]]])
    found = token_histograms(bins, 4, (1, 2))
    assert torch.allclose(found, torch.tensor([[[3.0, 1, 0, 2], [0, 0, 2, 0]]]) / 6)
    # Sides that tokens do not divide: every pixel counts once.
    assert token_histograms(torch.zeros(1, 5, 7, dtype=torch.long), 1, (2, 3)).flatten().tolist() == [1.0] * 6


def test_bins_tell_parts_and_places_of_their_charts_apart():
    iuv = torch.tensor([[[0, 9, 9], [1, 0, 0], [1, 0, 64], [1, 63, 63], [1, 64, 0], [24, 255, 255], [25, 0, 0]]])
    assert surface_bins(iuv.to(torch.uint8)).tolist() == [[-1, 0, 1, 0, 4, 24 * 16 - 1, -1]]


def test_a_target_token_wants_the_tokens_of_the_same_surface():
    wanted = Correspondence(Surface(picture(3, 5, 0, 7)), Surface(picture(5, 3, 3, 0))).wanted(*GRIDS)
    assert wanted[0].tolist() == [[0, 0.5, 0.5, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_labels_count_where_the_surface_is_not_seen_and_little_where_it_is():
    target, source = Surface(picture(3, 7), labels(5, 9)), Surface(picture(3, 4), labels(5, 9))
    wanted = Correspondence(target, source).wanted((1, 2), (1, 2))
    assert wanted[0].tolist() == [[1, 0], [0, 1]]
    common = Surface(picture(3, 4), labels(5, 5))
    first = Correspondence(Surface(picture(3), labels(5)), common).wanted((1, 1), (1, 2))
    assert first[0, 0].tolist() == pytest.approx([(1 + LABEL_WEIGHT) / (1 + 2 * LABEL_WEIGHT)] + [1 - 1.15 / 1.3])


def test_a_background_is_like_nothing():
    # Most tokens show one: they would teach attention to be uniform.
    target, source = Surface(picture(0, 3), labels(0, 5)), Surface(picture(0, 0, 4), labels(0, 0, 5))
    assert Correspondence(target, source).wanted((1, 2), (1, 3))[0].tolist() == [[0, 0, 0], [0, 0, 1]]


def test_tokens_that_show_nobody_want_the_background_and_count_apart():
    target, source = Surface(picture(0, 3, 0), labels(0, 5, 0)), Surface(picture(0, 0, 4), labels(0, 0, 5))
    half = Surface(target.iuv, target.labels.clone())
    half.labels[0, 0, 0] = 5  # One pixel of four.
    wanted = Correspondence(target, source).wanted_by_nobody(*GRID_OF_3)
    assert wanted[0].tolist() == [[0.5, 0.5, 0], [0, 0, 0], [0.5, 0.5, 0]]
    assert Correspondence(half, source).wanted_by_nobody(*GRID_OF_3)[0, 0].tolist() == [0, 0, 0]

    attention = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.25, 0.25, 0.5]]])
    body = -np.log(0.8)
    nobody = -(np.log(0.5) + 3 * np.log(0.25)) / 4
    for weight in (0.0, 0.1):
        looking = Looking(Correspondence(target, source, background=weight), *GRID_OF_3)
        looking.see(attention, *GRID_OF_3)
        assert float(looking.error()) == pytest.approx(body + weight * nobody, rel=1e-6)


def test_each_source_is_seen_by_its_own_targets():
    target = Surface(torch.cat([picture(3, 5), picture(5, 5), picture(7, 3), picture(3, 3)]))
    source = Surface(torch.cat([picture(3, 5), picture(7, 7)]))
    wanted = Correspondence(target, source).wanted((1, 2), (1, 2))
    assert wanted.tolist() == [[[1, 0], [0, 1]], [[0, 1], [0, 1]], [[0.5, 0.5], [0, 0]], [[0, 0], [0, 0]]]


def test_the_error_is_the_cross_entropy_of_tokens_that_have_a_match():
    attention = torch.tensor([[[0.5, 0.25], [0.1, 0.1]]])
    wanted = torch.tensor([[[0.5, 0.5], [0.0, 0.0]]])
    expected = -(0.5 * np.log(0.5) + 0.5 * np.log(0.25))
    assert float(correspondence_error(attention, wanted)) == pytest.approx(expected, rel=1e-6)
    assert float(correspondence_error(attention, torch.zeros_like(wanted))) == 0.0


def test_the_share_on_the_same_surface_and_what_chance_gives():
    attention = torch.tensor([[[0.7, 0.2, 0.1], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]])
    surface = torch.tensor([[[1.0, 0, 0], [0.2, 0.1, 0], [0, 0, 0]]])
    assert looked_at(attention, surface) == pytest.approx(((0.7 + 0.5) / 2, (1 / 3 + 2 / 3) / 2))
    assert np.isnan(looked_at(attention, torch.zeros_like(surface))).all()


def test_grids_of_a_unets_levels():
    assert [grid_of(tokens, (16, 12)) for tokens in (192, 48, 12)] == [(16, 12), (8, 6), (4, 3)]
    assert grid_of(3 * 2, (5, 3)) == (3, 2)
    with pytest.raises(ValueError, match="has 50 tokens"):
        grid_of(50, (16, 12))


class TestAttention:
    q, own = torch.randn(2, 5, 8), KeyValues(torch.randn(2, 5, 8), torch.randn(2, 5, 8))
    source = KeyValues(torch.randn(1, 3, 8), torch.eye(3, 8)[None])

    def shown(self, *looks: Look) -> list[torch.Tensor]:
        return attention_on(self.q, self.own, 2, looks)

    def test_what_replaces_has_the_whole_softmax(self):
        (attention,) = self.shown(Look("replace", [self.source]))
        assert torch.allclose(attention.sum(-1), torch.ones(2, 5))
        # Attended unit vectors are the attention itself, head by head.
        heads = [
            fused_attention(self.q[..., half], self.source.spread(2).key[..., half], torch.eye(3, 4).repeat(2, 1, 1), 1)
            for half in (slice(0, 4), slice(4, 8))
        ]
        assert torch.allclose(attention, sum(heads)[..., :3] / 2, atol=1e-6)

    def test_what_extends_shares_it_with_the_pictures_own(self):
        adds, attention = self.shown(Look("add", [self.source]), Look("extend", [self.source]))
        assert adds.shape == (2, 5, 0)
        q, k = (
            t.unflatten(-1, (2, 4)).transpose(1, 2)
            for t in (self.q, torch.cat([self.own.key, self.source.spread(2).key], 1))
        )
        whole = (q @ k.mT / 2).softmax(-1).mean(1)
        assert torch.allclose(attention, whole[..., 5:], atol=1e-6)


def test_a_texel_shows_the_surface_whose_pixels_fall_on_it():
    """Some neighbouring places of every part are scattered; the texels they come out on say the same I, U, V."""
    part, u, v = np.meshgrid(np.arange(1, 25), np.arange(118, 128), np.arange(118, 128), indexing="ij")
    iuv = np.stack([part, u, v], -1).reshape(24, 100, 3).astype(np.uint8)
    texture = to_texture(scatter(iuv, iuv)[0])
    surface, shown = surface_of_texture().numpy(), texture.any(-1)
    assert len(np.unique(texture[shown][:, 0])) > 20
    assert (texture[shown][:, 0] == surface[shown][:, 0]).all()
    assert np.abs(texture[shown].astype(int) - surface[shown])[:, 1:].max() <= 2


@pytest.mark.parametrize("name", ["truepose", "mcld"])
def test_attention_learns_to_look_at_the_same_place(name, tmp_path):
    """Two runs alike but for the option: with it, the error at its sites falls well below the other's."""
    with torch.inference_mode(False), torch.enable_grad():
        errors = {}
        for weight in (0.0, 1.0):
            options = replace(OPTIONS[name], correspondence=weight)
            begun = recipe(tmp_path / str(weight), name, steps=40, options=options, checkpoint_every=0, ema=0.0)
            run = Run(replace(begun, optimiser=replace(begun.optimiser, learning_rate=3e-3)), NoisePeople(1))
            run.train()
            asked = METHODS[name](replace(options, correspondence=1.0), 0)
            asked.load_weights(run.bare.weights()[0])
            examples = Examples(asked, NoisePeople(1), 0)
            batch = collate([examples.group(0), examples.group(1)])
            with torch.no_grad():
                errors[weight] = float(asked(batch, Draws(0, batch.pop("number").tolist(), 0))["correspondence"])
    assert errors[1.0] < 0.8 * errors[0.0], errors
