"""One BoT training: the same for the same pictures, options and seed, however often it is stopped."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import checkpoints
from ..errors import TrainingError
from ..stopping import signals
from .augmentation import as_input, augmented
from .batches import people_and_pictures
from .bot import BotOptions
from .losses import CentreLoss, identity_loss, triplet_loss
from .network import make_network
from .pictures import Pictures

#: Epochs from one checkpoint to the next.
CHECKPOINT_EPOCHS = 5
_STATE = "state.pt"


class BotRun:
    """A training from its last checkpoint on.

    Args:
        pictures: of the training people, of the options' size.
        seed: of everything: weights, batches, augmentation.
        out: folder of its checkpoints; None keeps none.
        device: of the network.

    Raises:
        TrainingError: the checkpoint is of other pictures or options; there is one person only, or no such network.
    """

    def __init__(
        self, pictures: Pictures, options: BotOptions, seed: int, out: Path | None = None, device: str = "cpu"
    ) -> None:
        self.pictures, self.options, self.seed, self.out, self.device = pictures, options, seed, out, device
        numbers = {person: number for number, person in enumerate(sorted(set(pictures.people)))}
        self.whose = [numbers[person] for person in pictures.people]
        self.network = make_network(
            options.network, len(numbers), seed, options.last_stride, options.neck, options.weights
        ).to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.centres = CentreLoss(len(numbers), self.network.width).to(device)
        trained = [weight for weight in self.network.parameters() if weight.requires_grad]
        self.adam = torch.optim.Adam(trained, options.rate, weight_decay=options.weight_decay)
        self.sgd = torch.optim.SGD(self.centres.parameters(), options.centre_rate)
        #: Whole epochs, batches of the next one, and all batches that were learned from.
        self.epoch, self.batch, self.steps = 0, 0, 0
        # That there are two people is said before anything is trained.
        next(self._batches(0), None)
        self._resume()

    def train(self, done: Callable[[float], None] = lambda loss: None) -> None:
        """Do what is left.

        Args:
            done: called after every epoch with its mean loss.

        Raises:
            KeyboardInterrupt: after the checkpoint is written.
        """
        with signals() as stop:
            while self.epoch < self.options.epochs:
                losses = []
                self.adam.param_groups[0]["lr"] = self.options.rate_in(self.epoch + 1)
                for places in islice(self._batches(self.epoch), self.batch, None):
                    losses.append(self._update(places))
                    if stop.heard:
                        self._checkpoint()
                        raise KeyboardInterrupt
                self.epoch, self.batch = self.epoch + 1, 0
                done(float(np.mean(losses)) if losses else float("nan"))
                if self.epoch % CHECKPOINT_EPOCHS == 0 and self.epoch < self.options.epochs:
                    self._checkpoint()

    def _batches(self, epoch: int) -> Iterator[list[int]]:
        options, draw = self.options, np.random.default_rng([self.seed, epoch])

        def dealt() -> Iterator[list[int]]:
            return people_and_pictures(self.whose, options.people, options.each, draw)

        if options.epoch_steps is None:
            return dealt()
        return islice((batch for _ in count() for batch in dealt()), options.epoch_steps)

    def _update(self, places: list[int]) -> float:
        options = self.options
        draw = np.random.default_rng([self.seed, self.epoch, self.batch])
        shown = [augmented(self.pictures.images[place], options.augmentation, draw) for place in places]
        people = torch.tensor([self.whose[place] for place in places], device=self.device)
        self.network.train()
        before, _, logits = self.network(as_input(np.stack(shown)).to(self.device))
        loss = self._loss(before, logits, people)
        self.adam.zero_grad()
        self.sgd.zero_grad()
        loss.backward()
        self.adam.step()
        if options.centre:
            # The centres' own rate, whatever their loss counts for the network.
            self.centres.centres.grad /= options.centre
            self.sgd.step()
        self.batch, self.steps = self.batch + 1, self.steps + 1
        return float(loss.detach())

    def _loss(self, before: Tensor, logits: Tensor, people: Tensor) -> Tensor:
        """L_ID + L_triplet + β L_C (section 3.6)."""
        options = self.options
        loss = identity_loss(logits, people, options.smoothing)
        if options.triplet:
            loss = loss + options.triplet * triplet_loss(before, people, options.margin)
        return loss + options.centre * self.centres(before, people) if options.centre else loss

    def _digest(self) -> str:
        told = repr((self.seed, self.options, list(zip(self.pictures.names, self.whose, strict=True))))
        return hashlib.sha256(told.encode()).hexdigest()

    def _checkpoint(self) -> None:
        if self.out is None:
            return
        state = {
            "digest": self._digest(),
            "at": [self.epoch, self.batch, self.steps],
            **{name: part.state_dict() for name, part in self._parts().items()},
        }
        checkpoints.save(self.out, self.steps, lambda folder: torch.save(state, folder / _STATE), 1, True, lambda: None)

    def _parts(self) -> dict:
        return {"network": self.network, "centres": self.centres, "adam": self.adam, "sgd": self.sgd}

    def _resume(self) -> None:
        checkpoint = checkpoints.latest(self.out) if self.out is not None and self.out.is_dir() else None
        if checkpoint is None:
            return
        state = torch.load(checkpoint / _STATE, map_location=self.device, weights_only=True)
        if state["digest"] != self._digest():
            raise TrainingError(
                f"The checkpoint in '{self.out}' is of other pictures or options. Give another folder, or delete it."
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.epoch, self.batch, self.steps = state["at"]


@torch.no_grad()
def features(run: BotRun, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """What pictures uint8 ``[N, H, W, 3]`` are told apart by: after BNNeck (section 3.5), of length 1, ``[N, D]``."""
    run.network.eval()
    parts = [
        run.network(as_input(images[start : start + batch]).to(run.device))[1].float().cpu()
        for start in range(0, len(images), batch)
    ]
    return torch.nn.functional.normalize(torch.cat(parts), dim=1).numpy()
