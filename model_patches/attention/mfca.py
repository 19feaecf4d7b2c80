"""Multi-Focal Conditions Aggregation (MCLD, section 3.2, Eq. 3 and 4).

Cross-attention that looks at two things with the same queries: the selected tokens s, which differ between the UNet's
encoder, middle and decoder, and the face tokens, which have keys and values of their own. None of them depends on the
sampling step: hosts project them once a run, and each is a :func:`.tokens.token_attention`.
"""

import torch
from torch import Tensor

from .multihead import KeyValueProjection


class MFCA(KeyValueProjection):
    """W_k and W_v of the face tokens F_emb (``to_k_ip``, ``to_v_ip`` in the published weights)."""


def selected_tokens(part: str, image: Tensor | None, texture: Tensor | None) -> Tensor | None:
    """s of Eq. 4: the image's token in the encoder, the texture map's in the decoder, both in the middle.

    Args:
        part: of the UNet: "input", "middle" or "output".
        image, texture: I_emb and A_emb, ``[B, tokens, D]``; None leaves one out (the paper's ablations).

    Returns:
        ``[B, tokens, D]``, or None where nothing is left to look at.
    """
    wanted = {"input": [image], "output": [texture]}.get(part, [image, texture])
    present = [tokens for tokens in wanted if tokens is not None]
    return torch.cat(present, dim=1) if present else None
