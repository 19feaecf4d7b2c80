"""TruePose's attention, recomputed from a golden file."""

import torch
from torch import Tensor

from model_patches.attention.caa import CAA, neglected_regions, region_scores, take_regions
from model_patches.attention.hpfa import HPFA, Reweighting, reweighted_self_attention
from model_patches.attention.joint import joint_attention
from model_patches.attention.key_values import KeyValues
from model_patches.attention.multihead import fused_attention
from model_patches.attention.tokens import token_attention

from .golden import Golden


def truepose_attention(golden: Golden) -> dict[str, Tensor]:
    """HPFA (Eq. 6–8) and CAA (Eq. 9) on normalised features, before ``to_out``."""
    config = golden.config
    heads = config["heads"]
    weight, source, target = golden.weights, golden.inputs["source_features"], golden.inputs["target_features"]
    q, k, v = (source @ weight[f"source_to_{name}"].T for name in "qkv")
    reweighting = Reweighting(config["delta"], config["sigma"], config["mask_axis"])
    hidden = reweighted_self_attention(q, k, v, heads, golden.inputs["source_mask"], reweighting)
    hpfa = HPFA(source.shape[-1])
    hpfa.load_state_dict({"to_k.weight": weight["fusion_to_k"], "to_v.weight": weight["fusion_to_v"]})
    seen = KeyValues(*hpfa.keys_values(hidden))
    fused = joint_attention(target @ weight["to_q"].T, [seen], heads, fused_attention)

    # The file embeds the labels from 1 on; ours have a row for the background too.
    embeddings = torch.nn.functional.pad(golden.inputs["region_embeddings"], (0, 0, 1, 0))
    scores = region_scores(q, k, heads, golden.inputs["source_labels"], embeddings.shape[1])
    chosen, _ = neglected_regions(scores, config["k_regions"])
    caa = CAA(embeddings.shape[-1], source.shape[-1])
    caa.load_state_dict({"to_k.weight": weight["caa_to_k"], "to_v.weight": weight["caa_to_v"]})
    tokens = take_regions(embeddings, chosen)
    aligned = token_attention(fused @ weight["caa_to_q"].T, KeyValues(*caa.keys_values(tokens)), heads)
    return {"source_hidden": hidden, "fused": fused, "chosen_regions": chosen, "aligned": aligned}
