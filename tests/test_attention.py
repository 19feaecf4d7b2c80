"""HPFA and CAA against the formulas written out, and against the golden file."""

import json

import pytest
import torch
from mannequin.model_patches.attention.caa import neglected_regions, region_scores
from mannequin.model_patches.attention.hpfa import Reweighting, reweighted_self_attention
from mannequin.model_patches.attention.key_values import KeyValues
from mannequin.model_patches.attention.multihead import split_heads
from mannequin.model_patches.attention.token_masks import label_tokens, mask_tokens
from mannequin.model_patches.attention.tokens import token_attention
from small import difference, random
from torch.utils._python_dispatch import TorchDispatchMode

from devtools import parity
from devtools.golden import read

HEADS, TOKENS, DIM = 2, 15, 8


def written_out(q, k, v, mask, delta, sigma, axis):
    """Eq. 6 and 7, element by element."""
    result = torch.zeros_like(q)
    head_dim = DIM // HEADS
    for b in range(q.shape[0]):
        for h in range(HEADS):
            part = slice(h * head_dim, (h + 1) * head_dim)
            logits = q[b, :, part] @ k[b, :, part].T / head_dim**0.5
            for i in range(TOKENS):
                for j in range(TOKENS):
                    inside = bool(mask[b, j if axis == "key" else i])
                    if logits[i, j] > 0:
                        logits[i, j] *= 1 + delta if inside else sigma
                    elif logits[i, j] < 0:
                        logits[i, j] *= delta if inside else 1 + sigma
            result[b, :, part] = logits.softmax(-1) @ v[b, :, part]
    return result


@pytest.mark.parametrize("axis", ["key", "query"])
@pytest.mark.parametrize("block_bytes", [1, 1000, 10**9])
def test_reweighted_attention_is_equation_6_and_7(axis, block_bytes):
    q, k, v = (random(2, TOKENS, DIM, seed=s) for s in range(3))
    mask = random(2, TOKENS, seed=9) > 0
    ours = reweighted_self_attention(q, k, v, HEADS, mask, Reweighting(0.6, 0.3, axis), block_bytes)
    assert difference(ours, written_out(q, k, v, mask, 0.6, 0.3, axis)) < 1e-6


class LargestTensor(TorchDispatchMode):
    """Records the size of the largest tensor any operation makes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor._base is None:
                self.bytes = max(self.bytes, tensor.nbytes)
        return result


def test_memory_stays_within_the_stated_budget():
    tokens, budget = 3000, 2**20
    q, k, v = (random(1, tokens, DIM, seed=s) for s in range(3))
    mask = torch.rand(1, tokens) > 0.5
    with torch.inference_mode(False), torch.no_grad(), LargestTensor() as largest:
        reweighted_self_attention(q.clone(), k.clone(), v.clone(), HEADS, mask.clone(), block_bytes=budget)
    whole = HEADS * tokens * tokens * 4
    assert largest.bytes <= budget < whole / 50


def test_reweighting_leaves_a_zero_logit_alone():
    weights = Reweighting().weights(torch.zeros(1, 1, 2, 2), torch.tensor([[True, False]]))
    assert torch.equal(torch.zeros(1, 1, 2, 2) * weights, torch.zeros(1, 1, 2, 2))


def test_gradients_reach_every_projection():
    with torch.inference_mode(False), torch.enable_grad():
        q, k, v = (random(1, TOKENS, DIM, seed=s).clone().requires_grad_() for s in range(3))
        reweighted_self_attention(
            q, k, v, HEADS, torch.ones(1, TOKENS, dtype=torch.bool), block_bytes=200
        ).sum().backward()
        assert all(t.grad is not None and t.grad.abs().sum() > 0 for t in (q, k, v))


def test_region_scores_are_column_means_of_the_logits():
    q, k = random(2, TOKENS, DIM), random(2, TOKENS, DIM, seed=1)
    labels = torch.randint(0, 4, (2, TOKENS), generator=torch.Generator().manual_seed(0))
    logits = split_heads(q, HEADS) @ split_heads(k, HEADS).transpose(-1, -2) / (DIM // HEADS) ** 0.5
    columns = logits.mean((1, 2))
    scores = region_scores(q, k, HEADS, labels, 5)
    for row in range(2):
        for label in (1, 2, 3):
            assert scores[row, label] == pytest.approx(float(columns[row, labels[row] == label].mean()), abs=1e-5)
        assert scores[row, 0] == torch.inf and scores[row, 4] == torch.inf, "background and absent labels never count"


def test_fewer_regions_than_wanted():
    scores = torch.tensor([[torch.inf, 0.3, 0.1], [torch.inf, torch.inf, torch.inf]])
    chosen, exists = neglected_regions(scores, 5)
    assert chosen[0, :2].tolist() == [2, 1]
    assert exists.tolist() == [[True, True, False], [False, False, False]]
    q, key, value = random(2, TOKENS, DIM), random(2, 3, DIM, seed=1), random(2, 3, DIM, seed=2)
    aligned = token_attention(q, KeyValues(key, value, exists), HEADS)
    only = token_attention(q[:1], KeyValues(key[:1, :2], value[:1, :2]), HEADS)
    assert difference(aligned[:1], only) < 1e-6, "regions that do not exist are not looked at"
    assert torch.equal(aligned[1], torch.zeros_like(aligned[1])), "no region gives nothing, and no NaN"


def test_a_small_mask_keeps_a_token_and_an_empty_one_none():
    mask = torch.zeros(2, 64, 48)
    mask[0, 10, 10] = 1
    tokens = mask_tokens(mask, (8, 6))
    assert tokens.sum(1).tolist() == [1, 0]


def test_mask_tokens_threshold_at_half_the_area():
    mask = torch.zeros(1, 8, 16)
    mask[:, :, :4] = 1
    mask[:, :3, 8:] = 1
    assert mask_tokens(mask, (1, 2)).tolist() == [[True, False]]


def test_label_tokens_take_the_prevailing_label():
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    labels[:, :, :5] = 3
    assert label_tokens(labels, 4, (1, 2)).tolist() == [[3, 0]]


def test_parity_with_the_golden_file(golden, capsys):
    assert parity.main([str(golden("truepose_attention.safetensors"))]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["kind"] == "truepose_attention" and verdict["ok"] and verdict["max_abs_diff"] <= 1e-5


def test_parity_tells_when_a_file_is_off(golden, tmp_path, capsys):
    from safetensors.torch import save_file

    tensors, metadata = read(golden("truepose_attention.safetensors"))
    tensors["out.fused"] = tensors["out.fused"] + 1e-3
    changed = tmp_path / "truepose_attention.safetensors"
    save_file(tensors, changed, metadata)
    assert parity.main([str(changed)]) == 1
    assert not json.loads(capsys.readouterr().out)["ok"]


def test_parity_names_what_it_cannot_read(tmp_path):
    (tmp_path / "other.safetensors").write_bytes(b"")
    with pytest.raises(SystemExit):
        parity.main([str(tmp_path / "other.safetensors")])
    with pytest.raises(SystemExit):
        parity.main([str(tmp_path / "nothing.safetensors")])
