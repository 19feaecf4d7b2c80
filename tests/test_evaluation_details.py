"""What the source shows of a target, and figures of colours, patterns and sharpness, on pictures made for them."""

import numpy as np
import pytest

from preprocessors.labels import LIP_20
from training.data.records import Record
from training.errors import TrainingError
from training.evaluation.detail_metrics import GarmentMeans, GarmentPattern, Sharpness
from training.evaluation.predictors import Oracle
from training.evaluation.seen import seen_in_source

TOP, TROUSERS, SHOE = (LIP_20.index(name) for name in ("Upper-clothes", "Pants", "Left-shoe"))
SIDE = 12


def record(image: np.ndarray, labels: np.ndarray, part: np.ndarray | int = 2, shift: int = 0) -> Record:
    """U runs along the columns and V along the rows, sixteen a pixel; ``shift`` moves the surface by columns."""
    rows, columns = np.indices(labels.shape)
    iuv = np.stack([np.where(labels > 0, part, 0), (columns + shift) * 16, rows * 16], -1).astype(np.uint8)
    return Record("name", "someone", "worn", image.astype(np.uint8), {"iuv": iuv, "parsing": labels.astype(np.uint8)})


def noise(seed: int = 0) -> np.ndarray:
    return np.repeat(np.random.default_rng(seed).integers(20, 236, (SIDE, SIDE, 1)), 3, -1)


def everywhere(label: int) -> np.ndarray:
    return np.full((SIDE, SIDE), label)


class TestSeen:
    def test_a_pixel_is_found_where_the_source_shows_the_same_place(self):
        image = noise()
        seen = seen_in_source(record(image, everywhere(TOP)), record(noise(1), everywhere(TOP), shift=3))
        # The target's last three columns would be the source's thirteenth and on.
        assert seen.mask[:, :9].all() and not seen.mask[:, 9:].any()
        assert np.array_equal(seen.warped[:, :9], image[:, 3:])
        assert not seen.warped[:, 9:].any()

    def test_another_part_or_another_garment_is_another_place(self):
        target = record(noise(1), everywhere(TOP))
        for other in (record(noise(), everywhere(TOP), part=3), record(noise(), everywhere(TROUSERS))):
            assert not seen_in_source(other, target).mask.any()

    def test_beside_the_body_nothing_is_seen(self):
        labels = everywhere(TOP)
        labels[:, :4] = 0
        seen = seen_in_source(record(noise(), labels), record(noise(1), labels))
        assert np.array_equal(seen.mask, labels > 0)

    def test_without_densepose_it_says_what_to_do(self):
        bare = Record("bare", "s", "w", noise().astype(np.uint8), {"parsing": everywhere(TOP).astype(np.uint8)})
        with pytest.raises(TrainingError, match="'bare' has no 'iuv'.*--steps parsing,iuv"):
            seen_in_source(record(noise(), everywhere(TOP)), bare)


def test_the_oracle_copies_what_is_seen_and_paints_the_rest():
    image = noise()
    source, target = record(image, everywhere(TOP)), record(noise(1), everywhere(TOP), shift=3)
    (made,) = Oracle().predict([(source, target)])
    assert np.array_equal(made[:, :9], image[:, 3:])
    assert np.array_equal(made[:, 9:], np.broadcast_to(image.mean((0, 1)).round(), (SIDE, 3, 3)))


class TestGarmentMeans:
    def of(self, target: Record, made: np.ndarray) -> float:
        (found,) = GarmentMeans().measure([(target, target)], [made.astype(np.uint8)])
        return found["garment_mean"]

    def test_a_pattern_with_the_garments_mean_colour_has_no_error(self):
        """Black and white against the grey whose lightness is half."""
        board = np.where(np.indices((SIDE, SIDE)).sum(0) % 2, 255, 0)[..., None].repeat(3, -1)
        grey = np.full((SIDE, SIDE, 3), 119)
        assert self.of(record(board, everywhere(TOP)), grey) < 0.5
        assert self.of(record(board, everywhere(TOP)), np.full_like(grey, 20)) > 20

    def test_every_garment_counts_alike_and_skin_does_not(self):
        labels = everywhere(TOP)
        labels[:2], labels[-3:] = SHOE, LIP_20.index("Face")
        truth = np.full((SIDE, SIDE, 3), 128)
        wrong = truth.copy()
        wrong[labels != TOP] = 0
        alone = truth.copy()
        alone[labels == SHOE] = 0
        target = record(truth, labels)
        assert self.of(target, wrong) == pytest.approx(self.of(target, alone))
        shoe = record(truth[:2], labels[:2])
        assert self.of(target, wrong) == pytest.approx(self.of(shoe, wrong[:2]) / 2)


class TestPattern:
    def of(self, source: Record, target: Record, made: np.ndarray) -> float:
        (found,) = GarmentPattern().measure([(source, target)], [made.astype(np.uint8)])
        return found["garment_pattern"]

    def test_the_sources_pattern_in_its_place_is_one_its_negative_minus_one(self):
        source, target = record(noise(), everywhere(TOP)), record(noise(1), everywhere(TOP), shift=3)
        (made,) = Oracle().predict([(source, target)])
        assert self.of(source, target, made) == pytest.approx(1.0)
        assert self.of(source, target, 255 - made) == pytest.approx(-1, abs=0.05)
        assert abs(self.of(source, target, noise(2))) < 0.3

    def test_colour_and_contrast_do_not_count(self):
        source = record(noise(), everywhere(TOP))
        assert self.of(source, source, noise() * 0.4 + 60) > 0.98

    def test_a_flat_result_has_nothing_and_plain_cloth_does_not_count(self):
        source = record(noise(), everywhere(TOP))
        flat = np.full((SIDE, SIDE, 3), 90)
        assert self.of(source, source, flat) == 0.0
        assert np.isnan(self.of(record(flat, everywhere(TOP)), source, noise()))


class TestSharpness:
    def of(self, target: Record, made: np.ndarray) -> float:
        (found,) = Sharpness().measure([(target, target)], [made.astype(np.uint8)])
        return found["sharpness"]

    def test_half_the_contrast_is_half_as_sharp_and_a_flat_picture_not_at_all(self):
        image = noise() // 2 * 2
        target = record(image, everywhere(TOP))
        assert self.of(target, image) == 1.0
        assert self.of(target, image // 2) == pytest.approx(0.5)
        assert self.of(target, np.full_like(image, 100)) == 0.0

    def test_the_outline_and_the_background_do_not_count(self):
        labels = np.zeros((SIDE, SIDE), int)
        labels[3:9, 3:9] = TOP
        image = noise()
        other = np.where(np.pad(np.ones((4, 4), bool), 4)[..., None], image, noise(3))
        assert self.of(record(image, labels), other) == 1.0
