"""Samplers that methods need."""

from comfy_api.latest import io

from ..model_patches.comfy_rescale import rescale_guidance
from ..model_patches.comfy_samplers import PUBLISHED, ddim_sampler, published_sampler
from .errors import names_itself
from .host_features import search_aliases


class MannequinDDIMSampler(io.ComfyNode):
    """DDIM from pure noise, to the letter."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDDIMSampler",
            display_name="DDIM (zero terminal SNR)",
            category="Mannequin/Sample",
            **search_aliases("trailing", "zsnr"),
            description=(
                "DDIM whose first step leaves pure noise exactly, as the published pipelines of MCLD and IMAGPose do. "
                "ComfyUI's own DDIM comes within a thousandth of it; this one is for comparisons."
            ),
            inputs=[],
            outputs=[
                io.Sampler.Output(display_name="SAMPLER", tooltip="For SamplerCustom, with BasicScheduler's 'simple'.")
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(ddim_sampler())


class MannequinPublishedSampler(io.ComfyNode):
    """UniPC and DDIM as diffusers has them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPublishedSampler",
            display_name="Published Sampler",
            category="Mannequin/Sample",
            **search_aliases("unipc", "ddim", "paper settings"),
            description=(
                "UniPC or DDIM with the very steps of the published pipelines, ending where they end. PCDMs takes "
                "UniPC, its simplified checkpoint DDIM in 50 steps, IMAGPose DDIM under zero terminal SNR in 30. A "
                "KSampler with uni_pc_bh2 and normal comes within a hundredth; this one is for comparisons."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model that will be sampled; its schedule is read."),
                io.Combo.Input(
                    "sampler",
                    options=list(PUBLISHED),
                    tooltip="PCDMs: UniPC. Simplified: DDIM. IMAGPose: DDIM under zero terminal SNR.",
                ),
                io.Int.Input(
                    "steps", default=20, min=1, max=500, tooltip="PCDMs: 20. Simplified: 50. IMAGPose: 30 (paper: 20)."
                ),
            ],
            outputs=[
                io.Sampler.Output(display_name="SAMPLER", tooltip="For SamplerCustom, with the SIGMAS beside it."),
                io.Sigmas.Output(display_name="SIGMAS", tooltip="The noise levels of its steps."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, model, sampler: str, steps: int) -> io.NodeOutput:
        return io.NodeOutput(*published_sampler(model, sampler, steps))


class MannequinGuidanceRescale(io.ComfyNode):
    """Guidance with the condition's contrast."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinGuidanceRescale",
            display_name="Guidance Rescale",
            category="Mannequin/Sample",
            **search_aliases("rescale cfg"),
            description=(
                "Rescales guided noise towards the contrast of the condition's, as diffusers' guidance_rescale does. "
                "PCDMs' refining is published with 2, beyond that contrast. ComfyUI's RescaleCFG is another formula."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model to patch."),
                io.Float.Input(
                    "guidance_rescale",
                    default=2.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="φ: 0 is exactly plain guidance, 1 the condition's contrast, 2 as PCDMs is published.",
                ),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, under rescaled guidance.")],
        )

    @classmethod
    @names_itself
    def execute(cls, model, guidance_rescale: float) -> io.NodeOutput:
        return io.NodeOutput(rescale_guidance(model, guidance_rescale))
