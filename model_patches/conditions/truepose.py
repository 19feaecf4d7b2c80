"""TruePose's conditions: what the source's parsing says is looked at, and what attention neglects is given again."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..attention.caa import neglected_regions, region_scores, take_regions
from ..attention.hpfa import Reweighting, reweighted_self_attention
from ..attention.joint import Acts
from ..attention.key_values import KeyValues
from ..attention.token_masks import label_tokens, mask_tokens
from ..errors import PatchError
from ..networks.truepose import TruePose
from ..sites import Site
from ..source import HiddenSpace, SourceSite, context_width_of, width_of
from .base import SourceCondition, check_width

Fusion = Literal["paper", "residual"]


@dataclass(frozen=True, eq=False)
class HPFACondition(SourceCondition):
    """Human-parsing-guided fusion attention (TruePose Eq. 6–8).

    Attributes:
        mask: M, the parts of the source that the target pose shows, boolean ``[1 or S, H, W]``; of a single source,
            any number of them, one a target.
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

    @property
    def acts(self) -> Acts:
        """F̃ in place of self-attention, or beside it."""
        return "replace" if self.fusion == "paper" else "add"

    def read(self, site: Site, source: SourceSite) -> Tensor:
        # One photo serves many poses, each of which selects other parts of it.
        source, mask = source.for_rows(max(source.rows, self.mask.shape[0])), self.selected(source)
        hidden = reweighted_self_attention(source.q, source.k, source.v, source.heads, mask, self.reweighting)
        return source.complete(hidden) if self.hidden_space == "block" else hidden

    def selected(self, source: SourceSite) -> Tensor:
        """M of Eq. 6 at the site's tokens, boolean ``[1 or S, N]``."""
        return mask_tokens(self.mask.to(source.q.device), source.grid)

    def keys_values(self, site: Site, target: nn.Module, seen: Tensor) -> list[KeyValues]:
        if self.weights is None:
            return [KeyValues(target.attn1.to_k(seen), target.attn1.to_v(seen))]
        return [KeyValues(*self.weights.hpfa[site.key].keys_values(seen))]

    def counts(self, site: Site, seen: Tensor) -> list[tuple[int, int]]:
        return [tuple(seen.shape[:2])]

    def check(self, site: Site, target: nn.Module) -> None:
        if self.weights is not None:
            check_width("TruePose", "HPFA", site, self.weights.shape.hpfa.get(site), width_of(target))


class Neglected(NamedTuple):
    """Regions that CAA chose at a site: CLIP embeddings ``[S, K, D]``, and which exist ``[S, K]``; None is all."""

    tokens: Tensor
    exists: Tensor | None

    def to(self, dtype: torch.dtype) -> "Neglected":
        """Embeddings in another precision."""
        return Neglected(self.tokens.to(dtype), self.exists)

    @property
    def nbytes(self) -> int:
        """Of the embeddings."""
        return self.tokens.nbytes


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
    acts = "add"

    def read(self, site: Site, source: SourceSite) -> Neglected:
        chosen, exists = self.chosen(source)
        tokens = take_regions(self.regions.to(source.q).expand(source.rows, -1, -1), chosen)
        return Neglected(tokens, None if exists.all() else exists)

    def chosen(self, source: SourceSite) -> tuple[Tensor, Tensor]:
        """Labels of the K regions that the site's attention neglects most, and which exist: each ``[S, K]``."""
        rows, number = source.rows, self.regions.shape[1]
        # Many sites share a grid.
        labels = source.once(
            (self, source.grid), lambda: label_tokens(self.labels.to(source.q.device), number, source.grid)
        )
        scores = region_scores(source.q, source.k, source.heads, labels.expand(rows, -1), number)
        return neglected_regions(scores, self.count)

    def keys_values(self, site: Site, target: nn.Module, seen: Neglected) -> list[KeyValues]:
        if self.weights is None:
            tokens = fit_width(seen.tokens, context_width_of(target))
            return [KeyValues(target.attn2.to_k(tokens), target.attn2.to_v(tokens), seen.exists)]
        tokens = self.weights.region_projection(seen.tokens)
        return [KeyValues(*self.weights.caa[site.key].keys_values(tokens), seen.exists)]

    def counts(self, site: Site, seen: Neglected) -> list[tuple[int, int]]:
        return [tuple(seen.tokens.shape[:2])]

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
