"""Small networks of IMAGPose's training, and people as users compute what it reads."""

import functools
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_methods import OPTIONS
from test_training_preprocess import computed
from training_people import NoiseViews

from training.autoencoders import TinyAutoencoder
from training.data.records import Record
from training.methods.imagpose import IMAGPose
from training.preprocessing.step import Setup


def made(**changes) -> IMAGPose:
    """A network whose parts do something: what begins at zero would hide what it is given."""
    with torch.inference_mode(False):
        method = IMAGPose(replace(OPTIONS["imagpose"], **{"drop_both": 0.0, "correspondence": 0.0} | changes), 0)
        awake(method.modules_)
    return method


@torch.no_grad()
def awake(modules) -> None:
    """The same change in both hosts."""
    generator = torch.Generator().manual_seed(1)
    for key, value in sorted(modules.state_dict().items()):
        if not key.endswith(".pe"):
            value.add_(0.05 * torch.randn(value.shape, generator=generator))


def with_steps(names: list[str], setup: Setup) -> NoiseViews:
    """The same people, and what some steps make of their pictures in the noise's place."""
    people = NoiseViews()
    plain = people.record

    @functools.cache
    def record(name: str) -> Record:
        fields = {field: value for field, value in plain(name).fields.items() if field not in names}
        return computed(names, setup, replace(plain(name), fields=fields))

    people.record = record
    return people


def write_vae(file: Path) -> Path:
    """An untrained autoencoder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(TinyAutoencoder().state_dict(), file)
    return file
