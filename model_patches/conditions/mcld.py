"""MCLD's condition on tokens: the person, their texture map and their face."""

from dataclasses import dataclass

from torch import Tensor, nn

from ..attention.mfca import selected_tokens, token_attention
from ..errors import PatchError
from ..networks.mcld import MCLD
from ..sites import Site
from ..source import context_width_of, width_of
from .base import Memory, Query, TokenCondition, add, check_width


@dataclass(frozen=True)
class FocalMemory:
    """MFCA's memory of one site: keys and values of the selected tokens and of the face; None is not there."""

    selected: Memory | None
    face: Memory | None

    @property
    def rows(self) -> int:
        """For how many images; 1 serves any number."""
        return max((memory.rows for memory in (self.selected, self.face) if memory is not None), default=1)

    def to(self, like: Tensor) -> "FocalMemory":
        """In the dtype and on the device of the queries."""
        return FocalMemory(*(memory and memory.to(like) for memory in (self.selected, self.face)))


@dataclass(frozen=True, eq=False)
class MFCACondition(TokenCondition):
    """Multi-focal conditions aggregation (MCLD Eq. 3, 4), added to cross-attention before its ``to_out``:
    φ = λ_s Attn(Q, K_s, V_s) + λ_F Attn(Q, K_F, V_F).

    MCLD's own conditioning has zero tokens, whose attention is exactly zero: there φ stands alone, as published. Beside
    a prompt, or what other packs do to cross-attention, it is one more term.

    Attributes:
        image, texture: I_emb and A_emb, ``[1 or S, 1, D]``.
        face: F_emb, ``[1 or S, 16, D]``.
        weights: trained W_k, W_v of the face.
        selected_scale, face_scale: λ_s and λ_F of Eq. 3; 0 leaves the term out.
    """

    image: Tensor
    texture: Tensor
    face: Tensor
    weights: MCLD
    selected_scale: float = 1.0
    face_scale: float = 0.5
    attention_name = "attn2"

    def project(self, site: Site, target: nn.Module, like: Tensor) -> FocalMemory:
        selected = face = None
        if self.selected_scale:
            tokens = selected_tokens(site.block, self.image.to(like), self.texture.to(like))
            selected = Memory(target.attn2.to_k(tokens), target.attn2.to_v(tokens))
        if self.face_scale:
            face = Memory(*self.weights.mfca[site.key].keys_values(self.face.to(like)))
        return FocalMemory(selected, face)

    def answer(self, memory: FocalMemory, query: Query) -> Tensor:
        result = query.plain()
        for tokens, scale in ((memory.selected, self.selected_scale), (memory.face, self.face_scale)):
            if tokens is not None:
                attended = token_attention(query.q, tokens.key, tokens.value, query.heads, query.attention)
                result = add(result, attended, scale * query.weight)
        return result

    def check(self, site: Site, target: nn.Module) -> None:
        width = context_width_of(target)
        for what, tokens in (("image", self.image), ("texture map", self.texture), ("face", self.face)):
            if tokens.shape[-1] != width:
                raise PatchError(
                    f"The {what}'s tokens are {tokens.shape[-1]} wide, and this model's context is {width} wide. MCLD "
                    "takes CLIP ViT-L/14 (768) and SD1.5."
                )
        if self.face_scale:
            check_width("MCLD", "MFCA", site, self.weights.shape.mfca.get(site), width_of(target))
