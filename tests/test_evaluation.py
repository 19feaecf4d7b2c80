"""Metrics against their formulas, predictors against what they must paint, and tables against what they must say."""

import importlib.util
import math
import warnings

import numpy as np
import pytest
import torch
from generated import pack
from PIL import Image
from scipy import linalg

from preprocessors.labels import LIP_20
from training.data.records import Pair, Record
from training.errors import TrainingError
from training.evaluation import face_metric, inception, perceptual
from training.evaluation.bootstrap import confidence_interval
from training.evaluation.columns import Column
from training.evaluation.image_metrics import frechet_distance, psnr, psnr_inside
from training.evaluation.kept_pictures import KeptPictures
from training.evaluation.kernel_distance import kernel_distance, kernel_interval
from training.evaluation.pixel_metrics import Differences, GarmentColours, Structure
from training.evaluation.pose_metric import PoseError, find_keypoints, pose_error
from training.evaluation.predictors import CopySource, Folder, GarmentMean
from training.evaluation.protocols import PROTOCOLS, counted
from training.evaluation.resampling import resized
from training.evaluation.run import Evaluation, Figure, Outcome, choose_pairs, differences
from training.evaluation.sheets import CAPTION, CELL, GAP, contact_sheet, pose_picture
from training.evaluation.tables import Row, Table, markdown, pairs_csv, summary_csv

CFLD, PIDM = PROTOCOLS["cfld"], PROTOCOLS["pidm"]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def record(name: str, seed: int = 0, size: tuple[int, int] = (64, 56), **fields: np.ndarray) -> Record:
    return Record(name, "someone", "something", noise(*size, 3, seed=seed), fields)


class Few:
    """A data set in memory."""

    def __init__(self, *records: Record, pairs: list[Pair] | None = None) -> None:
        self._records = {record.name: record for record in records}
        self.names = list(self._records)
        self.pairs = pairs or [Pair(a, b) for a in self.names for b in self.names if a != b]

    def record(self, name: str) -> Record:
        return self._records[name]


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


# Networks of generated weights


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    """AlexNet's convolutions in torchvision's format."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("alexnet") / "alexnet-owt-generated.pth"
    state = {f"features.{key}": value for key, value in alexnet(weights=None).features.state_dict().items()}
    torch.save(state | {"classifier.6.bias": torch.zeros(1000)}, file)
    return file


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_lpips_is_the_packages(alexnet, protocol):
    lpips = pytest.importorskip("lpips")
    state = torch.load(alexnet, weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for slice_name in ("slice1", "slice2", "slice3", "slice4", "slice5"):
        for number, layer in getattr(reference.net, slice_name).named_children():
            if hasattr(layer, "weight"):
                layer.weight.data, layer.bias.data = (
                    state[f"features.{number}.weight"],
                    state[f"features.{number}.bias"],
                )
    truth, made = record("a"), noise(64, 56, 3, seed=1)
    unit = [torch.from_numpy(picture).permute(2, 0, 1)[None] / 255 for picture in (truth.image, made)]
    seen = [value * 2 - 1 for value in unit] if protocol is CFLD else unit
    metric = perceptual.Perceptual(perceptual.load_lpips(alexnet), protocol)
    first, second = metric.measure([(truth, truth)] * 2, [made, truth.image])
    assert first["lpips"] == pytest.approx(float(reference(*seen)), rel=1e-5) and first["lpips"] > 0
    assert second["lpips"] == 0 and metric.batch == (64 if protocol is PIDM else 0)


@pytest.mark.parametrize("load", [perceptual.load_lpips, inception.load_inception])
def test_files_that_are_something_else(tmp_path, load):
    pytest.importorskip("lpips")
    with pytest.raises(TrainingError, match="There is no file .* is expected"):
        load(tmp_path / "none.pth")
    for content in ({"features.0.weight": torch.zeros(3)}, {"state": {"a": torch.zeros(1)}}, [1], {"a": 1}):
        torch.save(content, tmp_path / "file.pth")
        with pytest.raises(TrainingError, match="download.pytorch.org"):
            load(tmp_path / "file.pth")
    for name in ("file.pth", "file.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(TrainingError, match="is expected"):
            load(tmp_path / name)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Inception-v3 of generated weights, read from torchvision's format."""
    from torchvision.models import inception_v3

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("inception") / "inception_v3_google-generated.pth"
    generated = inception_v3(weights=None, init_weights=False)
    for layer in generated.modules():
        if isinstance(layer, torch.nn.Conv2d):
            # Or nothing of the picture is left after ninety layers.
            torch.nn.init.kaiming_normal_(layer.weight)
    torch.save(generated.state_dict(), file)
    return inception.load_inception(file)


def test_features_are_what_the_classifier_sees(network):
    from torchvision.models import inception_v3
    from torchvision.models.feature_extraction import create_feature_extractor

    whole = inception_v3(weights=None, init_weights=False, transform_input=False).eval()
    whole.load_state_dict({k: v for k, v in network.network.state_dict().items()} | whole.fc.state_dict(prefix="fc."))
    picture = noise(20, 16, 3)
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(picture).permute(2, 0, 1)[None] / 255, (299, 299), mode="bilinear", align_corners=False
    )
    # The published code shifts pictures in 0…1 as if they had been normalised for ImageNet.
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    shifted = ((pixels.movedim(1, -1) * deviation + mean - 0.5) / 0.5).movedim(-1, 1)
    wanted = create_feature_extractor(whole, ["avgpool"])(shifted)["avgpool"].flatten(1)
    found = network.features([picture, noise(30, 30, 3)])
    assert found.shape == (2, 2048)
    assert found.std() > 1e-3 and np.allclose(found[:1], wanted.numpy(), rtol=1e-3, atol=1e-4 * found.std())


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    for name in ("insightface", "onnx"):
        pytest.importorskip(name)
    return face_metric.load_face_metric(pack(tmp_path_factory.mktemp("insightface") / "buffalo_s"))


def face(colour: tuple[int, int, int]) -> np.ndarray:
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[240:304, 176:240] = colour
    return picture


def test_faces_are_compared_to_the_target_and_the_source(faces):
    red, crimson, nobody = (
        Record(name, "x", "y", picture)
        for name, picture in (("red", face((255, 40, 20))), ("crimson", face((255, 20, 120))), ("no", face((0, 0, 0))))
    )
    same, other, hidden, unasked = faces.measure(
        [(crimson, red), (red, crimson), (red, crimson), (red, nobody)],
        [red.image, red.image, nobody.image, red.image],
    )
    assert same["face_similarity"] == pytest.approx(1) and same["face_distance"] == pytest.approx(0, abs=1e-3)
    one, two = faces.vector(red.image), faces.vector(crimson.image)
    assert other["face_similarity"] == pytest.approx(one @ two / np.linalg.norm(one) / np.linalg.norm(two), rel=1e-5)
    assert other["face_distance"] == pytest.approx(np.sqrt(((one - two) ** 2).sum()), rel=1e-5)
    assert same["face_similarity_source"] == pytest.approx(other["face_similarity"], rel=1e-4)
    assert other["face_similarity_source"] == pytest.approx(1) and other["face_distance"] > 1
    assert (same["face_found"], hidden["face_found"]) == (1, 0) and math.isnan(hidden["face_similarity"])
    assert math.isnan(unasked["face_found"]) and unasked["face_similarity_source"] == pytest.approx(1)


# Sets of features


def test_kernel_distance_is_its_formula():
    truth, made = np.random.default_rng(0).normal(size=(7, 4)), np.random.default_rng(1).normal(size=(9, 4)) + 1

    def kernel(a, b):
        return (sum(x * y for x, y in zip(a, b, strict=True)) / 4 + 1) ** 3

    def among(features):
        n = len(features)
        return sum(kernel(features[i], features[j]) for i in range(n) for j in range(n) if i != j) / n / (n - 1)

    between = sum(kernel(a, b) for a in truth for b in made) / len(truth) / len(made)
    assert kernel_distance(truth, made) == pytest.approx(among(truth) + among(made) - 2 * between)


def test_kernel_distance_is_torch_fidelitys():
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity is not installed")
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    truth, made = torch.randn(50, 16), torch.randn(50, 16) * 1.3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = kid_features_to_metric(truth, made, kid_subsets=1, kid_subset_size=50, verbose=False)
    assert kernel_distance(truth.numpy(), made.numpy()) == pytest.approx(found[KEY_METRIC_KID_MEAN], rel=1e-4)


def test_kernel_distance_of_one_distribution_is_unbiased_and_its_interval_has_it():
    generator = np.random.default_rng(0)
    found, hits = [], 0
    for seed in range(60):
        truth, made = generator.normal(size=(2, 40, 6))
        found.append(kernel_distance(truth, made))
        low, high = kernel_interval(truth, made, paired=False, resamples=200, seed=seed)
        hits += low <= 0 <= high
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(len(found)) and hits >= 50
    apart = generator.normal(size=(2, 40, 6)) + np.array([0, 1])[:, None, None]
    low, high = kernel_interval(*apart, paired=True)
    assert 0 < low < kernel_distance(*apart) < high
    assert kernel_interval(*apart, paired=True) == (low, high)


@pytest.mark.parametrize("count", [5, 400])
def test_frechet_distance_with_few_and_many_features(count):
    truth, made = np.random.default_rng(0).normal(size=(2, count, 24)).astype(np.float32)
    assert frechet_distance(truth, truth) == pytest.approx(0, abs=1e-6)
    means = ((truth.mean(0) - made.mean(0)) ** 2).sum()
    covariances = [np.cov(features.astype(np.float64), rowvar=False) for features in (truth, made)]
    # A little noise gives the product a root in numbers.
    noisy = [covariance + 1e-9 * np.eye(24) for covariance in covariances]
    root = linalg.sqrtm(noisy[0] @ noisy[1]).real
    assert frechet_distance(truth, made) == pytest.approx(means + np.trace(sum(covariances) - 2 * root), rel=1e-3)
    assert frechet_distance(truth[:1].repeat(3, 0), made) == pytest.approx(
        ((truth[0] - made.mean(0)) ** 2).sum() + np.trace(covariances[1]), rel=1e-4
    )


# Runs


class Mean:
    """A metric whose figures are known: the result's mean, and nothing where it is dark."""

    columns = (Column("mean", "mean", "higher", 1), Column("never", "never", "lower", 1))
    needs = "it never is"

    def __init__(self, batch: int = 0) -> None:
        self.batch = batch

    def measure(self, pairs, made):
        means = [float(picture.mean()) for picture in made]
        return [{"mean": mean if mean > 10 else math.nan, "never": math.nan} for mean in means]


def flat(name: str, value: int) -> Record:
    return Record(name, "x", "y", np.full((8, 8, 3), value, np.uint8))


def test_a_run_measures_every_pair_once():
    people = Few(*(flat(f"p{value}", value) for value in (0, 20, 40, 60)))
    told = []
    evaluation = Evaluation(CFLD, people, people.pairs, [Mean()], batch=5, shown=7)
    outcome = evaluation.run("copy", CopySource(CFLD), told.append)
    assert told == [5, 5, 2] and len(outcome.pictures) == 7 and outcome.sizes == {(8, 8)}
    wanted = [float(pair.source[1:]) or math.nan for pair in people.pairs]
    assert np.array_equal(outcome.values["mean"], wanted, equal_nan=True)
    figures = evaluation.figures(outcome)
    assert figures.keys() == {"mean"} and figures["mean"].mean == 40 and figures["mean"].count == 9
    assert 20 <= figures["mean"].low < 40 < figures["mean"].high <= 60


def test_the_last_partial_batch_is_dropped_where_the_protocol_does():
    assert [counted(count, 64) for count in (10, 64, 100, 500)] == [10, 64, 64, 448] and counted(500, 0) == 500
    people = Few(*(flat(f"p{value}", value) for value in (20, 40, 60)))
    values = Evaluation(PIDM, people, people.pairs, [Mean(4)]).run("copy", CopySource(PIDM)).values["mean"]
    assert values[:4].tolist() == [20, 20, 40, 40] and np.isnan(values[4:]).all()


def test_differences_are_taken_pair_by_pair():
    def outcome(*values):
        return Outcome(
            "x",
            {"mean": np.array(values), "none": np.full(len(values), np.nan)},
            None,
            [],
            set(),
            [str(number) for number in range(len(values))],
        )

    found = differences(outcome(1, 20, math.nan, math.inf), outcome(0.5, 19.5, 3, math.inf))
    assert found == {"mean": Figure(0.5, 0.5, 0.5, 2)}


def test_fid_and_kid_of_the_targets_themselves_and_of_others(network):
    people = Few(*(record(f"p{seed}", seed, (12, 10)) for seed in range(3)))
    pairs = [Pair("p0", "p1"), Pair("p1", "p2"), Pair("p2", "p0")]
    evaluation = Evaluation(CFLD, people, pairs, [], network)
    assert evaluation.real_names() == ["p1", "p2", "p0"]
    figures = evaluation.figures(evaluation.run("copy", CopySource(CFLD)))
    assert figures["fid"].mean == pytest.approx(0, abs=1e-4) and figures["fid"].count == 3
    features = evaluation.real_features()
    assert math.isnan(figures["fid"].low)
    assert figures["kid_times_1000"].mean == pytest.approx(
        1000 * kernel_distance(features, features[[2, 0, 1]], paired=True), rel=1e-4
    )
    others = Few(*(record(f"q{seed}", seed + 9, (12, 10)) for seed in range(4)))
    apart = Evaluation(CFLD, people, pairs, [], network, real=others)
    assert apart.real_features().shape == (4, 2048)
    assert apart.figures(apart.run("copy", CopySource(CFLD)))["fid"].mean > 0.01


@pytest.mark.parametrize("made", [[], [noise(8, 9, 3)], [np.zeros((8, 8, 3), np.float32)]])
def test_predictors_that_give_something_else(made):
    class Wrong:
        name = "wrong"

        def predict(self, pairs):
            return made

    people = Few(flat("a", 1), flat("b", 2), pairs=[Pair("a", "b")])
    with pytest.raises(TrainingError, match="'wrong' gave"):
        Evaluation(CFLD, people, people.pairs, []).run("wrong", Wrong())


def test_pairs_are_drawn_by_the_seed():
    pairs = [Pair(str(number), "x") for number in range(100)]
    drawn = choose_pairs(pairs, 10, 0)
    assert len(set(drawn)) == 10 and drawn == sorted(drawn, key=pairs.index)
    assert drawn == choose_pairs(pairs, 10, 0) != choose_pairs(pairs, 10, 1)
    assert choose_pairs(pairs, None, 0) == choose_pairs(pairs, 200, 0) == pairs
    with pytest.raises(TrainingError, match="no pairs"):
        choose_pairs([], 3, 0)


# Tables and sheets


def table(**changes) -> Table:
    columns = (
        Column("up", "Up", "higher", 2),
        Column("down", "Down", "lower", 1),
        Column("hidden", "Hidden", "lower", 1, shown=False),
        Column("unknown", "Unknown", "lower", 1),
    )
    nan = math.nan
    rows = (
        Row("one", {"up": Figure(0.501, 0.4, 0.6, 9), "down": Figure(3, 2, 4, 9), "hidden": Figure(1, 1, 1, 9)}),
        Row("t|wo", {"up": Figure(0.499, 0.4, 0.6, 9), "down": Figure(2, nan, nan, 9)}),
        Row("bound", {"up": Figure(math.inf, nan, nan, 9)}, ranked=False),
    )
    return Table(CFLD, 9, "64 × 56", columns, **{"rows": rows, "notes": ["LPIPS: not measured."]} | changes)


def test_a_table_names_its_protocol_and_marks_the_best():
    lines = markdown(table()).splitlines()
    assert "**cfld**" in lines[0] and "9 pairs" in lines[0] and "64 × 56" in lines[0] and "σ = 1.5" in lines[0]
    assert lines[2:6] == [
        "| cfld, 9 pairs | one | t\\|wo | bound |",
        "| --- | ---: | ---: | ---: |",
        # Equal in the digits shown: both are the best.
        "| Up ↑ | **0.50** (0.40 … 0.60) | **0.50** (0.40 … 0.60) | ∞ |",
        "| Down ↓ | 3.0 (2.0 … 4.0) | **2.0** | – |",
    ]
    assert lines[6:] == ["", "- LPIPS: not measured."]
    assert "| Down ↓ | 0.0 (0.0 … -0.1) |" in markdown(table(rows=[Row("x", {"down": Figure(-0.04, 0, -0.06, 1)})]))
    alone = table(rows=table().rows[::2])
    assert not alone.best(alone.columns[0]), "one that is compared with nothing is no best"


def test_csv_has_everything():
    lines = summary_csv(table()).splitlines()
    assert lines[0] == "protocol,pairs,size,predictor,metric,better,mean,low,high,count"
    assert lines[1] == "cfld,9,64 × 56,one,up,higher,0.501,0.4,0.6,9" and len(lines) == 7
    assert lines[5] == "cfld,9,64 × 56,t|wo,down,lower,2,,,9"
    values = {"one": {"up": np.array([0.25, math.nan]), "down": np.array([1, 2.5])}}
    assert pairs_csv(PIDM, [Pair("a", "b"), Pair("b", "a")], values, table().columns).splitlines() == [
        "protocol,predictor,source,target,up,down",
        "pidm,one,a,b,0.25,1",
        "pidm,one,b,a,,2.5",
    ]


def test_a_sheet_has_a_row_a_pair_and_a_column_a_predictor():
    keypoints = np.zeros((18, 3), np.float32)
    keypoints[:3] = [[28, 10, 1], [28, 20, 1], [10, 25, 0.5]]
    first, second = record("a", size=(64, 48)), record("b", 1, (64, 48), keypoints=keypoints)
    red, blue = (np.full((64, 48, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    pairs = [(first, second), (second, first)]
    sheet = np.asarray(
        contact_sheet(pairs, [("a name that is too long to be shown whole", [red, blue])], "protocol cfld")
    )
    width = round(CELL * 48 / 64)
    assert sheet.shape == (2 * CAPTION + GAP + 2 * (CELL + CAPTION + GAP), 4 * (width + GAP) + GAP, 3)
    x, y = GAP + 3 * (width + GAP) + width // 2, 2 * CAPTION + GAP + CELL // 2
    assert sheet[y, x].tolist() == [255, 0, 0] and sheet[y + CELL + CAPTION + GAP, x].tolist() == [0, 0, 255]
    assert (sheet[CAPTION : 2 * CAPTION, -GAP:] == 255).all(), "captions stay in their columns"
    assert pose_picture(second).any() and not pose_picture(first).any()
    assert pose_picture(second).shape == second.image.shape


def test_a_result_is_not_compared_with_its_own_target():
    """Results that resemble their own targets, of the targets' distribution: the distance is 0."""
    generator, found, hits = np.random.default_rng(0), [], 0
    for seed in range(60):
        truth = generator.normal(size=(40, 6))
        made = 0.9 * truth + math.sqrt(1 - 0.81) * generator.normal(size=truth.shape)
        found.append(kernel_distance(truth, made, paired=True))
        low, high = kernel_interval(truth, made, paired=True, resamples=200, seed=seed)
        assert low <= found[-1] <= high
        hits += low <= 0 <= high
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(len(found)) and hits >= 50


def test_people_are_drawn_whole():
    generator, hits, alone = np.random.default_rng(0), 0, 0
    for seed in range(100):
        values = np.repeat(generator.normal(size=30), 10) + 0.1 * generator.normal(size=300)
        low, high = confidence_interval(values, resamples=200, seed=seed, groups=np.arange(300) // 10)
        hits += low <= 0 <= high
        low, high = confidence_interval(values, resamples=200, seed=seed)
        alone += low <= 0 <= high
    assert hits >= 86 and alone < 60
