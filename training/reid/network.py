"""BoT's network: a ResNet whose last stage keeps its resolution, pooled, and BNNeck before the classifier."""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from ..evaluation.network_weights import read_state, torchvision_models

#: The small network's channels, for tests and demonstrations on a CPU: ``small`` or ``small:WIDTH``.
SMALL, SMALL_WIDTH = "small", 16
#: Of pictures that torchvision's weights were trained on.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ReidNetwork(nn.Module):
    """Pictures → features before BNNeck, features after it, and logits (section 3.5, Fig. 5).

    Args:
        backbone: ``[B, 3, H, W]`` → maps ``[B, width, h, w]``.
        width: of a feature.
        people: of the classifier, which has no bias.
        neck: whether there is BNNeck; without it both features are the same, and the classifier has a bias.
    """

    def __init__(self, backbone: nn.Module, width: int, people: int, neck: bool = True) -> None:
        super().__init__()
        self.backbone, self.width = backbone, width
        self.neck: nn.Module = nn.Identity()
        if neck:
            self.neck = nn.BatchNorm1d(width)
            # So that people lie around the origin, where cosine distance looks from.
            self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(width, people, bias=not neck)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        before = self.backbone(pictures).mean((2, 3))
        after = self.neck(before)
        return before, after, self.classifier(after)


def make_network(
    name: str, people: int, seed: int, last_stride: int = 1, neck: bool = True, weights: Path | None = None
) -> ReidNetwork:
    """A fresh network, the same for the same seed.

    Args:
        name: of a ResNet of torchvision, "resnet50" in the paper; or :data:`SMALL`, with ``:WIDTH`` behind it.
        last_stride: of the last stage (section 3.4); 1 in the paper, 2 in an ordinary ResNet.
        weights: a file of torchvision's, such as ``resnet50-0676ba61.pth``; its classifier is not used.

    Raises:
        TrainingError: there is no such network, or the file is of another one.
    """
    if last_stride not in (1, 2):
        raise TrainingError(f"last_stride is 1 or 2, not {last_stride}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, width = _small(name, last_stride) if name.startswith(SMALL) else _resnet(name, last_stride)
        network = ReidNetwork(backbone, width, people, neck)
    if weights is not None:
        _begin_from(backbone, name, weights)
    return network


def _resnet(name: str, last_stride: int) -> tuple[nn.Module, int]:
    """torchvision's network up to its last maps, its weights under their own names."""
    models = torchvision_models()
    known = models.list_models(include=["resnet*", "resnext*", "wide_resnet*"])
    if name not in known:
        raise TrainingError(f"There is no network '{name}'. Give {SMALL}, {SMALL}:WIDTH, or {', '.join(known)}.")
    network = models.get_model(name, weights=None)
    for module in network.layer4.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (last_stride, last_stride)
    stages = OrderedDict(network.named_children())
    width = stages.pop("fc").in_features
    del stages["avgpool"]
    return nn.Sequential(stages), width


def _small(name: str, last_stride: int) -> tuple[nn.Module, int]:
    """Four stages of one residual block each, every one twice as wide as the one before."""
    _, colon, said = name.partition(":")
    if name != SMALL and not (colon and said.isdigit() and int(said)):
        raise TrainingError(f"'{name}' is no small network. Write {SMALL}, or {SMALL}:WIDTH with a number of channels.")
    width = int(said) if colon else SMALL_WIDTH
    widths = [width * 2**stage for stage in range(4)]
    stages: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2))
    ]
    for before, after, stride in zip([width, *widths], widths, (1, 2, 2, last_stride), strict=False):
        stages.append(_Block(before, after, stride))
    return nn.Sequential(*stages), widths[-1]


class _Block(nn.Module):
    """Two convolutions and what passes them by (He et al., "Deep Residual Learning", 2016)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        self.beside = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(maps)) + self.beside(maps))


def _begin_from(backbone: nn.Module, name: str, file: Path) -> None:
    what = f"torchvision's {name} (https://pytorch.org/vision/stable/models.html)"
    state = {key: value for key, value in read_state(file, what).items() if not key.startswith("fc.")}
    try:
        backbone.load_state_dict(state)
    except RuntimeError as error:
        raise TrainingError(
            f"'{file}' is of another network than {name} ({' '.join(str(error).split())[:160]}…). {what} is expected."
        ) from error
