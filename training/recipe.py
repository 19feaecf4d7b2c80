"""A training run in a YAML file: everything that decides its result is in it."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from .data.records import People
from .errors import TrainingError
from .methods import METHODS
from .yaml_files import STRICT, read_mapping, valid


@dataclass(frozen=True)
class Data:
    """What is trained on.

    Attributes:
        people: a store made by ``python -m training.preprocess``.
        size: height and width that its pictures are to have, which is looked at before the first step; None takes any.
        held_out: another, for sample grids; without it the grids show training pairs.
        autoencoder: decodes sample grids.
        cache: keep what was read of every record in memory.
        workers: processes that read, beside the one that trains.
        targets: of a source, which passes through its network once for all of them.
        drawn: whether they are drawn anew each time, with replacement, of all pictures of the source's person, itself
            among them, at least one another: IMAGPose's four views. Otherwise each has its turn.
    """

    __pydantic_config__: ClassVar = STRICT
    people: Path
    size: tuple[int, int] | None = None
    held_out: Path | None = None
    autoencoder: Path | None = None
    cache: bool = False
    workers: int = 0
    targets: int = 1
    drawn: bool = False


@dataclass(frozen=True)
class Optimiser:
    """AdamW.

    Attributes:
        muon: whether matrices, convolutions' among them, are Muon's instead; ``betas`` are not for them.
        warmup: steps in which the rate rises from 0.
        decay: whether it falls to 0 along a cosine by the last step.
        clip: largest norm of the gradient; 0 does not clip.
    """

    __pydantic_config__: ClassVar = STRICT
    learning_rate: float = 1e-5
    muon: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    warmup: int = 0
    decay: Literal["constant", "cosine"] = "constant"
    clip: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """One run.

    Attributes:
        method: name of a file in ``methods/``.
        options: the method's own.
        out: folder of the run: checkpoints, log, grids, weights.
        steps: updates of the weights.
        batch: targets of an update, over all processes and micro-batches.
        accumulate: micro-batches an update is computed in.
        ema: decay of the weights' moving average, which is what is saved; 0 keeps none.
        precision: of the forward pass.
        log_every, checkpoint_every, grid_every: in steps; 0 does not.
        keep: how many checkpoints.
        grid: how many pairs a sample grid shows.
    """

    __pydantic_config__: ClassVar = STRICT
    method: str
    data: Data
    out: Path
    steps: int
    batch: int
    options: Any = None
    optimiser: Optimiser = field(default_factory=Optimiser)
    accumulate: int = 1
    ema: float = 0.0
    precision: Literal["no", "bf16", "fp16"] = "no"
    seed: int = 0
    log_every: int = 10
    checkpoint_every: int = 500
    keep: int = 2
    grid_every: int = 0
    grid: int = 6

    @property
    def sources(self) -> int:
        """Of an update, each with its targets.

        Raises:
            TrainingError: targets do not divide the batch.
        """
        targets = self.data.targets
        if self.batch % targets:
            raise TrainingError(
                f"A batch of {self.batch} cannot be made of sources with {targets} targets each. Choose a multiple of "
                f"{targets}, or other data.targets."
            )
        return self.batch // targets


def read_recipe(path: Path, changes: dict[str, Any] | None = None) -> Recipe:
    """A recipe from its file; ``changes`` are values by dotted name, such as ``{"options.caa": False}``.

    A file with ``of: OTHER.yaml`` is the file beside it, but for what it says itself.

    Raises:
        TrainingError: no such file, no YAML, or values that mean nothing.
    """
    content = _content(path)
    for name, value in (changes or {}).items():
        set_value(content, name.split("."), value)
    recipe = valid(Recipe, content, path, "recipe")
    method = METHODS.get(recipe.method)
    if method is None:
        raise TrainingError(f"There is no method '{recipe.method}' in '{path}'; there is {', '.join(sorted(METHODS))}.")
    return replace(recipe, options=valid(method.Options, recipe.options or {}, path, "recipe"))


def check_size(people: People, data: Data) -> None:
    """Look at the first picture's size, where the recipe says one.

    Raises:
        TrainingError: it has another.
    """
    if data.size is None or not people.names:
        return
    found = people.record(people.names[0]).image.shape[:2]
    if found != data.size:
        (height, width), (high, wide) = found, data.size
        raise TrainingError(
            f"The pictures of '{data.people}' are {height}×{width}, and the recipe is for {high}×{wide}. Make the "
            f"store with size={high}x{wide} (python dev.py training preprocess), or write data.size=[{height},{width}]."
        )


def _content(path: Path, of: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a file says, and those that it is made of; ``of`` are the files that are made of it."""
    if path in of:
        raise TrainingError(f"The recipe '{path}' is made of itself. Take a line 'of' out.")
    content = read_mapping(path, "recipe")
    other = content.pop("of", None)
    return content if other is None else _over(_content(path.parent / str(other), (*of, path)), content)


def _over(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A recipe with another's values over its own, name by name."""
    both = {
        name: _over(content[name], value) if isinstance(value, dict) and isinstance(content.get(name), dict) else value
        for name, value in changes.items()
    }
    return content | both


def set_value(content: dict[str, Any], names: list[str], value: Any) -> None:
    """Put a value where its dotted name says."""
    for name in names[:-1]:
        content = content.setdefault(name, {})
    content[names[-1]] = value
