"""Several conditions on one attention: the formula, that each counts, and what other packs do in between."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from mannequin.model_patches.attention.folded import fold, folded_attention
from mannequin.model_patches.attention.joint import Look, combination, mixed, shares
from mannequin.model_patches.attention.key_values import KeyValues
from mannequin.model_patches.attention.mfca import selected_tokens
from mannequin.model_patches.attention.multihead import fused_attention, split_heads
from mannequin.model_patches.attention.tokens import token_attention
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.conditions import HPFACondition, ReferenceCondition
from mannequin.model_patches.scope import Scope
from other_nodes import OTHERS, SIDE, plainly
from small import DEFAULT, body_mask, conditions, difference, mcld_modules, mfca, model, random, source
from torch import nn

HEADS, TOKENS, DIM = 2, 12, 8
SITES = "output 9-11"


def softmax_over(q, sets) -> torch.Tensor:
    """One softmax over all keys, written out."""
    keys, values = (torch.cat([pair[i].expand(len(q), -1, -1) for pair in sets], 1) for i in (0, 1))
    q, keys, values = (split_heads(t, HEADS) for t in (q, keys, values))
    weights = (q @ keys.mT / (DIM // HEADS) ** 0.5).softmax(-1)
    return (weights @ values).transpose(1, 2).flatten(2)


def tokens(seed: int, count: int = 5, rows: int = 1) -> KeyValues:
    return KeyValues(random(rows, count, DIM, seed=seed), random(rows, count, DIM, seed=seed + 1))


def result_of(q, k, v, looks, weights) -> torch.Tensor:
    sharing = shares(weights)

    def plain():
        return fused_attention(q, k, v, HEADS)

    terms = [
        combination(q, KeyValues(k, v), HEADS, [looks[i] for i in members], plain, fused_attention)
        for members, _ in sharing
    ]
    return mixed(terms, [share for _, share in sharing])


@pytest.fixture
def own():
    return tuple(random(2, TOKENS, DIM, seed=seed) for seed in range(3))


class TestFormula:
    a, b, c = tokens(20), tokens(30), tokens(40)

    def pair(self, part):
        return part.key, part.value

    def test_extensions_share_one_softmax_with_the_own_keys(self, own):
        q, k, v = own
        looks = [Look("extend", [self.a]), Look("extend", [self.b])]
        expected = softmax_over(q, [(k, v), self.pair(self.a), self.pair(self.b)])
        assert difference(result_of(*own, looks, [1.0, 1.0]), expected) < 1e-5

    def test_what_replaces_displaces_the_own_keys_and_no_others(self, own):
        q = own[0]
        looks = [Look("extend", [self.a]), Look("replace", [self.b]), Look("replace", [self.c])]
        expected = softmax_over(q, [self.pair(part) for part in (self.b, self.c, self.a)])
        assert difference(result_of(*own, looks, [1.0, 1.0, 1.0]), expected) < 1e-5

    def test_what_adds_has_a_softmax_of_its_own(self, own):
        q, k, v = own
        looks = [Look("extend", [self.a]), Look("add", [self.b])]
        expected = softmax_over(q, [(k, v), self.pair(self.a)]) + softmax_over(q, [self.pair(self.b)])
        assert difference(result_of(*own, looks, [1.0, 1.0]), expected) < 1e-5

    @pytest.mark.parametrize("acts", ["replace", "extend", "add"])
    def test_strength_reaches_from_not_there_to_there(self, own, acts):
        look = [Look(acts, [self.a])]
        off, on = fused_attention(*own, HEADS), result_of(*own, look, [1.0])
        assert difference(result_of(*own, look, [0.0]), off) == 0.0
        assert difference(result_of(*own, look, [0.25]), torch.lerp(off, on, 0.25)) < 1e-6

    def test_two_regions_apart_are_each_alone_in_theirs(self, own):
        """Two people, each with their own source: no term of both where each region is 0 or 1."""
        left = torch.zeros(1, TOKENS, 1)
        left[:, : TOKENS // 2] = 1
        looks = [Look("extend", [self.a]), Look("replace", [self.b])]
        both = result_of(*own, looks, [left, 1 - left])
        first, second = result_of(*own, looks[:1], [1.0]), result_of(*own, looks[1:], [1.0])
        assert difference(both, torch.where(left.bool(), first, second)) < 1e-6
        assert len(shares([left, 1 - left])) == 2

    def test_the_order_does_not_matter(self, own):
        looks = [Look("extend", [self.a]), Look("replace", [self.b]), Look("add", [self.c])]
        weights = [0.7, 0.4, 1.0]
        expected = result_of(*own, looks, weights)
        for order in itertools.permutations(range(3)):
            shuffled = result_of(*own, [looks[i] for i in order], [weights[i] for i in order])
            assert difference(shuffled, expected) < 1e-6


class TestFolded:
    """What is added to cross-attention, with W_q and W_out in keys and values."""

    @pytest.mark.parametrize("count", [1, 2, 16])
    @pytest.mark.parametrize("rows", [1, 2])
    def test_it_is_the_token_attention_behind_its_projections(self, count, rows):
        torch.manual_seed(0)
        to_q, to_out = nn.Linear(6, DIM, bias=False), nn.Sequential(nn.Linear(DIM, 6), nn.Dropout(0.0))
        x, part = random(2, TOKENS, 6), KeyValues(*(t for t in self.pair(count, rows)), scale=0.5)
        attended = token_attention(to_q(x), part, HEADS).expand(2, -1, -1)
        expected = 0.5 * nn.functional.linear(attended, to_out[0].weight)
        folded = fold(part, HEADS, to_q, to_out, 6)
        assert difference(folded_attention(x, folded).expand(2, TOKENS, 6), expected.expand(2, TOKENS, 6)) < 1e-6

    def pair(self, count, rows):
        return random(rows, count, DIM, seed=1), random(rows, count, DIM, seed=2)

    def test_tokens_that_do_not_exist_are_not_looked_at(self):
        torch.manual_seed(0)
        to_q, to_out = nn.Linear(6, DIM, bias=False), nn.Linear(DIM, 6)
        key, value = self.pair(3, 2)
        exists = torch.tensor([[True, False, True], [False, False, False]])
        folded = fold(KeyValues(key, value, exists), HEADS, to_q, to_out, 6)
        result = folded_attention(random(2, TOKENS, 6), folded)
        two = fold(KeyValues(key[:1, ::2], value[:1, ::2]), HEADS, to_q, to_out, 6)
        assert difference(result[:1], folded_attention(random(2, TOKENS, 6)[:1], two)) < 1e-6
        assert torch.equal(result[1], torch.zeros(TOKENS, 6)), "no token gives nothing, and no NaN"


def test_a_dropped_token_of_mfca_takes_no_weight():
    """MCLD's ablations: what is left out is not a token of zeros."""
    image, texture = random(1, 1, DIM), random(1, 1, DIM, seed=1)
    assert torch.equal(selected_tokens("middle", None, texture), texture)
    assert torch.equal(selected_tokens("middle", image, None), image)
    assert selected_tokens("input", None, texture) is None and selected_tokens("output", image, None) is None
    assert selected_tokens("middle", None, None) is None


# in the host


@pytest.fixture(scope="module")
def base():
    with torch.inference_mode():
        yield model()


def worn(base, *kinds: str, scopes: dict[str, Scope] | None = None, order: Sequence[int] | None = None):
    """Conditions by name, each fed by a photo of its own; ``order`` says which of them, and when."""
    patcher, modules = base, mcld_modules(base)
    for number in range(len(kinds)) if order is None else order:
        scope = (scopes or {}).get(kinds[number], DEFAULT)
        if kinds[number] == "mfca":
            patcher = mfca(patcher, scope, "all", modules=modules)
            continue
        net = source(base, height=SIDE, width=SIDE, seed=1 + number)
        patcher = apply_condition(patcher, conditions()[kinds[number].rstrip("2 ")], net, "all", scope)
    return patcher


STACKS = [
    ("hpfa", "caa", "reference", "mfca"),
    ("reference", "hpfa"),
    ("reference", "reference 2"),
    ("hpfa", "hpfa 2"),
    ("hpfa, residual", "reference", "hpfa"),
]


@pytest.mark.parametrize("kinds", STACKS, ids=", ".join)
def test_removing_any_one_changes_the_result(base, kinds):
    whole = plainly(worn(base, *kinds))
    for left_out in range(len(kinds)):
        without = worn(base, *kinds, order=[number for number in range(len(kinds)) if number != left_out])
        assert difference(whole, plainly(without)) > 1e-3 * float(whole.std()), f"{kinds[left_out]} is not felt"


@pytest.mark.parametrize("kinds", STACKS, ids=", ".join)
def test_the_order_of_ours_does_not_matter(base, kinds):
    forward, backward = (plainly(worn(base, *kinds, order=range(len(kinds))[::step])) for step in (1, -1))
    assert difference(forward, backward) < 1e-4 * float(forward.std())


def test_one_photo_serves_a_batch_of_poses(base):
    """N selections of one source: row by row what each alone gives."""
    masks = torch.stack([body_mask(1, SIDE, SIDE)[0], body_mask(1, SIDE, SIDE)[0].flip(0)])
    net = source(base, height=SIDE, width=SIDE)
    together = plainly(apply_condition(base, HPFACondition(masks), net, "all", DEFAULT), batch=2)
    for row in range(2):
        alone = plainly(apply_condition(base, HPFACondition(masks[row : row + 1]), net, "all", DEFAULT), batch=2)
        assert difference(together[row], alone[row]) < 1e-4 * float(alone.std())
    assert difference(together[0], together[1]) > 1e-3


# other packs between queries and result


class Shuffle:
    """A pack that takes the tokens of self-attention apart and puts them back: by order, in tiles, merged in pairs."""

    def __init__(self, how: str):
        self.how = how
        self.order: torch.Tensor | None = None

    def there(self, q, k, v, extra):
        if self.how == "tiles":
            return q.unflatten(1, (4, -1)).flatten(0, 1), k, v
        self.order = torch.randperm(q.shape[1], generator=torch.Generator().manual_seed(1))
        return q[:, self.order], k, v

    def back(self, n, extra):
        if self.how == "tiles":
            return n.unflatten(0, (-1, 4)).flatten(1, 2)
        return n[:, self.order.argsort()]

    def __call__(self, patcher):
        patcher = patcher.clone()
        patcher.set_model_attn1_patch(self.there)
        patcher.set_model_attn1_output_patch(self.back)
        return patcher


REGION = torch.zeros(1, 8 * SIDE, 8 * SIDE)
REGION[:, : 3 * SIDE, : 5 * SIDE] = 1


@pytest.mark.parametrize("scope", [DEFAULT, Scope(mask=REGION), Scope(strength=0.5, mask=REGION)], ids=str)
@pytest.mark.parametrize("kinds", [("hpfa",), ("hpfa, residual",), ("reference", "hpfa")], ids=", ".join)
def test_a_pack_that_only_reorders_tokens_changes_nothing(base, kinds, scope):
    scopes = dict.fromkeys(kinds, scope)
    expected = plainly(worn(base, *kinds, scopes=scopes))
    for wear in (lambda p: Shuffle("order")(worn(p, *kinds, scopes=scopes)), None):
        patched = wear(base) if wear else worn(Shuffle("order")(base), *kinds, scopes=scopes)
        assert difference(plainly(patched), expected) < 1e-4 * float(expected.std())


@pytest.mark.parametrize("scope", [DEFAULT, Scope(mask=REGION)], ids=["everywhere", "region"])
def test_hpfa_is_the_same_in_tiles(base, scope):
    """Its keys are the source's: which queries ask together does not matter."""
    expected = plainly(worn(base, "hpfa", scopes={"hpfa": scope}))
    tiled = plainly(Shuffle("tiles")(worn(base, "hpfa", scopes={"hpfa": scope})))
    if scope.mask is None:
        # The null rows are tiled too, and differ; with guidance off the condition stands alone.
        expected, tiled = (
            plainly(patcher, cfg=1.0) for patcher in (worn(base, "hpfa"), Shuffle("tiles")(worn(base, "hpfa")))
        )
        assert difference(tiled, expected) < 1e-4 * float(expected.std())
    else:
        assert torch.isfinite(tiled).all() and difference(tiled, expected) > 0


@pytest.mark.parametrize("name", ["HyperTile", "ToMe"])
@pytest.mark.parametrize("kind", ["hpfa", "hpfa, residual", "reference"])
def test_regions_beside_merged_tokens(base, name, kind):
    other = OTHERS[name]
    white = Scope(mask=torch.ones(1, 4, 4))
    everywhere = plainly(other.wear(worn(base, kind)))
    assert difference(plainly(other.wear(worn(base, kind, scopes={kind: white}))), everywhere) == 0.0
    faint = plainly(other.wear(worn(base, kind, scopes={kind: Scope(strength=1e-9)})))
    alone = plainly(other.wear(base))
    assert difference(faint, alone) < 1e-5 * float(alone.std())
    half = plainly(other.wear(worn(base, kind, scopes={kind: Scope(mask=REGION)})))
    assert difference(half, everywhere) > 1e-3 and difference(half, alone) > 1e-3


@pytest.mark.parametrize("regions", [1, 2, 3])
@pytest.mark.parametrize("kind", ["caa", "mfca"])
def test_attention_couple_of_equal_prompts_is_none(base, kind, regions):
    def grow(n, context, value, extra):
        return n.repeat(regions, 1, 1), context.repeat(regions, 1, 1), value.repeat(regions, 1, 1)

    def shrink(n, extra):
        return sum(n.chunk(regions)) / regions

    expected = plainly(worn(base, kind))
    for order in ("before", "after"):
        patcher = base if order == "before" else worn(base, kind)
        patcher = patcher.clone()
        patcher.set_model_attn2_patch(grow)
        patcher.set_model_attn2_output_patch(shrink)
        patcher = worn(patcher, kind) if order == "before" else patcher
        assert difference(plainly(patcher), expected) < 1e-4 * float(expected.std())


def test_pag_perturbs_the_middle_and_keeps_the_rest(base):
    """cond + s (cond − pag), where pag is ours with the middle's self-attention taken out."""
    net = source(base, height=SIDE, width=SIDE)
    mine = apply_condition(base, HPFACondition(body_mask(1, SIDE, SIDE)), net, "all", DEFAULT)
    rest = apply_condition(base, HPFACondition(body_mask(1, SIDE, SIDE)), net, "down, up", DEFAULT)
    rest.set_model_attn1_replace(lambda q, k, v, extra: v, "middle", 0)
    cond, perturbed = plainly(mine, cfg=1.0), plainly(rest, cfg=1.0)
    guided = plainly(OTHERS["PAG"].wear(mine), cfg=1.0)
    assert difference(guided, cond + 3.0 * (cond - perturbed)) < 1e-4 * float(cond.std())


@pytest.mark.parametrize("kind", ["replace", "extend"])
@pytest.mark.parametrize("key", [("output", 9), ("output", 9, 0)], ids=str)
def test_another_pack_at_the_same_block(base, kind, key):
    """Replaced keys stand in theirs' place where ours is in full; extension makes the difference it makes to ours."""
    calls = []

    def theirs(q, k, v, extra):
        calls.append(len(q))
        return 0.5 * q

    net = source(base, height=SIDE, width=SIDE)
    condition = HPFACondition(body_mask(1, SIDE, SIDE)) if kind == "replace" else ReferenceCondition()
    results = []
    for order in ("before", "after"):
        patcher = base.clone() if order == "before" else apply_condition(base, condition, net, SITES, DEFAULT)
        patcher.set_model_attn1_replace(theirs, *key)
        patcher = apply_condition(patcher, condition, net, SITES, DEFAULT) if order == "before" else patcher
        results.append(plainly(patcher))
        assert calls and set(calls) == {2}, "they are given the whole batch"
        calls.clear()
        plainly(patcher, cfg=1.0)
        assert bool(calls) == (kind == "extend"), "what ours covers everywhere is not computed"
        calls.clear()
    assert difference(*results) == 0.0
