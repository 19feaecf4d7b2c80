"""Which rows are ∅, and which part of the picture they show: areas, masks, guiders, conditioning of our own."""

import comfy.samplers
import comfy_extras.nodes_perpneg as perpneg
import pytest
import torch
from mannequin.model_patches.comfy_pose import apply_pose
from mannequin.model_patches.comfy_run import Run
from mannequin.model_patches.comfy_small_sd import build_truepose
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.place import Place
from mannequin.model_patches.scope import Scope
from mannequin.nodes.conditioning import MannequinConditioning
from other_nodes import SIDE, by_guider, from_node, plainly, words
from small import difference, model, patched, source

KINDS = ["hpfa", "hpfa, residual", "caa", "reference", "mfca", "pose"]
WHOLE = torch.ones(1, 8 * SIDE, 8 * SIDE)


@pytest.fixture(scope="module")
def base():
    with torch.inference_mode():
        yield model()


def mine(patcher, kind: str, **scope):
    if kind == "pose":
        pose = torch.rand(1, 3, 8 * SIDE, 8 * SIDE, generator=torch.Generator().manual_seed(0))
        return apply_pose(patcher, build_truepose(patcher, 32, seed=1), pose, Scope(**scope))
    return patched(patcher, kind, scope=Scope(**scope), net=source(patcher, height=SIDE, width=SIDE))


AREAS = {
    "area": {"area": (SIDE, SIDE, 0, 0), "strength": 1.0},
    "percentage": {"area": ("percentage", 1.0, 1.0, 0, 0), "strength": 1.0},
    "mask bounds": {"mask": WHOLE, "mask_strength": 1.0, "set_area_to_bounds": True},
    "mask": {"mask": WHOLE, "mask_strength": 1.0},
}


@pytest.mark.parametrize("side", ["positive", "negative"])
@pytest.mark.parametrize("name", AREAS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_area_over_the_whole_picture_is_no_area(base, kind, name, side):
    wearing = mine(base, kind)
    positive = words(**(AREAS[name] if side == "positive" else {}))
    negative = words(seed=4, **(AREAS[name] if side == "negative" else {}))
    expected = plainly(wearing)
    assert difference(plainly(wearing, positive, negative), expected) < 1e-5 * float(expected.std())


def test_background_and_area_are_both_conditional_and_their_opposite_null(base, monkeypatch):
    """The host copies the area's cond, uuid and all, to the negative's list."""
    seen = set()
    rows = Run.rows

    def spy(run, extra, batch):
        chunks = rows(run, extra, batch)
        seen.update(zip(extra["cond_or_uncond"], (chunk.part.null for chunk in chunks), strict=True))
        return chunks

    monkeypatch.setattr(Run, "rows", spy)
    patch = words(seed=6, area=(SIDE // 2, SIDE, 0, 0), strength=1.0)
    plainly(mine(base, "hpfa"), [*words(), *patch])
    assert seen == {(0, False), (1, True)}


def copied_once_more(patcher):
    """A pack that copies every cond on its way, as the host's context windows do."""

    def calculate(arguments):
        conds = [None if entries is None else [dict(cond) for cond in entries] for entries in arguments["conds"]]
        return comfy.samplers.calc_cond_batch(
            arguments["model"], conds, arguments["input"], arguments["sigma"], arguments["model_options"]
        )

    patcher = patcher.clone()
    patcher.set_model_sampler_calc_cond_batch_function(calculate)
    return patcher


@pytest.mark.parametrize("kind", KINDS)
def test_copied_conds_are_what_they_were(base, kind):
    patch = words(seed=6, area=(SIDE // 2, SIDE, 0, 0), strength=1.0)
    wearing = mine(base, kind)
    for positive in (words(), [*words(), *patch]):
        assert difference(plainly(copied_once_more(wearing), positive), plainly(wearing, positive)) == 0.0


@pytest.mark.parametrize("batch", [1, 2])
def test_rows_that_nobody_can_tell_apart_are_named(base, batch):
    """One evaluation a conditioning, under labels of both."""

    def one_by_one(apply, arguments):
        x, t, c = arguments["input"], arguments["timestep"], arguments["c"]
        size = len(x) // len(arguments["cond_or_uncond"])
        parts = [slice(start, start + size) for start in range(0, len(x), size)]
        return torch.cat([apply(x[p], t[p], **(c | {"c_crossattn": c["c_crossattn"][p]})) for p in parts])

    wearing = mine(base, "hpfa")
    wearing.set_model_unet_function_wrapper(one_by_one)
    with pytest.raises(PatchError, match=f"A batch of {batch} images arrived for 2 conditionings"):
        plainly(wearing, batch=batch)


LEFT = {"area": (SIDE, SIDE // 2, 0, 0), "strength": 1.0}


def half(right: bool) -> torch.Tensor:
    mask = torch.zeros(1, 8 * SIDE, 8 * SIDE)
    mask[..., 4 * SIDE :] = float(right)
    mask[..., : 4 * SIDE] = float(not right)
    return mask


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_outside_the_area_has_no_effect(base, kind):
    positive, negative = words(**LEFT), words(seed=4, **LEFT)
    off = plainly(base, positive, negative)
    assert difference(plainly(mine(base, kind, mask=half(right=True)), positive, negative), off) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_that_is_the_area_is_everywhere_in_it(base, kind):
    positive, negative = words(**LEFT), words(seed=4, **LEFT)
    within = plainly(mine(base, kind, mask=half(right=False)), positive, negative)
    everywhere = plainly(mine(base, kind), positive, negative)
    assert difference(within, everywhere) < 1e-5 * float(everywhere.std())


def test_an_area_shows_its_part_of_the_pose():
    base, patches = model(), []
    weights = build_truepose(base, 32, seed=1)
    posed = apply_pose(base, weights, torch.rand(1, 3, 8 * SIDE, 8 * SIDE), Scope())
    patch = posed.model_options["transformer_options"]["patches"]["input_block_patch"][-1]
    original = type(patch).__call__

    def spy(self, h, extra):
        result = original(self, h, extra)
        if extra["block"] == ("input", 0):
            patches.append(result - h)
        return result

    with pytest.MonkeyPatch.context() as context:
        context.setattr(type(patch), "__call__", spy)
        plainly(posed, cfg=1.0)
        plainly(posed, words(area=(SIDE // 2, SIDE // 4, SIDE // 4, SIDE // 2), strength=1.0), cfg=1.0)
    whole, part = patches
    place = Place((SIDE, SIDE), SIDE // 4, SIDE // 2, (SIDE // 2, SIDE // 4))
    assert difference(part, place.cut(whole)) < 1e-5


@pytest.mark.parametrize("kind, what", [("hpfa", "region"), ("pose", "the pose picture")])
def test_tiles_of_unknown_place_are_named(base, kind, what):
    """A wrapper that evaluates the picture in halves, as tiled diffusion does."""

    def in_halves(apply, arguments):
        x, t, c = arguments["input"], arguments["timestep"], arguments["c"]
        return torch.cat([apply(part, t, **c) for part in x.chunk(2, dim=-1)], dim=-1)

    wearing = mine(base, kind, mask=half(right=True) if kind == "hpfa" else None)
    wearing.set_model_unet_function_wrapper(in_halves)
    with pytest.raises(PatchError, match=f"cuts the picture into tiles.*{what} cannot be placed"):
        plainly(wearing)
    if kind == "hpfa":
        unplaced = mine(base, kind)
        unplaced.set_model_unet_function_wrapper(in_halves)
        assert torch.isfinite(plainly(unplaced)).all(), "without a region nothing has to be placed"


def test_tiles_in_one_batch_keep_their_rows(base):
    """All chunks of the first tile, then all of the second: each row is what it was."""

    def as_batch(apply, arguments):
        x, t, c = arguments["input"], arguments["timestep"], arguments["c"]
        halves = [apply(part, t, **c) for part in x.chunk(2, dim=-1)]
        return torch.cat(halves, dim=-1)

    def together(apply, arguments):
        x, t, c = arguments["input"], arguments["timestep"], dict(arguments["c"])
        c["c_crossattn"] = c["c_crossattn"].repeat(2, 1, 1)
        both = apply(torch.cat(x.chunk(2, dim=-1)), t.repeat(2), **c)
        return torch.cat(both.chunk(2), dim=-1)

    results = []
    for wrapper in (as_batch, together):
        wearing = mine(base, "hpfa")
        wearing.set_model_unet_function_wrapper(wrapper)
        results.append(plainly(wearing))
    assert difference(*results) < 1e-4 * float(results[0].std())


# ∅ by name, by mark, by the host's word


class Renamed(comfy.samplers.CFGGuider):
    """A guider that calls its conds by other names."""

    names = ("cond", "uncond")

    def set_conds(self, positive, negative):
        self.inner_set_conds(dict(zip(self.names, (positive, negative), strict=True)))

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        positive, negative = (self.conds[name] for name in self.names)
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, negative, positive, self.cfg, model_options=model_options, seed=seed
        )


def guided(kind: type, patcher, positive, negative, names: tuple[str, str] | None = None) -> torch.Tensor:
    guider = kind(patcher)
    if names:
        guider.names = names
    guider.set_conds(positive, negative)
    guider.set_cfg(3.5)
    return by_guider(guider)


@pytest.mark.parametrize("names", [("cond", "uncond"), ("positive", "empty_prompt"), ("a", "null")], ids=str)
def test_guiders_call_conds_as_they_like(base, names):
    wearing = mine(base, "hpfa")
    expected = guided(comfy.samplers.CFGGuider, wearing, words(), words(seed=4))
    assert difference(guided(Renamed, wearing, words(), words(seed=4), names), expected) == 0.0


def test_a_mark_says_it_whatever_the_name(base):
    wearing = mine(base, "hpfa")
    positive, negative = MannequinConditioning.execute(model=base).result
    expected = guided(comfy.samplers.CFGGuider, wearing, positive, negative)
    assert difference(guided(Renamed, wearing, positive, negative, ("first", "second")), expected) == 0.0


@pytest.mark.parametrize("kind", ["hpfa", "caa", "reference", "mfca"])
def test_perp_neg_without_its_negative_is_cfg_with_the_empty_prompt(base, kind):
    wearing = mine(base, kind)
    empty = words(seed=9)
    guider = perpneg.Guider_PerpNeg(wearing)
    guider.set_conds(words(), words(seed=4), empty)
    guider.set_cfg(3.5, 0.0)
    expected = guided(comfy.samplers.CFGGuider, wearing, words(), empty)
    assert difference(by_guider(guider), expected) < 1e-5 * float(expected.std())


def test_the_old_perp_neg_node_too(base):
    wearing = mine(base, "hpfa")
    empty = words(seed=9)
    old = from_node(perpneg.PerpNeg, empty, 0.0)(wearing)
    expected = guided(comfy.samplers.CFGGuider, wearing, words(), empty)
    assert difference(plainly(old, negative=words(seed=4)), expected) < 1e-5 * float(expected.std())


def test_perp_neg_on_conditioning_without_text_has_a_picture(base):
    positive, negative = MannequinConditioning.execute(model=base).result
    guider = perpneg.Guider_PerpNeg(mine(base, "hpfa"))
    guider.set_conds(positive, negative, negative)
    guider.set_cfg(3.5, 1.0)
    assert torch.isfinite(by_guider(guider)).all()


def test_zeroed_out_positive_is_null_as_a_negative(base):
    """Conditioning Zero Out keeps every entry of the positive's dictionary."""
    from nodes import ConditioningZeroOut

    wearing = mine(base, "hpfa")
    positive, negative = MannequinConditioning.execute(model=base).result
    zeroed = ConditioningZeroOut().zero_out(positive)[0]
    assert difference(plainly(wearing, positive, zeroed), plainly(wearing, positive, negative)) == 0.0


# spans


@pytest.mark.parametrize("kind", ["hpfa", "pose"])
def test_a_schedule_patched_behind_ours_moves_the_span(base, kind):
    """Shares of the schedule are those of the schedule that is sampled."""
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    def shifted(patcher):
        return from_node(ModelSamplingDiscrete, "v_prediction", True)(patcher)

    def run(patcher):
        return plainly(patcher, steps=4, scheduler="simple")

    scope = {"start": 0.3, "end": 0.6}
    before, behind = run(mine(shifted(base), kind, **scope)), run(shifted(mine(base, kind, **scope)))
    assert difference(before, behind) == 0.0
    assert difference(behind, run(shifted(mine(base, kind)))) > 1e-4 * float(before.std())
