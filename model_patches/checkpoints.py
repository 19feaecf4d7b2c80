"""Weight files: recognised by their keys, never by their name; what is missing is named."""

from collections.abc import Mapping

import torch
from torch import Tensor

from .errors import PatchError
from .networks.truepose import METHOD as TRUEPOSE
from .networks.truepose import TruePose, TruePoseShape

FORMAT = "1"
#: Keys of the metadata of our files.
METHOD_KEY, FORMAT_KEY = "mannequin.method", "mannequin.format"

#: A key that only a file of this kind has, and what such a file is called.
_FOREIGN = {
    "model.diffusion_model.input_blocks.0.0.weight": "a full Stable Diffusion checkpoint; load it with Load Checkpoint",
    "input_blocks.0.0.weight": "a UNet; load it with Load Diffusion Model",
    "down_blocks.0.resnets.0.norm1.weight": "a UNet in diffusers format; load it with Load Diffusion Model",
    "vision_model.embeddings.class_embedding": "a CLIP vision encoder; load it with Load CLIP Vision",
    "decoder.conv_in.weight": "a VAE; load it with Load VAE",
    "control_model.input_blocks.0.0.weight": "a ControlNet; load it with Load ControlNet Model",
}


def truepose_metadata() -> dict[str, str]:
    """What we write into the header of a TruePose weight file."""
    return {METHOD_KEY: TRUEPOSE, FORMAT_KEY: FORMAT}


def recognise(keys: Mapping[str, object]) -> str:
    """What kind of file has these keys: a method's name, or a sentence's tail for a foreign file."""
    if any(key.startswith(("hpfa.", "caa.", "pose_encoder.downs.")) for key in keys):
        return TRUEPOSE
    for key, description in _FOREIGN.items():
        if key in keys:
            return description
    if any("lora" in key for key in keys):
        return "a LoRA; load it with Load LoRA"
    return "not a file of a kind we know"


def build_truepose(state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None, operations) -> TruePose:
    """A TruePose module with the weights of ``state``.

    Args:
        state: tensors of a weight file, already read.
        name: the file's name, for errors.
        metadata: the file's header; None where the file has none.
        operations: where layers come from: the host's casting ops, or ``torch.nn``.

    Raises:
        PatchError: another kind of file, a later format, or keys missing or unexpected.
    """
    kind = recognise(state)
    if kind != TRUEPOSE:
        raise PatchError(
            f"'{name}' is {kind}. A TruePose weight file has keys such as 'hpfa.input_1_0.to_k.weight'; "
            "put one into models/mannequin and choose it here."
        )
    file_format = (metadata or {}).get(FORMAT_KEY, FORMAT)
    if file_format != FORMAT:
        raise PatchError(
            f"'{name}' was written in format {file_format}; this version of Mannequin reads format {FORMAT}. "
            "Update Mannequin, or take an older file."
        )
    try:
        shape = TruePoseShape.of(state)
    except ValueError as error:
        raise PatchError(f"'{name}' names an attention site Mannequin does not know ({error}).") from error
    dtype = next(iter(state.values())).dtype
    with torch.device("meta"):
        network = TruePose(shape, dtype=dtype, operations=operations)
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in state.items()}
    if expected != found:
        raise PatchError(f"'{name}' is not a complete TruePose weight file: {_difference(expected, found)}")
    network = network.to_empty(device="cpu")
    network.load_state_dict(dict(state))
    return network.eval().requires_grad_(False)


def _difference(expected: dict[str, tuple], found: dict[str, tuple]) -> str:
    sentences = [
        (expected.keys() - found.keys(), "missing"),
        (found.keys() - expected.keys(), "unexpected"),
        ({key for key in expected.keys() & found.keys() if expected[key] != found[key]}, "of another shape"),
    ]
    return "; ".join(
        f"{len(keys)} {what} ({', '.join(sorted(keys)[:3])}{', …' if len(keys) > 3 else ''})"
        for keys, what in sentences
        if keys
    )
