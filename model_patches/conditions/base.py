"""What a patched attention attends to, for any host.

A condition is immutable and knows two things: how to make one site's memory (once a run), from SourceNet's pass or from
tokens alone, and how to answer the target's queries with it (every step). Hosts supply the plain attention and the
transformer blocks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..attention.multihead import Attention
from ..errors import PatchError
from ..sites import Site
from ..source import SourceSite


@dataclass(frozen=True)
class Memory:
    """Keys and values of one site, constant over a run; ``[S, M, C]``. ``exists`` marks real rows of M."""

    key: Tensor
    value: Tensor
    exists: Tensor | None = None

    @property
    def rows(self) -> int:
        """For how many images; 1 serves any number."""
        return self.key.shape[0]

    def to(self, like: Tensor) -> "Memory":
        """In the dtype and on the device of the queries."""
        return Memory(self.key.to(like), self.value.to(like), self.exists)


@dataclass(frozen=True, eq=False)
class Query:
    """One step's question at one site.

    Attributes:
        q, k, v: the target's projections, ``[B, N, C]``.
        heads: number of heads.
        weight: how strongly to answer: a number, or ``[1 or B, N, 1]``.
        plain: the attention the site would have computed, on demand.
        attention: the host's multi-head attention.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    heads: int
    weight: float | Tensor
    plain: Callable[[], Tensor]
    attention: Attention


class Immutable:
    """Copying gives the object itself: hosts deep-copy or share patches, and both must mean the same."""

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


class Condition(ABC, Immutable):
    """One paper's condition over the UNet."""

    #: Which attention of the block it patches.
    attention_name: Literal["attn1", "attn2"]

    @abstractmethod
    def answer(self, memory: Any, query: Query) -> Tensor:
        """What the site's attention gives instead of ``query.plain()``, ``[B, N, C]``."""

    def check(self, site: Site, target: nn.Module) -> None:
        """Raise :class:`PatchError` where the condition does not fit TargetNet's block."""


class SourceCondition(Condition):
    """A condition on what SourceNet sees."""

    @abstractmethod
    def remember(self, site: Site, source: SourceSite, target: nn.Module) -> Memory:
        """The site's memory. ``target`` is TargetNet's transformer block."""


class TokenCondition(Condition):
    """A condition on tokens, which needs no SourceNet."""

    @abstractmethod
    def project(self, site: Site, target: nn.Module, like: Tensor) -> Any:
        """The site's memory, in the dtype and on the device of ``like``. ``target`` is TargetNet's block."""


def mix(plain: Callable[[], Tensor], patched: Tensor, weight: float | Tensor) -> Tensor:
    """From the plain attention to the patched one; ``weight`` 1 is the patched one, and does not ask for the other."""
    if isinstance(weight, float) and weight == 1.0:
        return patched
    return torch.lerp(plain(), patched, weight.to(patched) if isinstance(weight, Tensor) else weight)


def add(plain: Tensor, patched: Tensor, weight: float | Tensor) -> Tensor:
    """The plain attention and so much of the patched one."""
    if isinstance(weight, Tensor):
        return torch.addcmul(plain, weight.to(plain), patched)
    return torch.add(plain, patched, alpha=weight)


def check_width(method: str, module: str, site: Site, trained: int | None, width: int) -> None:
    """Raise :class:`PatchError` where a method's weights lack a module for a site, or have one of another width."""
    if trained is None:
        raise PatchError(
            f"The {method} weights have no {module} module for site '{site}' of this model. They were made for another "
            "base model, or for fewer sites: connect the base model they were trained on, or choose fewer sites."
        )
    if trained != width:
        raise PatchError(
            f"The {method} weights are {trained} wide at site '{site}', and this model is {width} wide there. They "
            "were made for another base model: connect the one they were trained on."
        )
