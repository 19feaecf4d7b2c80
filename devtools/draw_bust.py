"""Graphs that make a whole person of a photo of head and shoulders: on the pack's own weights, and on SDXL."""

from .draw_demo import DEMO_SIZE, DEMO_STEPS, Wire
from .draw_pcdms import saved
from .draw_people import DEMO_NOTE
from .draw_training_free import SDXL, dressed, whole, xl_checkpoint_loader
from .draw_truepose import decoded, demo_model, posed_model, worn
from .graph_drawing import Drawn, Graph

PHOTO, POSE = "mannequin_demo_bust.jpg", "Standing: Contrapposto"
#: Of a target's parsing: what a bust has nothing to say of.
BELOW = "Pants, Skirt, Socks, legs, shoes"
WORDS = "full body photo of a person in blue jeans and white sneakers, standing in a studio"
_NOTE = (
    "**From head and shoulders to a whole person.** *Pose Library* has the pose, *Pose Mannequin* the whole body in "
    "it. The legs alone do not look at the photo (*region* of Apply HPFA and Apply CAA): it shows none, and they would "
    "wear its shirt. "
)


def bust_to_full_body(info: dict) -> Graph:
    """On the demo weights: what the photo does not show is the model's own."""
    graph = Graph(info)
    graph.note(
        0,
        f"{_NOTE}What they look like, this model makes up. For photos there is the blueprint *Bust to Full Body*, on "
        f"SDXL, where the text says it.\n\n{DEMO_NOTE}",
    )
    photo, parsing = _bust(graph, **DEMO_SIZE)
    parts = demo_model(graph)
    target, region = _target(graph, grown=6, **DEMO_SIZE)
    skeleton = graph.add(2, "MannequinDrawPose", pose=target["POSE_KEYPOINT"], parts="body", **DEMO_SIZE)
    posed = posed_model(graph, parts, skeleton)
    model = worn(graph, posed["MODEL"], parts, photo, parsing, target["POSE_KEYPOINT"], region=region)
    saved(graph, decoded(graph, model, parts, DEMO_STEPS, **DEMO_SIZE), "mannequin/bust_to_full_body", 7)
    graph.add(7, "PreviewImage", "Pose", images=skeleton["IMAGE"])
    return graph


def bust_to_full_body_sdxl(info: dict) -> Graph:
    """Without training, on any SDXL checkpoint: what the photo does not show is in the text."""
    graph = Graph(info)
    graph.note(0, f"{_NOTE}What they look like, the *prompt* says.")
    photo, parsing = _bust(graph, **SDXL.size)
    target, region = _target(graph, grown=32, **SDXL.size)
    prefix = "mannequin/bust_to_full_body"
    checkpoint = xl_checkpoint_loader(graph)
    return dressed(graph, SDXL, checkpoint, photo, target, parsing, WORDS, prefix, region=region)


def _bust(graph: Graph, width: int, height: int) -> tuple[Drawn, Drawn]:
    """The photo, large in a picture of the model's aspect, and its parsing."""
    photo = whole(graph, "Bust", PHOTO, width, height)
    return photo, graph.add(2, "MannequinParsePerson", image=photo["IMAGE"])


def _target(graph: Graph, grown: int, width: int, height: int) -> tuple[Drawn, Wire]:
    """A body in a pose, and where it is that a bust is looked at.

    Args:
        grown: pixels by which the legs are made larger, for clothes wider than the mannequin's.
    """
    poses = graph.add(0, "MannequinPoseLibrary", pose=POSE)
    body = graph.add(1, "MannequinPoseMannequin", mannequin=poses["mannequin"], width=width, height=height)
    legs = graph.add(2, "MannequinParsingMask", "Legs", parsing=body["PARSING"], labels=BELOW)
    wide = graph.add(2, "GrowMask", "A little more", mask=legs["MASK"], expand=grown, tapered_corners=True)
    return body, graph.add(3, "InvertMask", "All but the legs", mask=wide["MASK"])["MASK"]
