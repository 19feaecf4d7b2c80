"""Guidance over whole predictions."""

from comfy_api.latest import io

from ..model_patches.comfy_guiders import RegionBlendGuider
from .checks import as_mask, check_conditioning, check_drawn
from .errors import name_of, names_itself
from .host_features import search_aliases


class MannequinRegionBlendGuider(io.ComfyNode):
    """Two looks in one picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinRegionBlendGuider",
            display_name="Region Blend Guider",
            category="Mannequin/Sample",
            **search_aliases("inpaint", "garment swap", "blend"),
            description=(
                "Style transfer (TruePose 5.4; MCLD, supplement Eq. 7): inside the mask the picture follows one "
                "patched model, outside it another. Both start from one checkpoint; any method can patch either. For "
                "SamplerCustomAdvanced."
            ),
            inputs=[
                io.Model.Input("model", tooltip="Patched with the source: its look appears inside the mask."),
                io.Conditioning.Input("positive", tooltip="Conditioning of the source's branch."),
                io.Conditioning.Input("negative", tooltip="Null condition of the source's branch."),
                io.Model.Input("reference_model", tooltip="Patched with the reference: its look stays outside."),
                io.Conditioning.Input("reference_positive", tooltip="Conditioning of the reference's branch."),
                io.Conditioning.Input("reference_negative", tooltip="Null condition of the reference's branch."),
                io.Mask.Input("mask", tooltip="m: white takes the source's look. Over the generated image, any size."),
                io.Float.Input(
                    "cfg",
                    default=3.5,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="ω of classifier-free guidance, for both branches (paper: 3.5).",
                ),
            ],
            outputs=[io.Guider.Output(display_name="GUIDER", tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        positive,
        negative,
        reference_model,
        reference_positive,
        reference_negative,
        mask,
        cfg,
    ) -> io.NodeOutput:
        mask = as_mask(mask, "The mask")
        check_drawn(mask, "The mask", "connect a black SolidMask of the picture's size to see the reference alone")
        branches = {
            "positive": positive,
            "negative": negative,
            "reference_positive": reference_positive,
            "reference_negative": reference_negative,
        }
        for name, conditioning in branches.items():
            check_conditioning(conditioning, f"Its input {name}")
        guider = RegionBlendGuider(model, reference_model, mask, name_of(cls))
        guider.set_branches(**branches)
        guider.set_cfg(cfg)
        return io.NodeOutput(guider)
