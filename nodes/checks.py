"""Checks of what arrives on a wire, shared by nodes. Those that give something back give it in the one form we use."""

from typing import Any

import torch
from torch import Tensor

from ..model_patches.errors import PatchError
from ..preprocessors.masks import says_no_alpha

#: Pixels of a latent's place.
STRIDE = 8
#: How far two aspect ratios may lie apart: rounding a small picture to whole latent pixels.
ASPECT_TOLERANCE = 0.12
#: How far a value may leave 0–1: resampling with Lanczos or bicubic overshoots at edges.
OVERSHOOT = 0.5
#: What makes pictures and latents of NaN.
HALF_VAE = ": a VAE in half precision does this, and --fp32-vae or another VAE mends it"


def check_skeleton(poses: Tensor, what: str, otherwise: str = "") -> None:
    """Raise where a picture of a pose ``[B, H, W, 3]`` shows no skeleton; ``otherwise`` is what else can be done."""
    blank = (~poses.flatten(1).any(1)).nonzero().flatten().tolist()
    if blank:
        raise PatchError(
            f"Picture {blank[0] + 1} of {what} is black: nobody was found there. Take a photo in which the pose's node "
            f"finds a person{otherwise}."
        )


def check_latent_sides(picture: Tensor, what: str, node: str) -> None:
    """Raise where a picture ``[B, H, W, C]`` has sides that no latent has; ``node`` gives it others."""
    height, width = picture.shape[1:3]
    if height % STRIDE or width % STRIDE:
        raise PatchError(
            f"{what} is {width}×{height}, and sides that are multiples of {STRIDE} are needed. Make it so with {node}."
        )


def check_numbers(tensor: Tensor, what: str, cause: str = "") -> None:
    """Raise where a tensor holds NaN or infinity; ``cause`` is what often does it."""
    if not torch.isfinite(tensor).all():
        raise PatchError(
            f"{what} holds values that are not numbers (NaN or infinity). Look at the node before it{cause}."
        )


def check_unit_range(tensor: Tensor, what: str, mend: str) -> None:
    """Raise where values lie far outside 0–1."""
    low, high = (float(end) for end in tensor.aminmax())
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        looks = " It looks like 0…255." if low >= 0 and 100 < high <= 255 else ""
        raise PatchError(f"{what} has values from {low:.4g} to {high:.4g}; 0 to 1 is needed.{looks} {mend}")


def as_mask(mask: Any, what: str) -> Tensor:
    """A MASK as ``[B, H, W]``, fp32 in 0–1; other packs also give ``[H, W]``, ``[B, 1, H, W]`` or ``[B, H, W, 1]``."""
    shape = tuple(mask.shape) if isinstance(mask, Tensor) else ()
    if len(shape) == 2:
        mask = mask[None]
    elif len(shape) == 4 and 1 in (shape[1], shape[3]):
        mask = mask.squeeze(1 if shape[1] == 1 else 3)
    if not shape or mask.ndim != 3 or 0 in shape:
        raise PatchError(
            f"{what} is {described(mask)}; a MASK, [batch, height, width], is needed. A picture becomes one with "
            "Convert Image to Mask."
        )
    mask = mask.float()
    check_numbers(mask, what)
    check_unit_range(mask, what, "Put ThresholdMask before it, or divide the values by 255 where they are made.")
    return mask.clamp(0, 1)


def check_drawn(mask: Tensor, what: str, otherwise: str) -> None:
    """Raise where a mask ``[B, H, W]`` is the one that the host's Load Image gives for a picture without alpha."""
    if says_no_alpha(mask):
        raise PatchError(
            f"{what} is the empty 64×64 mask that Load Image gives for a picture without alpha. Draw a mask on the "
            f"picture (Open in MaskEditor), or {otherwise}."
        )


def as_pose_picture(pose: Any, what: str) -> Tensor:
    """An IMAGE of a pose as ``[B, 3, H, W]``, fp32; grey becomes RGB, alpha is left out."""
    if not isinstance(pose, Tensor) or pose.ndim != 4 or pose.shape[-1] not in (1, 3, 4) or 0 in pose.shape:
        raise PatchError(
            f"{what} is {described(pose)}; an IMAGE, [batch, height, width, 3], is needed. A mask becomes one with "
            "Convert Mask to Image."
        )
    picture = pose[..., :3].movedim(-1, 1).float()
    check_numbers(picture, what, HALF_VAE)
    check_unit_range(picture, what, "Divide the values by 255 where they are made.")
    return picture.expand(-1, 3, -1, -1)


def latent_samples(latent: Any, what: str) -> Tensor:
    """The one tensor of a LATENT."""
    samples = latent.get("samples") if isinstance(latent, dict) else latent
    if not isinstance(samples, Tensor):
        raise PatchError(
            f"{what} holds {described(samples)} in place of a tensor of samples. Make it with VAE Encode; latents of "
            "video, of sound and of several parts are no pictures."
        )
    return samples


def check_conditioning(conditioning: Any, what: str, otherwise: str = "") -> None:
    """Raise where a CONDITIONING is no list of (tensor, dict), or has no entry."""
    if not isinstance(conditioning, (list, tuple)) or not all(_is_entry(entry) for entry in conditioning):
        came = described(conditioning) + ", not the list of text and options that nodes of this kind give"
    elif not conditioning:
        came = "a conditioning without an entry"
    else:
        return
    raise PatchError(f"{what} is {came}. Connect CLIP Text Encode or Conditioning Without Text{otherwise}.")


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, (list, tuple)) and len(entry) == 2 and isinstance(entry[1], dict)


def check_rows(named: dict[str, int], mend: str) -> int:
    """The number of images that several inputs serve: each has one row for all, or as many as the others.

    Args:
        named: how many rows each input has, by what it is called.
    """
    most = max(named.values())
    if not set(named.values()) <= {1, most}:
        listed = ", ".join(f"{what} {rows}" for what, rows in named.items())
        raise PatchError(f"The inputs do not fit each other: {listed} (pictures each). {mend}")
    return most


def check_covers(given: Tensor, latent: Tensor, what: str, of_targets: bool = False) -> None:
    """Raise where a map ``[B, H, W]`` cannot belong to the picture behind ``latent`` ``[S, C, h, w]``.

    B is 1 or S; or any number over a single source, where ``of_targets``: then each target has a map of its own.
    """
    rows, height, width = given.shape
    if rows not in (1, latent.shape[0]) and not (of_targets and latent.shape[0] == 1):
        raise PatchError(
            f"{what} has {rows} images and the source has {latent.shape[0]}. Make it from the same batch of images, "
            "or from one."
        )
    source_height, source_width = (8 * side for side in latent.shape[-2:])
    fits_exactly = abs(height - source_height) < 8 and abs(width - source_width) < 8
    aspect = (height / width) / (source_height / source_width)
    if not fits_exactly and abs(aspect - 1) > ASPECT_TOLERANCE:
        raise PatchError(
            f"{what} is {width}×{height} and the source image {source_width}×{source_height}: they show different "
            "crops. Make it from the very image that goes into VAE Encode."
        )


def check_not_blank(mask: Tensor, what: str, mend: str) -> None:
    """Raise where a mask of the batch has no pixel."""
    if not mask.flatten(1).any(dim=1).all():
        raise PatchError(f"{what} is empty: it selects nothing of the source. {mend}")


def described(value: Any) -> str:
    """What came in, in the words of an error."""
    if value is None:
        return "nothing"
    return f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
