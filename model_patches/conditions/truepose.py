"""TruePose's conditions: what the source's parsing says is looked at, and what attention neglects is given again."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..attention.caa import alignment_attention, neglected_regions, region_scores, take_regions
from ..attention.hpfa import Reweighting, fusion_attention, reweighted_self_attention
from ..attention.token_masks import label_tokens, mask_tokens
from ..errors import PatchError
from ..networks.truepose import TruePose
from ..sites import Site
from ..source import HiddenSpace, SourceSite, context_width_of, width_of
from .base import Memory, Query, SourceCondition, add, check_width, mix

Fusion = Literal["paper", "residual"]


@dataclass(frozen=True, eq=False)
class HPFACondition(SourceCondition):
    """Human-parsing-guided fusion attention (TruePose Eq. 6–8).

    Attributes:
        mask: M, the parts of the source that the target pose shows, boolean ``[1 or S, H, W]``.
        reweighting: δ, σ and the mask's axis.
        weights: trained W^{K'_h}, W^{V'_h}; None takes the site's own to_k and to_v (training-free).
        hidden_space: how H' reaches the projections.
        fusion: ``"paper"`` puts F̃ in place of self-attention (Eq. 8), ``"residual"`` adds it.
    """

    mask: Tensor
    reweighting: Reweighting = field(default_factory=Reweighting)
    weights: TruePose | None = None
    hidden_space: HiddenSpace = "paper"
    fusion: Fusion = "paper"
    attention_name = "attn1"

    def remember(self, site: Site, source: SourceSite, target: nn.Module) -> Memory:
        mask = mask_tokens(self.mask.to(source.q.device), source.grid)
        hidden = reweighted_self_attention(source.q, source.k, source.v, source.heads, mask, self.reweighting)
        if self.hidden_space == "block":
            hidden = source.complete(hidden)
        if self.weights is None:
            return Memory(target.attn1.to_k(hidden), target.attn1.to_v(hidden))
        return Memory(*self.weights.hpfa[site.key].keys_values(hidden))

    def answer(self, memory: Memory, query: Query) -> Tensor:
        fused = fusion_attention(query.q, memory.key, memory.value, query.heads, query.attention)
        if self.fusion == "paper":
            return mix(query.plain, fused, query.weight)
        return add(query.plain(), fused, query.weight)

    def check(self, site: Site, target: nn.Module) -> None:
        if self.weights is not None:
            check_width("TruePose", "HPFA", site, self.weights.shape.hpfa.get(site), width_of(target))


@dataclass(frozen=True, eq=False)
class CAACondition(SourceCondition):
    """CLIP-guided attention alignment (TruePose Eq. 9), added to the block's cross-attention before its ``to_out``.

    Attributes:
        labels: the source's parsing, integer ``[1 or S, H, W]``, 0 = background.
        regions: CLIP embedding of every label's crop, ``[1 or S, labels, D]``.
        count: K, how many of the most neglected regions are used (paper: 2).
        weights: trained projection, W^{K^clip} and W^{V^clip}; None takes the site's own to_k and to_v.
    """

    labels: Tensor
    regions: Tensor
    count: int = 2
    weights: TruePose | None = None
    attention_name = "attn2"
    _tokens: dict[tuple, Tensor] = field(default_factory=dict, init=False, repr=False)

    def remember(self, site: Site, source: SourceSite, target: nn.Module) -> Memory:
        rows, number = source.q.shape[0], self.regions.shape[1]
        labels = self._labels_at(source.grid, source.q.device).expand(rows, -1)
        scores = region_scores(source.q, source.k, source.heads, labels, number)
        chosen, exists = neglected_regions(scores, self.count)
        tokens = take_regions(self.regions.to(source.q).expand(rows, -1, -1), chosen)
        if self.weights is None:
            tokens = fit_width(tokens, context_width_of(target))
            key, value = target.attn2.to_k(tokens), target.attn2.to_v(tokens)
        else:
            key, value = self.weights.caa[site.key].keys_values(self.weights.region_projection(tokens))
        return Memory(key, value, None if exists.all() else exists)

    def _labels_at(self, grid: tuple[int, int], device: torch.device) -> Tensor:
        """The parsing on a site's tokens, which many sites share."""
        if (grid, device) not in self._tokens:
            self._tokens[grid, device] = label_tokens(self.labels.to(device), self.regions.shape[1], grid)
        return self._tokens[grid, device]

    def answer(self, memory: Memory, query: Query) -> Tensor:
        aligned = alignment_attention(query.q, memory.key, memory.value, query.heads, memory.exists, query.attention)
        return add(query.plain(), aligned, query.weight)

    def check(self, site: Site, target: nn.Module) -> None:
        if self.weights is None:
            fit_width(self.regions[:, :1], context_width_of(target))
            return
        check_width("TruePose", "CAA", site, self.weights.shape.caa.get(site), width_of(target))
        expected, given = self.weights.shape.region_dim, self.regions.shape[-1]
        if expected != given:
            raise PatchError(
                f"These TruePose weights were trained with CLIP embeddings of width {expected}, and the CLIP vision "
                f"model gave width {given}. Load the encoder they were trained with (the paper's is ViT-L/14, 768)."
            )


def fit_width(tokens: Tensor, width: int) -> Tensor:
    """Bring CLIP embeddings ``[…, D]`` to the context's width without weights: zeros fill what is missing.

    SD1.5's context and CLIP ViT-L's image embedding are both 768 wide. SDXL's context begins with CLIP ViT-L's 768.
    """
    missing = width - tokens.shape[-1]
    if missing < 0:
        raise PatchError(
            f"The CLIP vision model gives embeddings of width {tokens.shape[-1]}, and this model's context is only "
            f"{width} wide. Load CLIP ViT-L/14 (768), or give CAA trained TruePose weights."
        )
    return F.pad(tokens, (0, missing))
