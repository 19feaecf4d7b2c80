"""The set-up of ``dev.py``: what it takes for ready, and what it never does to the Python it was started with."""

import subprocess
import sys
from pathlib import Path

import pytest

from devtools import environment


def make_host(folder: Path, *requirements: str) -> Path:
    folder.mkdir()
    (folder / "main.py").touch()
    (folder / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
    return folder


def test_torch_and_the_large_packages_are_left_to_us(tmp_path: Path):
    requirements = (
        "torch",
        "torchvision>=0.2",
        "torchaudio",
        "comfyui_embedded-docs==1",
        "front==1.2 # why",
        "#",
        "x~=2",
    )
    host = make_host(tmp_path / "host", *requirements)
    assert environment._requirements(tmp_path, host) == ["front==1.2", "x~=2", *environment.TOOLS]


def test_requirements_of_the_pack_are_part_of_the_stamp(tmp_path: Path):
    host = make_host(tmp_path / "host")
    before = environment._fingerprint(tmp_path, host)
    (tmp_path / "requirements.txt").write_text("einops", encoding="utf-8")
    assert environment._fingerprint(tmp_path, host) != before


def test_wrong_comfyui_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(environment.COMFYUI_VARIABLE, str(tmp_path))
    with pytest.raises(environment.SetupError, match="no ComfyUI in it"):
        environment.ensure(tmp_path)


def test_failed_command_names_its_log(tmp_path: Path):
    with pytest.raises(environment.SetupError, match=r"setup\.log") as failed:
        environment._logged(tmp_path, "a thing", [sys.executable, "-c", "raise SystemExit('no such luck')"])
    assert "no such luck" in str(failed.value)


def test_half_deleted_environment_is_made_again(tmp_path: Path):
    """Without its pyvenv.cfg it is the Python it was made from, and pip would install into that one."""
    python = environment._virtual_environment(tmp_path)
    (tmp_path / "venv" / "pyvenv.cfg").unlink()
    environment._virtual_environment(tmp_path)
    prefix = subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).strip()
    assert Path(prefix).samefile(tmp_path / "venv")


def test_nothing_is_installed_outside_an_environment(tmp_path: Path):
    base = Path(sys.base_prefix) / ("python.exe" if sys.platform == "win32" else "bin/python3")
    with pytest.raises(environment.SetupError, match="virtualenv"):
        environment._pip(tmp_path, base, "install", "--no-index", "mannequin-no-such-package")
