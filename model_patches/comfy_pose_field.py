"""The pose interaction field on a MODEL: a function behind the host's guidance, which speaks x̂₀."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_sampling
import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .attention.token_masks import soft_grid
from .comfy_frozen import FrozenDecoder, FrozenEstimator
from .comfy_host import KEY
from .comfy_run import check_region, check_rows
from .conditions import Shared
from .errors import PatchError, said_by
from .guidance.pose_interaction_field import Rule, field_gradient, shift
from .kept import Kept
from .networks.higherhrnet import sized_for
from .scope import Scope

#: Under which the run's memory stands in the host's options, and our networks among the MODEL's.
FIELD = f"{KEY}_pose_field"
#: How far the aspects of pose and picture may lie apart: rounding a small picture to whole latent pixels.
_ASPECT = 0.12
#: A flow model starts from noise alone, which is no finite multiple of x̂₀.
_PUREST = 1 - 1e-4


class Memory(Kept):
    """What the fields of one sampling run keep; gone with the run."""

    def __init__(self):
        super().__init__()
        self._distances: dict[PoseField, list[Tensor]] = {}

    def note(self, field: "PoseField", distance: Tensor) -> None:
        """Keep G of a guided step, ``[B]``; it is not read yet, for which a GPU would wait."""
        self._distances.setdefault(field, []).append(distance.mean())

    def say(self) -> None:
        """G over the guided steps, into the log."""
        for field, distances in self._distances.items():
            listed = ", ".join(f"{float(distance):.4g}" for distance in distances)
            logging.info("%s: G over the guided steps: %s", field.node, listed)

    def clear(self) -> None:
        super().clear()
        self._distances.clear()


@dataclass(frozen=True, eq=False)
class TargetPose(Shared):
    """The pose that is wanted.

    Attributes:
        draw: its skeletons at a width and height: ``[frames, height, width, 3]`` in 0–1.
        frames: how many pictures it is of.
        width, height: of its canvas.
    """

    draw: Callable[[int, int], Tensor]
    frames: int
    width: int
    height: int

    def picture(self, width: int, height: int) -> Tensor:
        """The drawing ``[frames, 3, height, width]``.

        Raises:
            PatchError: it would be stretched.
        """
        aspect = (width / height) / (self.width / self.height)
        if abs(aspect - 1) > _ASPECT:
            raise PatchError(
                f"The target pose is on a canvas of {self.width}×{self.height} and the picture is {width}×{height}. "
                "Give the latent the pose's aspect, or fit the pose with Retarget Pose to a source of the picture's "
                "size."
            )
        return self.draw(width, height).movedim(-1, 1)


@dataclass(frozen=True, eq=False)
class JointTiles(Shared):
    """The tiles of a joint picture that are generated; each is looked at by itself.

    Attributes:
        cut: joint pictures ``[B, H, W, 3]`` → these tiles, each picture's together, ``[B · tiles, h, w, 3]``.
        targets: of each of them the number of its target pose.
        tile: width and height of what they show, without margins.
        size: of the joint picture.
    """

    cut: Callable[[Tensor], Tensor]
    targets: tuple[int, ...]
    tile: tuple[int, int]
    size: tuple[int, int]

    def frames(self, given: int, images: int) -> list[int]:
        """By tile of every joint picture the number of its frame: one a pose, or one a pose and picture.

        Raises:
            PatchError: there are more or fewer.
        """
        poses = 1 + max(self.targets)
        if given not in (poses, poses * images):
            told = f"{poses} pose{'s' * (poses > 1)}{f', in a batch of {images}' if images > 1 else ''}"
            raise PatchError(
                f"The target pose holds {given} frames, and the joint picture generates {told}. Connect the very poses "
                "that are drawn into it, in their order."
            )
        step = poses if given > poses else 0
        return [image * step + number for image in range(images) for number in self.targets]


@dataclass(frozen=True, eq=False)
class PoseField(Shared):
    """Guidance by ∇G.

    Attributes:
        vae: whose decoder makes pictures of x̂₀.
        estimator: patcher of HigherHRNet.
        scope: s, the span, and where in the picture the shift applies.
        every: steps from one guided to the next.
        node: display name of the node, for errors while sampling.
        joint: what is looked at where the MODEL makes joint pictures; None looks at the whole.
    """

    vae: Any
    estimator: Any
    target: TargetPose
    scope: Scope
    rule: Rule
    every: int = 1
    node: str = ""
    joint: JointTiles | None = None

    def __call__(self, arguments: dict[str, Any]) -> Tensor:
        denoised, sigma, model = arguments["denoised"], arguments["sigma"], arguments["model"]
        options = arguments["model_options"].get("transformer_options", {})
        if not self.acts(float(sigma.flatten()[0]), model.model_sampling, options):
            return denoised
        # A guider that samples several models opens no run for the second: what is kept then lives for one step.
        memory = options.get(FIELD) or Memory()
        clean = arguments["cond_denoised"]
        with said_by(self.node):
            self.check(clean)
            field, gradient = field_gradient(clean, *self.looked_at(clean, model, memory))
        memory.note(self, field.distance)
        ratio = noise_ratio(sigma, model.model_sampling)
        return self.shifted(denoised, clean, gradient, ratio, arguments["cond_scale"], memory)

    def acts(self, sigma: float, schedule: Any, options: dict) -> bool:
        """Whether the step at this noise level is guided."""
        if not self.scope.endless:
            first, last = self.scope.levels(schedule)
            if not first >= sigma >= last:
                return False
        levels = options.get("sample_sigmas")
        # Samplers of higher order look between two levels: that belongs to the step before.
        step = 0 if levels is None else max(0, int((levels >= sigma * (1 - 1e-5)).sum()) - 1)
        return step % self.every == 0

    def check(self, clean: Tensor) -> None:
        """Raise :class:`PatchError` where x̂₀ is no picture, or not of as many, or of the size, that the rest is of."""
        if clean.ndim != 4:
            raise PatchError(
                f"This model's latents have {clean.ndim} dimensions, and the field looks at single pictures, "
                "[batch, channels, height, width]. Connect a model of pictures."
            )
        if self.joint is None:
            check_frames(self.target, clean.shape[0])
        else:
            self.joint.frames(self.target.frames, clean.shape[0])
            if self._picture_size(clean) != self.joint.size:
                (width, height), (whole, high) = self._picture_size(clean), self.joint.size
                raise PatchError(
                    f"The latent makes pictures of {width}×{height}, and the tiles are of a joint picture of "
                    f"{whole}×{high}. Sample the latent of the conditioning node that the joint picture goes into."
                )
        check_region(self.scope, clean.shape[0])

    def _picture_size(self, clean: Tensor) -> tuple[int, int]:
        """Width and height of the pictures that the decoder makes."""
        height, width = (side * self.vae.spacial_compression_decode() for side in clean.shape[-2:])
        return width, height

    def looked_at(self, clean: Tensor, model: Any, memory: Memory) -> tuple[Callable[[Tensor], Any], Tensor]:
        """What looks at x̂₀, and P_φ(P), for pictures of this size."""
        estimator = memory.once((self.estimator, "estimator"), lambda: FrozenEstimator(self.estimator.model))
        decoder = memory.once((self.vae, "decoder"), lambda: FrozenDecoder(self.vae))

        def features(drawn: Tensor) -> Tensor:
            return estimator(sized_for(drawn.to(clean.device))).features

        def target() -> Tensor:
            if self.joint is None:
                return features(self.target.picture(*self._picture_size(clean)))
            # Poses are squashed to tiles, as they were drawn into the joint picture.
            every = features(self.target.draw(*self.joint.tile).movedim(-1, 1))
            return every[self.joint.frames(self.target.frames, clean.shape[0])]

        def maps_of(latent: Tensor) -> Any:
            pictures = decoder(model.process_latent_out(latent))
            if self.joint is not None:
                pictures = self.joint.cut(pictures.movedim(1, -1)).movedim(-1, 1)
            return estimator(sized_for(pictures))

        return maps_of, memory.once((self, clean.shape, clean.device), target)

    def shifted(
        self, denoised: Tensor, clean: Tensor, gradient: Tensor, ratio: Tensor, guidance: float, memory: Memory
    ) -> Tensor:
        """The guided x̂₀; as it was where the gradient is not of numbers, which is said once a run."""
        if not bool(torch.isfinite(gradient).all()):
            memory.once((self, "said"), self._say_unguided)
            return denoised
        moved = shift(clean, gradient, ratio, self.scope.strength, guidance, self.rule)
        if self.scope.mask is not None:
            moved = moved * soft_grid(self.scope.mask.to(moved.device), tuple(moved.shape[-2:])).to(moved)
        return (denoised - moved).to(denoised.dtype)

    def _say_unguided(self) -> bool:
        logging.warning(
            "%s: the gradient of the pose interaction field holds values that are not numbers (NaN or infinity); such "
            "steps are left unguided. A VAE in half precision does this, and --fp32-vae or another VAE mends it.",
            self.node,
        )
        return True


def check_frames(target: TargetPose, images: int) -> None:
    """A target serves the whole batch, or each image has one."""
    check_rows(target.frames, images, "The target pose")


def noise_ratio(sigma: Tensor, schedule: Any) -> Tensor:
    """σ of x = x̂₀ + σε, of whatever is sampled: a flow model mixes (1 − t) x̂₀ + tε."""
    if isinstance(schedule, comfy.model_sampling.CONST):
        share = sigma.clamp(max=_PUREST)
        return share / (1 - share)
    return sigma


def remember(executor, *arguments, **named):
    """OUTER_SAMPLE wrapper: the run's memory, which ends with it however it ends."""
    options = executor.class_obj.model_options["transformer_options"]
    if FIELD in options:
        return executor(*arguments, **named)
    memory = options[FIELD] = Memory()
    try:
        result = executor(*arguments, **named)
        memory.say()
        return result
    finally:
        del options[FIELD]
        memory.clear()


def makes_joint_pictures(model: Any) -> bool:
    """Whether a MODEL is told by a map which parts of its picture are given (PCDMs' second stage, IMAGPose)."""
    family = getattr(model.model.model_config, "family", None)
    return family is not None and family.beside is not None and family.beside.maps > 0


def with_networks(model: Any, field: PoseField) -> Any:
    """A clone of ``model`` whose runs have a memory, and with which the host loads what a field looks through.

    Raises:
        PatchError: the decoder is none or of another latent, or the model's latents are no pictures; or they are joint
            ones, and nothing says which of their tiles are generated.
    """
    if getattr(field.vae, "first_stage_model", None) is None:
        raise PatchError("The decoder holds no VAE: the file it came from has none. Connect Load VAE.")
    latents = model.get_model_object("latent_format")
    ours, theirs = latents.latent_channels, getattr(field.vae, "latent_channels", None)
    if getattr(latents, "latent_dimensions", 2) != 2 or getattr(field.vae, "latent_dim", 2) != 2:
        raise PatchError("The model or the decoder is of video or of sound. Connect those of a model of pictures.")
    if ours != theirs:
        raise PatchError(
            f"The decoder takes latents of {theirs} channels and the model makes {ours}: it is another model's VAE. "
            "Connect the model's own, or a tiny one (TAESD) of its family."
        )
    if field.joint is None and makes_joint_pictures(model):
        raise PatchError(
            "The model makes joint pictures, sources and targets side by side, and the pose is one picture's. Connect "
            "'tiles' of Joint Views or PCDMs Joint Picture too."
        )
    patched = model.clone()
    beside = [*patched.get_additional_models_with_key(FIELD), field.vae.patcher, field.estimator]
    patched.set_additional_models(FIELD, list(dict.fromkeys(beside)))
    patched.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, FIELD)
    patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, FIELD, remember)
    return patched


def apply_pose_field(model: Any, field: PoseField) -> Any:
    """A clone of ``model`` under guidance by ∇G; a plain one where the field never acts.

    Raises:
        PatchError: as :func:`with_networks`.
    """
    if field.scope.empty:
        return model.clone()
    patched = with_networks(model, field)
    patched.set_model_sampler_post_cfg_function(field)
    return patched
