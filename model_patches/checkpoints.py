"""Weight files: recognised by their keys, never by their name; what is missing is named."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .errors import PatchError
from .networks.mcld import MCLD, MCLDShape
from .networks.mcld import METHOD as MCLD_METHOD
from .networks.truepose import METHOD as TRUEPOSE
from .networks.truepose import TruePose, TruePoseShape

Network = TypeVar("Network", bound=nn.Module)

FORMAT = "1"
#: Keys of the metadata of our files.
METHOD_KEY, FORMAT_KEY = "mannequin.method", "mannequin.format"

#: What a file's denoising UNet predicts: Stable Diffusion's noise where the header has nothing, or v, under MCLD's
#: schedule that ends in pure noise.
PREDICTION_KEY, V_PREDICTION = "mannequin.prediction", "v_prediction"
#: Heads of MCLD's face projector, which its weights do not tell.
HEADS_KEY = "mannequin.face_projector_heads"
#: Where the header of a small CLIP vision encoder holds its sizes, as transformers writes them.
CLIP_CONFIG_KEY = "mannequin.clip_vision_config"
#: Whose face embeddings MCLD's face projector reads, where not the published weights' antelopev2.
FACE_MODEL_KEY = "mannequin.face_model"
#: Where the two UNets of an MCLD file are, in diffusers' names.
DENOISING, REFERENCE = "denoising_unet.", "reference_unet."

_TRUEPOSE_FILE = "A TruePose weight file has keys such as 'hpfa.input_1_0.to_k.weight'"

#: A key that only a file of this kind has, and what such a file is called.
_FOREIGN = {
    "model.diffusion_model.input_blocks.0.0.weight": "a full Stable Diffusion checkpoint; load it with Load Checkpoint",
    "input_blocks.0.0.weight": "a UNet; load it with Load Diffusion Model",
    "down_blocks.0.resnets.0.norm1.weight": "a UNet in diffusers format; load it with Load Diffusion Model",
    "vision_model.embeddings.class_embedding": "a CLIP vision encoder; load it with Load CLIP Vision",
    "decoder.conv_in.weight": "a VAE; load it with Load VAE",
    "control_model.input_blocks.0.0.weight": "a ControlNet; load it with Load ControlNet Model",
}


def truepose_metadata(prediction: str | None = None) -> dict[str, str]:
    """What we write into the header of a TruePose weight file; ``prediction`` where there are UNets in it."""
    return {METHOD_KEY: TRUEPOSE, FORMAT_KEY: FORMAT} | ({PREDICTION_KEY: prediction} if prediction else {})


def mcld_metadata() -> dict[str, str]:
    """What we write into the header of an MCLD weight file: how to sample it, besides what it is."""
    return {
        METHOD_KEY: MCLD_METHOD,
        FORMAT_KEY: FORMAT,
        PREDICTION_KEY: V_PREDICTION,
        "mannequin.schedule": "linear betas 0.00085–0.012, zero terminal SNR, trailing",
    }


def recognise(keys: Mapping[str, object]) -> str:
    """What kind of file has these keys: a method's name, or a sentence's tail for a foreign file."""
    if any(key.startswith(("hpfa.", "caa.", "pose_encoder.downs.")) for key in keys):
        return TRUEPOSE
    if any(key.startswith(("mfca.", "face_projector.", DENOISING, REFERENCE)) for key in keys):
        return MCLD_METHOD
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
    _check_kind(state, name, metadata, TRUEPOSE, _TRUEPOSE_FILE)
    if any(key.startswith(DENOISING) for key in state):
        raise PatchError(
            f"'{name}' holds TruePose together with its two UNets. Load it with Load TruePose Model, which gives all."
        )
    outline = _outline(TruePose, lambda: TruePoseShape.of(state), state, name, "TruePose", operations)
    return _filled(outline, state)


def split_truepose(
    state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """A trained TruePose's three parts: TargetNet, SourceNet, and the modules between them.

    Raises:
        PatchError: another kind of file, a later format, or the UNets are not in it.
    """
    _check_kind(state, name, metadata, TRUEPOSE, _TRUEPOSE_FILE)
    return _split(
        state,
        name,
        "It holds only what TruePose adds: load it with Load TruePose, beside the checkpoint it belongs to.",
    )


def split_mcld(
    state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """An MCLD weight file's three parts: the denoising UNet, the reference UNet, and the modules between them.

    Raises:
        PatchError: another kind of file, a later format, or one of the UNets is not in it.
    """
    _check_kind(
        state,
        name,
        metadata,
        MCLD_METHOD,
        "An MCLD weight file is made by 'python -m training.convert mcld FOLDER OUT'",
    )
    return _split(state, name, "Convert the whole published folder again.")


def _split(
    state: Mapping[str, Tensor], name: str, mend: str
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {DENOISING: {}, REFERENCE: {}, "": {}}
    for key, tensor in state.items():
        prefix = next(prefix for prefix in parts if key.startswith(prefix))
        parts[prefix][key.removeprefix(prefix)] = tensor
    absent = [prefix.rstrip(".") for prefix, part in parts.items() if prefix and not part]
    if absent:
        raise PatchError(f"'{name}' has no {' and no '.join(absent)}. {mend}")
    return parts[DENOISING], parts[REFERENCE], parts[""]


def outline_mcld(state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None, operations=nn) -> MCLD:
    """MCLD's modules as ``state`` describes them, without memory: only its keys and shapes are looked at.

    Args and errors as in :func:`build_truepose`; ``state`` has no UNet in it (see :func:`split_mcld`).
    """
    heads = int((metadata or {}).get(HEADS_KEY, 0)) or None
    return _outline(MCLD, lambda: MCLDShape.of(state, heads), state, name, "MCLD", operations)


def build_mcld(state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None, operations) -> MCLD:
    """MCLD's modules with the weights of ``state``; see :func:`outline_mcld`."""
    network = _filled(outline_mcld(state, name, metadata, operations), state)
    network.face_model = (metadata or {}).get(FACE_MODEL_KEY, network.face_model)
    return network


def _check_kind(
    state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None, method: str, what: str
) -> None:
    kind = recognise(state)
    if kind != method:
        other = {
            TRUEPOSE: "TruePose weights; load it with Load TruePose",
            MCLD_METHOD: "MCLD weights; load it with Load MCLD",
        }
        raise PatchError(
            f"'{name}' is {other.get(kind, kind)}. {what}; put one into models/mannequin and choose it here."
        )
    file_format = (metadata or {}).get(FORMAT_KEY, FORMAT)
    if file_format != FORMAT:
        raise PatchError(
            f"'{name}' was written in format {file_format}; this version of Mannequin reads format {FORMAT}. "
            "Update Mannequin, or take an older file."
        )


def _outline(
    network_class: Callable[..., Network],
    shape_of: Callable[[], Any],
    state: Mapping[str, Tensor],
    name: str,
    method: str,
    operations,
) -> Network:
    """A network, without memory, that has exactly the keys and shapes of ``state``."""
    try:
        shape = shape_of()
    except ValueError as error:
        raise PatchError(f"'{name}' names an attention site Mannequin does not know ({error}).") from error
    except KeyError as error:
        raise PatchError(f"'{name}' is not a complete {method} weight file: {error} is missing.") from error
    with torch.device("meta"):
        network = network_class(shape, dtype=next(iter(state.values())).dtype, operations=operations)
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in state.items()}
    if expected != found:
        raise PatchError(f"'{name}' is not a complete {method} weight file: {_difference(expected, found)}")
    return network


def _filled(outline: Network, state: Mapping[str, Tensor]) -> Network:
    network = outline.to_empty(device="cpu")
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
