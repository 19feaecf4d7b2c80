"""Texture maps: a person's look on the body's surface, and its editing."""

from collections.abc import Sequence

import torch
from comfy_api.latest import io

from ..preprocessors.densepose import PARTS, part_numbers
from ..preprocessors.errors import ConditionError
from ..preprocessors.images import check_image
from ..preprocessors.masks import given
from ..preprocessors.texture_map import TEXTURE, coverage, known_texels, marked, parts_of_texture, texture_map
from .densepose import parts_input
from .errors import names_itself
from .host_features import advanced, search_aliases
from .progress import per_picture
from .tables import aligned, percents
from .types import DensePose

MERGED, SEPARATE = "one map of all", "a map for each"


class MannequinTextureMap(io.ComfyNode):
    """DensePose and photo make SMPL's texture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinTextureMap",
            display_name="Texture Map",
            category="Mannequin/Person",
            **search_aliases("uv texture", "smpl texture", "unwrap"),
            description=(
                "Lays a person's photo out on the body's surface (MCLD 3.2): DensePose's 24 charts, small gaps painted "
                "over, then SMPL's 512×512 texture. Several photos of one person make one, more complete map."
            ),
            inputs=[
                io.Image.Input("image", tooltip="Photos of one person, or of several with 'a map for each'."),
                DensePose.Input("densepose", tooltip="Of the same photos."),
                io.Combo.Input(
                    "photos",
                    options=[MERGED, SEPARATE],
                    tooltip="One map of all: every texel from the photo that sees it best. Or a map for each photo.",
                ),
                advanced(
                    io.Combo.Input(
                        "paint",
                        options=["MCLD", "seamless", "off"],
                        tooltip="Paint over small gaps: as published, or over its dark seams too. Needs OpenCV.",
                    )
                ),
            ],
            outputs=[
                io.Image.Output(display_name="texture", tooltip="512×512; black where nothing is known."),
                io.Mask.Output(display_name="known", tooltip="White where the photos show the surface."),
                io.String.Output(
                    display_name="coverage", tooltip="How much of every body part is known, a column for each map."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, image, densepose, photos, paint) -> io.NodeOutput:
        image = check_image(image)
        if image.shape != densepose.iuv.shape:
            raise ConditionError(
                f"The image is {_size(image)} and the DensePose {_size(densepose.iuv)} (pictures × width×height). "
                "Connect the image that the DensePose was made from."
            )
        groups = [slice(None)] if photos == MERGED else [slice(row, row + 1) for row in range(len(image))]
        step = per_picture(len(image) + (0 if paint == "off" else PARTS * len(groups)))
        maps = [texture_map(image[group], densepose[group], paint, step) for group in groups]
        textures, known = zip(*maps, strict=True)
        return io.NodeOutput(torch.stack(textures), torch.stack(known).float(), _coverage(known))


class MannequinSwapTexture(io.ComfyNode):
    """Body parts of one map on another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinSwapTexture",
            display_name="Swap Texture Parts",
            category="Mannequin/Person",
            description=(
                "Puts body parts of one texture map on another (MCLD 4.4): somebody else's trousers, shoes or face. "
                "Where nothing of the donor's is known, the person keeps their own."
            ),
            inputs=[
                io.Image.Input("texture", tooltip="The person's map, from Texture Map."),
                io.Image.Input("donor", tooltip="The map that parts are taken from."),
                parts_input(),
                io.Mask.Input(
                    "donor_known",
                    optional=True,
                    tooltip=(
                        "Texture Map's known, of the donor. Needed for black clothes in a map loaded from a file; a "
                        "map straight from Texture Map tells it by itself."
                    ),
                ),
            ],
            outputs=[
                io.Image.Output(display_name="texture", tooltip="The edited map."),
                io.Mask.Output(display_name="swapped", tooltip="White where the donor's texels are."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, texture, donor, parts, donor_known=None) -> io.NodeOutput:
        texture, donor = check_texture(texture), check_texture(donor)
        if 1 not in (len(texture), len(donor)) and len(texture) != len(donor):
            raise ConditionError(
                f"There are {len(texture)} texture maps and {len(donor)} donors. Give one donor for all, or one each."
            )
        swapped = parts_of_texture(part_numbers(parts)) & _known(donor, given(donor_known, donor.shape[1:3]))
        if not swapped.any():
            raise ConditionError(
                f"Nothing of '{parts}' is known in the donor's map. Name parts that the donor's photo shows; if their "
                "clothes are black and the map comes from a file, connect Texture Map's known to donor_known."
            )
        edited = marked(torch.where(swapped[..., None], donor, texture), swapped.expand(len(donor), -1, -1))
        return io.NodeOutput(edited, swapped.expand(edited.shape[:3]).float())


class MannequinTextureMask(io.ComfyNode):
    """Where body parts lie on the map."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinTextureMask",
            display_name="Texture Mask",
            category="Mannequin/Person",
            description="Where body parts lie in a texture map, for editing it with ComfyUI's own mask nodes.",
            inputs=[parts_input()],
            outputs=[io.Mask.Output(display_name="MASK", tooltip="512×512, white where any of the parts is.")],
        )

    @classmethod
    @names_itself
    def execute(cls, parts) -> io.NodeOutput:
        return io.NodeOutput(parts_of_texture(part_numbers(parts))[None].float())


def _coverage(known: Sequence[torch.Tensor]) -> str:
    """A line for each body part, a column for each map."""
    maps = [coverage(each) for each in known]
    heading = ["known"] if len(maps) == 1 else [f"map {number}" for number in range(1, len(maps) + 1)]
    shares = ([part, *percents(torch.tensor([each[part] for each in maps]))] for part in maps[0])
    whole = parts_of_texture(range(1, PARTS + 1))
    body = ["whole body", *percents(torch.stack([each[whole].float().mean() for each in known]))]
    return aligned([["part", *heading], *shares, body])


def check_texture(image: torch.Tensor) -> torch.Tensor:
    """An IMAGE that is a texture map, ``[B, 512, 512, 3]``.

    Raises:
        ConditionError: another size.
    """
    image = check_image(image)
    if image.shape[1:3] != (TEXTURE, TEXTURE):
        raise ConditionError(
            f"The picture is {image.shape[2]}×{image.shape[1]}; a texture map is {TEXTURE}×{TEXTURE}. Connect Texture "
            "Map, and do not resize its result."
        )
    return image


def _known(donor: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Where something is known of maps ``[B, 512, 512, 3]``: what a MASK says, or they themselves; boolean.

    Raises:
        ConditionError: the mask is of something else.
    """
    if mask is None:
        return known_texels(donor)
    mask = (mask[None] if mask.ndim == 2 else mask).cpu()
    if mask.ndim != 3 or mask.shape[1:] != donor.shape[1:3] or len(mask) not in (1, len(donor)):
        raise ConditionError(
            f"The mask donor_known has shape {tuple(mask.shape)} and the donor's map {tuple(donor.shape[:3])}. Connect "
            "the known of the Texture Map that the donor's map comes from."
        )
    return mask > 0.5


def _size(pictures: torch.Tensor) -> str:
    return f"{pictures.shape[0]} × {pictures.shape[2]}×{pictures.shape[1]}"
