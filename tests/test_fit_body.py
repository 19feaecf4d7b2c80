"""Fit Body: depths and outlines decide what points leave open, a photo's DensePose is the true one, bad input."""

from dataclasses import replace

import comfy.model_management
import numpy as np
import pytest
import torch
from mannequin.nodes.errors import NodeError
from mannequin.nodes.fit_body import AS_GIVEN, BY_OUTLINE, MannequinFitBody
from mannequin.preprocessors.body import everyone
from mannequin.preprocessors.body import photo as photos
from mannequin.preprocessors.body.camera import framing, looking
from mannequin.preprocessors.body.fitting import fit
from mannequin.preprocessors.body.mannequin import mannequins
from mannequin.preprocessors.body.model import BODY, body
from mannequin.preprocessors.body.outline import outlined
from mannequin.preprocessors.body.pose import STANDING, pose, turned
from mannequin.preprocessors.body.rendering import render
from mannequin.preprocessors.body.scene import Figure, read
from PIL import Image

from devtools.host import ROOT
from training.evaluation.surfaces import surface_agreement

INPUTS = ROOT / "workflows" / "inputs"
SIZE = (352, 256)


def figure(**changes) -> Figure:
    return replace(read("").figures[0], **changes)


def photo(name: str) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(INPUTS / name).convert("RGB"), np.float32) / 255)[None]


def fitted(image: torch.Tensor, shape: str = BY_OUTLINE, on_several: str = "all", **options) -> tuple:
    chosen = {"on_no_person": "error", "on_several": on_several, "person": 1, "shape": shape} | options
    return MannequinFitBody.execute(image, **chosen).result


def test_depths_tell_before_from_behind():
    """Two shoulders turned so that one picture shows the same of both: points alone cannot tell them apart."""
    camera = framing(figure().person().posed.skinned(body().vertices)[:13000], looking(0), SIZE)
    for raised in (50.0, -50.0):
        truth = pose(body().shaped({}), turned(body(), STANDING | {"left shoulder": (raised, 0.0, 0.0)}), np.zeros(3))
        places = truth.points()[BODY]
        points = np.concatenate([camera.project(camera.seen(places))[0], np.ones((18, 1))], 1)
        depths = camera.seen(places)[:, 1]
        told = fit(truth.shaped, points, camera, depths).posed.points()[BODY]
        off = np.linalg.norm((told - told.mean(0)) - (places - places.mean(0)), axis=1)
        assert off.max() < 0.04, "every joint within four centimetres"
        blind = fit(truth.shaped, points, camera, np.full(18, np.nan)).posed.points()[BODY]
        plain = fit(truth.shaped, points, camera).posed.points()[BODY]
        assert np.array_equal(blind, plain), "depths that are not known change nothing"


def test_depths_count_from_anywhere():
    camera = framing(figure().person().posed.skinned(body().vertices)[:13000], looking(0), SIZE)
    places = figure().person().posed.points()[BODY]
    points = np.concatenate([camera.project(camera.seen(places))[0], np.ones((18, 1))], 1)
    depths = camera.seen(places)[:, 1]
    near, far = (fit(body().shaped({}), points, camera, depths + off).posed.turns for off in (0.0, 7.0))
    assert np.abs(near - far).max() < 1e-6


@pytest.mark.parametrize(
    ("outfit", "shape"), [({"bottom": "long skirt"}, {}), ({"coat": "coat"}, {}), ({"hair": "long"}, {"build": 0.8})]
)
def test_an_outline_tells_shape_and_clothes(outfit, shape):
    """The mask of a figure that is like this, in its own pose, leads back to it."""
    start = figure()
    truth = figure(outfit=start.outfit | outfit, shape=shape)
    person = truth.person()
    camera = framing(person.posed.skinned(person.dressed.rest)[:13000], looking(0), SIZE)
    mask = render([person], camera).person >= 0

    def refitted(other: Figure, near):
        return pose(other.shaped(), near.turns, near.origin)

    begun = start.person(refitted(start, person.posed)).posed
    found = outlined(start, begun, mask, camera, refitted)
    (slot, cut), *_ = outfit.items()
    assert found.figure.outfit[slot] == cut
    assert found.overlap > 0.96 and found.overlap > outlined(start, begun, mask, camera, refitted, change=False).overlap
    assert abs(found.figure.shape.get("build", 0.0) - shape.get("build", 0.0)) <= 0.4


@pytest.mark.parametrize("name", ["pose", "source"])
def test_a_photos_densepose_is_the_true_one(name):
    """Against the map of the synthetic people's own renderer, from the photo alone."""
    image = photo(f"mannequin_demo_{name}.png")
    truth = Image.open(INPUTS / f"mannequin_demo_{name}_iuv.png").resize(image.shape[2:0:-1], Image.Resampling.NEAREST)
    iuv = np.asarray(truth)
    agreement = surface_agreement(fitted(image)[0].iuv[0].numpy(), iuv)
    assert agreement["outline's IoU"] > 0.8 and agreement["right part, share"] > 0.85
    assert agreement["off on the body, cm"] < 7
    shifted = surface_agreement(np.roll(fitted(image)[0].iuv[0].numpy(), 12, 1), iuv)
    assert shifted["right part, share"] < agreement["right part, share"] - 0.05


def test_the_text_gives_the_same_body_again():
    image = photo("mannequin_demo_pose.png")
    iuv, parsing, overlay, mask, keypoints, text, report = fitted(image)
    again = mannequins(text, tuple(image.shape[1:3])).pictures[0]
    assert (torch.from_numpy(again.iuv)[..., 0] == iuv.iuv[0, ..., 0]).float().mean() > 0.995
    assert (
        torch.equal(mask[0] > 0, iuv.iuv[0, ..., 0] > 0) and (parsing.labels[0][mask[0] > 0] > 0).float().mean() > 0.99
    )
    assert torch.equal(overlay[mask == 0], image[mask == 0]) and not torch.equal(overlay, image)
    assert len(keypoints[0]["people"]) == 1 and report.startswith("Person 1: ") and "outline" in report


def test_shape_and_clothes_as_in_the_text():
    image = photo("mannequin_demo_pose.png")
    given = '{"people": [{"shape": {"build": 0.5}, "clothes": {"bottom": "long skirt"}}]}'
    text = fitted(image, AS_GIVEN, mannequin=given)[5]
    (person,) = read(text).figures
    assert person.shape == {"build": 0.5} and person.outfit["bottom"] == "long skirt"


def test_several_people_and_their_masks():
    image = photo("mannequin_group.jpg")[:, ::2, ::2]
    iuv, _, _, mask, keypoints, _, report = fitted(image, AS_GIVEN)
    assert len(keypoints[0]["people"]) == 3 == len(report.splitlines())
    with pytest.raises(NodeError, match="The mask is of one person, and 3 people count"):
        fitted(image, AS_GIVEN, mask=torch.ones(1, *image.shape[1:3]))
    one = fitted(image, AS_GIVEN, on_several="largest", mask=torch.ones(1, *image.shape[1:3]))
    assert len(one[4][0]["people"]) == 1 and "badly" in one[6], "everything is nobody's outline"


def test_an_interrupt_is_heard_after_each_person(monkeypatch):
    calls = []

    def interrupting(*arguments):
        calls.append(arguments)
        comfy.model_management.interrupt_current_processing()
        return fit(*arguments)

    monkeypatch.setattr(everyone, "fit", interrupting)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        fitted(photo("mannequin_group.jpg")[:, ::2, ::2], AS_GIVEN)
    assert len(calls) == 1


def test_bad_input():
    image = photo("mannequin_demo_pose.png")
    with pytest.raises(NodeError, match="Fit Body.*Nobody was found"):
        fitted(torch.zeros(1, 64, 64, 3))
    nobody = fitted(torch.zeros(1, 64, 64, 3), on_no_person="skip")
    assert not nobody[0].iuv.any() and nobody[6] == "" and read(nobody[5]).figures == []
    with pytest.raises(NodeError, match="a mask of the photos' size is needed"):
        fitted(image, mask=torch.ones(1, 8, 8))
    with pytest.raises(NodeError, match="Make it smaller with Fit Image"):
        fitted(torch.zeros(1, 16, 5000, 3))
    with pytest.raises(NodeError, match="has nobody to be fitted"):
        fitted(image, mannequin='{"people": []}')
    with pytest.raises(NodeError, match="no JSON"):
        fitted(image, mannequin="{")


def test_who_shows_too_little_is_left_out_with_a_sentence(monkeypatch):
    image, whole = photo("mannequin_demo_pose.png"), photos.seen_points

    def few(picture, people):
        points, depths = whole(picture, people)
        points[:, 4:, 2] = 0
        return points, depths

    monkeypatch.setattr(photos, "seen_points", few)
    with pytest.raises(NodeError, match="Person 1: 4 points of the body are seen, and a pose needs 5"):
        fitted(image)
    left_out = fitted(image, on_no_person="skip")
    assert not left_out[3].any() and left_out[6].startswith("Person 1 is left out: 4 points")
