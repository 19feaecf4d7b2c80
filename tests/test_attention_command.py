"""Where networks look: what uniform attention gives, site by site, and the command's table."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_methods import OPTIONS, recipe
from training_people import NoisePeople, store

from training import attention
from training.attention import attention_shares
from training.loop import Run
from training.methods import METHODS


def looking_nowhere(name: str, keys: str):
    """A method whose keys of the source are all alike."""
    method = METHODS[name](replace(OPTIONS[name], correspondence=1.0), 0).eval()
    with torch.no_grad():
        for key, parameter in method.named_parameters():
            if key.endswith(f"{keys}.weight"):
                parameter.zero_()
    return method


def test_keys_that_are_all_alike_give_the_uniform_share():
    method = looking_nowhere("truepose", "to_k")
    shares = attention_shares(method, NoisePeople(), 6, 900)
    assert set(shares) == set(method.sites)
    for share, uniform in shares.values():
        assert 0 < uniform < 1 and share == pytest.approx(uniform, rel=1e-5)


def test_where_the_pictures_own_tokens_share_the_softmax_the_source_has_the_rest():
    """MCLD: 8×6 tokens of the target and 8×8 of the map, or 4×3 and 4×4: all alike, and each has its part."""
    shares = attention_shares(looking_nowhere("mcld", "to_k"), NoisePeople(), 6, 900)
    for share, uniform in shares.values():
        assert share == pytest.approx(uniform * 64 / (48 + 64), rel=1e-5)


def test_the_command_writes_a_table_of_every_network(tmp_path, capsys):
    people = NoisePeople()
    with torch.inference_mode(False), torch.enable_grad():
        files = [
            str(Run(replace(recipe(tmp_path / name, name), steps=1), people).train()) for name in ("truepose", "mcld")
        ]
    data, out = store(people, tmp_path / "store"), tmp_path / "table.md"
    names = ["--name", "one", "--name", "two"]
    assert attention.main([str(data), *files, *names, "--pairs", "3", "--out", str(out)]) == 0
    lines = out.read_text().splitlines()
    assert capsys.readouterr().out.splitlines() == lines
    assert lines[0] == "| site | one | two |"
    sites = METHODS["truepose"](OPTIONS["truepose"], 0).sites
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {site}" for site in sites]
    shipped = [Path(file).rename(tmp_path / f"demo_{number}.safetensors") for number, file in enumerate(files)]
    assert attention.main([str(data), *map(str, shipped), "--pairs", "3"]) == 0
    assert capsys.readouterr().out.startswith("| site | demo_0 | demo_1 |\n")
    assert attention.main([str(data), *map(str, shipped), "--name", "same", "--name", "same"]) == 1
    assert capsys.readouterr().err == "Two weight files have one name. Tell them apart with a --name for each.\n"
    files = list(map(str, shipped))
    assert attention.main([str(data), *files, "--name", "one"]) == 1
    assert capsys.readouterr().err == "There are 2 weight files and 1 names.\n"
