"""TruePose on a MODEL: human-parsing-guided fusion attention, CLIP-guided attention alignment, the pose encoder."""

from comfy_api.latest import io

from ..model_patches.attention.hpfa import Reweighting
from ..model_patches.comfy_apply import apply_condition
from ..model_patches.comfy_pose import apply_pose
from ..model_patches.conditions import CAACondition, HPFACondition
from .checks import as_mask, as_pose_picture, check_covers, check_drawn, check_not_blank, check_numbers
from .errors import name_of, names_itself
from .host_features import advanced, search_aliases
from .inputs import scope_inputs, scope_of, sites_input
from .types import RegionEmbeddings, SourceNetwork, TruePoseWeights

#: Spaces in which H' meets its projections, by what the user reads.
HIDDEN_SPACES = ["auto", "paper", "block"]


class MannequinApplyHPFA(io.ComfyNode):
    """Eq. 6–8."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinApplyHPFA",
            display_name="Apply HPFA",
            category="Mannequin/Patch",
            **search_aliases("truepose", "pose transfer", "reposing", "virtual try-on", "appearance"),
            description=(
                "Human-parsing-guided fusion attention (TruePose, Eq. 6–8): the model looks at the source's features, "
                "reweighted towards the parts that the target pose shows. Works without trained weights on any SD1.5 "
                "or SDXL checkpoint."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model to patch (TargetNet)."),
                SourceNetwork.Input("source", tooltip="From SourceNet."),
                io.Mask.Input(
                    "parsing_mask",
                    tooltip="M: the parts of the source that the target shows. From Select Parsing; any mask will do.",
                ),
                TruePoseWeights.Input(
                    "truepose", optional=True, tooltip="Trained weights. Not connected: training-free mode."
                ),
                advanced(
                    io.Combo.Input(
                        "fusion",
                        options=["paper", "residual"],
                        tooltip="paper: in place of self-attention (Eq. 8). residual: added to it.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "hidden_space",
                        options=HIDDEN_SPACES,
                        tooltip=(
                            "What is projected to keys and values. paper: H' itself, as Eq. 8 says, for trained "
                            "weights. block: the block's features with H' in them, which the checkpoint's own "
                            "projections know. auto: paper with trained weights, block without."
                        ),
                    )
                ),
                advanced(
                    io.Float.Input(
                        "delta",
                        default=0.6,
                        min=0.01,
                        max=2.0,
                        step=0.05,
                        tooltip="δ of Eq. 6: inside the mask, positive logits × (1 + δ), negative × δ.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "sigma",
                        default=0.3,
                        min=0.01,
                        max=2.0,
                        step=0.05,
                        tooltip="σ of Eq. 6: outside the mask, positive logits × σ, negative × (1 + σ).",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "mask_axis",
                        options=["key", "query"],
                        tooltip=(
                            "Where Eq. 6 reads M: at the token that is looked at (key), or the one that looks (query)."
                        ),
                    )
                ),
                sites_input(),
                *scope_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, looking at the source.")],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        source,
        parsing_mask,
        fusion,
        hidden_space,
        delta,
        sigma,
        mask_axis,
        sites,
        strength,
        start_percent,
        end_percent,
        truepose=None,
        region=None,
    ) -> io.NodeOutput:
        parsing_mask = as_mask(parsing_mask, "The parsing mask")
        check_drawn(parsing_mask, "The parsing mask", "connect Select Parsing")
        check_covers(parsing_mask, source.latent, "The parsing mask", of_targets=True)
        selected = parsing_mask > 0.5
        check_not_blank(selected, "The parsing mask", "Check Select Parsing: source and target pose share no part.")
        if hidden_space == "auto":
            hidden_space = "block" if truepose is None else "paper"
        condition = HPFACondition(
            selected,
            Reweighting(delta, sigma, mask_axis),
            None if truepose is None else truepose.model,
            hidden_space,
            fusion,
        )
        scope = scope_of(strength, start_percent, end_percent, region)
        return io.NodeOutput(apply_condition(model, condition, source, sites, scope, truepose, name_of(cls)))


class MannequinApplyCAA(io.ComfyNode):
    """Eq. 9."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinApplyCAA",
            display_name="Apply CAA",
            category="Mannequin/Patch",
            **search_aliases("truepose", "pose transfer", "appearance"),
            description=(
                "CLIP-guided attention alignment (TruePose, Eq. 9): the source regions that attention neglects most "
                "are given to the model again, as CLIP embeddings. Works without trained weights."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model to patch; before or after Apply HPFA."),
                SourceNetwork.Input("source", tooltip="From SourceNet; the same one as Apply HPFA's."),
                RegionEmbeddings.Input("regions", tooltip="From Encode Regions, of the same source image."),
                TruePoseWeights.Input(
                    "truepose", optional=True, tooltip="Trained weights. Not connected: training-free mode."
                ),
                io.Int.Input(
                    "count",
                    default=2,
                    min=1,
                    max=19,
                    tooltip="K: how many neglected regions each site is given (paper: 2).",
                ),
                sites_input(),
                *scope_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, aligned with the neglected regions.")],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        source,
        regions,
        count,
        sites,
        strength,
        start_percent,
        end_percent,
        truepose=None,
        region=None,
    ) -> io.NodeOutput:
        labels, embeddings = regions
        check_covers(labels, source.latent, "The parsing behind the region embeddings")
        check_numbers(embeddings, "The CLIP embedding of the regions")
        weights = None if truepose is None else truepose.model
        condition = CAACondition(labels, embeddings, count, weights)
        scope = scope_of(strength, start_percent, end_percent, region)
        return io.NodeOutput(apply_condition(model, condition, source, sites, scope, truepose, name_of(cls)))


class MannequinApplyPoseEncoder(io.ComfyNode):
    """The pose, added after the first convolution."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinApplyPoseEncoder",
            display_name="Apply Pose Encoder",
            category="Mannequin/Patch",
            **search_aliases("truepose", "pose condition", "controlnet"),
            description=(
                "Adds TruePose's trained pose features to the model, for the condition and for classifier-free "
                "guidance's null condition alike. Without trained weights use a ControlNet (OpenPose) instead."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model to patch."),
                TruePoseWeights.Input("truepose", tooltip="From Load TruePose."),
                io.Image.Input("pose", tooltip="The target pose, from Draw Pose; any size of the target's aspect."),
                *scope_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, knowing the pose.")],
        )

    @classmethod
    @names_itself
    def execute(cls, model, truepose, pose, strength, start_percent, end_percent, region=None) -> io.NodeOutput:
        picture = as_pose_picture(pose, "The pose image")
        scope = scope_of(strength, start_percent, end_percent, region)
        return io.NodeOutput(apply_pose(model, truepose, picture, scope, name_of(cls)))
