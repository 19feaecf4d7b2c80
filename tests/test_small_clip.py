"""The demo's image encoder: random, and white on the people it is for."""

import pytest
import torch
from safetensors.torch import save_file
from training_people import NoisePeople

from training.errors import TrainingError
from training.preprocessing.clip import load_clip_vision
from training.small_clip import NODE_FILE, _views, write_small_clip


def test_embeddings_of_people_have_no_mean_and_are_white(tmp_path):
    """On the very pictures; without people the mean is most of every embedding."""
    people = NoisePeople(20, size=(32, 32))
    sizes = {}
    for name, given in {"random": None, "white": people}.items():
        write_small_clip(tmp_path / name, people=given)
        encoder = load_clip_vision(tmp_path / name)
        embeddings = torch.cat(
            [encoder.embed(view) for each in people.names for view in _views(people.record(each), encoder.side)]
        )
        sizes[name] = float(embeddings.mean(0).norm() / embeddings.norm(dim=1).mean())
    assert sizes["random"] > 0.7 and sizes["white"] < 0.01, sizes
    deviation = embeddings.std(0)
    # Directions of next to no variance stay small instead of becoming noise; none is above one.
    assert float(deviation.max()) < 1.05 and float((deviation > 0.8).float().mean()) > 0.3


def test_the_nodes_file_is_the_folders_encoder(tmp_path):
    """To half precision, which the file is stored in."""
    write_small_clip(tmp_path)
    pictures = torch.rand(2, 40, 30, 3, generator=torch.Generator().manual_seed(0))
    folder, file = (load_clip_vision(place)(pictures) for place in (tmp_path, tmp_path / NODE_FILE))
    assert torch.allclose(file, folder, atol=0.02 * folder.abs().max()) and not torch.equal(file, folder)
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, other)
    with pytest.raises(TrainingError, match="is no small CLIP image encoder"):
        load_clip_vision(other)
