"""Muon: directions are orthogonal, steps are as large as said, convolutions are matrices."""

import pytest
import torch
from torch import nn

from training.muon import ADAMW_RMS, Muon, orthogonalised
from training.optimisers import optimisers
from training.recipe import Optimiser

pytestmark = pytest.mark.usefixtures("with_gradients")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 40), (2, 40, 8)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    matrices = random(*shape)
    made = orthogonalised(matrices)
    u, values, v = torch.linalg.svd(made, full_matrices=False)
    assert 0.6 < float(values.min()) and float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    assert float((made * (u @ v)).sum((1, 2)).min()) > 0.85 * min(shape[1:])


def test_a_step_is_torchs_own():
    """To what bfloat16, in which torch computes, tells."""
    ours, theirs = (nn.Parameter(random(24, 24)) for _ in range(2))
    mine = Muon([ours], 0.01, weight_decay=0.1)
    other = torch.optim.Muon([theirs], 0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    begun = ours.detach().clone()
    for step in range(3):
        ours.grad, theirs.grad = random(24, 24, seed=step + 1), random(24, 24, seed=step + 1)
        mine.step()
        other.step()
    moved = (ours - begun).detach()
    assert float((ours - theirs).detach().abs().max()) < 0.05 * float(moved.abs().max())


def test_a_first_step_is_as_large_as_adamws_would_be():
    weight = nn.Parameter(torch.zeros(32, 64))
    weight.grad = random(32, 64)
    Muon([weight], 0.01).step()
    # 32 singular values of about one: 0.2 · √64 · √32 / √(32 · 64) = 0.2.
    assert float(weight.detach().square().mean().sqrt()) == pytest.approx(0.01 * ADAMW_RMS, rel=0.15)


def test_a_convolution_is_the_matrix_of_its_output_channels():
    kernel, matrix = nn.Parameter(torch.zeros(4, 2, 3, 3)), nn.Parameter(torch.zeros(4, 18))
    gradient = random(4, 18)
    kernel.grad, matrix.grad = gradient.view(4, 2, 3, 3).clone(), gradient.clone()
    for weight in (kernel, matrix):
        Muon([weight], 0.1).step()
    assert torch.equal(kernel.detach().flatten(1), matrix.detach())


def test_it_goes_on_from_its_state():
    def weight():
        return nn.Parameter(random(8, 8))

    whole, first = weight(), weight()
    steady, before = Muon([whole], 0.01), Muon([first], 0.01)
    for step in range(4):
        whole.grad = random(8, 8, seed=step)
        steady.step()
        if step == 2:
            after = Muon([first], 0.01)
            after.load_state_dict(before.state_dict())
            before = after
        first.grad = random(8, 8, seed=step)
        before.step()
    assert torch.equal(whole.detach(), first.detach())


def test_who_changes_which_weight():
    network = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3), nn.Conv2d(64, 4, 3), nn.Linear(64, 32))
    weights = list(network.parameters())
    (alone,) = optimisers(weights, Optimiser())
    assert isinstance(alone, torch.optim.AdamW) and len(alone.param_groups[0]["params"]) == len(weights)
    adam, muon = optimisers(weights, Optimiser(muon=True))
    theirs = muon.param_groups[0]["params"]
    # The first kernel has 27 columns, the third four rows.
    assert [id(weight) for weight in theirs] == [id(network[1].weight), id(network[3].weight)]
    assert len(adam.param_groups[0]["params"]) + len(theirs) == len(weights)
