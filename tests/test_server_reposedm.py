"""Garment control (RePoseDM, Figure 4) in a real server: the source's top, the reference's skirt."""

import io

import numpy as np
from host_graph import HostGraph
from PIL import Image

from devtools.demo import node_of, read_graph
from devtools.host import ROOT
from preprocessors.labels import LIP_20


def redness(pixels: np.ndarray) -> float:
    """How much redder than blue, ``[N, 3]`` on average."""
    return float((pixels[:, 0] - pixels[:, 2]).mean())


def test_inside_the_mask_is_the_source_and_outside_the_reference(client):
    prompt = read_graph(client, ROOT / "workflows" / "reposedm_garment.json")
    result = client.run(prompt)
    (picture,) = client.images(result, node_of(prompt, "SaveImage"))
    made = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), float) / 255
    graph = HostGraph(prompt)
    labels = graph.value(node_of(prompt, "MannequinParsePerson", "Parse the reference")).labels[0].numpy()
    top = graph.value(node_of(prompt, "MannequinParsingMask"))[0].numpy() > 0.5
    reference = graph.value(node_of(prompt, "ImageScale", "Reference, at the model's size"))[0].numpy()
    source = graph.value(node_of(prompt, "ImageScale", "Source, at the model's size"))[0].numpy()
    # Both photos show their tops in the middle of the chest.
    chest = (slice(40, 56), slice(40, 56))
    wanted, other = (redness(photo[chest].reshape(-1, 3)) for photo in (source, reference))
    assert wanted > 0.05 and other < -0.1
    assert redness(made[top]) > 0.05
    skirt = (labels > 0) & ~top & (np.arange(128)[:, None] > 72) & (np.arange(128)[:, None] < 96)
    assert skirt.sum() > 100 and LIP_20[int(np.bincount(labels[skirt]).argmax())] in ("Skirt", "Dress", "Pants", "Coat")
    found = made[skirt].mean(0)
    assert np.abs(found - reference[skirt].mean(0)).mean() < 0.1
    # The source's trousers are of a lighter blue.
    assert np.abs(found - reference[skirt].mean(0)).mean() < np.abs(found - source[skirt].mean(0)).mean()
