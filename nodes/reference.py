"""Reference attention: the plain way to look at a source, and the papers' baseline."""

from comfy_api.latest import io

from ..model_patches.comfy_apply import apply_condition
from ..model_patches.conditions import ReferenceCondition
from .errors import name_of, names_itself
from .host_features import search_aliases
from .inputs import scope_inputs, scope_of, sites_input
from .types import SourceNetwork


class MannequinApplyReference(io.ComfyNode):
    """Keys and values of target and source, side by side."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinApplyReference",
            display_name="Apply Reference Attention",
            category="Mannequin/Patch",
            **search_aliases("reference only", "reference net", "appearance"),
            description=(
                "Self-attention that sees the source's tokens beside the target's own (AnimateAnyone; TruePose's "
                "baseline B2). Works without trained weights on any SD1.5 or SDXL checkpoint."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model to patch."),
                SourceNetwork.Input("source", tooltip="From SourceNet."),
                sites_input(),
                *scope_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, looking at the source.")],
        )

    @classmethod
    @names_itself
    def execute(cls, model, source, sites, strength, start_percent, end_percent, region=None) -> io.NodeOutput:
        scope = scope_of(strength, start_percent, end_percent, region)
        return io.NodeOutput(apply_condition(model, ReferenceCondition(), source, sites, scope, node=name_of(cls)))
