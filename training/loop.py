"""The training loop: the same samples on one CPU or many GPUs, and the same run however often it is stopped."""

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from . import checkpoints
from .autoencoders import load_autoencoder
from .data.records import People
from .draws import Draws
from .examples import Examples, Shares, collate, loader, on_device
from .grids import save_grid
from .logs import Log
from .methods import METHODS
from .optimisers import optimisers
from .recipe import Recipe
from .sampling import WEIGHTS, options_metadata
from .stopping import Stop, signals

#: What a run leaves: the file for the nodes, which says how many steps it took.
STEPS_KEY = "mannequin.training_steps"
#: Batches of training data over which a method may finish.
FINISHING = 16


class Run:
    """One recipe's run, from its last checkpoint on.

    Args:
        recipe: what to do.
        people: what is trained on.
        held_out: what sample grids show; None shows training pairs.
    """

    def __init__(self, recipe: Recipe, people: People, held_out: People | None = None) -> None:
        self.recipe, self.people, self.held_out = recipe, people, held_out or people
        self.accelerator = Accelerator(
            mixed_precision=recipe.precision,
            gradient_accumulation_steps=recipe.accumulate,
            # A method drops conditions, and with them whole networks, from some steps.
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        method = METHODS[recipe.method](recipe.options, recipe.seed)
        if checkpoints.latest(recipe.out) is None:
            method.begin()
        data = recipe.data
        self.examples = Examples(method, people, recipe.seed, data.cache, data.targets, data.drawn)
        self.bare = method
        self.method, *self.optimizers = self.accelerator.prepare(
            method, *optimisers(method.trained(), recipe.optimiser)
        )
        # Not prepared: accelerate would step them once for every process.
        self.schedules = [
            get_scheduler(
                "constant_with_warmup" if recipe.optimiser.decay == "constant" else "cosine",
                optimizer,
                num_warmup_steps=recipe.optimiser.warmup,
                num_training_steps=recipe.steps,
            )
            for optimizer in self.optimizers
        ]
        self.accelerator.register_for_checkpointing(*self.schedules)
        self.average: EMAModel | None = None
        if recipe.ema:
            self.average = EMAModel(method.trained(), decay=recipe.ema, use_ema_warmup=True, power=0.75)
            self.average.to(self.accelerator.device)
            self.accelerator.register_for_checkpointing(self.average)
        self.step = self._resume()

    def _resume(self) -> int:
        checkpoint = checkpoints.latest(self.recipe.out)
        if checkpoint is None:
            return 0
        self.accelerator.load_state(checkpoint)
        return checkpoints.step_of(checkpoint)

    def train(self) -> Path:
        """Do what is left of the run; the weight file.

        Raises:
            KeyboardInterrupt: after the checkpoint is written.
        """
        self.recipe.out.mkdir(parents=True, exist_ok=True)
        if self.step < self.recipe.steps:
            with signals() as stopping:
                self._train(stopping)
        if self.accelerator.is_main_process:
            self._write_weights()
        self.accelerator.wait_for_everyone()
        return self.recipe.out / WEIGHTS

    def _train(self, stopping: Stop) -> None:
        recipe, accelerator = self.recipe, self.accelerator
        main = accelerator.is_main_process
        log = Log(recipe.out, self.step) if main else None
        shares = Shares(
            self.step,
            recipe.steps,
            recipe.sources,
            accelerator.process_index,
            accelerator.num_processes,
            recipe.accumulate,
        )
        window: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=accelerator.device))
        begun, first = time.monotonic(), self.step
        batches = iter(loader(self.examples, shares, recipe.data.workers))
        with tqdm(total=recipe.steps, initial=self.step, disable=not main, desc=recipe.method, unit="step") as bar:
            while self.step < recipe.steps:
                norm = self._update(batches, window)
                self.step += 1
                bar.update()
                if recipe.log_every and self.step % recipe.log_every == 0:
                    values = self._means(window)
                    if log is not None:
                        rate = (self.step - first) * recipe.batch / (time.monotonic() - begun)
                        total = sum(values.values())
                        bar.set_postfix_str(f"loss {total:.4f}, {rate:.1f} samples/s")
                        log.add(
                            {"step": self.step, "samples": self.step * recipe.batch, "loss": total, **values}
                            | {"gradient_norm": float(norm), "learning_rate": self._rate(), "samples_per_second": rate}
                        )
                if main and recipe.grid_every and self.step % recipe.grid_every == 0:
                    self._grid()
                stop = _asked(stopping, accelerator)
                if stop or self.step == recipe.steps or _due(self.step, recipe.checkpoint_every):
                    self._checkpoint()
                if stop:
                    raise KeyboardInterrupt
        if log is not None:
            log.close()

    def _update(self, batches: Iterator[dict[str, Tensor]], window: dict[str, Tensor]) -> Tensor:
        recipe, accelerator = self.recipe, self.accelerator
        norm = torch.zeros(())
        for _ in range(recipe.accumulate):
            batch = on_device(next(batches), accelerator.device)
            draws = Draws(recipe.seed, batch.pop("number").tolist(), self.step, accelerator.device)
            with accelerator.accumulate(self.method):
                terms = self.method(batch, draws)
                accelerator.backward(sum(terms.values()))
                if accelerator.sync_gradients and recipe.optimiser.clip:
                    norm = accelerator.clip_grad_norm_(self.bare.trained(), recipe.optimiser.clip)
                for optimizer in self.optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            for name, value in terms.items():
                window[name] = window[name] + value.detach().float() / recipe.accumulate
            window["updates"] = window["updates"] + 1 / recipe.accumulate
        for schedule in self.schedules:
            schedule.step()
        if self.average is not None:
            self.average.step(self.bare.trained())
        return norm

    def _means(self, window: dict[str, Tensor]) -> dict[str, float]:
        updates = window.pop("updates")
        values = {name: float(self.accelerator.reduce(value / updates, "mean")) for name, value in window.items()}
        window.clear()
        return values

    def _rate(self) -> float:
        return float(self.schedules[0].get_last_lr()[0])

    def _checkpoint(self) -> None:
        checkpoints.save(
            self.recipe.out,
            self.step,
            lambda folder: self.accelerator.save_state(folder),
            self.recipe.keep,
            self.accelerator.is_main_process,
            self.accelerator.wait_for_everyone,
        )

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block, the method has its weights' moving average."""
        if self.average is None:
            yield
            return
        self.average.store(self.bare.trained())
        self.average.copy_to(self.bare.trained())
        try:
            yield
        finally:
            self.average.restore(self.bare.trained())

    def _grid(self) -> None:
        recipe = self.recipe
        decoder = load_autoencoder(recipe.data.autoencoder) if recipe.data.autoencoder else None
        examples = Examples(self.bare, self.held_out, recipe.seed)
        places = [i * len(examples.groups) // recipe.grid for i in range(recipe.grid)]
        batch = on_device(collate([examples.group(place) for place in places]), self.accelerator.device)
        draws = Draws(recipe.seed, places, 0, self.accelerator.device)
        self.bare.eval()
        with self.averaged(), torch.no_grad():
            columns = self.bare.show(batch, draws, decoder)
        self.bare.train()
        folder = recipe.out / "grids"
        folder.mkdir(exist_ok=True)
        checkpoints.replace_file(folder / f"{self.step:08d}.png", lambda path: save_grid(path, columns))

    def _write_weights(self) -> None:
        with self.averaged():
            method = copy.deepcopy(self.bare).cpu()
        examples = Examples(method, self.people, self.recipe.seed)
        shares = Shares(0, FINISHING, min(self.recipe.batch, len(examples.groups)))
        method.eval()
        method.finish(loader(examples, shares, 0))
        tensors, metadata = method.weights()
        tensors = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
        metadata |= options_metadata(self.recipe.method, self.recipe.options) | {STEPS_KEY: str(self.step)}
        checkpoints.replace_file(self.recipe.out / WEIGHTS, lambda path: save_file(tensors, path, metadata))


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _asked(stop: Stop, accelerator: Accelerator) -> bool:
    """Whether any process was asked to stop; every one hears of it at the same step."""
    if accelerator.num_processes == 1:
        return stop.heard
    return bool(accelerator.reduce(torch.tensor(float(stop.heard), device=accelerator.device), "sum") > 0)
