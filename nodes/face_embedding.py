"""Face embeddings kept in files of the host's input and output folders."""

from pathlib import Path, PurePosixPath, PureWindowsPath

import folder_paths
from comfy_api.latest import io

from ..preprocessors.errors import ConditionError
from ..preprocessors.face_embedding import is_embedding, load_embedding, save_embedding
from .errors import names_itself
from .types import FaceEmbedding

#: How the host marks a name that lies in its output folder.
IN_OUTPUT = " [output]"


class MannequinSaveFaceEmbedding(io.ComfyNode):
    """Writes a face embedding to the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinSaveFaceEmbedding",
            display_name="Save Face Embedding",
            category="Mannequin/Person",
            description="Saves a face embedding as safetensors in the output folder, for Load Face Embedding.",
            inputs=[
                FaceEmbedding.Input("face_embedding", tooltip="From Embed Face."),
                io.String.Input(
                    "prefix",
                    default="faces/face",
                    tooltip="Beginning of the name, in the output folder; a number follows.",
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    @names_itself
    def execute(cls, face_embedding, prefix: str) -> io.NodeOutput:
        check_inside(prefix)
        output = folder_paths.get_output_directory()
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, output)
        written = f"{name}_{counter:05}_.safetensors"
        save_embedding(face_embedding, Path(folder) / written)
        return io.NodeOutput(ui={"face_embeddings": [{"filename": written, "subfolder": subfolder, "type": "output"}]})


def check_inside(prefix: str) -> None:
    """Raise where a prefix has no name, or leads out of the folder it is meant for."""
    for path in (PurePosixPath(prefix), PureWindowsPath(prefix)):
        if path.is_absolute() or path.drive or ".." in path.parts or not path.name:
            raise ConditionError(f"'{prefix}' is no name inside the output folder. Write something like 'faces/anna'.")


class MannequinLoadFaceEmbedding(io.ComfyNode):
    """Reads a face embedding that was saved."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadFaceEmbedding",
            display_name="Load Face Embedding",
            category="Mannequin/Load",
            description=(
                "Loads what Save Face Embedding wrote, from the input folder or from the output folder. insightface is "
                "not needed for this."
            ),
            inputs=[
                io.Combo.Input(
                    "face",
                    options=list(_saved()),
                    tooltip="A saved face, in the input folder or marked [output]. Refresh the page to see new ones.",
                )
            ],
            outputs=[
                FaceEmbedding.Output(
                    "face_embedding", display_name="FACE_EMBEDDING", tooltip="The embedding as it was saved."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, face: str) -> io.NodeOutput:
        saved = _saved()
        if face not in saved:
            present = ", ".join(saved) or "nothing of the kind"
            raise ConditionError(
                f"There is no face embedding '{face}'; there is {present}. Save one with Save Face Embedding, or put "
                "its file into ComfyUI's input folder, and refresh the page."
            )
        return io.NodeOutput(load_embedding(saved[face]))

    @classmethod
    def fingerprint_inputs(cls, face: str) -> int:
        found = _saved().get(face)
        return found.stat().st_mtime_ns if found else 0


def _saved() -> dict[str, Path]:
    """Saved faces by the name a user chooses: in the input and output folders, and one folder down."""
    saved = {}
    places = ((folder_paths.get_input_directory(), ""), (folder_paths.get_output_directory(), IN_OUTPUT))
    for folder, mark in places:
        files = sorted({*Path(folder).glob("*.safetensors"), *Path(folder).glob("*/*.safetensors")})
        saved |= {file.relative_to(folder).as_posix() + mark: file for file in files if is_embedding(file)}
    return saved
