"""Figures of the evaluation: the published code's, the formulas', and what they must be by reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devtools import parity
from preprocessors.labels import LIP_20
from training.evaluation.bootstrap import confidence_interval
from training.evaluation.garment_colour import garment_colour_error
from training.evaluation.image_metrics import frechet_distance, l1, psnr, relative_l1, ssim, ssim_256
from training.evaluation.protocols import PROTOCOLS


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_parity_with_the_published_code(golden, capsys):
    assert parity.main([str(golden("metrics.safetensors"))]) == 0
    assert '"kind": "metrics"' in capsys.readouterr().out


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_the_true_picture_is_perfect(protocol):
    picture = noise(60, 52, 3)
    assert ssim(picture, picture) == pytest.approx(1) and ssim_256(picture, picture, protocol) == pytest.approx(1)
    with np.errstate(divide="ignore"):
        assert psnr(picture, picture) == np.inf
    assert l1(picture, picture) == relative_l1(picture, picture) == 0


def test_the_families_are_not_comparable():
    ramp = np.linspace(60, 200, 64)[:, None, None]
    truth = np.broadcast_to(ramp, (64, 64, 3)).astype(np.uint8)
    made = np.clip(truth.astype(int) + noise(64, 64, 3) // 8 - 16, 0, 255).astype(np.uint8)
    assert abs(ssim_256(truth, made, PROTOCOLS["cfld"]) - ssim_256(truth, made, PROTOCOLS["pidm"])) > 0.01


@given(offset=st.integers(1, 100))
@settings(max_examples=10, deadline=None)
def test_psnr_and_l1_are_their_formulas(offset):
    truth = np.full((51, 51, 3), 100, np.uint8)
    made = truth + np.uint8(offset)
    assert psnr(truth, made) == pytest.approx(-20 * np.log10(offset / 255), abs=1e-3)
    assert l1(truth, made) == pytest.approx(offset / 255, rel=1e-5)
    assert relative_l1(truth, made) == pytest.approx(offset / (200 + offset), rel=1e-5)


def test_frechet_distance_of_gaussians():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20000, 3))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    # Means 2 apart, standard deviations 1 and 3: 4 + 3 · (1 + 9 − 2·3).
    apart = generator.normal(size=(20000, 3)) * 3 + np.array([2.0, 0, 0])
    assert frechet_distance(features, apart) == pytest.approx(16, rel=0.05)


def test_colours_are_measured_garment_by_garment():
    truth, labels = np.zeros((20, 10, 3), np.uint8), np.zeros((20, 10), np.uint8)
    labels[:10], labels[10:, :5] = LIP_20.index("Upper-clothes"), LIP_20.index("Face")
    made = truth.copy()
    made[:5] = 255
    assert garment_colour_error(truth, made, labels) == {"Upper-clothes": pytest.approx(50, abs=0.5)}
    assert garment_colour_error(truth, truth, labels) == {"Upper-clothes": 0.0}
    assert garment_colour_error(truth, made, np.zeros_like(labels)) == {}


class TestInterval:
    def test_it_covers_the_mean_as_often_as_it_says(self):
        generator = np.random.default_rng(1)
        hits = 0
        for seed in range(100):
            low, high = confidence_interval(generator.normal(5, 2, 80), resamples=300, seed=seed)
            hits += low <= 5 <= high
        assert 87 <= hits <= 100

    def test_the_same_seed_is_the_same_interval(self):
        values = noise(50).astype(float)
        assert confidence_interval(values) == confidence_interval(values)

    def test_nothing(self):
        with pytest.raises(ValueError, match="nothing to average"):
            confidence_interval(np.zeros(0))
