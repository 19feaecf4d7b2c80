"""CONDITIONING for methods that take no text."""

import torch
from comfy_api.latest import io

from ..model_patches.comfy_blocks import context_width
from ..model_patches.comfy_evaluation import NULL
from .errors import names_itself
from .host_features import search_aliases


class MannequinConditioning(io.ComfyNode):
    """Empty positive and negative, told apart by the sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinConditioning",
            display_name="Conditioning Without Text",
            category="Mannequin/Condition",
            **search_aliases("empty prompt", "null conditioning"),
            description=(
                "Positive and negative conditioning for methods without text, such as TruePose. Both are empty; what "
                "differs is that Mannequin's attention patches act on the positive and leave the negative alone: the "
                "null condition of classifier-free guidance."
            ),
            inputs=[io.Model.Input("model", tooltip="The model that will be sampled; its context width is read off.")],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The condition."),
                io.Conditioning.Output(display_name="negative", tooltip="The null condition ∅."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, model) -> io.NodeOutput:
        context = torch.zeros(1, 1, context_width(model))
        shared = {"pooled_output": torch.zeros(1, 1280)}
        return io.NodeOutput([[context, shared]], [[context, shared | {NULL: True}]])
