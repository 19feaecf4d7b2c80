"""Poses by name, for Pose Mannequin."""

import json

from comfy_api.latest import io

from ..preprocessors.body.library import BETWEEN, library, names, person
from ..preprocessors.body.scene import VERSION
from .errors import names_itself
from .host_features import search_aliases

#: Of a category's name, for every pose in it.
ALL = "all"


def choices() -> list[str]:
    """Each pose, then each category as a whole."""
    return [*names(), *(f"{category}{BETWEEN}{ALL}" for category in library())]


class MannequinPoseLibrary(io.ComfyNode):
    """A pose or a category of the library as the JSON of a mannequin."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPoseLibrary",
            display_name="Pose Library",
            category="Mannequin/Pose",
            **search_aliases("pose presets", "pose pack"),
            description=(
                "Poses by name, for Pose Mannequin: standing, walking, sitting, fashion, sport, hands. A whole "
                "category is a list of texts, and the nodes behind it run once for each."
            ),
            inputs=[
                io.Combo.Input(
                    "pose", options=choices(), tooltip=f"A pose; or '{ALL}', which makes a picture of every one."
                ),
                io.Boolean.Input("mirror", default=False, tooltip="Left and right change places."),
                io.Float.Input(
                    "turn",
                    default=0.0,
                    min=-180.0,
                    max=180.0,
                    step=1.0,
                    tooltip="Degrees that the person is turned to their left, beside what the pose itself turns.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "text",
                    display_name="mannequin",
                    is_output_list=True,
                    tooltip="JSON, for Pose Mannequin's input of this name.",
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, pose: str, mirror: bool, turn: float) -> io.NodeOutput:
        category, _, name = pose.partition(BETWEEN)
        chosen = [f"{category}{BETWEEN}{each}" for each in library()[category]] if name == ALL else [pose]
        texts = [json.dumps({"version": VERSION, "people": [person(each, mirror, turn)]}) for each in chosen]
        return io.NodeOutput(texts)
