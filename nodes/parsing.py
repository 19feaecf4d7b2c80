"""Human parsing: what is where on a person."""

import torch
from comfy_api.latest import io, ui

from ..preprocessors.errors import ConditionError
from ..preprocessors.images import check_image
from ..preprocessors.keypoints import from_pose_keypoint
from ..preprocessors.labels import GROUPS, LIP_20, label_names
from ..preprocessors.overlay import overlay
from ..preprocessors.parsers import parse
from ..preprocessors.regions import region_crops
from ..preprocessors.selection import select
from .embeddings import clip_embedding
from .errors import names_itself
from .host_features import search_aliases
from .inputs import people_inputs, person_input
from .progress import per_picture
from .types import ParserNetwork, Parsing, PoseKeypoint, RegionEmbeddings


class MannequinParsePerson(io.ComfyNode):
    """What is where on the people in a photo."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinParsePerson",
            display_name="Parse Person",
            category="Mannequin/Person",
            **search_aliases("human parsing", "segmentation", "clothes mask", "LIP"),
            description=(
                "Labels every pixel of a person: with a network from Load Parser, or without one coarsely, with the "
                "bundled BlazePose, which cannot tell skirts, dresses, coats or hats."
            ),
            inputs=[
                io.Image.Input("image", tooltip="Photos; the very images that go into VAE Encode."),
                *people_inputs(),
                person_input(),
                ParserNetwork.Input(
                    "parser",
                    optional=True,
                    tooltip="From Load Parser. Not connected: the bundled coarse parsing; nothing to download.",
                ),
            ],
            outputs=[
                Parsing.Output("parsing", display_name="PARSING", tooltip="A label for every pixel (LIP's twenty).")
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, image, on_no_person, on_several, person=1, parser=None) -> io.NodeOutput:
        return io.NodeOutput(parse(image, parser, on_no_person, on_several, per_picture(len(image)), person))


class MannequinPreviewParsing(io.ComfyNode):
    """Colours and a legend over the photo."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPreviewParsing",
            display_name="Preview Parsing",
            category="Mannequin/Person",
            description="Shows a parsing as colours over its photo, with a legend of the labels that occur.",
            inputs=[
                io.Image.Input("image", tooltip="The photo the parsing was made from."),
                Parsing.Input("parsing", tooltip="From Parse Person."),
            ],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="Photo, colours and legend.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    @names_itself
    def execute(cls, image, parsing) -> io.NodeOutput:
        check_same_pictures(image, parsing)
        shown = overlay(image, parsing)
        return io.NodeOutput(shown, ui=ui.PreviewImage(shown, cls=cls))


class MannequinParsingMask(io.ComfyNode):
    """Labels as a mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinParsingMask",
            display_name="Parsing to Mask",
            category="Mannequin/Person",
            **search_aliases("clothes mask", "garment mask"),
            description="A mask of the named labels. Grow, shrink and feather it with ComfyUI's own mask nodes.",
            inputs=[
                Parsing.Input("parsing", tooltip="From Parse Person."),
                labels_input("Upper-clothes, Pants"),
            ],
            outputs=[io.Mask.Output(display_name="MASK", tooltip="White where any of the labels is.")],
        )

    @classmethod
    @names_itself
    def execute(cls, parsing, labels) -> io.NodeOutput:
        return io.NodeOutput(parsing.mask(label_names(labels)).float())


class MannequinKeepLabels(io.ComfyNode):
    """Some labels of a parsing."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinKeepLabels",
            display_name="Keep Labels",
            category="Mannequin/Person",
            description=(
                "A parsing with only the named labels, or without them; the rest becomes background. For Encode "
                "Regions and Select Parsing, where only some of the clothes should count."
            ),
            inputs=[
                Parsing.Input("parsing", tooltip="From Parse Person."),
                labels_input("clothes"),
                io.Combo.Input(
                    "mode",
                    options=["keep", "remove"],
                    tooltip="Keep the named labels and nothing else, or remove them and keep the rest.",
                ),
            ],
            outputs=[Parsing.Output(display_name="parsing", tooltip="The parsing with fewer labels.")],
        )

    @classmethod
    @names_itself
    def execute(cls, parsing, labels, mode) -> io.NodeOutput:
        names = label_names(labels)
        return io.NodeOutput(parsing.only(names) if mode == "keep" else parsing.without(names))


def labels_input(default: str) -> io.String.Input:
    """Which labels a node works on."""
    return io.String.Input(
        "labels",
        default=default,
        tooltip=f"Labels, with commas between them: {', '.join(LIP_20)}. Groups of them: {', '.join(GROUPS)}.",
    )


class MannequinSelectParsing(io.ComfyNode):
    """Target-oriented selection."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinSelectParsing",
            display_name="Select Parsing",
            category="Mannequin/Person",
            **search_aliases("garment mask", "implied labels"),
            description=(
                "Target-oriented source parsing selection (TruePose 4.2): the parts of the source that the target pose "
                "shows. A pose without legs drops trousers and shoes."
            ),
            inputs=[
                Parsing.Input("parsing", tooltip="Parsing of the source."),
                PoseKeypoint.Input("pose", tooltip="Keypoints of the target."),
            ],
            outputs=[io.Mask.Output(display_name="MASK", tooltip="M of Eq. 6, for Apply HPFA.")],
        )

    @classmethod
    @names_itself
    def execute(cls, parsing, pose) -> io.NodeOutput:
        return io.NodeOutput(select(parsing, from_pose_keypoint(pose)).float())


class MannequinEncodeRegions(io.ComfyNode):
    """CLIP embeddings of the parsing's regions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinEncodeRegions",
            display_name="Encode Regions",
            category="Mannequin/Person",
            **search_aliases("clip vision", "ip-adapter"),
            description=(
                "Cuts the rectangle around every parsing label out of the source and embeds it with CLIP (TruePose, "
                "Eq. 4), for Apply CAA."
            ),
            inputs=[
                io.ClipVision.Input("clip_vision", tooltip="CLIP ViT-L/14 is the paper's."),
                io.Image.Input("image", tooltip="The source photo."),
                Parsing.Input("parsing", tooltip="Its parsing."),
            ],
            outputs=[
                RegionEmbeddings.Output(
                    "regions", display_name="REGION_EMBEDDINGS", tooltip="An embedding for every label that occurs."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, clip_vision, image, parsing) -> io.NodeOutput:
        image = check_image(image)
        check_same_pictures(image, parsing)
        crops = list(region_crops(image, parsing))
        step = per_picture(len(crops))
        embeddings: torch.Tensor | None = None
        for row, label, crop in crops:
            embedding = clip_embedding(clip_vision, crop)[0]
            if embeddings is None:
                embeddings = torch.zeros(len(image), len(parsing.names), embedding.shape[-1])
            embeddings[row, label] = embedding
            step()
        if embeddings is None:
            raise ConditionError("The parsing has no label but the background: nobody was found in the source photo.")
        return io.NodeOutput((parsing.labels, embeddings))


def check_same_pictures(image: torch.Tensor, parsing) -> None:
    """Raise where a parsing was not made from these very pictures."""
    if image.shape[:3] != parsing.labels.shape:
        pictures, height, width = parsing.labels.shape
        raise ConditionError(
            f"The image is {image.shape[0]} × {image.shape[2]}×{image.shape[1]} and the parsing {pictures} × "
            f"{width}×{height} (pictures × width×height). Connect the image that went into Parse Person."
        )
