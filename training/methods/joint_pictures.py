"""Joint pictures (IMAGPose, section 3.3): which view each of their tiles shows, and which the network is given.

Views are a person's pictures; view 0 is the reference, whose tokens are the context.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model_patches.attention.cva import PUBLISHED_TILES, join_tiles
from preprocessors.joint_views import JointLayout

from ..draws import Draws
from .base import Batch

#: Of a joint picture; and its views beside the reference.
TILES = PUBLISHED_TILES[0] * PUBLISHED_TILES[1]
OTHERS = TILES - 1


@dataclass(frozen=True)
class Arrangement:
    """What is in the tiles of S joint pictures, row by row.

    Attributes:
        views: the number of each tile's view, int64 ``[S, 4]``.
        visible: whether its picture is given, boolean ``[S, 4]``; the others are generated.
    """

    views: Tensor
    visible: Tensor

    @property
    def alone(self) -> Tensor:
        """Where the reference alone is given, in the first tile, as T1 has it: boolean ``[S]``."""
        return self.visible[:, 0] & (self.visible.sum(1) == 1) & (self.views[:, 0] == 0)

    def tiles(self, views: Tensor) -> Tensor:
        """Of views ``[S, V, …]`` what the tiles show, ``[S, 4, …]``."""
        return views[torch.arange(len(views), device=views.device)[:, None], self.views]

    def joint(self, views: Tensor, shown: Tensor | None = None, blank: Tensor | float = 0.0) -> Tensor:
        """Views ``[S, V, C, h, w]`` as joint pictures ``[S, C, 2h, 2w]``.

        Args:
            shown: tiles that are not ``[S, 4]`` are blank; None shows all.
            blank: what they hold, like a tile.
        """
        tiles = self.tiles(views)
        if shown is not None:
            tiles = torch.where(shown[:, :, None, None, None], tiles, blank)
        return join_tiles(tiles, PUBLISHED_TILES)

    def flags(self, height: int, width: int) -> Tensor:
        """1 where a tile is given, ``[S, 1, height, width]``."""
        rows, columns = PUBLISHED_TILES
        flags = self.visible.float().unflatten(1, (1, rows, columns))
        return flags.repeat_interleave(height // rows, 2).repeat_interleave(width // columns, 3)


def drawn(draws: Draws, hidden: tuple[int, int]) -> Arrangement:
    """Four views in any order; ``hidden`` is the least and the most that are generated, the reference only with all."""
    views, ranks = draws.permutations(TILES), draws.permutations(OTHERS)
    least, most = hidden
    count = least + draws.integers(most - least + 1)
    # The reference comes last of all.
    ranks = torch.cat([torch.full_like(ranks[:, :1], OTHERS), ranks], 1)
    return Arrangement(views, ~(ranks < count[:, None]).gather(1, views))


def laid_out(layout: JointLayout, rows: int, device: torch.device) -> Arrangement:
    """As a layout says, for every row alike; its sources are the first views, then come its targets."""
    sources = 1 + max(tile.number for tile in layout.tiles if not tile.target)
    views = torch.tensor([tile.number + sources * tile.target for tile in layout.tiles], device=device)
    visible = torch.tensor([not tile.target for tile in layout.tiles], device=device)
    return Arrangement(views.expand(rows, -1), visible.expand(rows, -1))


def views_of(batch: Batch, name: str) -> Tensor:
    """What was read of S references and of their targets, ``[S, V, …]``."""
    reference, targets = batch[f"source_{name}"], batch[f"target_{name}"]
    return torch.cat([reference[:, None], targets.unflatten(0, (len(reference), -1))], 1)
