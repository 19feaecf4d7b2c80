"""Multi-Focal Conditions Aggregation (MCLD, section 3.2, Eq. 3 and 4).

Cross-attention that looks at two things with the same queries: the selected tokens s, which differ between the UNet's
encoder, middle and decoder, and the face tokens, which have keys and values of their own. None of them depends on the
sampling step: hosts project them once a run.
"""

import torch
from torch import Tensor, nn

from .multihead import Attention, fused_attention


class MFCA(nn.Module):
    """W_k and W_v of the face tokens at one attention site (``to_k_ip``, ``to_v_ip`` in the published weights)."""

    def __init__(self, context_dim: int, dim: int, device=None, dtype=None, operations=nn):
        super().__init__()
        self.to_k = operations.Linear(context_dim, dim, bias=False, device=device, dtype=dtype)
        self.to_v = operations.Linear(context_dim, dim, bias=False, device=device, dtype=dtype)

    def keys_values(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """F_emb ``[B, 16, context_dim]`` → K_F, V_F, each ``[B, 16, C]``."""
        return self.to_k(face), self.to_v(face)


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
