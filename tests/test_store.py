"""Stores: both formats hold the same records, and a run may be stopped anywhere."""

import io
import json
import multiprocessing
import random
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data import atomic, record_files, store
from training.data.records import FIELDS, Pair, Record
from training.data.store import FORMATS, SETTINGS, StoredPeople, begin, files_of, left_to_do
from training.errors import TrainingError

SHAPES = {
    "parsing": (24, 16),
    "iuv": (24, 16, 3),
    "keypoints": (18, 3),
    "people": (2, 18, 3),
    "face_box": (4,),
    "face": (8,),
    "texture": (32, 32, 3),
    "latent": (4, 3, 2),
    "texture_latent": (4, 4, 4),
    "joint_latent": (4, 3, 4),
    "pose_latent": (4, 3, 2),
    "views_latent": (4, 6, 4),
    "large_latent": (4, 6, 4),
    "coarse": (24, 16, 3),
    "coarse_latent": (4, 3, 2),
    "dino": (257, 6),
    "caption": (9,),
    "clip": (6,),
    "texture_clip": (6,),
    "regions": (20, 6),
}


def made_record(name: str, fields: Iterable[str] = FIELDS) -> Record:
    """A record whose values come of its name alone."""
    draws = np.random.default_rng(list(name.encode()))
    values = {}
    for field in fields:
        shape = SHAPES[field]
        if field in record_files.MAPS or field == "caption":
            values[field] = draws.integers(0, 256, shape, np.uint8)
        else:
            values[field] = draws.normal(size=shape).astype(np.float32)
    identity = name.split("_")[0]
    return Record(name, identity, f"{identity}-red", draws.integers(0, 256, (24, 16, 3), np.uint8), values)


class MadePeople:
    """People whose records are made when they are asked for; every second has no face."""

    def __init__(self, count: int, fields: Iterable[str] = FIELDS) -> None:
        self.fields = tuple(fields)
        self.names = [f"p{number // 2}_{number}" for number in range(count)]
        pairs = zip(self.names[::2], self.names[1::2], strict=True)
        self.pairs = [Pair(*pair) for pair in pairs]

    def record(self, name: str) -> Record:
        number = int(name.split("_")[1])
        return made_record(name, [field for field in self.fields if field != "face" or number % 2])


def write_all(root: Path, people: MadePeople, format: store.Format, unit: int, pause_s: float = 0.0) -> None:
    """What a run does, without what it computes."""

    def records(names):
        for name in names:
            time.sleep(pause_s)
            yield people.record(name)

    begin(root, people, {"steps": []}, format, unit)
    for piece in left_to_do(root, people.names, format, unit):
        files_of(root, format).write(piece.number, records(piece.names))
    atomic.clear(root, older_than_s=0)


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a store."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def check_same(record: Record, expected: Record) -> None:
    """Equal to the bit, in shape and type."""
    about = ("name", "identity", "outfit")
    assert [getattr(record, key) for key in about] == [getattr(expected, key) for key in about]
    assert np.array_equal(record.image, expected.image) and record.image.dtype == np.uint8
    assert set(record.fields) == set(expected.fields)
    for field, value in expected.fields.items():
        stored = record.fields[field]
        assert stored.dtype == value.dtype and stored.shape == value.shape and np.array_equal(stored, value)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("unit", [1, 4, 100])
def test_what_is_written_is_read(tmp_path, format, unit):
    people = MadePeople(10)
    write_all(tmp_path / "out", people, format, unit)
    stored = StoredPeople(tmp_path / "out")
    assert stored.names == people.names and stored.pairs == people.pairs
    for name in people.names:
        expected = people.record(name)
        check_same(stored.record(name), expected)
        assert stored.fields_of(name) == set(expected.fields)
    assert left_to_do(tmp_path / "out", people.names, format, unit) == []
    assert not list((tmp_path / "out" / atomic.PARTIAL).glob("*"))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(FIELDS)), st.sampled_from(sorted(FORMATS)))
def test_any_set_of_fields(tmp_path_factory, fields, format):
    root = tmp_path_factory.mktemp("store")
    record = made_record("p0_0", sorted(fields))
    files_of(root, format).write(0, [record])
    files = files_of(root, format)
    assert files.names() == {"p0_0"}
    check_same(record_files.decode(lambda member: files.read("p0_0", member)), record)


def test_fields_are_read_when_they_are_asked_for(tmp_path):
    people = MadePeople(2)
    write_all(tmp_path, people, "folder", 2)
    (tmp_path / "records" / "p0_0.iuv.png").unlink()
    record = StoredPeople(tmp_path).record("p0_0")
    assert "iuv" in record.fields and record.fields["clip"] is record.fields["clip"]
    with pytest.raises(TrainingError, match="'iuv.png'"):
        record.fields["iuv"]
    with pytest.raises(KeyError):
        record.fields["colour"]


def test_shards_are_webdatasets(tmp_path):
    """What streams webdatasets reads them, and what reads tar files finds the members where the index says."""
    from webdataset import WebDataset

    people = MadePeople(6)
    write_all(tmp_path, people, "shards", 4)
    shards = sorted(str(path) for path in tmp_path.glob("*.tar"))
    assert [Path(path).name for path in shards] == ["shard-000000.tar", "shard-000001.tar"]
    samples = list(WebDataset(shards, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == people.names
    assert json.loads(samples[1]["json"])["identity"] == "p0"
    assert np.load(io.BytesIO(samples[1]["face.npy"])).shape == (8,)
    index = json.loads((tmp_path / "shard-000001.index.json").read_text())
    assert list(index["records"]) == people.names[4:]
    with tarfile.open(shards[1]) as archive:
        for name, extents in index["records"].items():
            for member, (start, length) in extents.items():
                data = archive.extractfile(f"{name}.{member}").read()
                assert Path(shards[1]).read_bytes()[start : start + length] == data


@pytest.mark.parametrize(
    "index", [None, "{", '{"bytes": 1, "records": {}}'], ids=["lost", "damaged", "of another shard"]
)
def test_shards_without_their_index(tmp_path, index):
    people = MadePeople(4)
    write_all(tmp_path, people, "shards", 4)
    file = tmp_path / "shard-000000.index.json"
    file.unlink() if index is None else file.write_text(index)
    check_same(StoredPeople(tmp_path).record("p1_2"), people.record("p1_2"))


@pytest.mark.parametrize("member", ["json", "image.png", "clip.npy", "iuv.png"])
def test_a_damaged_member_is_named(tmp_path, member):
    write_all(tmp_path, MadePeople(2), "folder", 2)
    file = tmp_path / "records" / f"p0_0.{member}"
    whole = file.read_bytes()
    for data in (whole[:20], b"", b"no such thing"):
        file.write_bytes(data)
        with pytest.raises(TrainingError, match=f"'{member}' is damaged.*training.preprocess again"):
            dict(StoredPeople(tmp_path).record("p0_0").fields)


def test_long_names(tmp_path):
    """Longer than tar's first format knows."""
    name = "p_" + "x" * 150
    files_of(tmp_path, "shards").write(0, [made_record(name)])
    assert files_of(tmp_path, "shards").read(name, "json")


def test_unknown_fields_and_wrong_types_are_not_written():
    record = made_record("p0_0", ["clip"])
    with pytest.raises(ValueError, match="colour"):
        record_files.encode(Record("a", "a", "a", record.image, {"colour": np.zeros(3)}))
    with pytest.raises(ValueError, match="uint8"):
        record_files.encode(Record("a", "a", "a", record.image / 255))


# Stopping and going on


class Stopped(KeyboardInterrupt):
    """As a kill, from inside."""


@pytest.mark.parametrize("format", FORMATS)
def test_stopped_at_every_file(tmp_path, format, monkeypatch):
    """A run that dies before its n-th file is in place, for every n, and then goes on, ends as one that never died."""
    people = MadePeople(4, ("clip", "face"))
    write_all(tmp_path / "whole", people, format, 2)
    expected, place, left = contents(tmp_path / "whole"), atomic.place, 0

    def dying(temporary, final):
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped
        place(temporary, final)

    monkeypatch.setattr(atomic, "place", dying)
    stops = 0
    while True:
        root, left = tmp_path / str(stops), stops
        try:
            write_all(root, people, format, 2)
        except Stopped:
            stops += 1
        else:
            break
        if (root / SETTINGS).is_file():
            there = set(StoredPeople(root, partial=True).names)
            assert len(there) < len(people.names)
            with pytest.raises(TrainingError, match=rf"has {len(there)} of 4 records"):
                StoredPeople(root)
            for name in there:
                check_same(StoredPeople(root, partial=True).record(name), people.record(name))
        left = 10**9
        write_all(root, people, format, 2)
        assert contents(root) == expected
    # store.json and its like; then each member and json, or each unit's shard and index.
    members = sum(len(people.record(name).fields) + 2 for name in people.names)
    assert stops == 3 + {"folder": members, "shards": 4}[format]


@pytest.mark.parametrize("format", FORMATS)
def test_killed_at_random_moments(tmp_path, format):
    """SIGKILL to the writing process, again and again, until it is through."""
    people, draws = MadePeople(12, ("keypoints",)), random.Random(5)
    write_all(tmp_path / "whole", people, format, 3)
    root, kills, seen = tmp_path / "killed", 0, []
    fork = multiprocessing.get_context("fork")
    while True:
        process = fork.Process(target=write_all, args=(root, people, format, 3, 0.004))
        process.start()
        process.join(draws.uniform(0.01, 0.06))
        if process.exitcode is not None:
            break
        process.kill()
        process.join()
        kills += 1
        if (root / SETTINGS).is_file():
            there = StoredPeople(root, partial=True).names
            assert set(seen) <= set(there), "what was there is still there"
            seen = there
    assert process.exitcode == 0 and kills >= 2
    assert contents(root) == contents(tmp_path / "whole")
    stored = StoredPeople(root)
    assert stored.names == people.names
    for name in people.names:
        check_same(stored.record(name), people.record(name))


def test_two_writers_of_one_unit(tmp_path):
    """A machine that was thought dead writes the same bytes again: nothing changes."""
    people = MadePeople(4)
    for format in FORMATS:
        root = tmp_path / format
        write_all(root, people, format, 4)
        before = contents(root)
        files_of(root, format).write(0, [people.record(name) for name in people.names])
        assert contents(root) == before


def test_other_settings_are_refused(tmp_path):
    people = MadePeople(4)
    begin(tmp_path / "out", people, {"steps": ["clip"]}, "folder", 2)
    begin(tmp_path / "out", people, {"steps": ["clip"]}, "folder", 2)
    with pytest.raises(TrainingError, match=r"steps was \['clip'\] and is now \['iuv'\]"):
        begin(tmp_path / "out", people, {"steps": ["iuv"]}, "folder", 2)
    with pytest.raises(TrainingError, match="format was folder and is now shards"):
        begin(tmp_path / "out", people, {"steps": ["clip"]}, "shards", 2)
    with pytest.raises(TrainingError, match="unit was 2 and is now 3"):
        begin(tmp_path / "out", people, {"steps": ["clip"]}, "folder", 3)
    with pytest.raises(TrainingError, match="names_sha256"):
        begin(tmp_path / "out", MadePeople(6), {"steps": ["clip"]}, "folder", 2)


def test_what_is_no_store(tmp_path):
    with pytest.raises(TrainingError, match="is no store.*training.preprocess"):
        StoredPeople(tmp_path)
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(TrainingError, match="is not empty and no store"):
        begin(tmp_path, MadePeople(2), {}, "folder", 2)
    (tmp_path / SETTINGS).write_text('{"version": 0}')
    with pytest.raises(TrainingError, match="another version"):
        StoredPeople(tmp_path)
    (tmp_path / SETTINGS).write_text("{")
    with pytest.raises(TrainingError, match="is no store"):
        StoredPeople(tmp_path)


def test_names_that_files_cannot_have(tmp_path):
    people = MadePeople(2)
    for names, said in ((["a.b", "c"], "not made of.*a.b"), (["a", "a"], "there twice"), (["../a"], r"\.\./a")):
        people.names = names
        with pytest.raises(TrainingError, match=said):
            begin(tmp_path / "out", people, {}, "folder", 2)


def test_leftovers_of_long_ago_are_taken_away(tmp_path):
    import os

    old, new = atomic.temporary_in(tmp_path), atomic.temporary_in(tmp_path)
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    atomic.clear(tmp_path)
    assert not old.exists() and new.exists()
    atomic.clear(tmp_path, older_than_s=0)
    assert not new.exists()
