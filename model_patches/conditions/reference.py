"""Reference attention as a condition."""

from dataclasses import dataclass

from torch import Tensor, nn

from ..attention.reference import reference_attention
from ..sites import Site
from ..source import SourceSite
from .base import Memory, Query, SourceCondition, mix


@dataclass(frozen=True, eq=False)
class ReferenceCondition(SourceCondition):
    """Reference attention by concatenation: TruePose's baseline B2, and what MCLD's ReferenceNet is built on."""

    attention_name = "attn1"

    def remember(self, site: Site, source: SourceSite, target: nn.Module) -> Memory:
        features = source.features()
        return Memory(target.attn1.to_k(features), target.attn1.to_v(features))

    def answer(self, memory: Memory, query: Query) -> Tensor:
        seen = reference_attention(query.q, query.k, query.v, memory.key, memory.value, query.heads, query.attention)
        return mix(query.plain, seen, query.weight)
