"""Bad input: a sentence that names the node and the mend, a server that lives, and the next prompt runs."""

import numpy as np
import pytest
import torch
from mannequin.model_patches.comfy_small_sd import SmallSD, build_model, build_truepose
from PIL import Image
from rewiring import untrained_instead
from safetensors.torch import save_file

from devtools.client import PromptFailed, PromptRefused
from devtools.demo import node_of, run_graph
from devtools.host import ROOT

GRAPH = ROOT / "workflows" / "truepose.json"


@pytest.fixture(scope="module")
def weights(server):
    """Weight files, good and bad, in the server's models/mannequin."""
    folder = server.base / "models" / "mannequin"
    with torch.inference_mode():
        network = build_truepose(build_model(SmallSD(), 0), 64, 0).model
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    good = folder / "good.safetensors"
    save_file(state, good)
    (folder / "truncated.safetensors").write_bytes(good.read_bytes()[:5000])
    (folder / "no_header.safetensors").write_bytes(b"this is no safetensors file at all")
    save_file({"decoder.conv_in.weight": torch.zeros(1)}, folder / "a_vae.safetensors")
    return folder


@pytest.fixture
def graph(client):
    """The example graph, which has just run, and a way to change it."""
    prompt, _ = run_graph(client, GRAPH)
    return Changeable(untrained_instead(prompt), client)


class Changeable:
    def __init__(self, prompt, client):
        self.prompt, self.client = prompt, client

    def set(self, kind: str, title: str = "", **inputs):
        self.prompt[node_of(self.prompt, kind, title)]["inputs"] |= inputs
        return self

    def drop(self, kind: str, name: str):
        del self.prompt[node_of(self.prompt, kind)]["inputs"][name]
        return self

    def node(self, number: str, kind: str, **inputs):
        self.prompt[number] = {"class_type": kind, "inputs": inputs, "_meta": {"title": ""}}
        return self

    def out(self, kind: str, slot: int = 0) -> list:
        return [node_of(self.prompt, kind), slot]

    def fails(self, *words: str) -> PromptFailed:
        """The graph fails with a sentence that has these words; after it the untouched graph runs."""
        with pytest.raises(PromptFailed) as failure:
            self.client.run(self.prompt)
        for word in words:
            assert word in failure.value.message, failure.value.message
        _, result = run_graph(self.client, GRAPH)
        assert result.outputs
        return failure.value

    def picture(self, name: str, array: np.ndarray):
        """Put a picture in the place of the source."""
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            Image.fromarray(array).save(path)
            self.client.upload(path)
        return self.set("LoadImage", "Source", image=name)


def test_good_weights_load(graph, weights):
    graph.node("90", "MannequinLoadTruePose", weights="good.safetensors")
    for kind in ("MannequinApplyHPFA", "MannequinApplyCAA", "MannequinApplyPoseEncoder"):
        graph.set(kind, truepose=["90", 0])
    assert graph.client.run(graph.prompt).outputs


def test_weights_for_another_base_model(graph, weights):
    graph.node("90", "MannequinLoadTruePose", weights="good.safetensors")
    graph.set("MannequinUntrainedModel", layout="SDXL")
    graph.set("MannequinApplyHPFA", truepose=["90", 0])
    graph.fails("Apply HPFA: ", "made for another base model", "connect the base model they were trained on")


@pytest.mark.parametrize("name", ["truncated.safetensors", "no_header.safetensors"])
def test_a_truncated_file(graph, weights, name):
    graph.node("90", "MannequinLoadTruePose", weights=name).set("MannequinApplyHPFA", truepose=["90", 0])
    graph.fails("Load TruePose: ", f"'{name}' cannot be read", "download it again")


def test_a_foreign_file(graph, weights):
    graph.node("90", "MannequinLoadTruePose", weights="a_vae.safetensors").set("MannequinApplyHPFA", truepose=["90", 0])
    graph.fails("Load TruePose: ", "'a_vae.safetensors' is a VAE; load it with Load VAE")


def test_a_file_that_is_not_there(graph, weights):
    graph.node("90", "MannequinLoadTruePose", weights="gone.safetensors").set("MannequinApplyHPFA", truepose=["90", 0])
    graph.fails("Load TruePose: There is no 'gone.safetensors' in models/mannequin, which holds", "extra_model_paths")


def test_a_parsing_of_another_image(graph):
    graph.set("MannequinParsePerson", image=[node_of(graph.prompt, "LoadImage", "Target pose"), 0])
    graph.set("MannequinApplyHPFA", parsing_mask=graph.out("MannequinSelectParsing"))
    graph.fails("Connect the image that went into Parse Person")


def test_a_mask_of_another_batch(graph):
    graph.node("90", "SolidMask", value=1.0, width=96, height=128)
    graph.node("91", "MaskToImage", mask=["90", 0]).node("92", "RepeatImageBatch", image=["91", 0], amount=3)
    graph.node("93", "ImageToMask", image=["92", 0], channel="red").set("MannequinApplyHPFA", parsing_mask=["93", 0])
    graph.node("94", "RepeatLatentBatch", samples=graph.out("VAEEncode"), amount=2)
    graph.set("MannequinSourceNet", latent=["94", 0])
    graph.fails("Apply HPFA: The parsing mask has 3 images and the source has 2")


def test_a_mask_of_another_aspect(graph):
    graph.node("90", "SolidMask", value=1.0, width=400, height=100).set("MannequinApplyHPFA", parsing_mask=["90", 0])
    graph.fails(
        "Apply HPFA: The parsing mask is 400×100 and the source image 96×128", "very image that goes into VAE Encode"
    )


def test_an_empty_mask(graph):
    graph.node("90", "SolidMask", value=0.0, width=96, height=128).set("MannequinApplyHPFA", parsing_mask=["90", 0])
    graph.fails("Apply HPFA: The parsing mask is empty", "Check Select Parsing")


@pytest.mark.parametrize("wired, named", [("region", "region"), ("parsing_mask", "parsing mask")])
def test_the_mask_of_a_photo_without_alpha(graph, wired, named):
    graph.set("MannequinApplyHPFA", **{wired: graph.out("LoadImage", 1)})
    graph.fails(f"Apply HPFA: The {named} is the empty 64×64 mask that Load Image gives", "Draw a mask")


def test_nobody(graph):
    graph.picture("nobody.png", np.full((350, 175, 3), 90, np.uint8))
    failure = graph.fails("Nobody was found in picture 1", "'skip'")
    assert failure.message.startswith("Parse Person: ")


def test_nobody_skipped_is_said_where_it_matters(graph):
    graph.picture("nobody.png", np.full((350, 175, 3), 90, np.uint8))
    graph.set("MannequinParsePerson", on_no_person="skip")
    graph.fails("nobody was found in the source photo")


def test_several_people(graph):
    graph.set("LoadImage", "Target pose", image="mannequin_group.jpg").set("MannequinDetectPose", on_several="error")
    graph.fails("Detect Pose: ", "people were found in picture 1", "set on_several to 'largest'")
    graph.set("MannequinDetectPose", on_several="largest")
    assert graph.client.run(graph.prompt).outputs


@pytest.mark.parametrize("size", [(1, 1), (300, 4000), (4000, 300)], ids=str)
def test_pictures_of_absurd_size(graph, size):
    """They are no person, and that is what is said."""
    graph.picture("absurd.png", np.full((*size, 3), 128, np.uint8))
    graph.fails("Nobody was found")


def test_a_latent_of_nothing(graph):
    graph.node("90", "EmptyImage", width=1, height=1, batch_size=1, color=0)
    graph.node("91", "MannequinParsePerson", image=["90", 0], on_no_person="error", on_several="largest")
    graph.node("92", "MannequinPreviewParsing", image=["90", 0], parsing=["91", 0])
    graph.fails("Parse Person: Nobody was found")


def test_source_net_missing(graph):
    graph.drop("MannequinApplyHPFA", "source")
    with pytest.raises(PromptRefused, match="source"):
        graph.client.run(graph.prompt)


def test_sites_that_do_not_exist(graph):
    graph.set("MannequinApplyHPFA", sites="input 3")
    graph.fails("Apply HPFA: 'input 3' names no attention site of this model", "Write 'all'")


def test_a_source_of_another_family(graph):
    graph.node("90", "MannequinUntrainedModel", layout="SDXL", width=64, seed=0)
    graph.set("MannequinSourceNet", model=["90", 0])
    graph.fails("Apply HPFA: SourceNet and this model differ in architecture", "one family")


def test_labels_nobody_knows(graph):
    graph.node("90", "MannequinParsingMask", parsing=graph.out("MannequinParsePerson"), labels="Cape")
    graph.set("MannequinApplyHPFA", parsing_mask=["90", 0])
    graph.fails("Parsing to Mask: 'Cape' is no parsing label", "Upper-clothes")
