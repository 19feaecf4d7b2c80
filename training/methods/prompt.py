"""What the target wears, told as a prompt would tell it: the stand-in for a checkpoint in a training-free measurement.

A checkpoint that knows people, poses and words is what HPFA, CAA and reference attention are used on without training.
None can be trained here with captions. CLIP embeddings of the target's own regions take the words' place.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from model_patches.attention.key_values import KeyValues
from model_patches.conditions import TokenCondition
from model_patches.sites import Site


@dataclass(frozen=True, eq=False)
class PromptCondition(TokenCondition):
    """Cross-attention to tokens by the block's own projections, as to a text's.

    Attributes:
        tokens: ``[S, M, D]``, D the context's width; those that are zero do not exist.
    """

    tokens: Tensor
    attention_name = "attn2"
    acts = "add"

    def keys_values(self, site: Site, target: nn.Module, seen: Tensor) -> list[KeyValues]:
        tokens = self.tokens.to(seen)
        return [KeyValues(target.attn2.to_k(tokens), target.attn2.to_v(tokens), tokens.any(-1))]

    def counts(self, site: Site, seen: None) -> list[tuple[int, int]]:
        return [tuple(self.tokens.shape[:2])]
