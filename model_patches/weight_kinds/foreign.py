"""Files of other loaders, of the host mostly; named here, so that a wrong choice is answered with the right node."""

from collections.abc import Callable, Collection

from .kind import Metadata, WeightKind


def _with_key(own: str) -> Callable[[Collection[str], Metadata], bool]:
    return lambda keys, metadata: own in keys


#: A key that only a file of this kind has, what such a file is, and what loads it.
_BY_KEY = (
    ("model.diffusion_model.input_blocks.0.0.weight", "a full Stable Diffusion checkpoint", "Load Checkpoint"),
    ("input_blocks.0.0.weight", "a UNet", "Load Diffusion Model"),
    ("down_blocks.0.resnets.0.norm1.weight", "a UNet in diffusers format", "Load Diffusion Model"),
    ("vision_model.embeddings.class_embedding", "a CLIP vision encoder", "Load CLIP Vision"),
    ("decoder.conv_in.weight", "a VAE", "Load VAE"),
    ("encoder.layer.0.layer_scale1.lambda1", "a DINOv2 image encoder", "Load DINOv2, from models/clip_vision"),
    ("blocks.0.ls1.gamma", "a DINOv2 image encoder", "Load DINOv2, from models/clip_vision"),
    ("control_model.input_blocks.0.0.weight", "a ControlNet", "Load ControlNet Model"),
)
_LORA = WeightKind(
    name="LoRA",
    what="a LoRA",
    node="Load LoRA",
    recognise=lambda keys, metadata: any("lora" in key for key in keys),
)
KINDS = (
    *(WeightKind(name=what, what=what, node=node, recognise=_with_key(own)) for own, what, node in _BY_KEY),
    _LORA,
)
