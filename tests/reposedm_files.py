"""Files of gradient guidance that fit a test: an untrained pose estimator and decoder."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from devtools import untrained
from training.autoencoders import TinyAutoencoder


@functools.cache
def field_files(channels: int = 4) -> dict[str, Path]:
    """``estimator`` and ``decoder`` of a recipe's options."""
    folder = Path(tempfile.mkdtemp(prefix="mannequin-field-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    state, header = untrained.estimator_state()
    # Heat over about half of a picture.
    save_file(state | {"final_layers.1.bias": torch.full((17,), 0.006)}, folder / "estimator.safetensors", header)
    with torch.inference_mode(False), torch.random.fork_rng():
        torch.manual_seed(0)
        network = TinyAutoencoder(channels)
    save_file(network.state_dict(), folder / "decoder.safetensors")
    return {name: folder / f"{name}.safetensors" for name in ("estimator", "decoder")}
