"""Metrics of pictures against their formulas, predictors against what they must paint, poses found."""

import math

import numpy as np
import pytest
from few_people import noise, record
from PIL import Image

from preprocessors.labels import LIP_20
from training.data.records import Record
from training.errors import TrainingError
from training.evaluation.image_metrics import psnr, psnr_inside
from training.evaluation.kept_pictures import KeptPictures
from training.evaluation.pixel_metrics import Differences, GarmentColours, Structure
from training.evaluation.pose_metric import PoseError, find_keypoints, pose_error
from training.evaluation.predictors import CopySource, Folder, GarmentMean
from training.evaluation.protocols import PROTOCOLS
from training.evaluation.resampling import resized

CFLD = PROTOCOLS["cfld"]


# Pictures


def test_psnr_of_the_person_counts_their_pixels_alone():
    truth, made = noise(9, 7, 3), noise(9, 7, 3, seed=1)
    mask = noise(9, 7, seed=2) > 100
    squares = [
        ((float(a) - float(b)) / 255) ** 2 for a, b in zip(truth[mask].flatten(), made[mask].flatten(), strict=True)
    ]
    assert psnr_inside(truth, made, mask) == pytest.approx(10 * math.log10(len(squares) / sum(squares)), abs=1e-5)
    assert psnr_inside(truth, made, np.ones_like(mask)) == pytest.approx(psnr(truth, made), abs=1e-5)
    outside = np.where(mask[..., None], truth, made)
    assert psnr_inside(truth, outside, mask) == math.inf
    assert math.isnan(psnr_inside(truth, made, np.zeros_like(mask)))


def test_what_is_undefined_is_nan():
    small, plain = record("a", size=(50, 60)), record("b", size=(51, 60))
    ((found,),) = ([Structure(CFLD).measure([(small, small)], [small.image])[0]],)
    assert math.isnan(found["ssim"]) and found["ssim_256"] == pytest.approx(1)
    assert Structure(CFLD).measure([(plain, plain)], [plain.image])[0]["ssim"] == pytest.approx(1)
    flat = np.full_like(plain.image, 7)
    assert math.isnan(Structure(CFLD).measure([(plain, plain)], [flat])[0]["ssim_256"])
    (found,) = Differences().measure([(plain, plain)], [flat])
    assert math.isnan(found["psnr_person"]) and found["psnr"] == pytest.approx(psnr(plain.image, flat))
    assert all(math.isnan(value) for value in GarmentColours().measure([(plain, plain)], [flat])[0].values())


def test_garments_count_alike_whatever_their_size():
    labels = np.zeros((20, 10), np.uint8)
    labels[0], labels[1:] = LIP_20.index("Hat"), LIP_20.index("Pants")
    target = Record("a", "x", "y", np.zeros((20, 10, 3), np.uint8), {"parsing": labels})
    made = target.image.copy()
    made[0] = 255
    (found,) = GarmentColours().measure([(target, target)], [made])
    assert found["garment_colour.Hat"] == pytest.approx(100, abs=0.5) and found["garment_colour.Pants"] == 0
    assert found["garment_colour"] == pytest.approx(50, abs=0.3) and math.isnan(found["garment_colour.Coat"])


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_resizing_is_the_protocols(protocol):
    picture = noise(40, 30, 3)
    assert resized(picture, (40, 30), protocol) is picture
    made = resized(picture, (20, 10), protocol)
    assert made.shape == (20, 10, 3) and made.dtype == np.uint8
    if protocol is CFLD:
        # Channel by channel in floats: Pillow rounds a picture of bytes after either direction.
        floats = [Image.fromarray(picture[..., channel].astype(np.float32)) for channel in range(3)]
        wanted = np.stack([channel.resize((10, 20), Image.Resampling.BICUBIC) for channel in floats], -1).clip(0, 255)
    else:
        cv2 = pytest.importorskip("cv2")
        wanted = cv2.resize(picture, (10, 20), interpolation=cv2.INTER_CUBIC)
    assert np.abs(made.astype(int) - np.asarray(wanted).astype(int)).max() <= 1
    assert np.ptp(resized(np.full((40, 30, 3), 9, np.uint8), (20, 10), protocol)) == 0


# Predictors


def dressed() -> tuple[Record, Record]:
    labels, wanted = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8)
    labels[1:3], labels[3:5] = LIP_20.index("Coat"), LIP_20.index("Pants")
    wanted[2:4], wanted[4:], wanted[0, 0] = LIP_20.index("Pants"), LIP_20.index("Skirt"), LIP_20.index("Coat")
    return record("a", 1, (6, 6), parsing=labels), record("b", 2, (6, 6), parsing=wanted)


def test_garment_means_are_painted_by_the_targets_parsing():
    source, target = dressed()
    (made,) = GarmentMean().predict([(source, target)])
    coat, pants = source.image[1:3].reshape(-1, 3).mean(0), source.image[3:5].reshape(-1, 3).mean(0)
    background = np.concatenate([source.image[:1], source.image[5:]]).reshape(-1, 3).mean(0)
    wanted = np.empty((6, 6, 3))
    wanted[:] = background
    wanted[2:4], wanted[4:], wanted[0, 0] = pants, (coat + pants) / 2, coat
    assert made.dtype == np.uint8 and np.array_equal(made, wanted.round().astype(np.uint8))


def test_garment_means_need_a_parsing():
    source, target = dressed()
    with pytest.raises(TrainingError, match="'c' has no 'parsing'.*training.preprocess"):
        GarmentMean().predict([(source, record("c"))])
    assert target.fields


def test_a_copy_has_the_targets_size():
    source, target = record("a", size=(20, 10)), record("b", size=(30, 12))
    copy, smaller = CopySource(CFLD).predict([(source, source), (source, target)])
    assert np.array_equal(copy, source.image) and smaller.shape == (30, 12, 3)


@pytest.mark.parametrize("pattern, name", [(None, "a_to_b.png"), (None, "a_2_b.png"), ("{target}.x.png", "b.x.png")])
def test_results_made_elsewhere(tmp_path, pattern, name):
    source, target = record("a"), record("b", 1)
    Image.fromarray(target.image).save(tmp_path / name)
    folder = Folder(tmp_path, CFLD, pattern)
    assert np.array_equal(folder.predict([(source, target)])[0], target.image) and folder.name == tmp_path.name
    larger = Record("b", "x", "y", noise(100, 80, 3))
    assert folder.predict([(source, larger)])[0].shape == (100, 80, 3)
    with pytest.raises(TrainingError, match="no result for the pair b → a"):
        folder.predict([(target, source)])
    (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(TrainingError, match="cannot be read as a picture"):
        folder.predict([(source, target)])


@pytest.mark.parametrize("pattern", ["{who}.png", "{source}.png", "{target", "{0}{target}"])
def test_patterns_that_name_no_pair(tmp_path, pattern):
    with pytest.raises(TrainingError, match="pattern"):
        Folder(tmp_path, CFLD, pattern)
    with pytest.raises(TrainingError, match="no folder"):
        Folder(tmp_path / "none", CFLD)


def test_kept_pictures_are_made_once(tmp_path):
    asked = []

    class Copy:
        name = "copy"

        def predict(self, pairs):
            asked.extend(pair[1].name for pair in pairs)
            return [source.image for source, _ in pairs]

    pairs = [(record("a"), record("b", 1)), (record("b", 1), record("a"))]
    first = KeptPictures(Copy(), tmp_path / "copy", {"seed": 0}).predict(pairs[:1])
    again = KeptPictures(Copy(), tmp_path / "copy", {"seed": 0}).predict(pairs)
    assert asked == ["b", "a"] and np.array_equal(first[0], again[0]) and np.array_equal(again[1], pairs[1][0].image)
    with pytest.raises(TrainingError, match="were made otherwise: seed"):
        KeptPictures(Copy(), tmp_path / "copy", {"seed": 1})
    (tmp_path / "copy" / "made_by.json").unlink()
    with pytest.raises(TrainingError, match="says what made them"):
        KeptPictures(Copy(), tmp_path / "copy", {"seed": 0})


# Poses


def test_pose_error_is_in_percent_of_the_height():
    wanted = np.zeros((18, 3), np.float32)
    wanted[:5] = [[10, 0, 1], [10, 50, 1], [10, 100, 1], [90, 90, 0.5], [5, 5, 1]]
    found = wanted.copy()
    found[:, 2] = 1
    found[0, 0] += 3
    found[1, 1] += 4
    found[4, 2] = 0
    assert pose_error(wanted, found) == {"pose_error": pytest.approx(7 / 3), "pose_right": 0.75, "pose_found": 0.75}
    assert pose_error(wanted, found, height=200)["pose_error"] == pytest.approx(7 / 6)
    far = pose_error(wanted, found, height=70)
    assert far["pose_right"] == 0.5 and far["pose_found"] == 0.75, "4 of 70 pixels are more than 5 %"
    nobody = pose_error(wanted, np.zeros((18, 3)))
    assert nobody["pose_found"] == 0 and math.isnan(nobody["pose_error"])
    assert all(math.isnan(value) for value in pose_error(np.zeros((18, 3)), found).values())


def test_pose_of_a_photo_against_itself_and_shifted():
    from devtools.host import ROOT

    photo = np.array(Image.open(ROOT / "workflows" / "inputs" / "mannequin_source.png").convert("RGB"))
    target = Record("a", "x", "y", photo)
    shifted = np.roll(photo, 6, axis=1)
    same, apart, none = PoseError().measure([(target, target)] * 3, [photo, shifted, np.full_like(photo, 128)])
    assert same == {"pose_error": 0, "pose_right": 1, "pose_found": 1}
    seen = find_keypoints(photo)
    height = np.ptp(seen[seen[:, 2] > 0.5, 1])
    assert apart["pose_error"] == pytest.approx(600 / height, rel=0.3) and apart["pose_found"] > 0.8
    assert none["pose_found"] == 0
    with_parsing = Record("b", "x", "y", photo, {"parsing": np.ones(photo.shape[:2], np.uint8), "keypoints": seen})
    (found,) = PoseError().measure([(with_parsing, with_parsing)], [shifted])
    assert found["pose_error"] == pytest.approx(apart["pose_error"] * height / len(photo), rel=1e-4)
