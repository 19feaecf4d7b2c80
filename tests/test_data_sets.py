"""Data sets: tiny ones in every published layout, and what is said of those that are broken."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.data import store
from training.data.deepfashion import OFFICIAL_PAIRS, DeepFashion
from training.data.folder import FolderOfPeople
from training.data.market1501 import Market1501
from training.data.names import is_name
from training.data.pictures import parse_size, read_map, read_picture
from training.data.records import FIELDS, Pair
from training.data.sources import open_people, parse_source
from training.data.tables import read_pairs, read_points
from training.errors import TrainingError

FRONT = "fashionWOMENBlouses_Shirtsid0000337203_1front"
BACK = "fashionWOMENBlouses_Shirtsid0000337203_2back"
OTHER = "fashionMENTees_Tanksid0000762401_7additional"
#: Where the high-resolution archive has them.
ARCHIVE = {
    FRONT: "WOMEN/Blouses_Shirts/id_00003372/03_1_front.jpg",
    BACK: "WOMEN/Blouses_Shirts/id_00003372/03_2_back.jpg",
    OTHER: "MEN/Tees_Tanks/id_00007624/01_7_additional.jpg",
}
PEOPLE = ("0002_c1s1_000451_03", "0002_c2s1_000301_01", "0007_c3s3_010000_02")
JUNK = ("-1_c1s1_000451_04", "0000_c1s1_000151_01")


def picture(file: Path, size: tuple[int, int] = (88, 64), colour=(200, 100, 50)) -> Path:
    """A picture of height and width ``size`` whose left half is black."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, size[1] // 2 :] = colour
    Image.fromarray(pixels).save(file)
    return file


def pairs_table(file: Path, *pairs: tuple[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("from,to\n" + "".join(f"{source}.jpg,{target}.jpg\n" for source, target in pairs))


def points_table(file: Path, *names: str) -> None:
    """Point n at x = 10 n, y = 14 n of 256×176; the last is missing by its x, the one before by its y."""
    x, y = [10 * n for n in range(18)], [14 * n for n in range(18)]
    x[17] = y[16] = -1
    lines = [f"{name}.jpg: {y}: {x}" for name in names]
    file.write_text("\n".join(["name:keypoints_y:keypoints_x", *lines]) + "\n")


def cfld(root: Path, spelling: str = "fasion", archive: bool = False) -> Path:
    pairs_table(root / f"{spelling}-resize-pairs-train.csv", (FRONT, BACK), (BACK, FRONT))
    points_table(root / f"{spelling}-resize-annotation-train.csv", FRONT)
    (root / "train.lst").write_text("".join(f"{name}.jpg\n" for name in (OTHER, FRONT, BACK)))
    for name, place in ARCHIVE.items():
        picture(root / (place if archive else f"train_highres/{name}.jpg"))
    return root


def mcld(root: Path) -> Path:
    pairs_table(root / "data" / "test.csv", (FRONT, BACK))
    for name in (FRONT, BACK):
        picture(root / "test" / f"{name}.jpg")
    picture(root / "test_texture" / f"{FRONT}.png", (512, 512), (9, 8, 7))
    # As OpenCV writes I, U, V = 2, 100, 200: they are blue, green, red.
    (root / "test_densepose").mkdir()
    Image.fromarray(np.full((88, 64, 3), (200, 100, 2), np.uint8)).save(root / "test_densepose" / f"{FRONT}.png")
    (root / "test_face").mkdir()
    np.save(root / "test_face" / f"{FRONT}.npy", np.arange(512.0))
    return root


def pcdms(root: Path) -> Path:
    entries = [{"source_image": f"{FRONT}.jpg", "target_image": f"{BACK}.jpg"}]
    (root / "test_data.json").write_text(json.dumps(entries))
    for name in (FRONT, BACK):
        picture(root / "test_lst_512_png" / f"{name}.png")
    (root / "normalized_pose_txt").mkdir()
    lines = [f"{n / 20} {n / 40}" for n in range(17)] + ["-1 -1"]
    (root / "normalized_pose_txt" / f"{FRONT}.txt").write_text("\n".join(lines))
    return root


def market(root: Path, pairs: bool = True) -> Path:
    for name in (*PEOPLE, *JUNK):
        picture(root / "bounding_box_train" / f"{name}.jpg", (128, 64))
    (root / "bounding_box_train" / "Thumbs.db").write_bytes(b"")
    if pairs:
        pairs_table(root / "market-pairs-train.csv", PEOPLE[:2], (JUNK[0], PEOPLE[0]))
    points_table(root / "market-annotation-train.csv", PEOPLE[0])
    return root


def check_people(people) -> None:
    """What every data set promises."""
    assert len(set(people.names)) == len(people.names) > 0
    for pair in people.pairs:
        assert isinstance(pair, Pair)
        source, target = (people.record(name) for name in pair)
        assert source.name != target.name and source.outfit == target.outfit and source.identity == target.identity
    for name in people.names:
        record = people.record(name)
        assert record.name == name and record.image.dtype == np.uint8 and record.image.shape[-1] == 3
        assert set(record.fields) <= set(FIELDS)
        again = people.record(name)
        assert np.array_equal(record.image, again.image) and record.fields.keys() == again.fields.keys()


# DeepFashion


@pytest.mark.parametrize("spelling", ["fasion", "fashion"])
@pytest.mark.parametrize("archive", [False, True])
def test_cfld(tmp_path, spelling, archive):
    people = DeepFashion(cfld(tmp_path, spelling, archive), check_counts=False)
    check_people(people)
    assert people.names == [OTHER, FRONT, BACK] and people.pairs == [(FRONT, BACK), (BACK, FRONT)]
    record = people.record(FRONT)
    assert record.image.shape == (88, 64, 3) and record.outfit != people.record(OTHER).outfit
    assert record.identity == "WOMEN-Blouses_Shirts-id00003372" and record.outfit == f"{record.identity}-03"
    points = record.fields["keypoints"]
    assert points.dtype == np.float32 and points.shape == (18, 3)
    # From 256×176 to 88×64.
    assert np.allclose(points[3], [30 * 64 / 176, 42 * 88 / 256, 1])
    assert (points[:16, 2] == 1).all() and not points[16:].any(), "−1 in either coordinate is a missing point"
    assert "keypoints" not in people.record(BACK).fields


def test_pictures_and_points_of_the_size_that_is_asked_for(tmp_path):
    people = DeepFashion(cfld(tmp_path), check_counts=False, size="32x16")
    record = people.record(FRONT)
    assert record.image.shape == (32, 16, 3)
    assert np.allclose(record.fields["keypoints"][3], [30 * 16 / 176, 42 * 32 / 256, 1])
    # Stretched: the left half is still the left half.
    assert record.image[:, 2].max() < 20 and record.image[:, 13, 0].min() > 180


def barred(file: Path, side: int = 256, spill: int = 0) -> None:
    """As in the archive img: black on grey, 176 of 256 wide, between white bars; ``spill`` pixels wider at the left."""
    pixels = np.full((256, 256, 3), 255, np.uint8)
    pixels[:, 40 - spill : 216] = 90
    pixels[20:60, 70:90] = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX).save(file, quality=95)


@pytest.mark.parametrize("size", [None, "128x88", "512x352"])
@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("side", [256, 512])
def test_bars_are_cut_off(tmp_path, size, archive, side):
    """Points of the table lie where they were marked, and the picture has the aspect that they were made at."""
    root = cfld(tmp_path, archive=archive)
    for name, place in ARCHIVE.items():
        barred(root / (place if archive else f"train_highres/{name}.jpg"), side)
    x, y = [-1] * 18, [-1] * 18
    # The middle of the black patch, in the table's 176 columns.
    x[4], y[4] = 80 - 40, 40
    table = root / "fasion-resize-annotation-train.csv"
    table.write_text(f"name:keypoints_y:keypoints_x\n{FRONT}.jpg: {y}: {x}\n")
    record = DeepFashion(root, check_counts=False, size=size).record(FRONT)
    height, width = parse_size(size) or (side, side * 176 // 256)
    assert record.image.shape == (height, width, 3)
    column, row, seen = record.fields["keypoints"][4]
    assert seen and np.allclose([column / width, row / height], [40 / 176, 40 / 256])
    rows, columns = np.nonzero(record.image[..., 0] < 45)
    assert abs(columns.mean() + 0.5 - column) < 1 and abs(rows.mean() + 0.5 - row) < 1
    assert record.image[:, 3:-3].max() < 120, "no bar is left"


def test_maps_of_barred_pictures_are_cut_alike(tmp_path):
    root = mcld(tmp_path)
    for name in (FRONT, BACK):
        barred(root / "test" / f"{name}.jpg")
    iuv = np.zeros((256, 256, 3), np.uint8)
    iuv[20:60, 70:90] = (200, 100, 2)
    Image.fromarray(iuv).save(root / "test_densepose" / f"{FRONT}.png")
    record = DeepFashion(root, "test", check_counts=False).record(FRONT)
    assert record.fields["iuv"].shape == record.image.shape == (256, 176, 3)
    assert (record.fields["iuv"][20:60, 30:50] == (2, 100, 200)).all() and record.fields["iuv"].any(-1).sum() == 800


@pytest.mark.parametrize("spill", [20, 40])
def test_squares_without_bars_are_stretched_pictures(tmp_path, spill):
    """One of them that reaches further shows that the white of the others is their background."""
    root = cfld(tmp_path)
    for name in ARCHIVE:
        barred(root / "train_highres" / f"{name}.jpg", spill=spill if name == BACK else 0)
    record = DeepFashion(root, check_counts=False).record(FRONT)
    assert record.image.shape == (256, 256, 3)
    assert np.allclose(record.fields["keypoints"][3], [30 * 256 / 176, 42, 1])


def test_mcld(tmp_path):
    people = DeepFashion(mcld(tmp_path), "test", check_counts=False, size="32x24")
    check_people(people)
    fields = people.record(FRONT).fields
    assert fields["iuv"].shape == (32, 24, 3) and (fields["iuv"] == (2, 100, 200)).all()
    assert fields["texture"].shape == (512, 512, 3) and (fields["texture"][0, -1] == (9, 8, 7)).all()
    assert fields["face"].dtype == np.float32 and np.array_equal(fields["face"], np.arange(512))
    assert people.complete_fields == {"face"} and not people.record(BACK).fields


def test_pcdms(tmp_path):
    people = DeepFashion(pcdms(tmp_path), "test", check_counts=False)
    check_people(people)
    points = people.record(FRONT).fields["keypoints"]
    assert np.allclose(points[4], [0.2 * 64, 0.1 * 88, 1]) and not points[17].any()
    assert points[0, 2] == 0, "OpenPose's files have zeros for what is not seen"
    text = tmp_path / "normalized_pose_txt" / f"{FRONT}.txt"
    text.write_text("0.1 0.2\n")
    with pytest.raises(TrainingError, match=rf"{FRONT}\.txt.*18 lines"):
        people.record(FRONT)


@pytest.mark.parametrize("split", OFFICIAL_PAIRS)
def test_official_counts(tmp_path, split):
    """A table of the official length passes; one pair less does not."""
    for name in (FRONT, BACK):
        picture(tmp_path / split / f"{name}.jpg")
    table = tmp_path / f"{split}.csv"
    table.write_text("from,to\n" + f"{FRONT}.jpg,{BACK}.jpg\n" * OFFICIAL_PAIRS[split])
    assert len(DeepFashion(tmp_path, split).pairs) == {"train": 101_966, "test": 8_570}[split]
    table.write_text("from,to\n" + f"{FRONT}.jpg,{BACK}.jpg\n" * (OFFICIAL_PAIRS[split] - 1))
    with pytest.raises(TrainingError, match=r"has 101,966|has 8,570") as error:
        DeepFashion(tmp_path, split)
    assert "check_counts=false" in str(error.value)


def test_what_deepfashion_lacks_is_said(tmp_path):
    with pytest.raises(TrainingError, match="no table of pairs.*fasion-resize-pairs-train.csv"):
        DeepFashion(tmp_path)
    with pytest.raises(TrainingError, match="no split 'val'"):
        DeepFashion(tmp_path, "val")
    pairs_table(tmp_path / "train.csv", (FRONT, BACK))
    with pytest.raises(TrainingError, match="no pictures.*train_highres.*img_highres.zip"):
        DeepFashion(tmp_path, check_counts=False)
    picture(tmp_path / "train" / f"{FRONT}.jpg")
    with pytest.raises(TrainingError, match=f"1 of 2 pictures are missing.*train.*{BACK}"):
        DeepFashion(tmp_path, check_counts=False)
    pairs_table(tmp_path / "train.csv", (FRONT, BACK), (FRONT, "holiday"))
    with pytest.raises(TrainingError, match="train.csv', line 3: 'holiday' is no name of DeepFashion's"):
        DeepFashion(tmp_path, check_counts=False)


def test_archive_with_a_picture_missing(tmp_path):
    cfld(tmp_path, archive=True)
    (tmp_path / ARCHIVE[BACK]).unlink()
    with pytest.raises(TrainingError, match=f"1 of 3 pictures are missing.*MEN and WOMEN.*{BACK}"):
        DeepFashion(tmp_path, check_counts=False)


# Tables


@pytest.mark.parametrize(
    "line",
    [
        "a.jpg: [1, 2]: [3, 4]",
        "a.jpg: [1, 2",
        "a.jpg",
        "a.jpg: x: y",
        f"a.jpg: {[1] * 18}: {[None] * 18}",
        "a.jpg:1:2:3",
    ],
)
def test_a_broken_line_of_points(tmp_path, line):
    file = tmp_path / "points.csv"
    points_table(file, FRONT)
    assert set(read_points(file)) == {FRONT}
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(TrainingError, match=r"points\.csv', line 3: the points of 'a\.jpg'.*18 y.*download"):
        read_points(file)


def test_broken_tables_of_pairs(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("\ufefffrom,to\na.jpg,b.jpg\n\n c.jpg , d.jpg \n", encoding="utf-8")
    assert [row[:] for row in read_pairs(file)] == [(2, "a", "b"), (4, "c", "d")]
    file.write_text(",from,to\n0,a.jpg,b.jpg\n")
    assert read_pairs(file) == [(2, "a", "b")]
    file.write_text("from,to\na.jpg,b.jpg\nc.jpg\n")
    with pytest.raises(TrainingError, match=r"line 3: 'c\.jpg' is no pair"):
        read_pairs(file)
    file.write_text("<html>\n")
    with pytest.raises(TrainingError, match="begins with '<html>'.*from,to"):
        read_pairs(file)
    file.write_text("")
    with pytest.raises(TrainingError, match="from,to"):
        read_pairs(file)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 255), st.integers(-1, 175)), min_size=18, max_size=18))
def test_points_come_back_as_they_were_written(tmp_path_factory, places):
    file = tmp_path_factory.mktemp("points") / "points.csv"
    y, x = ([place[axis] for place in places] for axis in (0, 1))
    file.write_text(f"name:keypoints_y:keypoints_x\nme.jpg: {y}: {x}\n")
    for (top, left), point in zip(places, read_points(file)["me"], strict=True):
        assert tuple(point) == ((0, 0, 0) if -1 in (top, left) else (left, top, 1))


# Market-1501


def test_market1501(tmp_path):
    people = Market1501(market(tmp_path))
    check_people(people)
    assert sorted(people.names) == sorted(PEOPLE) and people.pairs == [PEOPLE[:2]], "junk is left out"
    record = people.record(PEOPLE[0])
    assert record.identity == "0002" and record.image.shape == (128, 64, 3)
    assert np.allclose(record.fields["keypoints"][2], [20, 28, 1]) and not record.fields["keypoints"][16:].any()
    large = Market1501(tmp_path, size="256x128").record(PEOPLE[0])
    assert large.image.shape == (256, 128, 3) and np.allclose(large.fields["keypoints"][2], [40, 56, 1])


def test_market1501_for_re_identification(tmp_path):
    market(tmp_path)
    for split in ("query", "bounding_box_test"):
        for name in (*PEOPLE, *JUNK):
            picture(tmp_path / split / f"{name}.jpg", (128, 64))
    assert sorted(Market1501(tmp_path, "query").names) == sorted(Market1501(tmp_path, "test").names) == sorted(PEOPLE)
    gallery = Market1501(tmp_path, "gallery")
    check_people(gallery)
    assert sorted(gallery.names) == sorted([*PEOPLE, *JUNK]), "junk and distractors are there"
    assert {gallery.record(name).identity for name in JUNK} == {"-1", "0000"}
    with pytest.raises(TrainingError, match="no split 'val'.*query"):
        Market1501(tmp_path, "val")


def test_market1501_without_pairs(tmp_path):
    people = Market1501(market(tmp_path, pairs=False))
    assert sorted(people.pairs) == [PEOPLE[:2], PEOPLE[1::-1]]


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ((PEOPLE[0], "0002_c9s1_000000_00"), "line 2: there is no picture '0002_c9s1_000000_00'"),
        ((PEOPLE[0], PEOPLE[2]), "line 2: 0002 and 0007 are two people"),
        ((PEOPLE[0], "holiday"), "line 2: 'holiday' is no name of Market-1501"),
    ],
)
def test_market1501_with_a_broken_pair(tmp_path, pair, said):
    market(tmp_path)
    pairs_table(tmp_path / "market-pairs-train.csv", pair)
    with pytest.raises(TrainingError, match=said):
        Market1501(tmp_path)


def test_what_market1501_lacks_is_said(tmp_path):
    with pytest.raises(TrainingError, match="bounding_box_test or test"):
        Market1501(tmp_path, "test")
    picture(tmp_path / "test" / "holiday.jpg")
    with pytest.raises(TrainingError, match="no picture of Market-1501"):
        Market1501(tmp_path, "test")


# Anyone's folder


def test_a_folder_for_each_person(tmp_path):
    for name in ("anna/1.jpg", "anna/2.png", "anna/3.JPG", "Bert Ö/IMG 1.jpg", "Bert Ö/IMG 2.jpg", ".cache/x_1.jpg"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    people = FolderOfPeople(tmp_path)
    check_people(people)
    assert people.names == ["Bert-Ö_IMG-1", "Bert-Ö_IMG-2", "anna_1", "anna_2", "anna_3"]
    assert len(people.pairs) == 2 + 6
    assert {people.record(name).identity for name in people.names} == {"anna", "Bert Ö"}


def test_flat_files(tmp_path):
    for name in ("anna_1.jpg", "anna-2.jpg", "eva_maria_1.jpg", "eva_maria_2.jpg", "carl_1.jpg"):
        picture(tmp_path / name)
    people = FolderOfPeople(tmp_path)
    check_people(people)
    assert sorted(people.pairs) == [
        ("anna-2", "anna_1"),
        ("anna_1", "anna-2"),
        ("eva_maria_1", "eva_maria_2"),
        ("eva_maria_2", "eva_maria_1"),
    ]
    assert len(people.names) == 5


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["anna_1.jpg", "1.jpg"], r"1\.jpg' does not say who"),
        (["anna_1.jpg", "bert_1.jpg"], "no two of one person"),
        (["anna_1.jpg", "anna_1.png"], "have one name"),
        ([], "0 pictures"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path, names, said):
    for name in names:
        picture(tmp_path / name)
    with pytest.raises(TrainingError, match=said):
        FolderOfPeople(tmp_path)
    with pytest.raises(TrainingError, match="no folder"):
        FolderOfPeople(tmp_path / "nowhere")


def named(root: Path, *files: str) -> dict[str, str]:
    """Names of a folder's pictures, by their files; every picture has a colour of its own."""
    colours = {file: (number, 7, 9) for number, file in enumerate(files, 1)}
    for file, colour in colours.items():
        picture(root / file, colour=colour)
    people = FolderOfPeople(root)
    check_people(people)
    by_colour = {int(people.record(name).image[0, -1, 0]): name for name in people.names}
    return {file: by_colour[colour[0]] for file, colour in colours.items()}


#: Chinese, Arabic with points, Hindi with vowel signs, Russian, accents taken apart as macOS does, Korean, Thai.
SCRIPTS = ("张三", "مُحَمَّد", "हिन्दी", "Анна", "Jose\u0301", "지민", "น้ำ")


def test_names_of_every_script(tmp_path):
    files = [f"{person}/{number}.png" for person in SCRIPTS for number in (1, 2)]
    names = named(tmp_path, *files)
    for person in SCRIPTS:
        readable = "José" if person.startswith("Jose") else person
        assert [names[f"{person}/{number}.png"] for number in (1, 2)] == [f"{readable}_1", f"{readable}_2"]
    assert all(is_name(name) for name in names.values())


def test_names_that_would_be_one(tmp_path):
    """By what stands between letters, by capitals, by where the person ends, and by having no letter at all."""
    pairs = ("a b/1", "a  b/1"), ("Eva/1", "eva/1"), ("x/y_1", "x_y/1"), ("!/?", "?/!")
    files = [f"{name}{end}.png" for pair in pairs for name in pair for end in ("", "2")]
    names = named(tmp_path / "one", *files)
    assert len({name.casefold() for name in names.values()}) == len(files)
    assert re.fullmatch("a-b_1-[0-9a-f]{16}", names["a b/1.png"])
    again = named(tmp_path / "two", *reversed(files), "more/1.png", "more/2.png")
    assert names.items() <= again.items(), "whatever else is there, in whatever order"


def test_long_names(tmp_path):
    files = [f"{'长' * 80}/{'名' * 70}{number}.png" for number in (1, 2)]
    for name in named(tmp_path, *files).values():
        assert name.startswith("长" * 30) and len(name.encode()) <= 120 and is_name(name)


def test_names_of_other_scripts_in_a_store(tmp_path):
    """They are files, members of archives and cells of tables, and come back as they are."""
    named(tmp_path / "in", *(f"{person}/{number}.png" for person in SCRIPTS for number in (1, 2)))
    people = FolderOfPeople(tmp_path / "in")
    for format in ("folder", "shards"):
        root = tmp_path / format
        store.begin(root, people, {}, format, unit=3)
        for unit in store.left_to_do(root, people.names, format, unit=3):
            store.files_of(root, format).write(unit.number, map(people.record, unit.names))
        stored = store.StoredPeople(root)
        assert stored.names == people.names and stored.pairs == people.pairs
        for name in people.names:
            assert np.array_equal(stored.record(name).image, people.record(name).image)


def test_fitting(tmp_path):
    wide = picture(tmp_path / "anna_1.png", (40, 80))
    picture(tmp_path / "anna_2.png", (40, 80))
    padded = FolderOfPeople(tmp_path, "64x32").record("anna_1").image
    assert padded.shape == (64, 32, 3) and (padded[:20] == 255).all() and (padded[-20:] == 255).all()
    assert padded[32, 4].max() == 0 and tuple(padded[32, 28]) == (200, 100, 50)
    squashed = FolderOfPeople(tmp_path, "64x32", "squash").record("anna_1").image
    assert squashed[2, 4].max() == 0 and tuple(squashed[2, 28]) == (200, 100, 50)
    assert read_picture(wide).shape == (40, 80, 3)
    with pytest.raises(TrainingError, match="Give one of squash, pad, crop"):
        FolderOfPeople(tmp_path, "64x32", "stretch")


# Pictures


def test_pictures_of_every_kind_are_rgb_and_upright(tmp_path):
    upright = np.zeros((40, 80, 3), np.uint8)
    upright[:, :40] = 255
    turned = Image.fromarray(np.rot90(upright).copy())
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "phone.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "phone.png"), upright)
    for mode in ("L", "CMYK", "P", "RGBA"):
        file = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.fromarray(upright).convert(mode).save(file)
        assert read_picture(file).shape == (40, 80, 3)


RAMP = np.linspace(0, 1, 52)[None].repeat(4, 0)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("sixteen.png", (RAMP * 65535).astype(np.uint16)),
        ("sixteen.tif", (RAMP * 65535).astype(np.uint16)),
        ("big_endian.tif", (RAMP * 65535).astype(">u2")),
        ("unit.tif", RAMP.astype(np.float32)),
        ("bytes.tif", (RAMP * 255).astype(np.float32)),
        ("words.tif", (RAMP * 65535).astype(np.float32)),
        ("int_bytes.tif", (RAMP * 255).astype(np.int32)),
        ("int_words.tif", (RAMP * 65535).astype(np.int32)),
        ("int_longs.tif", (RAMP * (2**31 - 1)).astype(np.int32)),
        ("eight.png", (RAMP * 255).astype(np.uint8)),
    ],
)
def test_deep_pictures_have_their_greys(tmp_path, name, pixels):
    """A ramp from black to white is one, whatever its numbers."""
    Image.fromarray(pixels).save(tmp_path / name)
    read = read_picture(tmp_path / name)
    assert read.shape == (4, 52, 3) and (read == read[..., :1]).all()
    assert np.abs(read[..., 0] - RAMP * 255).max() <= 1 and read.min() == 0 and read.max() == 255


def test_deep_colour(tmp_path):
    cv2 = pytest.importorskip("cv2")
    pixels = np.stack([RAMP, 1 - RAMP, RAMP * 0.5], -1)
    for name in ("deep.png", "deep.tif"):
        cv2.imwrite(str(tmp_path / name), (pixels[..., ::-1] * 65535).astype(np.uint16))
        assert np.abs(read_picture(tmp_path / name) - pixels * 255).max() <= 1


def test_a_deep_picture_beyond_white(tmp_path):
    """A float picture in 0–1 with a light source, a hole, and values below black."""
    pixels = RAMP.astype(np.float32)
    pixels[0, :4] = 1.6, np.nan, np.inf, -3
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    read = read_picture(tmp_path / "a.tif")[..., 0]
    assert read[0, :4].tolist() == [255, 0, 255, 0] and np.abs(read[1] - RAMP[1] * 255).max() <= 1


def test_transparency_shows_white(tmp_path):
    """As for the preprocessors: what is behind it is often black in the file."""
    alpha = np.array([[0, 51, 255]], np.uint8)
    colour = np.full((1, 3, 3), (100, 0, 50), np.uint8)
    wanted = np.array([[[255, 255, 255], [224, 204, 214], [100, 0, 50]]])
    Image.fromarray(np.concatenate([colour, alpha[..., None]], -1)).save(tmp_path / "rgba.png")
    assert np.abs(read_picture(tmp_path / "rgba.png").astype(int) - wanted).max() <= 1
    Image.fromarray(np.stack([np.full((1, 3), 100, np.uint8), alpha], -1), "LA").save(tmp_path / "la.png")
    assert read_picture(tmp_path / "la.png")[0, :, 0].tolist() == pytest.approx([255, 224, 100], abs=1)
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 100, 0, 50, 7, 8, 9])
    palette.save(tmp_path / "p.png", transparency=0)
    assert read_picture(tmp_path / "p.png").tolist() == [[[255, 255, 255], [100, 0, 50], [7, 8, 9]]]
    Image.fromarray(colour).save(tmp_path / "trns.png", transparency=(100, 0, 50))
    assert (read_picture(tmp_path / "trns.png") == 255).all()
    numbers = read_map(tmp_path / "rgba.png", (1, 3))
    assert (numbers == (100, 0, 50)).all(), "maps hold numbers, and nothing shows through them"


def test_a_broken_picture_is_named(tmp_path):
    file = picture(tmp_path / "anna_1.jpg")
    picture(tmp_path / "anna_2.jpg")
    people = FolderOfPeople(tmp_path)
    for data in (file.read_bytes()[:300], b"", b"no picture"):
        file.write_bytes(data)
        with pytest.raises(TrainingError, match=r"anna_1\.jpg' cannot be read as a picture"):
            people.record("anna_1")


@pytest.mark.parametrize("text", ["512", "512x", "axb", "510x352", "0x0", "-8x8", "1x2x3", [64], 7])
def test_sizes_that_are_none(text):
    with pytest.raises(TrainingError, match=r"size="):
        parse_size(text)


def test_sizes():
    assert parse_size("512x352") == parse_size("512×352") == parse_size([512, 352]) == (512, 352)
    assert parse_size(None) is None


# Sources


def test_sources(tmp_path):
    text = f"deepfashion:{cfld(tmp_path)},split=train,size=32x16,check_counts=false"
    assert parse_source(text) == {
        "kind": "deepfashion",
        "root": str(tmp_path),
        "split": "train",
        "size": "32x16",
        "check_counts": False,
    }
    assert open_people(text).record(FRONT).image.shape == (32, 16, 3)
    assert parse_source("synthetic:people=3,seed=1") == {"kind": "synthetic", "people": 3, "seed": 1}
    assert parse_source("synthetic:") == {"kind": "synthetic"}
    file = tmp_path / "source.yaml"
    file.write_text(f"kind: deepfashion\nroot: {tmp_path}\nsize: [32, 16]\ncheck_counts: false\n")
    assert open_people(str(file)).record(FRONT).image.shape == (32, 16, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("photos", "'photos' is no source"),
        ("photos:", "'photos' is no kind of data set"),
        ("folder:", "write 'folder:FOLDER'"),
        ("synthetic:somewhere", "'somewhere' in 'synthetic:somewhere' is no option"),
        ("folder:/x,size", "'size' in 'folder:/x,size' is no option"),
        ("folder:/x,colour=red", "folder: .*colour.*size, fit"),
        ("nowhere.yaml", "cannot be read as YAML"),
    ],
)
def test_sources_that_are_none(text, said):
    with pytest.raises(TrainingError, match=said):
        open_people(text)


def test_a_yaml_file_of_something_else(tmp_path):
    file = tmp_path / "source.yaml"
    for text in ("- 1\n", "root: /x\n", "a: [\n"):
        file.write_text(text)
        with pytest.raises(TrainingError, match="names no data set|cannot be read as YAML"):
            parse_source(str(file))
