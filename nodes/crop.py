"""A photo at a method's size, and the result back in the photo."""

from comfy_api.latest import io

from ..preprocessors.images import check_image
from ..preprocessors.masks import given
from ..preprocessors.people import people_boxes
from ..preprocessors.placement import LARGEST_SIDE, fit, mask_boxes, paste, place
from .errors import names_itself
from .host_features import search_aliases
from .inputs import people_inputs, person_input
from .progress import per_picture
from .types import Placement

#: Width and height each method was trained at.
SIZES = {
    "width × height": None,
    "TruePose, CFLD 352×512": (352, 512),
    "TruePose 176×256": (176, 256),
    "MCLD, PCDMs, IMAGPose 512×512": (512, 512),
    "IMAGPose 512×768": (512, 768),
}


class MannequinFitImage(io.ComfyNode):
    """Squash, pad, crop, or go round a person."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinFitImage",
            display_name="Fit Image",
            category="Mannequin/Person",
            **search_aliases("crop", "resize", "inpaint crop"),
            description=(
                "Brings a photo to the size a method works at: squashed, padded, cropped to the middle or around a "
                "person. Paste Back puts the result into the photo at its place."
            ),
            inputs=[
                io.Image.Input("image", tooltip="Photos of any size."),
                io.Combo.Input(
                    "size",
                    options=list(SIZES),
                    tooltip="The size a method was trained at, or the width and height below.",
                ),
                io.Int.Input("width", default=352, min=1, max=LARGEST_SIDE, step=8, tooltip="Width in pixels."),
                io.Int.Input("height", default=512, min=1, max=LARGEST_SIDE, step=8, tooltip="Height in pixels."),
                io.Combo.Input(
                    "mode",
                    options=["pad", "crop", "person", "squash"],
                    tooltip=(
                        "Pad: all of it, with bars. Crop: the middle. Person: around the person, or around the mask. "
                        "Squash: all of it, stretched, as MCLD does."
                    ),
                ),
                io.Combo.Input(
                    "padding",
                    options=["white", "black", "edge"],
                    tooltip="Colour of bars: white as in fashion photos, black, or the photo's outermost pixels.",
                ),
                io.Float.Input(
                    "margin",
                    default=0.1,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="Room around the person or mask on every side, in parts of its longer side.",
                ),
                *people_inputs(),
                io.Mask.Input("mask", optional=True, tooltip="What the mode person goes around, in place of a person."),
                person_input(),
            ],
            outputs=[
                io.Image.Output(display_name="IMAGE", tooltip="The photos at that size."),
                io.Mask.Output(display_name="MASK", tooltip="White where it shows the photo, black in the bars."),
                Placement.Output("placement", display_name="PLACEMENT", tooltip="Where it came from, for Paste Back."),
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls, image, size, width, height, mode, padding, margin, on_no_person, on_several, mask=None, person=1
    ) -> io.NodeOutput:
        image = check_image(image)
        original, boxes = tuple(image.shape[1:3]), [None] * len(image)
        mask = given(mask, original)
        if mode == "person" and mask is not None:
            boxes = mask_boxes(mask, original, len(image))
        elif mode == "person":
            boxes = people_boxes(image, on_no_person, on_several, per_picture(len(image)), person)
        placement = place(original, *(SIZES[size] or (width, height)), mode, boxes, margin)
        return io.NodeOutput(*fit(image, placement, padding), placement)


class MannequinPasteBack(io.ComfyNode):
    """The way back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPasteBack",
            display_name="Paste Back",
            category="Mannequin/Person",
            **search_aliases("stitch", "uncrop"),
            description=(
                "Puts a result into the original photo, at the place that Fit Image took it from. Outside that "
                "rectangle the photo keeps its very pixels."
            ),
            inputs=[
                io.Image.Input(
                    "result",
                    tooltip="Made from Fit Image's picture; VAE Encode may have cut it, or it may be enlarged.",
                ),
                Placement.Input("placement", tooltip="From Fit Image."),
                io.Image.Input("original", tooltip="The photo that went into Fit Image."),
                io.Int.Input(
                    "feather",
                    default=16,
                    min=0,
                    max=1024,
                    tooltip="Over how many pixels of the photo the result fades in, inwards from its edges; 0 is hard.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where in the result to paste; of any size. Not connected: everywhere.",
                ),
            ],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="The photo with the result in it.")],
        )

    @classmethod
    @names_itself
    def execute(cls, result, placement, original, feather, mask=None) -> io.NodeOutput:
        step = per_picture(max(len(result), len(original), len(placement.shown)))
        return io.NodeOutput(paste(result, placement, original, mask, feather, step))
