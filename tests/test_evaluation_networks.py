"""Metrics of networks and of sets of features against their formulas and against other packages."""

import importlib.util
import math
import warnings

import numpy as np
import pytest
import torch
from few_people import Few, noise, record
from generated import pack
from scipy import linalg

from training.data.records import Pair, Record
from training.errors import TrainingError
from training.evaluation import face_metric, inception, perceptual
from training.evaluation.image_metrics import frechet_distance
from training.evaluation.kernel_distance import kernel_distance, kernel_interval
from training.evaluation.predictors import CopySource
from training.evaluation.protocols import PROTOCOLS
from training.evaluation.run import Evaluation

CFLD, PIDM = PROTOCOLS["cfld"], PROTOCOLS["pidm"]


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
