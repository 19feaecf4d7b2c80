"""Memory of the bundled networks, given back."""

from comfy_api.latest import io

from ..preprocessors import onnx
from .host_features import search_aliases


class MannequinFreePreprocessors(io.ComfyNode):
    """Lets go of the networks that come with the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinFreePreprocessors",
            display_name="Free Preprocessors",
            category="Mannequin/Person",
            **search_aliases("unload", "free memory"),
            description=(
                "Hands anything through, and frees the memory of the bundled networks (pose, face). They are loaded "
                "again when needed. Networks from Load nodes are freed by ComfyUI itself."
            ),
            inputs=[io.AnyType.Input("anything", tooltip="What the preprocessors made: they are freed after it.")],
            outputs=[io.AnyType.Output(display_name="anything", tooltip="The same.")],
        )

    @classmethod
    def execute(cls, anything) -> io.NodeOutput:
        onnx.free()
        return io.NodeOutput(anything)
