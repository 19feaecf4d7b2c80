"""Cross-attention to a few tokens of a condition, beside the text's own (TruePose Eq. 9, MCLD Eq. 3)."""

from torch import Tensor

from .key_values import KeyValues
from .multihead import Attention, fused_attention


def token_attention(q: Tensor, tokens: KeyValues, heads: int, attention: Attention = fused_attention) -> Tensor:
    """SoftMax(QKᵀ/√d)V over the tokens that exist; a row without any gives zeros.

    Args:
        q: ``[B, N, C]``.
        tokens: M of them, for one row, for B, or for a number that divides B.

    Returns:
        ``[B, N, C]``, or ``[B, 1, C]`` with a single token: whatever asks, the softmax over one key is 1.
    """
    tokens = tokens.spread(q.shape[0])
    if tokens.key.shape[1] == 1 and tokens.exists is None:
        return tokens.value
    if tokens.exists is None:
        return attention(q, tokens.key, tokens.value, heads)
    any_token = tokens.exists.any(dim=1)
    # A row with no token at all may look at anything: its result is dropped below, and NaN is avoided here.
    mask = (tokens.exists | ~any_token[:, None])[:, None, None, :]
    attended = fused_attention(q, tokens.key, tokens.value, heads, mask)
    return attended * any_token[:, None, None].to(q.dtype)
