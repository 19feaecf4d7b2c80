"""Preprocessors given what they cannot use, in a real server: a sentence of the node's, and the queue goes on."""

import pytest

from devtools.client import PromptFailed

PHOTO = {"class_type": "LoadImage", "inputs": {"image": "mannequin_source.png"}}
GROUP = {"class_type": "LoadImage", "inputs": {"image": "mannequin_group.jpg"}}
EMPTY = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 96, "batch_size": 1, "color": 0}}
POSE = {"layout": "OpenPose-18", "threshold": 0.5}
FACE = {"on_no_face": "error", "on_several": "largest"}


def node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


def shown(prompt: dict, number: str, kind: str = "IMAGE") -> dict:
    """The prompt with something at its end, so that it runs."""
    if kind == "MASK":
        prompt |= {"98": node("MaskToImage", mask=[number, 0])}
        number = "98"
    prompt |= {"99": node("PreviewImage", images=[number, 0])}
    return {name: entry | {"_meta": {"title": ""}} for name, entry in prompt.items()}


def pose(image: dict, **options) -> dict:
    options = {"on_no_person": "error", "on_several": "largest"} | POSE | options
    return shown(
        {
            "1": image,
            "2": node("MannequinDetectPose", image=["1", 0], **options),
            "3": node("MannequinDrawPose", pose=["2", 0], width=64, height=64, line_width=1.0),
        },
        "3",
    )


BAD = {
    "nobody": (pose(EMPTY), "Detect Pose: Nobody was found in picture 1"),
    "several": (pose(GROUP, on_several="error"), "Detect Pose: 3 people were found"),
    "no such person": (pose(GROUP, on_several="index", person=9), "Detect Pose: "),
    "no label": (
        shown(
            {
                "1": PHOTO,
                "2": node("MannequinParsePerson", image=["1", 0], on_no_person="error", on_several="largest"),
                "3": node("MannequinParsingMask", parsing=["2", 0], labels="trouserz"),
            },
            "3",
            "MASK",
        ),
        "Parsing to Mask: 'trouserz' is no parsing label",
    ),
    "a photo as DensePose": (
        shown(
            {
                "1": PHOTO,
                "2": node("MannequinImportDensePose", image=["1", 0], order="auto"),
                "3": node("MannequinDensePoseImage", densepose=["2", 0], convention="IUV"),
            },
            "3",
        ),
        "Import DensePose: This is no DensePose picture",
    ),
    "another size": (
        shown(
            {
                "1": PHOTO,
                "2": EMPTY,
                "3": node("MannequinImportDensePose", image=["2", 0], order="IUV"),
                "4": node(
                    "MannequinTextureMap", image=["1", 0], densepose=["3", 0], photos="one map of all", paint="off"
                ),
            },
            "4",
        ),
        "Texture Map: The image is 1 × 175×350 and the DensePose 1 × 64×96",
    ),
    "an empty DensePose": (
        shown(
            {
                "1": EMPTY,
                "2": node("MannequinImportDensePose", image=["1", 0], order="IUV"),
                "3": node(
                    "MannequinTextureMap", image=["1", 0], densepose=["2", 0], photos="one map of all", paint="off"
                ),
            },
            "3",
        ),
        "Texture Map: The DensePose shows nobody",
    ),
    "no texture map": (
        shown(
            {"1": PHOTO, "2": node("MannequinSwapTexture", texture=["1", 0], donor=["1", 0], parts="head")},
            "2",
        ),
        "Swap Texture Parts: The picture is 175×350",
    ),
    "no part": (
        shown({"1": node("MannequinTextureMask", parts="trousers")}, "1", "MASK"),
        "Texture Mask: 'trousers' is no body part",
    ),
    "no face": (
        shown(
            {"1": EMPTY, "2": node("MannequinCropFace", image=["1", 0], **FACE, margin=0.5, size=64, align=True)}, "2"
        ),
        "Crop Face: No face was found",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_sentence_and_the_queue_goes_on(client, name):
    prompt, words = BAD[name]
    with pytest.raises(PromptFailed) as failure:
        client.run(prompt)
    assert words in failure.value.message, failure.value.message
    assert client.run(pose(PHOTO)).outputs


def test_an_interrupt_between_pictures(client):
    """Long work stops between two pictures of a batch."""
    import threading

    from devtools.client import PromptInterrupted

    photos = {"1": PHOTO, "2": node("RepeatImageBatch", image=["1", 0], amount=60)}
    prompt = shown(
        photos | {"3": node("MannequinCropFace", image=["2", 0], **FACE, margin=0.5, size=64, align=True)}, "3"
    )
    once = threading.Event()

    def stop(kind: str, data: dict) -> None:
        if kind == "progress" and data["value"] >= 2 and not once.is_set():
            once.set()
            client.interrupt()

    with pytest.raises(PromptInterrupted):
        client.run(prompt, stop)
    assert once.is_set() and client.run(pose(PHOTO)).outputs
