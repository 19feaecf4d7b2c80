"""Every loss against its formula, and the schedules against the numbers the papers' code has."""

import numpy as np
import pytest
import torch

from training.draws import Draws, order
from training.objectives import (
    Schedule,
    dropped,
    guided,
    masked_squared_error,
    min_snr_weights,
    noised,
    offset_noise,
    squared_error,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def alphas(betas: str, zero_snr: bool) -> np.ndarray:
    """ᾱ by its definition; at zero terminal SNR √ᾱ is shifted to end at 0 and scaled to begin as before."""
    ends = 0.00085, 0.012
    steps = np.linspace(*ends, 1000) if betas == "linear" else np.linspace(ends[0] ** 0.5, ends[1] ** 0.5, 1000) ** 2
    product = np.cumprod(1 - steps)
    if not zero_snr:
        return product
    root = np.sqrt(product)
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


@pytest.mark.parametrize("betas", ["linear", "scaled_linear"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_schedules(betas, zero_snr):
    prediction = "v_prediction" if zero_snr else "epsilon"
    scheduler = Schedule(betas, prediction, zero_snr).scheduler()
    assert scheduler.alphas_cumprod.numpy() == pytest.approx(alphas(betas, zero_snr), abs=1e-5)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noise_and_what_the_network_should_say(prediction):
    clean, noise, steps = random(3, 4, 5, 6), random(3, 4, 5, 6, seed=1), torch.tensor([0, 500, 999])
    scheduler = Schedule("scaled_linear", prediction).scheduler()
    a = torch.from_numpy(alphas("scaled_linear", False)).float()[steps].view(-1, 1, 1, 1)
    noisy, truth = noised(scheduler, clean, noise, steps)
    assert torch.allclose(noisy, a.sqrt() * clean + (1 - a).sqrt() * noise, atol=1e-5)
    expected = noise if prediction == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * clean
    assert torch.allclose(truth, expected, atol=1e-5)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr(prediction):
    scheduler = Schedule("linear", prediction, zero_snr=prediction == "v_prediction").scheduler()
    steps = torch.tensor([0, 300, 700, 999])
    a = scheduler.alphas_cumprod[steps]
    snr = a / (1 - a)
    expected = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1 if prediction == "v_prediction" else snr)
    assert torch.allclose(min_snr_weights(scheduler, steps, 5.0), expected)


def test_errors_inside_and_everywhere():
    prediction, target = random(2, 4, 3, 3), random(2, 4, 3, 3, seed=1)
    everywhere = ((prediction - target) ** 2).mean((1, 2, 3))
    assert torch.allclose(squared_error(prediction, target), everywhere)
    assert torch.allclose(masked_squared_error(prediction, target, torch.ones(2, 3, 3)), everywhere)
    mask = torch.zeros(2, 3, 3)
    mask[0, 1, 2] = 1
    inside = masked_squared_error(prediction, target, mask)
    assert inside[0] == pytest.approx(float(((prediction - target)[0, :, 1, 2] ** 2).mean()))
    assert inside[1] == 0


def test_offsets_guidance_and_dropout():
    noise, offsets = random(2, 4, 3, 3), random(2, 4, seed=1)
    assert torch.allclose(offset_noise(noise, offsets, 0.05), noise + 0.05 * offsets.view(2, 4, 1, 1))
    null, conditional = random(2, 3), random(2, 3, seed=1)
    assert torch.allclose(guided(null, conditional, 3.5), null + 3.5 * (conditional - null), atol=1e-5)
    assert dropped(torch.tensor([0.0, 0.29, 0.3, 0.9]), 0.3).tolist() == [True, True, False, False]


def test_a_sample_draws_the_same_whoever_reads_it():
    together = Draws(1, [4, 5, 6], step=2)
    apart = [Draws(1, [number], step=2) for number in (4, 5, 6)]
    assert torch.equal(together.normal(2, 3), torch.cat([draws.normal(2, 3) for draws in apart]))
    assert torch.equal(together.uniform(), torch.cat([draws.uniform() for draws in apart]))
    assert len({draws.shared_uniform() for draws in (together, *apart)}) == 1
    assert not torch.equal(Draws(1, [4], 2).normal(3), Draws(2, [4], 2).normal(3))
    assert not torch.equal(Draws(1, [4], 2).normal(3), Draws(1, [5], 2).normal(3))


def test_every_epoch_takes_every_pair_once_in_its_own_order():
    first, second = order(0, 0, 50), order(0, 1, 50)
    assert sorted(first) == sorted(second) == list(range(50)) and list(first) != list(second)


def test_noise_is_not_predicted_where_there_is_nothing_else():
    with pytest.raises(ValueError, match="zero_snr needs v_prediction"):
        Schedule(zero_snr=True)
