"""A body fitted to a photo: DensePose and parsing without another network, and a mannequin to go on from."""

import comfy.model_management
import torch
from comfy_api.latest import io

from ..preprocessors.body.photo import fit_photos
from ..preprocessors.body.points import frames
from ..preprocessors.body.rendering import densepose, normal_image, parsing
from ..preprocessors.body.rendering import mask as mask_of
from ..preprocessors.body.scene import read
from ..preprocessors.errors import ConditionError
from ..preprocessors.images import check_image
from ..preprocessors.keypoints import to_pose_keypoint
from ..preprocessors.overlay import OPACITY
from .body import LARGEST_SIDE
from .checks import as_mask
from .errors import names_itself
from .host_features import search_aliases
from .inputs import people_inputs, person_input
from .progress import per_picture
from .types import DensePose, Parsing, PoseKeypoint

BY_OUTLINE, AS_GIVEN = "from the outline", "as in the text"


class MannequinFitBody(io.ComfyNode):
    """A photo's person as a mannequin."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinFitBody",
            display_name="Fit Body",
            category="Mannequin/Person",
            **search_aliases("densepose", "iuv", "smpl", "body mesh", "3d body", "human mesh recovery"),
            description=(
                "Fits the bundled body to the people of a photo: their pose by keypoints and depths, shape and clothes "
                "by the outline. Gives DensePose and parsing for people who have no DensePose file, and the mannequin, "
                "for Pose Mannequin to go on from. Nothing to download."
            ),
            inputs=[
                io.Image.Input("image", tooltip="Photos; everyone who counts is fitted."),
                *people_inputs(),
                io.Combo.Input(
                    "shape",
                    options=[BY_OUTLINE, AS_GIVEN],
                    tooltip=(
                        "Sex, height, build, muscle, trousers or skirt, coat and hair: what makes the outline most "
                        "like the photo's, or what the text says."
                    ),
                ),
                person_input(),
                io.String.Input(
                    "mannequin",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="JSON as Pose Mannequin has it: shape and clothes to begin with. Empty is average.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the person is, for photos of one: better than the bundled network's own.",
                ),
            ],
            outputs=[
                DensePose.Output("densepose", display_name="DENSEPOSE", tooltip="I, U and V of every pixel."),
                Parsing.Output("parsing", display_name="PARSING", tooltip="The clothes' and body's labels (LIP's)."),
                io.Image.Output("overlay", display_name="overlay", tooltip="The photo with the body over it."),
                io.Mask.Output("body_mask", display_name="MASK", tooltip="Where the body is."),
                PoseKeypoint.Output(
                    "keypoints",
                    display_name="POSE_KEYPOINT",
                    tooltip="The body's points, hidden ones and hands and face too, in pixels of the photo.",
                ),
                io.String.Output(
                    "text", display_name="mannequin", tooltip="The first photo's people as JSON, for Pose Mannequin."
                ),
                io.String.Output("report", display_name="report", tooltip="How sure everyone's fit is."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, image, on_no_person, on_several, shape, person=1, mannequin="", mask=None) -> io.NodeOutput:
        photos = check_image(image)
        if max(photos.shape[1:3]) > LARGEST_SIDE:
            raise ConditionError(
                f"The photo is {photos.shape[2]}×{photos.shape[1]}; a body is drawn up to {LARGEST_SIDE} pixels. Make "
                "it smaller with Fit Image first."
            )
        masks = None if mask is None else as_mask(mask, "The mask")
        made = fit_photos(
            photos,
            read(mannequin),
            shape == BY_OUTLINE,
            masks,
            on_no_person,
            on_several,
            person,
            per_picture(len(photos)),
            comfy.model_management.throw_exception_if_processing_interrupted,
        )
        shown = mask_of(made.pictures)
        drawn = torch.lerp(photos, normal_image(made.pictures), OPACITY * shown[..., None])
        return io.NodeOutput(
            densepose(made.pictures),
            parsing(made.pictures),
            drawn,
            shown,
            to_pose_keypoint(frames(made.pictures)),
            made.text,
            made.report,
        )
