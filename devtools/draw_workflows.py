"""Draws the example graphs: ``python -m devtools.draw_workflows`` writes ``workflows/*.json`` from what stands here.

``workflows/api/*.json`` are the same as a server queues them, for programs.
"""

from .client import Client
from .draw_bust import bust_to_full_body
from .draw_demo import DEMO_SIZE, DEMO_STEPS, blended, fitted_photo, tops_mask
from .draw_imagpose import imagpose, imagpose_many_sources
from .draw_mcld import garment_swap, identity_swap, mcld
from .draw_mcld_demo import mcld_demo
from .draw_pcdms import pcdms, pcdms_refine, pcdms_simplified
from .draw_pcdms_demo import pcdms_demo
from .draw_people import many_poses, pose_sequence, two_people
from .draw_preprocess import preprocess
from .draw_reposedm import repose_text_to_image, reposedm, reposedm_garment
from .draw_training_free import training_free, training_free_sdxl
from .draw_truepose import demo_model, truepose
from .graph_drawing import Graph
from .graph_files import write_graph
from .graph_format import ui_to_api
from .host import ROOT
from .say import say
from .server import Server

WORKFLOWS = ROOT / "workflows"
API = WORKFLOWS / "api"


def style_transfer(info: dict) -> Graph:
    """Two sources in one picture: the first inside the mask, the second outside (TruePose 5.4)."""
    graph = Graph(info)
    graph.note(
        0,
        "**Style transfer** (TruePose 5.4): inside the mask the picture follows the source, outside it the reference, "
        "both in the reference's pose. Any method can patch either branch.\n\nThe model here is the pack's **demo**: "
        "small, 96×128 pixels, trained on synthetic people like these.",
    )
    size = DEMO_SIZE
    _, source = fitted_photo(graph, "Source", "mannequin_demo_source.png", **size)
    loaded, reference = fitted_photo(graph, "Reference", "mannequin_demo_reference.png", **size)
    parts = demo_model(graph)
    pose = graph.add(1, "MannequinDetectPose", "The reference's pose", image=loaded["IMAGE"])
    skeleton = graph.add(2, "MannequinDrawPose", pose=pose["POSE_KEYPOINT"], parts="body", **size)
    posed = graph.add(
        3,
        "MannequinApplyPoseEncoder",
        "Both in the reference's pose",
        model=parts["MODEL"],
        truepose=parts["TRUEPOSE"],
        pose=skeleton["IMAGE"],
    )
    looks, parsings = [], []
    for picture, name in ((source, "source"), (reference, "reference")):
        latent = graph.add(2, "VAEEncode", pixels=picture["IMAGE"], vae=parts["VAE"])
        parsing = graph.add(2, "MannequinParsePerson", f"Parse the {name}", image=picture["IMAGE"])
        mask = graph.add(3, "MannequinSelectParsing", parsing=parsing["PARSING"], pose=pose["POSE_KEYPOINT"])
        net = graph.add(3, "MannequinSourceNet", f"SourceNet, {name}", model=parts["source"], latent=latent["LATENT"])
        look = graph.add(
            4,
            "MannequinApplyHPFA",
            f"Look of the {name}",
            model=posed["MODEL"],
            source=net["SOURCE_NET"],
            parsing_mask=mask["MASK"],
            truepose=parts["TRUEPOSE"],
        )
        looks.append(look)
        parsings.append(parsing)
    empty = graph.add(4, "MannequinConditioning", model=parts["MODEL"])
    latent = graph.add(5, "EmptyLatentImage", batch_size=1, **size)
    branches = {"model": looks[0]["MODEL"], "reference_model": looks[1]["MODEL"]}
    for side in ("positive", "negative"):
        branches |= {side: empty[side], f"reference_{side}": empty[side]}
    sampled = blended(graph, 5, branches, tops_mask(graph, parsings[1]), latent["LATENT"], DEMO_STEPS)
    picture = graph.add(6, "VAEDecode", samples=sampled, vae=parts["VAE"])
    graph.add(7, "SaveImage", "Result", images=picture["IMAGE"], filename_prefix="mannequin/style_transfer")
    return graph


GRAPHS = {
    "preprocess": preprocess,
    "truepose": truepose,
    "truepose_training_free": training_free,
    "truepose_training_free_sdxl": training_free_sdxl,
    "bust_to_full_body": bust_to_full_body,
    "many_poses": many_poses,
    "pose_sequence": pose_sequence,
    "two_people": two_people,
    "style_transfer": style_transfer,
    "mcld_demo": mcld_demo,
    "mcld": mcld,
    "mcld_garment_swap": garment_swap,
    "mcld_identity_swap": identity_swap,
    "pcdms": pcdms,
    "pcdms_demo": pcdms_demo,
    "pcdms_simplified": pcdms_simplified,
    "pcdms_refine": pcdms_refine,
    "imagpose": imagpose,
    "imagpose_many_sources": imagpose_many_sources,
    "reposedm": reposedm,
    "reposedm_garment": reposedm_garment,
    "repose_text_to_image": repose_text_to_image,
}


def main() -> None:
    with Server() as server:
        info = Client(server.url).object_info()
    for name, draw in GRAPHS.items():
        graph = draw(info).json()
        for path, form in ((WORKFLOWS / f"{name}.json", graph), (API / f"{name}.json", ui_to_api(graph, info))):
            write_graph(path, form)
            say(f"{path}")


if __name__ == "__main__":
    main()
