"""Procedural cloth, prints and backdrops: the same for a seed, whole at the seams, told apart, and readable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.synthetic.backgrounds import SCENES, background
from training.data.synthetic.decals import DECAL_SIZE, LEAST_CONTRAST, draw_word, split_of, vocabulary
from training.data.synthetic.fabrics import CLOTH_CM, KINDS, decal, draw_kind, fabric, palette
from training.data.synthetic.palettes import NEIGHBOUR_DISTANCE, contrast, luminance, oklab, srgb

SEEDS = range(12)


def shrunk(picture: np.ndarray, by: int) -> np.ndarray:
    """Means of ``by`` × ``by`` blocks, float ``[H/by, W/by, 3]``."""
    height, width = picture.shape[0] // by, picture.shape[1] // by
    return picture.reshape(height, by, width, by, 3).mean((1, 3))


class TestPalette:
    def test_oklab_of_known_colours(self):
        # White, black and red, as in the table of the source.
        known = oklab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0]]))
        assert np.allclose(known, [[1, 0, 0], [0, 0, 0], [0.62796, 0.22486, 0.12585]], atol=1e-3)

    def test_srgb_is_the_way_back(self):
        lightness, chroma, hue = np.array([0.3, 0.6, 0.9]), np.array([0.05, 0.1, 0.04]), np.array([20.0, 140, 260])
        lab = oklab(srgb(lightness, chroma, hue))
        assert np.allclose(lab[:, 0], lightness, atol=0.01) and np.allclose(np.hypot(*lab[:, 1:].T), chroma, atol=0.01)
        assert np.allclose(np.rad2deg(np.arctan2(lab[:, 2], lab[:, 1])) % 360, hue, atol=6)

    def test_contrast_is_wcags(self):
        assert contrast(np.array([255, 255, 255]), np.array([0, 0, 0])) == pytest.approx(21)
        assert contrast(np.array([119, 119, 119]), np.array([255, 255, 255])) == pytest.approx(4.48, abs=0.01)

    @given(seed=st.integers(0, 2**40), count=st.integers(2, 8))
    @settings(max_examples=40, deadline=None)
    def test_neighbours_are_told_apart(self, seed, count):
        colours = palette(seed, count)
        assert colours.shape == (count, 3) and colours.dtype == np.uint8
        assert np.array_equal(colours[:1], palette(seed, 1))
        steps = np.linalg.norm(np.diff(oklab(colours), axis=0), axis=1)
        assert steps.min() > NEIGHBOUR_DISTANCE - 1e-6

    def test_neutrals_denim_brights_and_pastels_all_occur(self):
        lab = oklab(np.concatenate([palette(seed, 4) for seed in range(100)]))
        chroma, hue = np.hypot(lab[:, 1], lab[:, 2]), np.rad2deg(np.arctan2(lab[:, 2], lab[:, 1])) % 360
        light = lab[:, 0]
        for share in (
            chroma < 0.02,
            (abs(hue - 254) < 15) & (chroma > 0.03) & (chroma < 0.1) & (abs(light - 0.5) < 0.18),
            chroma > 0.13,
            (light > 0.8) & (chroma > 0.035) & (chroma < 0.09),
        ):
            assert 0.03 < share.mean() < 0.6

    def test_of_nothing(self):
        assert palette(0, 0).shape == (0, 3)
        with pytest.raises(ValueError, match="-1 were asked"):
            palette(0, -1)


@pytest.mark.parametrize("kind", KINDS)
class TestFabric:
    @pytest.mark.parametrize("size", [64, 100, 256])
    def test_same_seed_same_cloth(self, kind, size):
        cloth = fabric(3, kind, size)
        assert cloth.shape == (size, size, 3) and cloth.dtype == np.uint8
        assert np.array_equal(cloth, fabric(3, kind, size))
        assert not np.array_equal(cloth, fabric(4, kind, size))

    def test_it_tiles(self, kind):
        """The seam is one step of the cloth like any other: not a larger one than the largest inside."""
        for seed in SEEDS:
            cloth = fabric(seed, kind).astype(float)
            for axis in (0, 1):
                inside = np.abs(np.diff(cloth, axis=axis)).mean((1 - axis, 2))
                seam = np.abs(cloth.take(0, axis) - cloth.take(-1, axis)).mean()
                assert seam <= 1.3 * inside.max() + 0.5, f"seed {seed}, axis {axis}"

    def test_size_changes_the_sharpness_only(self, kind):
        for seed in SEEDS:
            small, large = shrunk(fabric(seed, kind, 128), 4), shrunk(fabric(seed, kind, 256), 8)
            assert np.abs(small - large).mean() < 7, f"seed {seed}"

    def test_the_pattern_stays_on_a_small_person(self, kind):
        """At 1.55 cm a pixel (170 cm on 110 pixels) most patterns still vary, and plain cloth does not."""
        by = round(256 / CLOTH_CM * 1.55)
        deviations = [
            shrunk(fabric(seed, kind)[: 256 // by * by, : 256 // by * by], by).std((0, 1)).max() for seed in SEEDS
        ]
        if kind in ("plain", "logo", "words"):
            assert max(deviations) < 6
        else:
            assert np.median(deviations) > 12


def test_kinds_differ():
    """Stripes vary along one axis, checks along both, and no two kinds are the same picture."""
    for seed in SEEDS:
        cloths = {kind: fabric(seed, kind, 64) for kind in KINDS}
        assert len({cloth.tobytes() for cloth in cloths.values()}) == len(KINDS)

    def spread(kind: str, axis: int) -> list[float]:
        return [fabric(seed, kind, 128).astype(float).mean(axis).std(0).max() for seed in SEEDS]

    one_way = [min(pair) < 4 < max(pair) for pair in zip(spread("stripes", 0), spread("stripes", 1), strict=True)]
    both = [min(pair) > 4 for pair in zip(spread("checks", 0), spread("checks", 1), strict=True)]
    assert np.mean(one_way) > 0.5 and np.mean(both) > 0.5


@pytest.mark.parametrize("kind", ["stripes", "checks", "dots", "flowers"])
def test_no_pattern_is_plain(kind):
    for seed in range(100):
        lab = oklab(fabric(seed, kind, 64)).reshape(-1, 3)
        assert np.linalg.norm(lab - lab.mean(0), axis=1).max() > 0.1, f"seed {seed}"


def test_the_kind_is_drawn():
    drawn = [draw_kind(seed) for seed in range(400)]
    assert set(drawn) == set(KINDS) and drawn.count("plain") < 200
    assert np.array_equal(fabric(5, size=64), fabric(5, draw_kind(5), 64))


def test_wrong_cloth():
    with pytest.raises(ValueError, match="no cloth called 'paisley'; take one of plain, stripes"):
        fabric(0, "paisley")
    with pytest.raises(ValueError, match="8 pixels"):
        fabric(0, "plain", 4)


@pytest.mark.parametrize("kind", ["logo", "words"])
class TestDecal:
    @pytest.mark.parametrize("cloth", [(250, 250, 250), (15, 15, 20), (118, 118, 118), (200, 30, 40), (40, 70, 120)])
    def test_it_stands_out(self, kind, cloth):
        for seed in SEEDS:
            printed = decal(seed, kind, np.array(cloth))
            assert printed.shape == (*DECAL_SIZE, 4) and printed.dtype == np.uint8
            assert np.array_equal(printed, decal(seed, kind, np.array(cloth)))
            covered = printed[..., 3] == 255
            assert 0.03 < covered.mean() < 0.97, f"seed {seed}"
            ratios = contrast(printed[covered][:, :3], np.array(cloth))
            assert (ratios > LEAST_CONTRAST - 0.05).mean() > 0.3, f"seed {seed}"

    def test_seeds_and_splits_differ(self, kind):
        prints = {decal(seed, kind, np.array([230, 230, 230])).tobytes() for seed in range(20)}
        assert len(prints) == 20

    def test_smooth_edges_keep_the_ink(self, kind):
        """No dark rim: on black cloth, pixels that are half or wholly clear are as light as the inks."""
        for seed in SEEDS:
            printed = decal(seed, kind, np.array([0, 0, 0]))
            full = luminance(printed[printed[..., 3] == 255][:, :3])
            edge = luminance(printed[(printed[..., 3] == 0) | (printed[..., 3] > 60)][:, :3])
            assert edge.min() > 0.9 * full.min()


def test_words_differ_by_split():
    grey = np.array([230, 230, 230])
    assert all(not np.array_equal(decal(s, "words", grey), decal(s, "words", grey, "test")) for s in SEEDS)


def test_splits_share_no_word():
    words = {}
    for split in ("train", "test"):
        generator = np.random.default_rng(7)
        words[split] = {draw_word(generator, split) for _ in range(800)}
        assert all(split_of(word) == split_of(word.upper()) == split for word in words[split])
        assert len(words[split]) > 100 and all(2 <= len(word) <= 9 for word in words[split])
    assert not words["train"] & words["test"]
    # By their letters, so the same on every machine.
    assert split_of("summer") == "train" and split_of("VIOLET") == "test"
    assert 0.1 < len(vocabulary("test")) / len(vocabulary("train") + vocabulary("test")) < 0.3


def test_wrong_decal():
    with pytest.raises(ValueError, match="'logo' or 'words', not 'stripes'"):
        decal(0, "stripes", np.zeros(3))
    with pytest.raises(ValueError, match="not 'validation'"):
        decal(0, "logo", np.zeros(3), "validation")


class TestBackground:
    @pytest.mark.parametrize("size", [(128, 96), (96, 128), (8, 8), (512, 384), (33, 250)])
    def test_same_seed_same_picture(self, size):
        for seed in SEEDS:
            picture = background(seed, size)
            assert picture.shape == (*size, 3) and picture.dtype == np.uint8
            assert np.array_equal(picture, background(seed, size))

    def test_scenes_are_many_and_soft(self):
        pictures = [background(seed, (128, 96)).astype(float) for seed in range(60)]
        assert len({picture.tobytes() for picture in pictures}) == 60
        steps = [np.abs(np.diff(shrunk(picture, 2), axis=1)).mean() for picture in pictures]
        assert max(steps) < 8 and np.median(steps) < 3
        assert sum(SCENES.values()) == pytest.approx(1) and SCENES["studio"] == pytest.approx(0.55)

    def test_too_small(self):
        with pytest.raises(ValueError, match="4 × 9 were asked for"):
            background(0, (9, 4))
