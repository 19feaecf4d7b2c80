"""Faces: cut out of a photo, and who they are."""

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..preprocessors.antelopev2 import load_analyser
from ..preprocessors.face_crop import crop_faces
from ..preprocessors.face_embedding import REGION_MODEL
from ..preprocessors.face_embedding import FaceEmbedding as Embedding
from ..preprocessors.face_identity import embed_faces
from ..preprocessors.face_packs import DEFAULT, find_packs, pack_folder
from ..preprocessors.labels import LIP_20
from .errors import names_itself
from .host_features import search_aliases
from .progress import per_picture
from .types import FaceEmbedding, FaceNetwork, RegionEmbeddings

LARGEST_CROP = 2048


class MannequinCropFace(io.ComfyNode):
    """The face in a photo as a picture of its own."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinCropFace",
            display_name="Crop Face",
            category="Mannequin/Person",
            **search_aliases("face crop", "face detection"),
            description=(
                "Finds faces with the bundled BlazeFace and cuts them out, upright and with some room around; nothing "
                "to download or install."
            ),
            inputs=[
                io.Image.Input("image", tooltip="Photos."),
                io.Combo.Input(
                    "on_no_face",
                    options=["error", "skip"],
                    tooltip="No face found: stop and say so, or go on with a black crop and an empty mask.",
                ),
                io.Combo.Input(
                    "on_several",
                    options=["largest", "most central", "all", "error"],
                    tooltip="Several faces found: which are cut out.",
                ),
                io.Float.Input(
                    "margin",
                    default=0.5,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip=(
                        "Room on every side, as a share of the face's size: 0 is forehead to chin, 0.5 the whole head."
                    ),
                ),
                io.Int.Input(
                    "size", default=512, min=16, max=LARGEST_CROP, step=8, tooltip="Side of the crop in pixels."
                ),
                io.Boolean.Input(
                    "align",
                    default=True,
                    tooltip="Turn the crop with the head, so that the eyes are level. Off: as the photo stands.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="crop", tooltip="One crop a picture, or one a face. Black where the photo ends."
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="Where in the photos the faces are: boxes, without margin."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, image, on_no_face, on_several, margin, size, align) -> io.NodeOutput:
        crops, masks = crop_faces(image, on_no_face, on_several, margin, size, align, per_picture(len(image)))
        return io.NodeOutput(crops, masks.float())


def _model_folders() -> list[Path]:
    """``models/insightface``, after whatever extra_model_paths.yaml or another pack names for it."""
    named, _ = folder_paths.folder_names_and_paths.get("insightface", ([], set()))
    default = Path(folder_paths.models_dir) / "insightface"
    return list(dict.fromkeys([*map(Path, named), default]))


def _packs() -> list[str]:
    """Names of the packs that are there, MCLD's first; MCLD's alone where there is none, to say how to get it."""
    return sorted(find_packs(_model_folders()), key=lambda name: (name != DEFAULT, name)) or [DEFAULT]


class MannequinLoadFaceAnalysis(io.ComfyNode):
    """Reads insightface's models."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadFaceAnalysis",
            display_name="Load Face Analysis",
            category="Mannequin/Load",
            description=(
                "Loads insightface's antelopev2 from models/insightface/models/antelopev2, for MCLD's face embedding. "
                "Needs the Python package insightface; its models are for non-commercial research only."
            ),
            inputs=[
                io.Combo.Input(
                    "pack",
                    options=_packs(),
                    tooltip="A folder of models in models/insightface. MCLD was trained with antelopev2.",
                )
            ],
            outputs=[
                FaceNetwork.Output(
                    "face_net", display_name="FACE_NET", tooltip="Detector and recogniser, for Embed Face."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, pack: str) -> io.NodeOutput:
        return io.NodeOutput(load_analyser(pack, pack_folder(pack, _model_folders())))


class MannequinEmbedFace(io.ComfyNode):
    """Who is in a photo."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinEmbedFace",
            display_name="Embed Face",
            category="Mannequin/Person",
            **search_aliases("face id", "insightface", "arcface", "identity"),
            description=(
                "A face's identity as 512 numbers, by insightface. Computed as in MCLD: detector at 640, the largest "
                "face, not normalised; no face gives zeros."
            ),
            inputs=[
                FaceNetwork.Input("face_net", tooltip="From Load Face Analysis."),
                io.Image.Input("image", tooltip="Whole photos; one embedding is made for each. No crops are needed."),
                io.Combo.Input(
                    "on_no_face",
                    options=["error", "skip"],
                    tooltip="No face found: stop and say so, or go on with zeros, which mean no face to MCLD.",
                ),
                io.Combo.Input(
                    "on_several",
                    options=["largest", "most central", "match", "error"],
                    tooltip="Several faces found: which counts. With match it is the one most like match_image.",
                ),
                io.Boolean.Input(
                    "average",
                    default=False,
                    tooltip="Make one embedding of all pictures, their mean: for several photos of one person.",
                ),
                io.Image.Input(
                    "match_image", optional=True, tooltip="Who to look for with match: one photo, or one for each."
                ),
            ],
            outputs=[
                FaceEmbedding.Output(
                    "face_embedding", display_name="FACE_EMBEDDING", tooltip="Identity of the faces, one row a picture."
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="Box of the face that counted; black where there was none."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, face_net, image, on_no_face, on_several, average, match_image=None) -> io.NodeOutput:
        looked_for = len(match_image) if on_several == "match" and match_image is not None else 0
        step = per_picture(len(image) + looked_for)
        embedding, masks = embed_faces(image, face_net, on_no_face, on_several, match_image, step)
        return io.NodeOutput(embedding.mean() if average else embedding, masks.float())


class MannequinFaceOfRegions(io.ComfyNode):
    """CLIP's view of the face, for weights that were trained without insightface."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinFaceOfRegions",
            display_name="Face of Regions",
            category="Mannequin/Person",
            description=(
                "The CLIP embedding of the parsing's face, as a face embedding: for MCLD weights that were trained on "
                "it, such as the pack's demo. The published weights take Embed Face."
            ),
            inputs=[RegionEmbeddings.Input("regions", tooltip="From Encode Regions, of the source photo.")],
            outputs=[
                FaceEmbedding.Output(display_name="face_embedding", tooltip="Zeros where the parsing has no face.")
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, regions) -> io.NodeOutput:
        _, embeddings = regions
        return io.NodeOutput(Embedding(embeddings[:, LIP_20.index("Face")].float(), REGION_MODEL))
