"""Multi-Focal Conditions Aggregation (MCLD, section 3.2, Eq. 3 and 4).

Cross-attention that looks at two things with the same queries: the selected tokens s, which differ between the UNet's
encoder, middle and decoder, and the face tokens, which have keys and values of their own. None of them depends on the
sampling step: hosts project them once a run.
"""

import torch
from torch import Tensor

from .multihead import Attention, KeyValueProjection, fused_attention


class MFCA(KeyValueProjection):
    """W_k and W_v of the face tokens F_emb (``to_k_ip``, ``to_v_ip`` in the published weights)."""


def selected_tokens(part: str, image: Tensor, texture: Tensor) -> Tensor:
    """s of Eq. 4: the image's token in the encoder, the texture map's in the decoder, both in the middle.

    Args:
        part: of the UNet: "input", "middle" or "output".
        image, texture: I_emb and A_emb, ``[B, tokens, D]``.
    """
    return {"input": image, "output": texture}.get(part, torch.cat([image, texture], dim=1))


def token_attention(
    q: Tensor, key: Tensor, value: Tensor, heads: int, attention: Attention = fused_attention
) -> Tensor:
    """Attn(Q, K, V) of Eq. 3.

    Args:
        q: ``[B, N, C]``.
        key, value: ``[B or 1, M, C]``.

    Returns:
        ``[B, N, C]``, or with a single token ``[B or 1, 1, C]``: whatever asks, the softmax over one key is 1.
    """
    if key.shape[1] == 1:
        return value
    rows = q.shape[0]
    return attention(q, key.expand(rows, -1, -1), value.expand(rows, -1, -1), heads)
