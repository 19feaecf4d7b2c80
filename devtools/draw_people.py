"""Example graphs of what people ask for, on the pack's own weights: many poses, a pose sequence, two people."""

import json

from preprocessors.body.library import person

from .draw_demo import DEMO_SIZE, fitted_photo
from .draw_pcdms import Wire, saved
from .draw_truepose import decoded, demo_model, posed_model, worn
from .graph_drawing import Drawn, Graph

#: Fewer than the demo's own graph takes: there are many pictures.
STEPS = 4
WIDTH, HEIGHT = DEMO_SIZE["width"], DEMO_SIZE["height"]
#: Frames of a walk, see :mod:`.walking_pose`.
WALK, FRAMES = "mannequin_walk.json", 8
#: Metres that a picture shows from top to bottom; each of two people stands in the middle of their half.
HIGH = 2.2
ASIDE = HIGH * WIDTH / HEIGHT / 2
TWO = {
    "version": 1,
    "people": [
        person("Standing: Contrapposto", turn=10) | {"position": [-ASIDE, 0]},
        person("Hands: Waving", mirror=True, turn=-10) | {"position": [ASIDE, 0]},
    ],
    "camera": {"centre": [0, 0, 0.92], "height": HIGH},
}
DEMO_NOTE = (
    "The model here is the pack's **demo**: small, 96×128 pixels a person, trained on synthetic people like these."
)


def many_poses(info: dict) -> Graph:
    """One photo, every pose of a category of the library."""
    graph = Graph(info)
    graph.note(
        0,
        "**One person in many poses.** *Pose Library* gives a list of poses, and everything behind it runs once for "
        "each: the photo is encoded a single time, the noise is the same, and so the pictures belong together. Choose "
        "another category, a single pose, or set poses of your own in *Pose Mannequin*.\n\n" + DEMO_NOTE,
    )
    _, fitted = fitted_photo(graph, "Source", "mannequin_demo_source.png", **DEMO_SIZE)
    parts = demo_model(graph)
    poses = graph.add(0, "MannequinPoseLibrary", pose="Walking: all")
    mannequin = graph.add(1, "MannequinPoseMannequin", mannequin=poses["mannequin"], **DEMO_SIZE)
    picture, skeleton = _put_into(graph, mannequin["POSE_KEYPOINT"], parts, fitted)
    saved(graph, picture, "mannequin/many_poses", 7)
    graph.add(7, "PreviewImage", "Poses", images=skeleton["IMAGE"])
    return graph


def pose_sequence(info: dict) -> Graph:
    """One photo, the frames of a pose file."""
    graph = Graph(info)
    graph.note(
        0,
        "**A pose sequence.** *Load Pose* reads a file of several frames (of a video's detector, or of Save Pose), and "
        "all of them are sampled as one batch. What holds the frames together is simple: each looks at the same photo, "
        "and begins from the same noise (*Latent Batch Seed Behavior*, fixed). Nothing looks from one frame at "
        "another, and so small details flicker.\n\n" + DEMO_NOTE,
    )
    _, fitted = fitted_photo(graph, "Source", "mannequin_demo_source.png", **DEMO_SIZE)
    parts = demo_model(graph)
    keypoints = graph.add(0, "MannequinLoadPose", "Frames", saved_pose=WALK)["POSE_KEYPOINT"]
    frames, skeleton = _put_into(graph, keypoints, parts, fitted, FRAMES)
    saved(graph, frames, "mannequin/pose_sequence", 7)
    graph.add(7, "SaveAnimatedWEBP", images=frames, filename_prefix="mannequin/pose_sequence", fps=8.0)
    graph.add(7, "PreviewImage", "Poses", images=skeleton["IMAGE"])
    return graph


def _put_into(
    graph: Graph, keypoints: Wire, parts: dict[str, Wire], photo: Drawn, frames: int = 1
) -> tuple[Wire, Drawn]:
    """A photo's person in poses of one batch: the pictures, and the drawn poses."""
    parsing = graph.add(2, "MannequinParsePerson", image=photo["IMAGE"])
    skeleton = graph.add(2, "MannequinDrawPose", pose=keypoints, parts="body", **DEMO_SIZE)
    model = worn(graph, posed_model(graph, parts, skeleton)["MODEL"], parts, photo, parsing, keypoints)
    return decoded(graph, model, parts, STEPS, **DEMO_SIZE, frames=frames), skeleton


def two_people(info: dict) -> Graph:
    """Two photos, and both people in one picture, each looking at their own photo in their own half."""
    graph = Graph(info)
    graph.note(
        0,
        "**Two people, each from a photo of their own.** *region* of Apply HPFA and Apply CAA says where a photo is "
        "looked at: here the left and the right half. *Pose Mannequin* places both; any other pose of two people will "
        "do.\n\n" + DEMO_NOTE,
    )
    people = {
        name: fitted_photo(graph, f"Person on the {name}", f"mannequin_demo_{photo}.png", **DEMO_SIZE)[1]
        for name, photo in (("left", "source"), ("right", "reference"))
    }
    size = {"width": 2 * WIDTH, "height": HEIGHT}
    parts = demo_model(graph)
    nowhere = graph.add(1, "SolidMask", "Nowhere", value=0.0, **size)
    half = graph.add(1, "SolidMask", "Half of the picture", value=1.0, **DEMO_SIZE)
    mannequin = graph.add(1, "MannequinPoseMannequin", mannequin=json.dumps(TWO), **size)
    skeleton = graph.add(2, "MannequinDrawPose", pose=mannequin["POSE_KEYPOINT"], parts="body", **size)
    model = posed_model(graph, parts, skeleton)["MODEL"]
    for name, fitted in people.items():
        model = _worn_aside(graph, model, parts, fitted, mannequin["POSE_KEYPOINT"], (nowhere, half), name)
    saved(graph, decoded(graph, model, parts, 2 * STEPS, **size), "mannequin/two_people", 7)
    graph.add(7, "PreviewImage", "Poses", images=skeleton["IMAGE"])
    return graph


def _worn_aside(
    graph: Graph, model: Wire, parts: dict[str, Wire], photo: Drawn, keypoints: Wire, masks: tuple[Drawn, Drawn], name
) -> Wire:
    """A MODEL whose ``name`` half, "left" or "right", looks at a photo."""
    nowhere, half = masks
    region = graph.add(
        2,
        "MaskComposite",
        f"The {name} half",
        destination=nowhere["MASK"],
        source=half["MASK"],
        x=WIDTH * (name == "right"),
        y=0,
        operation="add",
    )
    chosen = graph.add(
        2,
        "MannequinChoosePerson",
        f"Who is on the {name}",
        pose=keypoints,
        on_several="index",
        person=1 + (name == "right"),
    )
    parsing = graph.add(2, "MannequinParsePerson", f"Parse the one on the {name}", image=photo["IMAGE"])
    return worn(graph, model, parts, photo, parsing, chosen["POSE_KEYPOINT"], name, region=region["MASK"])
