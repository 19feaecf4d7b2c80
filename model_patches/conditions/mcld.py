"""MCLD's condition on tokens: the person, their texture map and their face."""

from dataclasses import dataclass

from torch import Tensor, nn

from ..attention.key_values import KeyValues
from ..attention.mfca import selected_tokens
from ..errors import PatchError
from ..networks.mcld import MCLD
from ..sites import Site
from ..source import context_width_of, width_of
from .base import TokenCondition, check_width


@dataclass(frozen=True, eq=False)
class MFCACondition(TokenCondition):
    """Multi-focal conditions aggregation (MCLD Eq. 3, 4), added to cross-attention before its ``to_out``:
    φ = λ_s Attn(Q, K_s, V_s) + λ_F Attn(Q, K_F, V_F).

    MCLD's own conditioning has zero tokens, whose attention is exactly zero: there φ stands alone, as published. Beside
    a prompt, or what other packs do to cross-attention, it is one more term.

    Attributes:
        image, texture: I_emb and A_emb, ``[1 or S, 1, D]``; None leaves a token out (Table 3, B4).
        face: F_emb, ``[1 or S, 16, D]``.
        weights: trained W_k, W_v of the face.
        selected_scale, face_scale: λ_s and λ_F of Eq. 3; 0 leaves the term out.
    """

    image: Tensor | None
    texture: Tensor | None
    face: Tensor
    weights: MCLD
    selected_scale: float = 1.0
    face_scale: float = 0.5
    attention_name = "attn2"
    acts = "add"

    def keys_values(self, site: Site, target: nn.Module, seen: Tensor) -> list[KeyValues]:
        parts = []
        if (selected := self._selected(site)) is not None:
            selected = selected.to(seen)
            key, value = target.attn2.to_k(selected), target.attn2.to_v(selected)
            parts.append(KeyValues(key, value, scale=self.selected_scale))
        if self.face_scale:
            key, value = self.weights.mfca[site.key].keys_values(self.face.to(seen))
            parts.append(KeyValues(key, value, scale=self.face_scale))
        return parts

    def counts(self, site: Site, seen: None) -> list[tuple[int, int]]:
        parts = [self._selected(site), self.face if self.face_scale else None]
        return [tuple(tokens.shape[:2]) for tokens in parts if tokens is not None]

    def _selected(self, site: Site) -> Tensor | None:
        """s of Eq. 4 at a site; None where nothing of it counts."""
        return selected_tokens(site.block, self.image, self.texture) if self.selected_scale else None

    def check(self, site: Site, target: nn.Module) -> None:
        width = context_width_of(target)
        for what, tokens in (("image", self.image), ("texture map", self.texture), ("face", self.face)):
            if tokens is not None and tokens.shape[-1] != width:
                raise PatchError(
                    f"The {what}'s tokens are {tokens.shape[-1]} wide, and this model's context is {width} wide. MCLD "
                    "takes CLIP ViT-L/14 (768) and SD1.5."
                )
        if self.face_scale:
            check_width("MCLD", "MFCA", site, self.weights.shape.mfca.get(site), width_of(target))
