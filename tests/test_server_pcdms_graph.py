"""The graph of PCDMs' three stages in a real server, on small published files that our converter has read."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from published_pcdms import LAYOUT, save_all
from safetensors.torch import save_file

from devtools import untrained
from devtools.client import PromptFailed
from devtools.demo import node_of, read_graph
from devtools.draw_pcdms import DINO
from devtools.host import ROOT
from model_patches.dino import DinoShape
from training import convert
from training.autoencoders import TinyAutoencoder
from training.methods.autoencoder import begin_as_blur

GRAPH = ROOT / "workflows" / "pcdms.json"
WIDTH, HEIGHT, STEPS = 64, 96, 2
#: Where the converter writes below models/mannequin.
FOLDER = "converted"
VAE = "blur.safetensors"
SHAPE = DinoShape(LAYOUT.context_dim, 2, 1, gated=True)
#: Half precision in the image encoders, and other sums in a batch, in levels of a picture.
ROUNDING = 2


@pytest.fixture(scope="module")
def models(server, tmp_path_factory):
    """What the graph loads, as a user brings it into the models folder."""
    folder, published = server.base / "models", tmp_path_factory.mktemp("published")
    with torch.inference_mode():
        save_all(published)
        assert convert.main(["pcdms", str(published), str(folder / "mannequin" / FOLDER)]) == 0
        (folder / "clip_vision").mkdir(exist_ok=True)
        save_file(untrained.dino_state(SHAPE), folder / "clip_vision" / DINO)
        # Colours through four channels: a picture of what the untrained networks make, with some contrast.
        autoencoder = TinyAutoencoder(4)
        begin_as_blur(autoencoder)
        (folder / "vae").mkdir(exist_ok=True)
        save_file(autoencoder.state_dict(), folder / "vae" / VAE)
    return folder


class Graph:
    """The shared graph: small, on a small autoencoder, the demo's image encoder, with a batch of two target poses."""

    def __init__(self, client):
        self.client, self.prompt = client, read_graph(client, GRAPH)
        for node in self.prompt.values():
            kind, inputs = node["class_type"], node["inputs"]
            if kind.startswith("MannequinLoadPCDMs"):
                inputs["weights"] = str(Path(FOLDER, inputs["weights"]))
            elif kind == "VAELoader":
                inputs["vae_name"] = VAE
            elif kind == "CLIPVisionLoader":
                node["class_type"] = "MannequinLoadSmallCLIPVision"
                node["inputs"] = {"weights": "demo_clip_vision.safetensors"}
            inputs |= {name: side for name, side in (("width", WIDTH), ("height", HEIGHT)) if name in inputs}
            inputs |= {"steps": STEPS} if "steps" in inputs else {}
        target, source = (node_of(self.prompt, "LoadImage", title) for title in ("Target pose", "Source"))
        self._add("both", "ImageBatch", image1=[target, 0], image2=[source, 0])
        self._add("targets", "ImageFromBatch", image=["both", 0], batch_index=0, length=2)
        self.of("MannequinDetectPose", "Target pose: pose")["image"] = ["targets", 0]

    def _add(self, number: str, kind: str, **inputs) -> None:
        self.prompt[number] = {"class_type": kind, "inputs": inputs, "_meta": {"title": number}}

    def of(self, kind: str, title: str = "") -> dict:
        """The inputs of a node, to change them."""
        return self.prompt[node_of(self.prompt, kind, title)]["inputs"]

    def sampler(self, conditioning: str) -> dict:
        """The inputs of the KSampler behind a conditioning node."""
        given = node_of(self.prompt, conditioning)
        samplers = (node["inputs"] for node in self.prompt.values() if node["class_type"] == "KSampler")
        return next(inputs for inputs in samplers if inputs["positive"][0] == given)

    def run(self, inputs: dict | None = None, **changes) -> dict[str, np.ndarray]:
        """The second stage's pictures and the third's ``[B, H, W, 3]``, with some of a node's inputs changed."""
        kept = dict(inputs or {})
        if inputs is not None:
            inputs |= changes
        result = self.client.run(self.prompt)
        if inputs is not None:
            inputs.update(kept)
        shown = {"coarse": node_of(self.prompt, "PreviewImage"), "fine": node_of(self.prompt, "SaveImage")}
        return {
            name: np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in self.client.images(result, number)])
            for name, number in shown.items()
        }


def apart(one: np.ndarray, other: np.ndarray) -> int:
    """Levels of the pixel that differs most."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.fixture
def graph(client, models):
    return Graph(client)


def test_target_poses_are_a_batch(graph):
    """A target is what it is whoever stands beside it, and the same again."""
    both = graph.run()
    assert all(made.shape == (2, HEIGHT, WIDTH, 3) and made[0].std() > 5 for made in both.values())
    target = graph.of("LoadImage", "Target pose")
    assert target["image"] == "mannequin_pose.png"
    twice = graph.run(graph.of("ImageBatch"), image2=graph.of("ImageBatch")["image1"])
    alone = graph.run(graph.of("ImageFromBatch"), length=1)
    other = graph.run(graph.of("ImageFromBatch"), batch_index=1, length=1)
    for stage, made in both.items():
        assert np.array_equal(made[0], twice[stage][0]) and apart(made[1], twice[stage][1]) > 10, stage
        assert alone[stage].shape[0] == 1 and apart(made[0], alone[stage][0]) <= ROUNDING, stage
        # Of the same noise.
        assert apart(alone[stage], other[stage]) > 10, stage
    again = graph.run()
    assert all(np.array_equal(again[stage], both[stage]) for stage in both)


def test_what_counts_and_what_does_not(graph):
    graph.of("ImageFromBatch")["length"] = 1
    base = graph.run()
    second, third = "MannequinPCDMsConditioning", "MannequinPCDMsRefining"
    target = [node_of(graph.prompt, "LoadImage", "Target pose"), 0]
    for inputs, changes, touched in [
        (graph.of("MannequinPCDMsPrior"), {"seed": 1}, {"coarse", "fine"}),
        (graph.of(second), {"pose_strength": 0.0}, {"coarse", "fine"}),
        (graph.sampler(second), {"seed": 1}, {"coarse", "fine"}),
        (graph.of(third), {"source": target}, {"fine"}),
        (graph.sampler(third), {"seed": 1}, {"fine"}),
        (graph.of("MannequinGuidanceRescale"), {"guidance_rescale": 0.0}, {"fine"}),
        # This stage's null condition was trained as zeros.
        (graph.of(second), {"null_tokens": "zeros"}, set()),
    ]:
        made = graph.run(inputs, **changes)
        assert {stage for stage in made if not np.array_equal(made[stage], base[stage])} == touched, changes
    # So little that the third stage, of the changed picture and with the changed tokens, may round to the same levels.
    positions = graph.run(graph.of("MannequinLoadDINOv2"), positions="size 16×16")
    assert not np.array_equal(positions["coarse"], base["coarse"])


def test_without_guidance_there_is_nothing_to_rescale(graph):
    graph.of("ImageFromBatch")["length"] = 1
    graph.sampler("MannequinPCDMsRefining")["cfg"] = 1.0
    rescale = graph.of("MannequinGuidanceRescale")
    made = [graph.run(rescale, guidance_rescale=amount)["fine"] for amount in (0.0, 2.0)]
    assert apart(*made) <= ROUNDING


def test_a_target_without_a_person_is_said(graph):
    """Where the pose's own node is told to go on."""
    graph.of("MannequinDetectPose", "Target pose: pose")["image"] = ["blank", 0]
    graph._add("blank", "EmptyImage", width=WIDTH, height=HEIGHT, batch_size=1, color=0)
    graph.of("MannequinDetectPose", "Target pose: pose")["on_no_person"] = "skip"
    with pytest.raises(PromptFailed) as failure:
        graph.run()
    assert "PCDMs Prior: The target pose shows nobody" in failure.value.message
