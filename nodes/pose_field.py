"""RePoseDM's pose interaction field: guidance towards a pose, on any MODEL."""

from functools import partial

from comfy_api.latest import io

from ..model_patches.comfy_field_guider import PoseFieldGuider
from ..model_patches.comfy_pose_field import JointTiles, PoseField, TargetPose, apply_pose_field
from ..model_patches.errors import PatchError
from ..model_patches.guidance.pose_interaction_field import Rule
from ..preprocessors.joint_views import generated
from ..preprocessors.keypoints import from_pose_keypoint
from ..preprocessors.skeleton import draw
from .checks import check_conditioning
from .errors import name_of, names_itself
from .host_features import advanced, search_aliases
from .inputs import region_input, scope_of, span_inputs
from .types import PoseEstimator, PoseKeypoint, Tiles

#: What a scale of 1 is, by rule.
UNITS: dict[Rule, float] = {"Eq. 15": 1e-6, "Eq. 14": 1e-6, "relative": 1e-2}


def field_inputs() -> list:
    """Everything but the MODEL."""
    return [
        PoseKeypoint.Input(
            "pose", tooltip="The pose that is wanted: one or several people. One frame, or one a picture."
        ),
        PoseEstimator.Input("estimator", tooltip="From Load Pose Estimator."),
        io.Vae.Input(
            "decoder",
            tooltip="Makes pictures of the latents on the way: the model's VAE, or a tiny one (TAESD), much faster.",
        ),
        io.Float.Input(
            "scale",
            default=1.0,
            min=0.0,
            max=100000.0,
            step=0.05,
            tooltip=(
                "How strongly; 0 is exactly the unguided model. By Eq. 15 and 14: s in millionths, since G is a sum "
                "over all places. By the rule relative: percent of the picture that a step moves."
            ),
        ),
        advanced(
            io.Combo.Input(
                "rule",
                options=list(UNITS),
                tooltip=(
                    "Eq. 15: the paper's, growing with the noise. Eq. 14: bounded; take it under zero terminal SNR. "
                    "Relative: a share of the picture, alike for all sizes and estimators."
                ),
            )
        ),
        *span_inputs(),
        advanced(
            io.Int.Input("every", default=1, min=1, max=100, tooltip="Every how many steps it acts: 2 halves its cost.")
        ),
        region_input(),
        Tiles.Input(
            "tiles",
            optional=True,
            tooltip=(
                "From Joint Views or PCDMs Joint Picture, for their models: every generated tile is looked at by "
                "itself, and the pose has a frame for each target pose."
            ),
        ),
    ]


def target_pose(pose) -> TargetPose:
    """The target of a POSE_KEYPOINT.

    Raises:
        PatchError: there is no frame, one shows nobody, or they are of several sizes.
    """
    frames = from_pose_keypoint(pose)
    for number, frame in enumerate(frames):
        if not (frame.people[..., 2] > 0).any():
            raise PatchError(
                f"Frame {number + 1} of the target pose shows nobody, so there is nothing to guide to. Connect a pose "
                "with at least one person, from Detect Pose, Load Pose or another pose node."
            )
    if not frames or len({(frame.width, frame.height) for frame in frames}) > 1:
        raise PatchError("The target pose has no frame, or frames of several sizes. Make it from pictures of one size.")
    return TargetPose(partial(draw, frames), len(frames), frames[0].width, frames[0].height)


class MannequinPoseInteractionField(io.ComfyNode):
    """Guidance by ∇G on a MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPoseInteractionField",
            display_name="Pose Interaction Field",
            category="Mannequin/Patch",
            **search_aliases("reposedm", "pose guidance", "several people"),
            description=(
                "Pulls what is sampled towards a pose (RePoseDM, Eq. 10–16): every step's picture is looked at by a "
                "pose estimator, and the gradient of its distance from the target moves the latent. Works on any "
                "model, text to image too, with any sampler."
            ),
            inputs=[io.Model.Input("model", tooltip="The model to guide."), *field_inputs()],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, guided by the field.")],
        )

    @classmethod
    @names_itself
    def execute(
        cls, model, pose, estimator, decoder, scale, rule, start_percent, end_percent, every, region=None, tiles=None
    ) -> io.NodeOutput:
        field = _field(cls, pose, estimator, decoder, scale, rule, start_percent, end_percent, every, region, tiles)
        return io.NodeOutput(apply_pose_field(model, field))


class MannequinPoseInteractionFieldGuider(io.ComfyNode):
    """The same, through the UNet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPoseInteractionFieldGuider",
            display_name="Pose Interaction Field Guider",
            category="Mannequin/Sample",
            **search_aliases("reposedm", "pose guidance", "several people"),
            description=(
                "Pose Interaction Field with the gradient taken through the UNet too, so that the whole picture "
                "follows a joint. Needs the memory of the UNet twice and several times the computation. For "
                "SamplerCustomAdvanced."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model to guide."),
                io.Conditioning.Input("positive", tooltip="The condition."),
                io.Conditioning.Input("negative", tooltip="The null condition."),
                io.Float.Input(
                    "cfg",
                    default=7.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="w of classifier-free guidance, which multiplies the field as well (Eq. 16).",
                ),
                *field_inputs(),
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
        cfg,
        pose,
        estimator,
        decoder,
        scale,
        rule,
        start_percent,
        end_percent,
        every,
        region=None,
        tiles=None,
    ) -> io.NodeOutput:
        for name, conditioning in (("positive", positive), ("negative", negative)):
            check_conditioning(conditioning, f"Its input {name}")
        field = _field(cls, pose, estimator, decoder, scale, rule, start_percent, end_percent, every, region, tiles)
        guider = PoseFieldGuider(model, field)
        guider.set_conds(positive, negative)
        guider.set_cfg(cfg)
        return io.NodeOutput(guider)


def _field(
    node: type, pose, estimator, decoder, scale, rule, start_percent, end_percent, every, region, tiles
) -> PoseField:
    """The field that the inputs describe."""
    scope = scope_of(scale * UNITS[rule], start_percent, end_percent, region)
    joint = None
    if tiles is not None:
        joint = JointTiles(partial(generated, tiles), tiles.targets, (tiles.width, tiles.height), tiles.size)
    return PoseField(decoder, estimator, target_pose(pose), scope, rule, every, name_of(node), joint)
