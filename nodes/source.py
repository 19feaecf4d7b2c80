"""SourceNet: the second UNet, which looks at the source image once a run."""

from comfy_api.latest import io

from ..model_patches.comfy_binding import SourceNet, context_width
from ..model_patches.errors import PatchError
from .checks import check_numbers
from .errors import names_itself
from .types import SourceNetwork


class MannequinSourceNet(io.ComfyNode):
    """Pairs a UNet with the source it will look at."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinSourceNet",
            display_name="SourceNet",
            category="Mannequin/TruePose",
            description=(
                "The Siamese half of TruePose (Eq. 3): a UNet reads the source image's latent once a run, at t = 0, "
                "and hands its features to HPFA, CAA or reference attention. Give it trained SourceNet weights, or the "
                "very checkpoint you sample with (training-free). MCLD's ReferenceNet is one, too."
            ),
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The UNet that reads the source: trained SourceNet weights, or the checkpoint itself.",
                ),
                io.Latent.Input("latent", tooltip="The source image through VAE Encode; for MCLD the texture map."),
                io.Conditioning.Input(
                    "conditioning",
                    optional=True,
                    tooltip="What its cross-attention sees: a caption, or MCLD's source_token. Default: nothing.",
                ),
            ],
            outputs=[
                SourceNetwork.Output(
                    "source", display_name="SOURCE_NET", tooltip="SourceNet and its image: for HPFA, CAA and reference."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, model, latent: dict, conditioning=None) -> io.NodeOutput:
        samples = latent["samples"]
        width = context_width(model)
        channels = model.get_model_object("latent_format").latent_channels
        expected = model.get_model_object("diffusion_model").in_channels
        if samples.ndim != 4 or samples.shape[1] != channels or expected != channels or 0 in samples.shape:
            raise PatchError(
                f"The source latent has shape {tuple(samples.shape)} and this UNet takes {expected} channels; an "
                f"ordinary model and a latent of {channels} channels are needed. Encode the image with this model's "
                "own VAE (at least 8×8 pixels), and take no inpainting checkpoint."
            )
        check_numbers(samples, "The source latent")
        context = pooled = None
        if conditioning:
            context, extras = conditioning[0]
            pooled = extras.get("pooled_output")
            if context.shape[-1] != width:
                raise PatchError(
                    f"The conditioning is {context.shape[-1]} wide and this UNet takes {width}. Encode the text with "
                    "the CLIP of the same checkpoint."
                )
        return io.NodeOutput(SourceNet(model, samples, context, pooled))
