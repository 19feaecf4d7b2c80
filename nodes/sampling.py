"""Samplers that methods need."""

from comfy_api.latest import io

from ..model_patches.comfy_samplers import ddim_sampler


class MannequinDDIMSampler(io.ComfyNode):
    """DDIM from pure noise, to the letter."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDDIMSampler",
            display_name="DDIM (zero terminal SNR)",
            category="Mannequin/Sampling",
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
