"""TruePose's baseline B1 (section 5.4, Table 2): CLIP's embedding of the source in SourceNet's place.

"We design a stacked multi-layer perceptron to map the features to the shape of the l-th layer in Target-Net, thereby
implementing the fusion mechanism": what a site's MLP makes of the embedding stands where H' stands in Eq. 8. The paper
does not say how many tokens those are. For comparisons only: nodes do not load its weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from model_patches.attention.hpfa import HPFA
from model_patches.attention.key_values import KeyValues
from model_patches.conditions import TokenCondition
from model_patches.networks.truepose import TruePose, TruePoseShape
from model_patches.sites import Site


class CLIPFusion(nn.Module):
    """One site's MLP, and W^K, W^V of what it gives.

    Args:
        clip_dim: width of the embedding.
        dim: feature width of the site.
        tokens: how many it makes.
    """

    def __init__(self, clip_dim: int, dim: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.mlp = nn.Sequential(
            nn.LayerNorm(clip_dim),
            nn.Linear(clip_dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, tokens * dim),
            nn.Unflatten(-1, (tokens, dim)),
            nn.LayerNorm(dim),
        )
        self.projection = HPFA(dim)

    def keys_values(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, clip_dim]`` → keys and values, each ``[B, tokens, dim]``."""
        return self.projection.keys_values(self.mlp(embedding))


class CLIPTruePose(TruePose):
    """TruePose's modules, and a :class:`CLIPFusion` for every site of ``widths``."""

    def __init__(self, shape: TruePoseShape, widths: Mapping[Site, int], clip_dim: int, tokens: int) -> None:
        super().__init__(shape)
        self.clip_fusion = nn.ModuleDict({site.key: CLIPFusion(clip_dim, dim, tokens) for site, dim in widths.items()})


@dataclass(frozen=True, eq=False)
class CLIPFusionCondition(TokenCondition):
    """Eq. 8 with a CLIP embedding ``[S, D]`` of the whole source in H''s place."""

    embedding: Tensor
    weights: CLIPTruePose
    attention_name = "attn1"
    acts = "replace"

    def keys_values(self, site: Site, target: nn.Module, seen: Tensor) -> list[KeyValues]:
        return [KeyValues(*self.weights.clip_fusion[site.key].keys_values(self.embedding.to(seen)))]

    def counts(self, site: Site, seen: None) -> list[tuple[int, int]]:
        return [(len(self.embedding), self.weights.clip_fusion[site.key].tokens)]
