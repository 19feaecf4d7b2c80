"""How near one DensePose is to another: values that are known."""

import numpy as np
import pytest
from test_fitted_people import people  # noqa: F401
from training_people import NoisePeople, store

from preprocessors.body.model import body
from training import fitting
from training.data.fitted import fitted_iuv
from training.evaluation.surfaces import NAMES, place_on_body, surface_agreement


def maps(part: int = 2, u: int = 100, v: int = 100) -> np.ndarray:
    iuv = np.zeros((20, 20, 3), np.uint8)
    iuv[5:15, 5:15] = part, u, v
    return iuv


def test_the_same_is_all_right():
    assert surface_agreement(maps(), maps()) == dict(zip(NAMES, (1, 1, 1, 0, 0), strict=True))


def test_half_beside():
    """Shifted by half its width: a third of what either shows is both's."""
    found = surface_agreement(np.roll(maps(), 5, 1), maps())
    assert found["outline's IoU"] == pytest.approx(1 / 3) and found["parts' mean IoU"] == pytest.approx(1 / 3)
    assert found["right part, share"] == 1 and found["off on the body, cm"] == 0


def test_another_part():
    found = surface_agreement(maps(part=1), maps(part=2))
    assert found["outline's IoU"] == 1 and found["right part, share"] == found["parts' mean IoU"] == 0
    # From the front of the chest to the back.
    assert np.isnan(found["U and V off, levels"]) and 10 < found["off on the body, cm"] < 50


def test_u_and_v():
    assert surface_agreement(maps(u=120, v=90), maps())["U and V off, levels"] == 15


def test_nobody():
    found = surface_agreement(np.zeros_like(maps()), maps())
    assert found["outline's IoU"] == found["parts' mean IoU"] == 0 and np.isnan(found["right part, share"])


def test_places_are_those_of_the_body():
    """A vertex's own U and V lead back to it, but for neighbours of the same level."""
    there = body()
    faces = np.flatnonzero((there.mesh == 0) & (there.part > 0))[::37]
    corners = there.faces[faces, 0]
    iuv = np.concatenate([there.part[faces][:, None], np.rint(there.corner_uv[corners] * 255)], 1)
    off = np.linalg.norm(place_on_body(iuv) - there.vertices[there.corner_vertex[corners]], axis=1)
    assert np.median(off) < 0.005 and np.quantile(off, 0.95) < 0.03


def test_a_mannequin_is_centimetres_off(people):  # noqa: F811
    found = [surface_agreement(fitted_iuv(record), record.fields["iuv"]) for record in map(people.record, people.names)]
    assert np.mean([one["off on the body, cm"] for one in found]) < 12


def test_the_command(tmp_path, capsys):
    store(NoisePeople(2), tmp_path / "store")
    assert fitting.main([f"stored:{tmp_path / 'store'}", "--pictures", "3"]) == 0
    said = capsys.readouterr().out
    assert "3 pictures" in said and all(name in said for name in NAMES)
    assert fitting.main([f"stored:{tmp_path / 'nothing'}"]) == 1
