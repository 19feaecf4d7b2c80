"""What both hosts ask of a condition.

A condition is immutable and knows two things: what it takes from SourceNet's pass at a site (once a run; nothing, where
tokens are all it has), and which keys and values that becomes under the target's projections. How they act on attention
is a word of its own (:data:`..attention.joint.Acts`); computing it is the hosts' affair, and the same for every
condition.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from ..attention.joint import Acts
from ..attention.key_values import KeyValues
from ..errors import PatchError
from ..sites import Site
from ..source import SourceSite


class Shared:
    """Copying gives the object itself: hosts deep-copy or share patches, and both must mean the same.

    So what a MODEL carries is immutable, and what changes belongs to a run.
    """

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


class Condition(ABC, Shared):
    """One paper's condition over the UNet."""

    #: Which attention of the block it acts on.
    attention_name: Literal["attn1", "attn2"]
    #: How it acts there; cross-attention is only ever added to.
    acts: Acts

    @abstractmethod
    def keys_values(self, site: Site, target: nn.Module, seen: Any) -> Sequence[KeyValues]:
        """What queries look at at a site.

        Args:
            target: TargetNet's transformer block, as it is sampled.
            seen: of :meth:`SourceCondition.read`, in the target's precision; of a condition on tokens, any tensor of
                the dtype and on the device that the result should have.
        """

    @abstractmethod
    def counts(self, site: Site, seen: Any) -> Sequence[tuple[int, int]]:
        """Rows and tokens ``(S, M)`` of each part that :meth:`keys_values` will give, of what it is given."""

    def check(self, site: Site, target: nn.Module) -> None:
        """Raise :class:`PatchError` where the condition does not fit TargetNet's block."""


class SourceCondition(Condition):
    """A condition on what SourceNet sees."""

    @abstractmethod
    def read(self, site: Site, source: SourceSite) -> Any:
        """What is kept of SourceNet's pass at a site: a tensor, or what has ``to(dtype)`` and ``nbytes`` as one has.
        Nothing of TargetNet is in it.
        """


class TokenCondition(Condition):
    """A condition on tokens, which needs no SourceNet."""


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
