"""A look at the regions of the source that TruePose chose."""

from collections.abc import Iterable, Sequence

import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_region_watch import (
    Attended,
    RegionWatch,
    Selected,
    attention_maps,
    outstanding_regions,
    region_shares,
    selected_map,
    selected_share,
    times_chosen,
)
from ..model_patches.comfy_watch import in_graph_order, numbered
from ..model_patches.errors import PatchError
from ..preprocessors.images import check_image
from ..preprocessors.labels import LIP_20, Parsing
from ..preprocessors.overlay import lit, overlay
from .details import DETAILS, grid_of_detail
from .errors import names_itself
from .host_features import search_aliases
from .tables import aligned, percents
from .watching import percent_input, watch_finished

ALL = "all"


class MannequinPreviewRegions(io.ComfyNode):
    """CAA's regions over the picture, HPFA's mask over the source."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPreviewRegions",
            display_name="Preview Regions",
            category="Mannequin/Patch",
            **search_aliases("attention map", "truepose", "clothes mask"),
            description=(
                "Shows which regions of the source TruePose chose: those that CAA gives the model again (Eq. 9) and "
                "where the finished picture looks at each, and what HPFA's mask lets it see (Eq. 6). One evaluation "
                "of the MODEL, nothing is sampled."
            ),
            inputs=[
                io.Model.Input("model", tooltip="As it goes to the sampler, behind Apply HPFA or Apply CAA."),
                io.Conditioning.Input("positive", tooltip="As it goes to the sampler."),
                io.Latent.Input("latent", tooltip="The finished picture's latent, from the sampler."),
                io.Image.Input("picture", tooltip="The finished picture."),
                io.Image.Input("source", tooltip="The photo that SourceNet sees."),
                percent_input(),
                io.Combo.Input(
                    "detail",
                    options=[ALL, *DETAILS],
                    tooltip="Of which sites: all, those with the finest tokens, or coarser.",
                ),
                io.Int.Input(
                    "condition",
                    default=1,
                    min=1,
                    max=99,
                    tooltip="Of several Apply CAA and several Apply HPFA on the MODEL, which: 1 is the first of each.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="regions",
                    tooltip="The picture, coloured by the region that is looked at more here than elsewhere.",
                ),
                io.Image.Output(display_name="selected", tooltip="The source, dark where HPFA's mask hides it."),
                io.Mask.Output(display_name="mask", tooltip="HPFA's mask as the sites' tokens have it."),
                io.String.Output(
                    display_name="table",
                    tooltip="Each region: at how many sites it is chosen, its attention in the picture, size and mask.",
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, model, positive, latent, picture, source, percent, detail, condition) -> io.NodeOutput:
        shown, photo = check_image(picture)[:1], check_image(source)[:1]
        watch = RegionWatch()
        watch_finished(watch, model, positive, latent, percent)
        attending, selecting = (in_graph_order(model, seen) for seen in (watch.attended, watch.selected))
        if not attending and not selecting:
            raise PatchError(
                "Nothing of this MODEL chooses regions at that moment. Connect the MODEL behind Apply HPFA or Apply "
                "CAA, with a strength above 0, and a moment within their span."
            )
        numbered(max(attending, selecting, key=len), condition, "choose regions")
        columns, sees, mask = {}, "", torch.ones(photo.shape[1:3])
        labels = None
        if condition <= len(attending):
            binding = attending[condition - 1]
            regions = _of_detail(watch.attended[binding].values(), detail)
            labels = binding.condition.labels[0].cpu()
            maps, shares = attention_maps(regions, shown.shape[1:3]), region_shares(regions)
            shown = overlay(shown, Parsing(outstanding_regions(maps, shares)[None]))
            columns = {
                "chosen at": [f"{count} of {len(regions)}" for count in times_chosen(regions).tolist()],
                "attention": percents(shares),
                "least": percents(maps.amin((1, 2))),
                "most": percents(maps.amax((1, 2))),
                "of the source": percents(_sizes(labels, len(shares))),
            }
        if condition <= len(selecting):
            seen = _of_detail(watch.selected[selecting[condition - 1]].values(), detail)
            mask = selected_map(seen, mask.shape)
            sees = f"HPFA sees {float(mask.mean()):.1%} of the source."
            if labels is not None:
                columns |= {"HPFA sees": percents(selected_share(seen, labels))}
        table = _table(columns, labels.unique().tolist()) if columns else ""
        text = "\n".join(part for part in (table, sees) if part)
        return io.NodeOutput(shown, lit(photo, mask[None, ..., None]), mask[None], text)


def _of_detail(sites: Iterable[Attended] | Iterable[Selected], detail: str) -> list:
    """Those with the feature map that is asked for."""
    sites = list(sites)
    if detail == ALL:
        return sites
    grid = grid_of_detail((site.grid for site in sites), detail)
    return [site for site in sites if site.grid == grid]


def _sizes(labels: Tensor, count: int) -> Tensor:
    """How much of a parsing ``[H, W]`` every label is."""
    return torch.bincount(labels.flatten().long(), minlength=count) / labels.numel()


def _table(columns: dict[str, list[str]], labels: Sequence[int]) -> str:
    """A line for each label but the background, under headings."""
    return aligned(
        [["region", *columns], *([LIP_20[n], *(cells[n] for cells in columns.values())] for n in labels if n)]
    )
