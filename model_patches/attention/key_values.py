"""Keys and values that do not depend on the sampling step: hosts compute them once a run."""

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class KeyValues:
    """What a condition gives queries to look at, at one site.

    Attributes:
        key, value: ``[S, M, C]``; one row serves any batch.
        exists: which of the M tokens are real, boolean ``[S, M]``; None when all are.
        scale: how much of what is attended counts.
    """

    key: Tensor
    value: Tensor
    exists: Tensor | None = None
    scale: float = 1.0

    @property
    def rows(self) -> int:
        """For how many images; 1 serves any number."""
        return self.key.shape[0]

    def to(self, like: Tensor) -> "KeyValues":
        """In the dtype and on the device of the queries."""
        exists = None if self.exists is None else self.exists.to(like.device)
        return replace(self, key=self.key.to(like), value=self.value.to(like), exists=exists)

    def spread(self, batch: int) -> "KeyValues":
        """For a batch of queries: one row serves all, several serve equal runs of it (an image cut into tiles)."""

        def rows(tensor: Tensor) -> Tensor:
            if tensor.shape[0] == 1:
                return tensor.expand(batch, *tensor.shape[1:])
            times = batch // tensor.shape[0]
            return tensor if times == 1 else tensor.repeat_interleave(times, dim=0)

        exists = None if self.exists is None else rows(self.exists)
        return replace(self, key=rows(self.key), value=rows(self.value), exists=exists)
