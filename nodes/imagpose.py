"""IMAGPose: its weights, joint pictures of one or many sources and poses, and the views that were generated."""

from dataclasses import dataclass
from functools import partial

import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_weights import load_weights
from ..model_patches.errors import PatchError
from ..model_patches.weight_kinds.imagpose import CONVERTED, IMAGPOSE_MODEL
from ..preprocessors.images import check_image, squashed
from ..preprocessors.joint_views import STEP, JointLayout, Tile, arranged, flagged, joined, taken_apart
from .checks import ASPECT_TOLERANCE
from .cva import CANVASES
from .errors import names_itself
from .host_features import advanced, search_aliases
from .inputs import no_person_input
from .model_files import any_name, files_of_kind, read_weights
from .types import IMAGPoseWeights, JointViews, Tiles

#: What tiles hold that are left over; and which tiles come back.
FILLS = ("automatic", "target poses", "sources")
KEPT = (ONE_EACH := "one a pose", GENERATED := "generated", ALL_TILES := "all tiles")


@dataclass(frozen=True, eq=False)
class Views:
    """A joint picture and what it was made of.

    Attributes:
        picture, poses: ``[1, H, W, 3]``.
        mask: ``[1, H, W]``, white where a tile is generated.
        sources: photos in their own size, ``[1, h, w, 3]`` each.
    """

    layout: JointLayout
    picture: Tensor
    mask: Tensor
    poses: Tensor
    sources: tuple[Tensor, ...]


class MannequinLoadIMAGPose(io.ComfyNode):
    """One file: the UNet, and what stands beside it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadIMAGPose",
            display_name="Load IMAGPose",
            category="Mannequin/Load",
            **search_aliases("pose transfer", "multi-view"),
            description=(
                "Loads IMAGPose from a safetensors file in models/mannequin: its UNet, ready to sample (v-prediction, "
                "zero terminal SNR), and what stands beside it. Make the file of trained weights with "
                f"{CONVERTED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(IMAGPOSE_MODEL),
                    tooltip="An IMAGPose weight file in models/mannequin, recognised by what is in it.",
                )
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The UNet that is sampled, for Apply CVA."),
                IMAGPoseWeights.Output(
                    display_name="imagpose", tooltip="Cross-view attention, pose encoder and tokenizer."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, IMAGPOSE_MODEL), weights))

    validate_inputs = any_name


class MannequinJointViews(io.ComfyNode):
    """Section 3.3 and Fig. 3."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinJointViews",
            display_name="Joint Views",
            category="Mannequin/Condition",
            **search_aliases("grid", "multi-view"),
            description=(
                "Puts sources and target poses into the tiles of one joint picture (IMAGPose, section 3.3). What is "
                "connected says what is done: one source and one pose (T1, or T2 with the source repeated), several "
                "sources and one pose (T3), one source and several poses at once, or several of both."
            ),
            inputs=[
                io.Image.Input("image", tooltip="The source photo; a batch counts as several sources."),
                io.Image.Input("source_pose", tooltip="Draw Pose of the source photo, in IMAGPose's style."),
                io.Image.Input("target_pose", tooltip="Draw Pose of the target; a batch is generated at once."),
                io.Int.Input(
                    "width",
                    default=512,
                    min=64,
                    max=1024,
                    step=8,
                    tooltip="Width of a tile in pixels, to which pictures are squashed. Trained: 512.",
                ),
                io.Int.Input(
                    "height",
                    default=512,
                    min=64,
                    max=1024,
                    step=8,
                    tooltip="Height of a tile. Trained: 512, then 768. Padded to multiples of 64, and cut back.",
                ),
                io.Combo.Input(
                    "canvas",
                    options=list(CANVASES),
                    tooltip="Tiles, rows × columns. 2×2 is what IMAGPose was trained on; others are beyond the paper.",
                ),
                advanced(
                    io.Combo.Input(
                        "free_tiles",
                        options=list(FILLS),
                        tooltip=(
                            "What is repeated in tiles that are left over. Automatic: target poses where there is one "
                            "source (T1), sources where there are several. Sources with one source: T2."
                        ),
                    )
                ),
                no_person_input(),
                io.Image.Input("image_2", optional=True, tooltip="A second photo of the same person and outfit."),
                io.Image.Input("source_pose_2", optional=True, tooltip="Draw Pose of the second photo."),
                io.Image.Input("image_3", optional=True, tooltip="A third photo of the same person and outfit."),
                io.Image.Input("source_pose_3", optional=True, tooltip="Draw Pose of the third photo."),
                io.Image.Input("target_pose_2", optional=True, tooltip="A second target pose."),
                io.Image.Input("target_pose_3", optional=True, tooltip="A third target pose."),
                advanced(
                    io.Int.Input(
                        "tile_multiple",
                        default=STEP,
                        min=8,
                        max=STEP,
                        step=8,
                        optional=True,
                        tooltip=(
                            "Of which a tile's sides are multiples: 64 for Stable Diffusion's UNet of four levels, 32 "
                            "for the demo's of three."
                        ),
                    )
                ),
            ],
            outputs=[
                JointViews.Output(display_name="views", tooltip="For IMAGPose Conditioning and Split Joint Views."),
                io.Image.Output(display_name="joint", tooltip="The joint picture: sources, and black for targets."),
                io.Image.Output(display_name="joint_pose", tooltip="Every tile's pose."),
                io.Mask.Output(display_name="mask", tooltip="White is generated."),
                io.String.Output(display_name="summary", tooltip="What is done: T1, T2, T3 or several poses."),
                Tiles.Output(display_name="tiles", tooltip="Which tiles are generated, for Pose Interaction Field."),
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        image,
        source_pose,
        target_pose,
        width: int,
        height: int,
        canvas: str,
        free_tiles: str,
        on_no_person: str,
        image_2=None,
        source_pose_2=None,
        image_3=None,
        source_pose_3=None,
        target_pose_2=None,
        target_pose_3=None,
        tile_multiple: int = STEP,
    ) -> io.NodeOutput:
        photos, their_poses = (
            _singly(given) for given in ((image, image_2, image_3), (source_pose, source_pose_2, source_pose_3))
        )
        _check_pairs(photos, their_poses, (height, width))
        sources = [
            pair
            for number, pair in enumerate(zip(photos, their_poses, strict=True))
            if _shows_somebody(pair[1], f"Source pose {number + 1}", on_no_person)
        ]
        targets = [
            pose
            for number, pose in enumerate(_singly((target_pose, target_pose_2, target_pose_3)))
            if _shows_somebody(pose, f"Target pose {number + 1}", on_no_person)
        ]
        layout = arranged(len(sources), len(targets), width, height, CANVASES[canvas], free_tiles, tile_multiple)
        black = torch.zeros(1, height, width, 3)
        pictures = [
            black if tile.target else squashed(sources[tile.number][0], width, height, "bilinear")
            for tile in layout.tiles
        ]
        poses = [
            squashed(targets[tile.number] if tile.target else sources[tile.number][1], width, height, "bilinear")
            for tile in layout.tiles
        ]
        views = Views(
            layout,
            joined(layout, pictures, edge=True),
            flagged(layout),
            joined(layout, poses),
            tuple(photo for photo, _ in sources),
        )
        return io.NodeOutput(views, views.picture, views.poses, views.mask, layout.summary(), layout)


def _singly(given: tuple[Tensor | None, ...]) -> list[Tensor]:
    """Pictures ``[1, H, W, 3]`` of what is connected, batches taken apart."""
    return [row for picture in given if picture is not None for row in check_image(picture).split(1)]


def _check_pairs(photos: list[Tensor], poses: list[Tensor], tile: tuple[int, int]) -> None:
    """Every source has a pose, drawn in the photo's own frame, or in a tile's, to which photos are squashed."""
    if len(photos) != len(poses):
        raise PatchError(
            f"There are {len(photos)} source photos and {len(poses)} source poses. Each photo needs the pose that is "
            "detected in it: Detect Pose and Draw Pose, connected at the same number."
        )
    for number, (photo, pose) in enumerate(zip(photos, poses, strict=True), 1):
        (height, width), (drawn_height, drawn_width) = photo.shape[1:3], pose.shape[1:3]
        aspects = [tall / wide / (drawn_height / drawn_width) for tall, wide in ((height, width), tile)]
        if all(abs(aspect - 1) > ASPECT_TOLERANCE for aspect in aspects):
            raise PatchError(
                f"Source {number} is {width}×{height} and its pose {drawn_width}×{drawn_height}: they show different "
                "crops. Draw the pose at the photo's size, or at a tile's."
            )


def _shows_somebody(pose: Tensor, what: str, on_no_person: str) -> bool:
    """Whether anything is drawn in a picture of a pose."""
    if pose.any():
        return True
    if on_no_person == "error":
        raise PatchError(
            f"{what} is black: nobody was found in that picture. Take another picture, lower Detect Pose's threshold, "
            "or set on_no_person to skip, which leaves it out."
        )
    return False


class MannequinSplitViews(io.ComfyNode):
    """The reverse of Joint Views."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinSplitViews",
            display_name="Split Joint Views",
            category="Mannequin/Condition",
            **search_aliases("grid", "multi-view"),
            description=(
                "Cuts the joint picture, behind VAE Decode, into a batch of its views, without the margins that Joint "
                "Views added."
            ),
            inputs=[
                io.Image.Input("joint", tooltip="The decoded joint picture."),
                JointViews.Input("views", tooltip="From Joint Views."),
                io.Combo.Input(
                    "keep",
                    options=list(KEPT),
                    tooltip=(
                        "One a pose: the first view of every target pose. Generated: repetitions of a pose (T1) too. "
                        "All tiles: sources as well, as they were decoded."
                    ),
                ),
            ],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="The views, as a batch.")],
        )

    @classmethod
    @names_itself
    def execute(cls, joint, views: Views, keep: str) -> io.NodeOutput:
        parts = list(zip(views.layout.tiles, taken_apart(views.layout, joint), strict=True))
        if keep == ONE_EACH:
            firsts: dict[Tile, Tensor] = {}
            for tile, part in parts:
                if tile.target:
                    firsts.setdefault(tile, part)
            kept = list(firsts.values())
        else:
            kept = [part for tile, part in parts if tile.target or keep == ALL_TILES]
        return io.NodeOutput(torch.cat(kept))
