"""A bust becomes a whole person: from head to feet, in the photo's shirt, and in trousers that are not the shirt's."""

import io

import numpy as np
import pytest
import torch
from host_graph import OURS, HostGraph
from PIL import Image

from devtools.client import Client
from devtools.demo import node_of, read_graph
from devtools.draw_demo import DEMO_SIZE
from devtools.host import ROOT
from devtools.server import Server

INPUTS = ROOT / "workflows" / "inputs"
GRAPH = ROOT / "workflows" / "bust_to_full_body.json"
WIDTH, HEIGHT = DEMO_SIZE["width"], DEMO_SIZE["height"]
#: OpenPose's shoulders, hips, knees and ankles.
PAIRS = ((2, 5), (8, 11), (9, 12), (10, 13))
#: Of a bust of 128 pixels: the shirt below the neck.
SHIRT = (slice(92, 126), slice(44, 84))


@pytest.fixture(scope="module")
def busts(server: Server) -> dict[str, np.ndarray]:
    """Two people's, by file name: the shared one, and one cut out of another photo as that one was."""
    other = server.base / "input" / "other_bust.png"
    Image.open(INPUTS / "mannequin_demo_reference.png").convert("RGB").crop((81, 5, 209, 133)).save(other)
    files = (INPUTS / "mannequin_demo_bust.jpg", other)
    return {file.name: np.asarray(Image.open(file).convert("RGB")).astype(float) for file in files}


@pytest.fixture
def prompt(client: Client) -> dict:
    return read_graph(client, GRAPH)


def made(client: Client, prompt: dict, bust: str) -> np.ndarray:
    """The result's levels, of somebody's bust."""
    prompt[node_of(prompt, "LoadImage", "Bust")]["inputs"]["image"] = bust
    picture = client.images(client.run(prompt), node_of(prompt, "SaveImage"))[0]
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(float)


def target(prompt: dict, type_: str, **inputs) -> object:
    """What a node behind the mannequin gives first, with other inputs if need be."""
    library = HostGraph(prompt).value(node_of(prompt, "MannequinPoseLibrary"))
    changed = {number: node | {"inputs": dict(node["inputs"])} for number, node in prompt.items()}
    # The host takes it out of its list.
    changed[node_of(prompt, "MannequinPoseMannequin")]["inputs"]["mannequin"] = library[0]
    changed[node_of(prompt, type_)]["inputs"] |= inputs
    return HostGraph(changed).value(node_of(prompt, type_))


def where(prompt: dict, labels: str) -> np.ndarray:
    """Where the target's body has some labels, boolean."""
    return target(prompt, "MannequinParsingMask", labels=labels)[0].numpy() > 0.5


def apart(colour: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(colour - other))


@pytest.mark.parametrize("pose", ["Standing: Contrapposto", "Walking: Walking"])
def test_it_is_seen_from_head_to_feet_in_the_pose(client: Client, prompt: dict, busts: dict, pose: str):
    """By the pack's own detector, which was not trained on such people."""
    prompt[node_of(prompt, "MannequinPoseLibrary")]["inputs"]["pose"] = pose
    picture = made(client, prompt, "mannequin_demo_bust.jpg")
    large = Image.fromarray(picture.astype(np.uint8)).resize((3 * WIDTH, 3 * HEIGHT), Image.Resampling.LANCZOS)
    image = torch.from_numpy(np.asarray(large).copy()).float()[None] / 255
    found = OURS["MannequinDetectPose"].execute(image, "error", "largest", 0.5).result[0]
    asked = target(prompt, "MannequinPoseMannequin")
    seen, meant = (np.array(each[0]["people"][0]["pose_keypoints_2d"]).reshape(-1, 3)[:, :2] for each in (found, asked))
    seen, meant = seen / (3 * WIDTH, 3 * HEIGHT), meant / (WIDTH, HEIGHT)
    for pair in PAIRS:
        # Left and right are easily confused where a face is a few pixels.
        ways = [np.abs(seen[list(pair)] - meant[list(order)]).max() for order in (pair, pair[::-1])]
        assert min(ways) < 0.08


def test_everybody_keeps_the_shirt_of_their_photo(client: Client, prompt: dict, busts: dict):
    shirt = where(prompt, "Upper-clothes")
    worn = {name: made(client, prompt, name)[shirt].mean(0) for name in busts}
    own = {name: photo[SHIRT].mean((0, 1)) for name, photo in busts.items()}
    for name, other in zip(busts, reversed(busts), strict=True):
        assert 3 * apart(worn[name], own[name]) < apart(worn[name], own[other])


def test_trousers_are_not_made_of_the_shirt(client: Client, prompt: dict, busts: dict):
    """And would be, if the legs looked at the photo too."""
    legs = where(prompt, "Pants, legs")
    name = "mannequin_demo_bust.jpg"
    kept = made(client, prompt, name)[legs].mean(0)
    for kind in ("MannequinApplyHPFA", "MannequinApplyCAA"):
        del prompt[node_of(prompt, kind)]["inputs"]["region"]
    everywhere = made(client, prompt, name)[legs].mean(0)
    shirt = busts[name][SHIRT].mean((0, 1))
    assert 1.5 * apart(everywhere, shirt) < apart(kept, shirt)
