"""IMAGPose's user scenarios as predictors (section 4.1, Figs. 7 and 8), by one set of weights.

T1 repeats the target's pose, T2 the source; T3 has other pictures of the person beside the source; "several" generates
other poses of theirs at once, of which the first is taken. Joint pictures are encoded and decoded as one, as the nodes
do it.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from preprocessors.joint_views import Fill

from .autoencoders import Autoencoder
from .data.records import People, Record
from .draws import Draws, number_of
from .errors import TrainingError
from .examples import Example, collate, on_device
from .grids import to_pictures
from .methods.imagpose import IMAGPose
from .methods.joint_latents import EncodedLatents
from .methods.joint_pictures import OTHERS
from .sampling import load_method

Scenario = Literal["T1", "T2", "T3", "several"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)


class IMAGPoseScenario:
    """A predictor of pictures.

    Args:
        method: with its weights, on the autoencoder's device; it reads pictures from now on, not latents.
        people: whose pairs say which other pictures a source's person has.
        steps, guidance: of DDIM; None takes the recipe's.
        seed: of the noise and of the choice of other pictures, which depend on a pair's names alone.
        batch: pairs at once.
    """

    def __init__(
        self,
        method: IMAGPose,
        autoencoder: Autoencoder,
        people: People,
        scenario: Scenario,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int = 0,
        batch: int = 16,
    ) -> None:
        self.name, self.method, self.autoencoder, self.people = f"IMAGPose, {scenario}", method, autoencoder, people
        self.scenario, self.steps, self.guidance, self.seed, self.batch = scenario, steps, guidance, seed, batch
        method.latents = EncodedLatents(autoencoder.encode)
        self._of: dict[str, list[str]] = defaultdict(list)
        for source, target in people.pairs:
            self._of[source].append(target)

    def others(self, source: Record, target: Record) -> list[Record]:
        """Up to two other pictures of the person, in an order of their own for every pair."""
        names = [name for name in self._of[source.name] if name not in (source.name, target.name)]
        order = np.random.default_rng([self.seed, number_of(f"{source.name}>{target.name}")]).permutation(len(names))
        return [self.people.record(names[place]) for place in order[: OTHERS - 1]]

    @torch.no_grad()
    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        """The sources in the targets' poses, uint8 ``[H, W, 3]``; of generated pictures only the poses are read."""
        return [pictures[0] for pictures in self._generated([self._views(source, target) for source, target in pairs])]

    @torch.no_grad()
    def together(self, groups: Sequence[tuple[Record, Sequence[Record]]]) -> list[list[np.ndarray]]:
        """A source in up to three targets' poses, generated at once: for every group the targets' pictures."""
        return self._generated([([source], list(targets)) for source, targets in groups])

    def _generated(self, views: Sequence[tuple[list[Record], list[Record]]]) -> list[list[np.ndarray]]:
        """Of joint pictures of sources and targets, a picture of every target."""
        made: dict[int, list[np.ndarray]] = {}
        rows: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, (sources, targets) in enumerate(views):
            rows[len(sources), len(targets)].append(place)
        for counts, places in rows.items():
            for start in range(0, len(places), self.batch):
                part = places[start : start + self.batch]
                examples = [self._example(*views[place]) for place in part]
                firsts = ((sources[0].name, targets[0].name) for sources, targets in (views[place] for place in part))
                numbers = [number_of(f"{source}>{target}") for source, target in firsts]
                made |= zip(part, self._pictures(examples, numbers, counts), strict=True)
        return [made[place] for place in range(len(views))]

    def _views(self, source: Record, target: Record) -> tuple[list[Record], list[Record]]:
        """The sources and the targets of a pair's joint picture."""
        others = self.others(source, target) if self.scenario in ("T3", "several") else []
        return ([source, *others], [target]) if self.scenario == "T3" else ([source], [target, *others])

    def _example(self, sources: list[Record], targets: list[Record]) -> Example:
        views = [self.method.read_target(record) for record in (*sources[1:], *targets)]
        return Example(self.method.read_source(sources[0]), views, 0)

    def _pictures(self, examples: list[Example], numbers: list[int], counts: tuple[int, int]) -> list[list[np.ndarray]]:
        device = next(self.autoencoder.parameters()).device
        batch = on_device(collate(examples), device)
        fill: Fill = "sources" if self.scenario in ("T2", "T3") else "target poses"
        layout = self.method.layout(batch, *counts, fill)
        noise = Draws(self.seed, numbers, 0, device).normal(*self.method.noise_shape(batch))
        latents = self.method.scenario(batch, layout, noise, self.steps, self.guidance)
        views = self.method.targets_of(self.autoencoder.decode(latents), layout)
        return [list(row) for row in zip(*(to_pictures(view).numpy() for view in views), strict=True)]


def load_scenario(path: Path, autoencoder: Autoencoder, people: People, scenario: str, **options) -> IMAGPoseScenario:
    """From the weights that ``training.train`` wrote.

    Args:
        options: of :class:`IMAGPoseScenario`.

    Raises:
        TrainingError: the file is none of ours, or of another method; or there is no such scenario.
    """
    if scenario not in SCENARIOS:
        raise TrainingError(f"'{scenario}' is no scenario of IMAGPose, which are: {', '.join(SCENARIOS)}.")
    method = load_method(path)
    if not isinstance(method, IMAGPose):
        raise TrainingError(f"'{path}' is of {method.name}, and IMAGPose's weights are needed.")
    device = next(autoencoder.parameters()).device
    return IMAGPoseScenario(method.to(device), autoencoder, people, scenario, **options)
