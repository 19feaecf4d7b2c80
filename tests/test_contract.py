"""The contract of CONTRIBUTING.md, held on the host's own sampler."""

import gc
import weakref
from types import SimpleNamespace

import comfy.model_management
import pytest
import torch
from mannequin.model_patches import comfy_run
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.comfy_evaluation import Conds, rows_of
from mannequin.model_patches.comfy_host import EVALUATION, RUN
from mannequin.model_patches.comfy_pose import apply_pose
from mannequin.model_patches.comfy_run import Run
from mannequin.model_patches.comfy_small_sd import build_truepose
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.conditions import CAACondition, HPFACondition
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.scope import Scope
from small import (
    DEFAULT,
    HEIGHT,
    WIDTH,
    body_mask,
    conditioning,
    conditions,
    difference,
    model,
    patched,
    random,
    sample,
    source,
)

KINDS = ["hpfa", "hpfa, paper", "hpfa, residual", "caa", "reference", "mfca"]
LAYOUTS = ["sd15", "sdxl"]


pytestmark = pytest.mark.usefixtures("cloning")


@pytest.fixture(scope="module", params=LAYOUTS)
def plain(request):
    return model(request.param)


# 1 – strength 0 is off


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "scope",
    [
        Scope(strength=0.0),
        Scope(mask=torch.zeros(1, 20, 30)),
        Scope(start=0.6, end=0.5),
        Scope(start=1.0),
    ],
    ids=["strength 0", "black region", "empty span", "span never reached"],
)
def test_off_is_exactly_the_unpatched_model(plain, kind, scope):
    assert difference(sample(patched(plain, kind, scope=scope)), sample(plain)) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_on_changes_the_prediction(plain, kind):
    assert difference(sample(patched(plain, kind)), sample(plain)) > 1e-2


def test_a_region_acts_where_it_is_white():
    base = model()
    region = torch.zeros(1, 8 * HEIGHT, 8 * WIDTH)
    region[:, : 4 * HEIGHT] = 1
    half = sample(patched(base, "hpfa, paper", scope=Scope(mask=region), sites="output 11"), steps=1, cfg=1.0)
    whole = sample(patched(base, "hpfa, paper", sites="output 11"), steps=1, cfg=1.0)
    none = sample(base, steps=1, cfg=1.0)
    # Convolutions after the site carry a little across the edge, and the last GroupNorm a little everywhere.
    assert difference(half[..., :2, :], whole[..., :2, :]) < difference(half[..., :2, :], none[..., :2, :]) / 3
    assert difference(half[..., -2:, :], none[..., -2:, :]) < difference(half[..., -2:, :], whole[..., -2:, :]) / 3


# 2 – queue it twice


@pytest.mark.parametrize(
    "kinds", [["hpfa"], ["caa"], ["reference"], ["mfca"], ["hpfa", "caa"], ["reference", "mfca"]], ids=", ".join
)
def test_twice_gives_the_same_bits_and_leaves_no_trace(plain, kinds):
    before = sample(plain)
    options = repr(plain.model_options)
    twice = patched(plain, *kinds)
    first, second = sample(twice), sample(twice)
    assert difference(first, second) == 0.0
    assert difference(first, sample(patched(plain, *kinds))) == 0.0, "and so does a graph built again"
    assert difference(sample(plain), before) == 0.0
    assert repr(plain.model_options) == options


def test_a_clone_of_a_patched_model_is_the_patched_model(plain):
    first = patched(plain, "hpfa", "caa")
    assert difference(sample(first), sample(first.clone().clone())) == 0.0


# 3 – it composes


class Spy:
    """Another pack's attention replacement, IPAdapter's kind: counts its calls and changes the result."""

    def __init__(self):
        self.calls = 0

    def __call__(self, q, k, v, extra):
        self.calls += 1
        return q * 0.5 + v.mean(1, keepdim=True)

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize("kind, attention", [("hpfa, residual", "attn1"), ("caa", "attn2"), ("mfca", "attn2")])
@pytest.mark.parametrize("key", [("input", 1), ("input", 1, 0)])
def test_what_was_installed_before_is_called(kind, attention, key):
    base = model()
    spy = Spy()
    theirs = base.clone()
    theirs.set_model_patch_replace(spy, attention, *key)
    both = patched(theirs, kind)
    result = sample(both, steps=2, cfg=3.5)
    assert spy.calls > 0
    assert difference(result, sample(theirs)) > 1e-3 and difference(result, sample(patched(base, kind))) > 1e-3


@pytest.mark.parametrize("kind", ["hpfa", "caa", "mfca"])
def test_every_registered_site_is_hit(plain, monkeypatch, kind):
    calls = []
    keys_values = Run.keys_values
    monkeypatch.setattr(Run, "keys_values", lambda self, *a: (calls.append(a[1]), keys_values(self, *a))[1])
    sample(patched(plain, kind), steps=1, cfg=1.0)
    sites = transformer_blocks(plain)
    assert set(calls) == set(sites) and len(calls) == len(sites)


def test_conditions_stack_and_each_counts(plain):
    net = source(plain)
    alone = sample(patched(plain, "hpfa", net=net))
    both = sample(patched(plain, "hpfa", "caa", net=net))
    three = sample(patched(plain, "hpfa", "caa", "reference", net=net))
    four = sample(patched(plain, "hpfa", "caa", "reference", "mfca", net=net))
    assert difference(alone, both) > 1e-3 and difference(both, three) > 1e-3 and difference(three, four) > 1e-3


def test_what_adds_to_cross_attention_does_not_depend_on_the_order():
    base = model()
    net = source(base)
    a, b = (sample(patched(base, *names, net=net)) for names in (("caa", "mfca"), ("mfca", "caa")))
    # Latents of an untrained model go into the hundreds; sums in another order round otherwise.
    assert difference(a, b) < 1e-2 and difference(a, sample(patched(base, "caa", net=net))) > 1


def test_a_lora_and_a_patch_do_not_depend_on_their_order():
    base = model()
    key = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_k.weight"
    delta = {key: ("diff", (random(32, 32, seed=8),))}
    net = source(base)
    lora_first = base.clone()
    lora_first.add_patches(delta, 0.5)
    lora_first = patched(lora_first, "hpfa", net=net)
    patch_first = patched(base, "hpfa", net=net)
    patch_first.add_patches(delta, 0.5)
    a, b = sample(lora_first), sample(patch_first)
    assert difference(a, b) == 0.0
    assert difference(a, sample(patched(base, "hpfa", net=net))) > 1e-4


def test_other_list_patches_still_run():
    base = model()
    calls = []

    def theirs(n, context, value, extra):
        calls.append(extra["block"])
        return n, context * 1.1, value

    other = base.clone()
    other.set_model_attn2_patch(theirs)
    result = sample(patched(other, "hpfa", "caa"), steps=1)
    assert calls and difference(result, sample(patched(base, "hpfa", "caa"), steps=1)) > 1e-4


def test_the_users_attention_kernel_is_used_everywhere():
    base = model()
    calls = []

    def override(function, *arguments, **options):
        calls.append(arguments[0].shape)
        return function(*arguments, **options)

    net = source(base)
    mine = patched(base, "hpfa", "caa", sites="output 9-11", net=net)
    expected = sample(mine, steps=1, cfg=1.0)
    mine.model_options["transformer_options"]["optimized_attention_override"] = override
    assert difference(sample(mine, steps=1, cfg=1.0), expected) == 0.0
    sites = len(transformer_blocks(base))
    # Source pass and step ask twice at every site (self, text). CAA's few tokens are no matter of kernels.
    assert len(calls) == 2 * sites + 2 * sites


# 4 – state lives in a run


def runs_of(monkeypatch) -> list:
    """Weak references to every run that is opened."""
    runs = []
    init = Run.__init__

    def spy(self, *arguments):
        runs.append(weakref.ref(self))
        init(self, *arguments)

    monkeypatch.setattr(Run, "__init__", spy)
    return runs


def test_a_run_is_gone_after_success(monkeypatch):
    runs = runs_of(monkeypatch)
    sample(patched(model(), "hpfa", "caa"))
    gc.collect()
    assert len(runs) == 1 and runs[0]() is None


@pytest.mark.parametrize("error", [RuntimeError, comfy.model_management.InterruptProcessingException])
def test_a_run_is_gone_after_an_error_and_an_interrupt(monkeypatch, error):
    runs = runs_of(monkeypatch)
    mine = patched(model(), "hpfa")
    expected = sample(mine)

    def stop(step, *rest):
        raise error()

    with pytest.raises(error):
        sample(mine, callback=stop)
    gc.collect()
    assert all(run() is None for run in runs)
    assert RUN not in mine.model_options["transformer_options"]
    assert difference(sample(mine), expected) == 0.0, "the next run is as if nothing had happened"


def test_an_interrupt_is_heard_inside_the_source_pass():
    mine = patched(model(), "hpfa")
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        sample(mine)
    sample(mine)


def test_out_of_memory_reaches_the_host(monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("simulated")

    mine = patched(model(), "hpfa")
    monkeypatch.setattr(HPFACondition, "keys_values", full)
    with pytest.raises(torch.OutOfMemoryError):
        sample(mine)


def test_the_source_pass_runs_once_a_run(monkeypatch):
    passes = []
    run_source = comfy_run.run_source
    monkeypatch.setattr(comfy_run, "run_source", lambda *a: (passes.append(a[0]), run_source(*a))[1])
    base = model()
    mine = patched(base, "hpfa", "caa", net=source(base))
    sample(mine, steps=4)
    assert len(passes) == 1
    sample(mine, steps=4)
    assert len(passes) == 2


# 5 – any size


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (11, 7), (5, 16)], ids=str)
def test_batches_and_aspects(plain, batch, size):
    mine = patched(plain, "hpfa", "caa")
    together = sample(mine, batch=batch, height=size[0], width=size[1])
    assert together.shape == (batch, 4, *size) and torch.isfinite(together).all()


def test_a_batch_of_sources_serves_row_by_row():
    base = model()
    net = source(base, batch=2)
    both = sample(patched(base, "hpfa", net=net, batch=2), batch=2)
    for row in range(2):
        one = SourceNet(base, net.latent[row : row + 1])
        shared = sample(patched(base, "hpfa", net=one), batch=2)
        assert difference(both[row], shared[row]) < 1e-4 * float(both.std())


def test_batches_that_do_not_match_are_named():
    base = model()
    with pytest.raises(PatchError, match="holds 2 images and the latent batch 3"):
        sample(patched(base, "hpfa", batch=2), batch=3)


@pytest.mark.parametrize("positive, negative", [(77, 77), (77, 231), (231, 77), (154, 1)])
def test_prompts_of_any_length(plain, positive, negative):
    mine = patched(plain, "hpfa", "caa")
    result = sample(mine, conditioning(positive), conditioning(negative, seed=4))
    assert torch.isfinite(result).all()


def test_the_null_condition_is_the_unpatched_model(plain):
    """With CFG 0 only the negative counts, and no patch may touch it."""
    mine = patched(plain, "hpfa", "caa", "reference")
    assert difference(sample(mine, cfg=0.0), sample(plain, cfg=0.0)) < 2e-4


def test_cfg_1_has_no_null_condition(plain, monkeypatch):
    seen = []
    mine = patched(plain, "hpfa")
    rows = Run.rows
    monkeypatch.setattr(Run, "rows", lambda *a: seen.extend(rows(*a)) or rows(*a))
    assert difference(sample(mine, cfg=1.0), sample(plain, cfg=1.0)) > 1e-2
    assert seen and not any(chunk.part.null for chunk in seen)


def test_rows_are_told_apart_by_conditioning_not_by_order():
    guider = SimpleNamespace(conds={"positive": [{"uuid": "p"}, {"uuid": "q"}], "negative": [{"uuid": "n"}]})
    conds = Conds(guider)
    (p, q), (n,) = guider.conds["positive"], guider.conds["negative"]
    for lists, labels, uuids, expected in (
        ([[p], [n]], [0, 1], ["p", "n"], [False, True]),
        ([[p], [n]], [1, 0], ["n", "p"], [True, False]),
        ([[p, q], [n]], [0, 0, 1], ["p", "q", "n"], [False, False, True]),
        ([[n], [q], [p]], [2, 0, 1], ["p", "n", "q"], [False, True, False]),
    ):
        shape = [2 * len(labels), 4, 8, 8]
        extra = {"cond_or_uncond": labels, "uuids": uuids, "original_shape": shape}
        extra[EVALUATION] = conds.evaluated(lists, torch.zeros(2, 4, 8, 8), torch.ones(2))
        chunks = rows_of(extra, shape[0], conds)
        assert [chunk.part.null for chunk in chunks] == expected
        assert [(chunk.rows.stop - chunk.rows.start, chunk.images) for chunk in chunks] == [(2, 2)] * len(labels)


def test_regional_prompts_are_all_conditional():
    base = model()
    mask = torch.ones(1, 8 * HEIGHT, 8 * WIDTH)
    regional = [*conditioning(mask=mask, mask_strength=1.0), *conditioning(seed=6, mask=mask, mask_strength=1.0)]
    mine = patched(base, "hpfa, paper")
    assert difference(sample(mine, regional), sample(base, regional)) > 1e-2


# 6 – dtype and device follow the query


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_weights_of_any_precision(dtype):
    base = model(dtype=dtype)
    weights = build_truepose(base, 32, seed=1)
    weights.model.to(dtype)
    mask = body_mask()
    net = source(base)
    mine = apply_condition(base, HPFACondition(mask, weights=weights.model), net, "all", DEFAULT, weights)
    caa = CAACondition(mask.to(torch.uint8), random(1, 3, 32), weights=weights.model)
    mine = apply_condition(mine, caa, net, "all", DEFAULT, weights)
    mine = apply_pose(mine, weights, torch.rand(1, 3, 40, 24), DEFAULT)
    result = sample(mine)
    assert torch.isfinite(result).all() and difference(result, sample(base)) > 1e-3


def test_the_host_is_given_every_network(plain, monkeypatch):
    weights = build_truepose(plain, 32, seed=1)
    other = model("sdxl" if plain.model.adm_channels else "sd15", seed=9)
    net = source(other)
    mine = apply_condition(plain, HPFACondition(body_mask(), weights=weights.model), net, "all", DEFAULT, weights)
    assert weights in mine.model_patches_models()
    first, later = [], set()
    run_source = comfy_run.run_source

    def loaded() -> set:
        return {entry.model.model for entry in comfy.model_management.current_loaded_models}

    def spy(net, patcher, *arguments):
        run_source(net, patcher, *arguments)
        first.append((patcher.model, patcher.model in loaded()))

    monkeypatch.setattr(comfy_run, "run_source", spy)
    sample(mine, callback=lambda *step: later.update(loaded()))
    assert first == [(other.model, True)], "SourceNet is loaded for its pass"
    assert {plain.model, weights.model} <= later


def test_pose_acts_on_condition_and_null_alike():
    base = model()
    weights = build_truepose(base, 32, seed=1)
    posed = apply_pose(base, weights, torch.ones(1, 3, 30, 30), DEFAULT)
    assert difference(sample(posed, cfg=0.0), sample(base, cfg=0.0)) > 1e-3
    off = apply_pose(base, weights, torch.ones(1, 3, 30, 30), Scope(strength=0.0))
    assert difference(sample(off), sample(base)) == 0.0


# 9 – errors help


def test_weights_of_another_base_model_are_refused():
    sd15, sdxl = model("sd15"), model("sdxl")
    weights = build_truepose(sd15, 32, seed=1)
    condition = HPFACondition(body_mask(), weights=weights.model)
    with pytest.raises(PatchError, match="made for another base model"):
        apply_condition(sdxl, condition, source(sdxl), "all", DEFAULT, weights)


def test_a_source_of_another_architecture_is_refused():
    with pytest.raises(PatchError, match="differ in architecture at site 'input"):
        patched(model("sd15"), "hpfa", net=source(model("sdxl")))


def test_words_that_name_no_site_are_refused():
    with pytest.raises(PatchError, match="'sideways' names no attention site"):
        patched(model(), "hpfa", sites="sideways")


def test_training_free_caa_asks_for_a_narrower_encoder():
    base = model()
    condition = CAACondition(body_mask().to(torch.uint8), random(1, 3, 48))
    with pytest.raises(PatchError, match="width 48.*only 32 wide"):
        apply_condition(base, condition, source(base), "all", DEFAULT)


def test_a_patch_outside_a_run_says_so():
    base = model()
    mine = patched(base, "hpfa")
    options = mine.model_options["transformer_options"] | {"cond_or_uncond": [0], "sigmas": torch.ones(1)}
    with pytest.raises(PatchError, match="outside a sampling run"):
        base.model.diffusion_model(
            random(1, 4, HEIGHT, WIDTH), torch.ones(1), context=random(1, 7, 32), transformer_options=options
        )


def test_conditions_of_the_suite_cover_every_kind():
    assert set(KINDS) == {*conditions(), "mfca"}
