"""A look at where a patched MODEL looks in its source."""

import math
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor
from torch.nn import functional as F

from ..model_patches.comfy_watch import PlaceWatch, in_graph_order, numbered
from ..model_patches.errors import PatchError
from ..preprocessors.images import check_image
from ..preprocessors.overlay import reddened
from .details import DETAILS, grid_of_detail
from .errors import names_itself
from .host_features import search_aliases
from .watching import percent_input, watch_finished


class MannequinPreviewAttention(io.ComfyNode):
    """Attention of one place of the picture over the source."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPreviewAttention",
            display_name="Preview Attention",
            category="Mannequin/Patch",
            **search_aliases("attention map", "attention heatmap", "correspondence"),
            description=(
                "Shows where a place of the finished picture looks in the source: which of the source's places its "
                "attention falls on, by HPFA or reference attention. One evaluation of the MODEL, nothing is sampled."
            ),
            inputs=[
                io.Model.Input(
                    "model", tooltip="As it goes to the sampler, behind Apply HPFA or Apply Reference Attention."
                ),
                io.Conditioning.Input("positive", tooltip="As it goes to the sampler."),
                io.Latent.Input("latent", tooltip="The finished picture's latent, from the sampler."),
                io.Image.Input("source", tooltip="What SourceNet sees: the photo, for MCLD its texture map."),
                io.Float.Input("x", default=0.5, min=0.0, max=1.0, step=0.01, tooltip="The place, from the left."),
                io.Float.Input("y", default=0.4, min=0.0, max=1.0, step=0.01, tooltip="The place, from the top."),
                percent_input(),
                io.Combo.Input(
                    "detail", options=list(DETAILS), tooltip="Of which sites: those with the finest tokens, or coarser."
                ),
                io.Int.Input(
                    "condition",
                    default=1,
                    min=1,
                    max=99,
                    tooltip="Of several apply nodes on the MODEL, whose source: 1 is the first in the graph.",
                ),
                io.Image.Input("picture", optional=True, tooltip="The finished picture, to show the place in it."),
            ],
            outputs=[
                io.Image.Output(display_name="attention", tooltip="The source, dimmed, red where the place looks."),
                io.Mask.Output(display_name="weight", tooltip="The same as a mask; 1 where most is looked at."),
                io.Image.Output(display_name="place", tooltip="The picture with a cross at the place."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, model, positive, latent, source, x, y, percent, detail, condition, picture=None) -> io.NodeOutput:
        photo, watch = check_image(source)[:1], PlaceWatch(x, y)
        watch_finished(watch, model, positive, latent, percent)
        weight = _weight(watch, model, detail, condition, photo.shape[1] / photo.shape[2])
        shown = F.interpolate(weight[None, None], size=photo.shape[1:3], mode="bilinear")[0]
        photo = photo[..., :3]
        place = torch.zeros_like(photo) if picture is None else check_image(picture)[:1, ..., :3]
        return io.NodeOutput(reddened(photo, shown[..., None]), shown, _crossed(place, x, y))


def _weight(watch: PlaceWatch, model: Any, detail: str, condition: int, aspect: float) -> Tensor:
    """The mean over sites of where the place looks, on the source's grid, 1 where most.

    Raises:
        PatchError: nothing of the MODEL looks at a source, or not so many conditions do.
    """
    if not watch.seen:
        raise PatchError(
            "Nothing of this MODEL looks at a source at that moment. Connect the MODEL behind Apply HPFA or Apply "
            "Reference Attention, with a strength above 0, and a moment within their span."
        )
    looking = in_graph_order(model, (binding for _, binding in watch.seen))
    asked = numbered(looking, condition, "look at a source")
    seen = [noted for (_, binding), noted in watch.seen.items() if binding is asked]
    grid = grid_of_detail((grid for grid, _ in seen), detail)
    maps = [weights for own, weights in seen if own == grid]
    mean = torch.stack(maps).mean(0)
    height, width = _grid_like(len(mean), aspect)
    return (mean / mean.max().clamp(min=1e-12)).view(height, width)


def _grid_like(tokens: int, aspect: float) -> tuple[int, int]:
    """Height and width of so many tokens, of the aspect (height / width) that comes nearest."""
    sides = [(tokens // width, width) for width in range(1, tokens + 1) if tokens % width == 0]
    return min(sides, key=lambda side: abs(math.log(side[0] / side[1] / aspect)))


def _crossed(picture: Tensor, x: float, y: float) -> Tensor:
    """With a red cross at a place."""
    height, width = picture.shape[1:3]
    row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
    arm, thick = max(min(height, width) // 24, 2), min(height, width) // 160
    result = picture.clone()
    red = torch.tensor([1.0, 0.0, 0.0])
    result[:, max(row - thick, 0) : row + thick + 1, max(column - arm, 0) : column + arm + 1] = red
    result[:, max(row - arm, 0) : row + arm + 1, max(column - thick, 0) : column + thick + 1] = red
    return result
