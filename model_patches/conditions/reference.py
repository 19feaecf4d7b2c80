"""Reference attention as a condition."""

from dataclasses import dataclass

from torch import Tensor, nn

from ..attention.key_values import KeyValues
from ..sites import Site
from ..source import SourceSite
from .base import SourceCondition


@dataclass(frozen=True, eq=False)
class ReferenceCondition(SourceCondition):
    """Reference attention by concatenation (AnimateAnyone, MagicAnimate): TruePose's baseline B2, and what MCLD's
    ReferenceNet is built on. The target's self-attention sees its own tokens and the source's side by side."""

    attention_name = "attn1"
    acts = "extend"

    def read(self, site: Site, source: SourceSite) -> Tensor:
        return source.features()

    def counts(self, site: Site, seen: Tensor) -> list[tuple[int, int]]:
        return [tuple(seen.shape[:2])]

    def keys_values(self, site: Site, target: nn.Module, seen: Tensor) -> list[KeyValues]:
        return [KeyValues(target.attn1.to_k(seen), target.attn1.to_v(seen))]
