"""Inputs that several nodes share, and the scope they describe."""

from comfy_api.latest import io
from torch import Tensor

from ..model_patches.scope import Scope
from ..model_patches.sites import SYNTAX
from .checks import as_mask, check_drawn
from .host_features import advanced


def scope_inputs() -> list:
    """Strength, span of the schedule and region: the last widgets of every apply node."""
    return [
        io.Float.Input(
            "strength",
            default=1.0,
            min=0.0,
            max=4.0,
            step=0.05,
            tooltip="How much of it: 0 is exactly the unpatched model, 1 is the paper.",
        ),
        *span_inputs(),
        region_input(),
    ]


def span_inputs() -> list:
    """Where in the schedule a node acts."""
    return [
        io.Float.Input(
            "start_percent",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Where in the schedule it begins to act: 0 is the first step.",
        ),
        io.Float.Input(
            "end_percent",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Where in the schedule it stops acting: 1 is the last step.",
        ),
    ]


def region_input() -> io.Mask.Input:
    """Where in the generated image a node acts."""
    return io.Mask.Input(
        "region",
        optional=True,
        tooltip="Where in the generated image it acts, any size. Not connected: everywhere. All black: nowhere.",
    )


def pose_strength_input() -> io.Float.Input:
    """How much of the poses a conditioning node brings; optional, behind its sockets."""
    return io.Float.Input(
        "pose_strength",
        default=1.0,
        min=0.0,
        max=4.0,
        step=0.05,
        optional=True,
        tooltip="How much of the poses: 1 is the paper, 0 leaves them out.",
    )


def sites_input() -> io.String.Input:
    """Which attention sites of the UNet a node patches."""
    return advanced(
        io.String.Input("sites", default="all", tooltip=f"Which attention sites of the UNet it patches. {SYNTAX}")
    )


def scope_of(strength: float, start_percent: float, end_percent: float, region: Tensor | None) -> Scope:
    """The scope those inputs describe."""
    if region is not None:
        region = as_mask(region, "The region")
        if strength and start_percent <= end_percent:
            check_drawn(
                region, "The region", "disconnect region (it then acts everywhere) or set strength to 0 (nowhere)"
            )
    return Scope(float(strength), start_percent, end_percent, region)


def no_person_input() -> io.Combo.Input:
    """What to do when a picture shows nobody."""
    return io.Combo.Input(
        "on_no_person",
        options=["error", "skip"],
        tooltip="Nobody found: stop and say so, or go on with an empty result.",
    )


def people_inputs() -> list:
    """What to do when a picture shows nobody, or several people; ``person_input`` goes with it."""
    return [
        no_person_input(),
        io.Combo.Input(
            "on_several",
            options=["largest", "most central", "index", "all", "error"],
            tooltip="Several people found: who counts. With index it is the one whose number person gives.",
        ),
    ]


def person_input() -> io.Int.Input:
    """Who counts with "index": the last widget of a node, and optional, so that graphs saved without it still run."""
    return io.Int.Input(
        "person",
        default=1,
        min=1,
        max=99,
        optional=True,
        tooltip="Who counts when on_several is index: 1 is the leftmost in the picture, 2 the next to the right.",
    )
