"""Ours × theirs × SD1.5 and SDXL: theirs is felt, ours is felt, nothing crashes, strength 0 is off."""

import pytest
import torch
from mannequin.model_patches.attention.cva import AFTER_LAYERS, PUBLISHED_TILES
from mannequin.model_patches.comfy_cva import apply_cva
from mannequin.model_patches.comfy_pose import apply_pose
from mannequin.model_patches.comfy_small_sd import build_truepose
from mannequin.model_patches.scope import Scope
from other_nodes import NOT_FELT, OTHERS, SIDE, Other
from small import DEFAULT, cva_modules, difference, model, patched, source

LAYOUTS = ["sd15", "sdxl"]
KINDS = ["hpfa", "hpfa, residual", "caa", "reference", "mfca", "pose", "cva"]
OFF = Scope(strength=0.0)
#: Of a latent whose standard deviation is 1; an untrained network's is far larger.
FELT = 1e-4


def worn(patcher, kind: str, scope: Scope = DEFAULT):
    """Ours on a MODEL. The source is read by a MODEL of its own: it is the same whatever the target wears."""
    if kind == "pose":
        weights = build_truepose(patcher, 32, seed=1)
        pose = torch.rand(1, 3, 40, 24, generator=torch.Generator().manual_seed(0))
        return apply_pose(patcher, weights, pose, scope)
    if kind == "cva":
        return apply_cva(patcher, cva_modules(patcher), AFTER_LAYERS, "all", PUBLISHED_TILES, scope)
    return patched(patcher, kind, scope=scope, net=source(patcher, height=SIDE, width=SIDE))


class Results:
    """Pictures of a layout, each made once."""

    def __init__(self, layout: str):
        self.base = model(layout)
        self.made: dict[tuple, torch.Tensor] = {}

    def of(self, name: str | None, kind: str | None, order: str = "ours last", scope: Scope = DEFAULT) -> torch.Tensor:
        key = (name, kind, order, scope)
        if key not in self.made:
            other = OTHERS[name] if name else Other()
            patcher = other.wear(self.base) if order == "ours last" else self.base
            patcher = worn(patcher, kind, scope) if kind else patcher
            patcher = other.wear(patcher) if order == "ours first" else patcher
            self.made[key] = other.run(patcher)
        return self.made[key]


@pytest.fixture(scope="module", params=LAYOUTS)
def results(request):
    with torch.inference_mode():
        yield request.param, Results(request.param)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference in standard deviations; pictures of different sizes are different."""
    return float("inf") if a.shape != b.shape else difference(a, b) / float(b.std())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OTHERS)
def test_both_are_felt(results, name, kind):
    layout, made = results
    both = made.of(name, kind)
    assert torch.isfinite(both).all()
    assert apart(both, made.of(name, None)) > FELT, "ours is not felt"
    if (layout, name) not in NOT_FELT:
        assert apart(both, made.of(None, kind)) > FELT, f"{name} is not felt"
    assert difference(made.of(name, kind, scope=OFF), made.of(name, None)) == 0.0
    assert difference(made.of(name, kind, order="ours first"), both) == 0.0, "the order in the graph counts"
