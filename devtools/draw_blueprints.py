"""Draws the blueprints: ``python -m devtools.draw_blueprints`` writes ``subgraphs/*.json``, a graph in one box each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .blueprint_drawing import Shown, blueprint
from .client import Client
from .draw_bust import bust_to_full_body_sdxl
from .draw_imagpose import imagpose
from .draw_mcld import garment_swap, mcld
from .draw_pcdms import pcdms, pcdms_refine
from .draw_preprocess import preprocess
from .draw_reposedm import repose_text_to_image
from .draw_training_free import training_free, training_free_sdxl
from .draw_truepose import truepose
from .graph_drawing import Graph
from .graph_files import write_graph
from .host import ROOT
from .say import say
from .server import Server

SAMPLER = [Shown("KSampler", "seed"), Shown("KSampler", "steps"), Shown("KSampler", "cfg")]
TRAINING_FREE = [
    Shown("CheckpointLoaderSimple", "ckpt_name"),
    Shown("CLIPTextEncode", "text", "prompt"),
    Shown("KSampler", "seed"),
    Shown("MannequinApplyHPFA", "strength", "HPFA strength"),
    Shown("MannequinApplyCAA", "strength", "CAA strength"),
]
PHOTO_AND_POSE = "A photo of a person and another of a pose in, the same person in that pose out"


@dataclass(frozen=True)
class Blueprint:
    """Attributes:
    graph: what is in the box.
    description: what the front end's node library says of it.
    widgets: what the box shows: the few that matter.
    """

    graph: Callable[[dict], Graph]
    description: str
    widgets: list[Shown]


BLUEPRINTS = {
    "Pose Transfer (training-free)": Blueprint(
        training_free,
        f"{PHOTO_AND_POSE}, with any SD1.5 checkpoint and an OpenPose ControlNet.",
        TRAINING_FREE,
    ),
    "Pose Transfer (training-free, SDXL)": Blueprint(
        training_free_sdxl,
        f"{PHOTO_AND_POSE}, with any SDXL checkpoint and an OpenPose ControlNet.",
        TRAINING_FREE,
    ),
    "Pose Transfer (TruePose)": Blueprint(
        truepose,
        f"{PHOTO_AND_POSE}, by TruePose. As it comes, with the pack's demo weights: small, for synthetic people.",
        [
            *SAMPLER,
            Shown("MannequinApplyHPFA", "strength", "HPFA strength"),
            Shown("MannequinApplyCAA", "strength", "CAA strength"),
        ],
    ),
    "Pose Transfer (MCLD)": Blueprint(
        mcld,
        f"{PHOTO_AND_POSE}, by MCLD's published weights.",
        [*SAMPLER, Shown("MannequinApplyMFCA", "strength", "MFCA strength")],
    ),
    "Pose Transfer (PCDMs)": Blueprint(
        pcdms,
        f"{PHOTO_AND_POSE}, by PCDMs' published weights: prior, inpainting, refining.",
        [*SAMPLER, Shown("MannequinPCDMsPrior", "seed", "prior seed")],
    ),
    "Pose Transfer (IMAGPose)": Blueprint(
        imagpose,
        "A photo of a person and three of poses in, the same person in all three poses out at once, by IMAGPose.",
        [*SAMPLER, Shown("MannequinApplyCVA", "strength", "CVA strength")],
    ),
    "Bust to Full Body": Blueprint(
        bust_to_full_body_sdxl,
        "A photo of head and shoulders in, the same person from head to feet in a pose of the library out, with any "
        "SDXL checkpoint and an OpenPose ControlNet; the prompt says what the photo does not show.",
        [TRAINING_FREE[0], Shown("MannequinPoseLibrary", "pose"), *TRAINING_FREE[1:]],
    ),
    "Re-pose Text to Image": Blueprint(
        repose_text_to_image,
        "A photo of people and a text in, other people in their poses out, by any checkpoint and RePoseDM's guidance.",
        [
            Shown("CheckpointLoaderSimple", "ckpt_name"),
            Shown("CLIPTextEncode", "text", "prompt"),
            *SAMPLER,
            Shown("MannequinPoseInteractionField", "scale", "field scale"),
        ],
    ),
    "Swap Garment": Blueprint(
        garment_swap,
        "A photo of a person, one of other clothes and one of a pose in, the person in those clothes and that pose "
        "out, by MCLD.",
        [*SAMPLER, Shown("MannequinSwapTexture", "parts")],
    ),
    "All Conditions of a Photo": Blueprint(
        preprocess,
        "A photo in; keypoints, parsing, face, DensePose and texture map out, to look at.",
        [Shown("MannequinFitImage", "width"), Shown("MannequinFitImage", "height")],
    ),
    "Refine": Blueprint(
        pcdms_refine,
        "Any picture of a person, and a photo of them in, the picture with the photo's details out, by PCDMs.",
        SAMPLER,
    ),
}


def drawn(name: str, info: dict) -> dict[str, Any]:
    """A blueprint by its name, of a server's ``/object_info``."""
    made = BLUEPRINTS[name]
    return blueprint(made.graph(info).json(), info, name, made.description, made.widgets)


def main() -> None:
    """Write all of them."""
    with Server() as server:
        info = Client(server.url).object_info()
    folder = ROOT / "subgraphs"
    folder.mkdir(exist_ok=True)
    for name in BLUEPRINTS:
        path = folder / f"{name}.json"
        write_graph(path, drawn(name, info))
        say(f"{path}")


if __name__ == "__main__":
    main()
