"""Which tokens of a source show the same place of the body as a target's, and attention that is taught to look there.

Ours, and no paper's: with the papers' losses alone a small network does not find the source at fine sites in any time
two cores have. Where DensePose of both pictures is known, attention A of target tokens i on source tokens j is given
the cross-entropy −Σ_j T_ij log A_ij, where T says how much of the same surface two tokens show.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from model_patches.conditions import SourceCondition
from model_patches.sites import Site
from preprocessors.densepose import PARTS

#: Of a part's U and of its V.
BINS = 4
SURFACE_BINS = PARTS * BINS * BINS
#: How much two tokens' common label counts beside a common place of the surface: a garment's back tells of its front.
LABEL_WEIGHT = 0.15
#: The parsing's label of nobody. Backgrounds count apart from the body, or not at all: most tokens show one, and all of
#: a picture's are alike, so that among the others they would teach attention to be uniform.
BACKGROUND = 0


class Surface(NamedTuple):
    """What a picture, or a texture map, shows at every pixel.

    Attributes:
        iuv: uint8 ``[B, H, W, 3]``, DensePose's I in 0–24 (0: nothing), U and V times 255.
        labels: integer ``[B, H, W]``, a parsing; None where there is none.
    """

    iuv: Tensor
    labels: Tensor | None = None


def token_histograms(bins: Tensor, count: int, grid: tuple[int, int]) -> Tensor:
    """Share of a token's pixels that fall into each bin, ``[B, h · w, count]``.

    Args:
        bins: integer ``[B, H, W]``, in 0…count − 1; others fall into none.
        grid: h and w of the tokens, which need not divide H and W.
    """
    rows, (height, width) = len(bins), bins.shape[1:]
    down = torch.arange(height, device=bins.device) * grid[0] // height
    across = torch.arange(width, device=bins.device) * grid[1] // width
    token = (down[:, None] * grid[1] + across).expand_as(bins)
    token = token + torch.arange(rows, device=bins.device)[:, None, None] * (grid[0] * grid[1])
    # Bytes would wrap around beyond 255.
    bins = bins.long()
    inside = (bins >= 0) & (bins < count)
    place = (token * count + bins)[inside]
    counts = torch.bincount(place, minlength=rows * grid[0] * grid[1] * count).float()
    pixels = torch.bincount(token.flatten(), minlength=rows * grid[0] * grid[1]).clamp(min=1).float()
    return counts.view(rows, -1, count) / pixels.view(rows, -1, 1)


def surface_bins(iuv: Tensor) -> Tensor:
    """The part and a sixteenth of its chart, int64 ``[B, H, W]`` in 0…:data:`SURFACE_BINS` − 1; −1 beside the body."""
    part, u, v = (channel.long() for channel in iuv.unbind(-1))
    bins = ((part - 1) * BINS + u * BINS // 256) * BINS + v * BINS // 256
    return torch.where((part > 0) & (part <= PARTS), bins, -1)


class Correspondence:
    """Of the same people's targets and sources, at any grids.

    Args:
        target: of B pictures.
        source: of S pictures or texture maps, each of which is seen by B / S of the targets, one after another.
        background: what a token that shows nobody counts for finding the source's background, beside one of a body
            for finding the body. Where it is not 0, both have labels.
    """

    def __init__(self, target: Surface, source: Surface, background: float = 0.0) -> None:
        self._target, self._source = target, source
        self.background = background
        self._histogram = functools.cache(self._histogram_of)
        #: Sites share grids.
        self.wanted = functools.cache(self._wanted)
        self.wanted_by_nobody = functools.cache(self._wanted_by_nobody)

    def surface(self, target_grid: tuple[int, int], source_grid: tuple[int, int]) -> Tensor:
        """How much of the same surface tokens show: Σ over bins of the product of their shares, ``[B, N, M]``."""
        return self._product("surface", target_grid, source_grid)

    def _wanted(self, target_grid: tuple[int, int], source_grid: tuple[int, int]) -> Tensor:
        """T: where each target token should look; rows ``[B, N, M]`` add up to 1, or to 0 where nothing is alike.

        Nothing is like a background.
        """
        alike = self.surface(target_grid, source_grid)
        if self._target.labels is not None and self._source.labels is not None:
            alike = alike + LABEL_WEIGHT * self._product("labels", target_grid, source_grid)
        return alike / alike.sum(-1, keepdim=True).clamp(min=1e-6)

    def _wanted_by_nobody(self, target_grid: tuple[int, int], source_grid: tuple[int, int]) -> Tensor:
        """T of tokens that show only background, which should find the source's; others' rows are 0; ``[B, N, M]``."""
        empty = self._histogram("target", "background", target_grid) >= 1
        alike = self._product("background", target_grid, source_grid) * empty
        return alike / alike.sum(-1, keepdim=True).clamp(min=1e-6)

    def _product(self, kind: str, target_grid: tuple[int, int], source_grid: tuple[int, int]) -> Tensor:
        target, source = self._histogram("target", kind, target_grid), self._histogram("source", kind, source_grid)
        rows, sources = len(target), len(source)
        return (target.unflatten(0, (sources, rows // sources)) @ source[:, None].mT).flatten(0, 1)

    def _histogram_of(self, side: str, kind: str, grid: tuple[int, int]) -> Tensor:
        surface = self._target if side == "target" else self._source
        if kind == "surface":
            return token_histograms(surface_bins(surface.iuv), SURFACE_BINS, grid)
        if kind == "background":
            return token_histograms((surface.labels != BACKGROUND).long(), 1, grid)
        return token_histograms(surface.labels.long().where(surface.labels != BACKGROUND, -1), 256, grid)


def correspondence_error(attention: Tensor, wanted: Tensor) -> Tensor:
    """−Σ_j T_ij log A_ij, the mean over tokens i that have something to look at.

    Args:
        attention: averaged over heads, ``[B, N, M]``; rows add up to 1, or to less where other keys take a share.
        wanted: T, of the same shape.
    """
    error = -(wanted * attention.clamp(min=1e-9).log()).sum(-1)
    matched = wanted.sum(-1) > 0.5
    return (error * matched).sum() / matched.sum().clamp(min=1)


class Looking:
    """Sees how a network looks at its source (:data:`.diffusers_binding.Watch`), and says how far off that is.

    Args:
        correspondence: of the batch.
        target, source: height and width of their latents.
    """

    def __init__(self, correspondence: Correspondence, target: tuple[int, int], source: tuple[int, int]) -> None:
        self._correspondence, self._target, self._source = correspondence, target, source
        self._errors: list[Tensor] = []

    def __call__(self, site: Site, condition: SourceCondition, attention: Tensor) -> None:
        grids = grid_of(attention.shape[1], self._target), grid_of(attention.shape[2], self._source)
        self.see(attention, *grids)

    def see(self, attention: Tensor, target_grid: tuple[int, int], source_grid: tuple[int, int]) -> None:
        """Be told of attention ``[B, N, M]`` whose N and M tokens are these grids."""
        wanted = self._correspondence
        error = correspondence_error(attention, wanted.wanted(target_grid, source_grid))
        if wanted.background:
            nobody = wanted.wanted_by_nobody(target_grid, source_grid)
            error = error + wanted.background * correspondence_error(attention, nobody)
        self._errors.append(error)

    def error(self) -> Tensor:
        """The mean over all sites; 0 where no site looks at the source."""
        return torch.stack(self._errors).mean() if self._errors else torch.zeros(())


def grid_of(tokens: int, latent: tuple[int, int]) -> tuple[int, int]:
    """Height and width of so many tokens of a UNet whose latent is so large: every level halves it, rounding up."""
    height, width = latent
    while height * width > tokens:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != tokens:
        raise ValueError(f"No level of a UNet on a latent {latent[0]} × {latent[1]} has {tokens} tokens.")
    return height, width


def looked_at(attention: Tensor, surface: Tensor) -> tuple[float, float]:
    """The share of attention on tokens that show some of the same surface, and what uniform attention would give it.

    The mean over target tokens that have such tokens; not a number where none has.

    Args:
        attention: ``[B, N, M]``, averaged over heads.
        surface: of :meth:`Correspondence.surface`.
    """
    alike = surface > 0
    seen = alike.any(-1)
    if not seen.any():
        return float("nan"), float("nan")
    share = (attention * alike).sum(-1)[seen].mean()
    return float(share), float(alike.float().mean(-1)[seen].mean())
