"""The set-up of ``dev.py``: what it takes for ready, and what it never does to the Python it was started with."""

import subprocess
import sys
from pathlib import Path

import pytest

from devtools import environment

OPERATORS = "torchvision_operators"


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


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that counts as ready, with a package in it."""
    home = tmp_path / "home"
    monkeypatch.setenv(environment.HOME_VARIABLE, str(home))
    monkeypatch.delenv(environment.COMFYUI_VARIABLE, raising=False)
    home.mkdir()
    make_host(home / "comfyui")
    environment._virtual_environment(home)
    (home / "ready").write_text(environment._fingerprint(tmp_path, home / "comfyui"), encoding="utf-8")
    make_package(packages_of(environment._python(home)), "mannequin_below")
    environment.ensure(tmp_path)
    return home


def packages_of(python: Path) -> Path:
    return Path(
        subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)[:-1]
    )


def make_package(folder: Path, name: str, version: str = "1.0") -> None:
    """An installed package, as far as pip and Python look."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(f"version = {version!r}", encoding="utf-8")
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")


def operators(home: Path) -> list[Path]:
    """What an environment's Pythons call at their start, and what calls it."""
    packages = packages_of(environment._python(home))
    return [packages / f"mannequin_{OPERATORS}{suffix}" for suffix in (".py", ".pth")]


def said_by(python: Path, program: str) -> str:
    return subprocess.check_output([python, "-c", program], text=True).strip()


def test_another_host_has_an_environment_on_top(tmp_path: Path, base: Path):
    """It sees what lies below, and nothing is installed there."""
    folder = make_host(tmp_path / "other", "mannequin_below>=1")
    before = sorted(packages_of(environment._python(base)).iterdir())
    python, found = environment.ensure_host(tmp_path, folder)
    assert found == folder and python.is_relative_to(base / "hosts")
    assert said_by(python, "import mannequin_below; print(mannequin_below.version)") == "1.0"
    assert Path(said_by(python, "import sys; print(sys.prefix)")).samefile(python.parents[1])
    assert sorted(packages_of(environment._python(base)).iterdir()) == before


def test_what_another_host_wants_otherwise_comes_first(tmp_path: Path, base: Path):
    python, _ = environment.ensure_host(tmp_path, make_host(tmp_path / "other"))
    make_package(packages_of(python), "mannequin_below", "2.0")
    assert said_by(python, "import mannequin_below; print(mannequin_below.version)") == "2.0"
    assert said_by(environment._python(base), "import mannequin_below; print(mannequin_below.version)") == "1.0"


def test_environments_of_hosts_are_made_once(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_host(tmp_path / "other")
    python, _ = environment.ensure_host(tmp_path, folder)
    calls = []
    monkeypatch.setattr(environment, "_make_for_host", lambda *words: calls.append(words))
    environment.ensure_host(tmp_path, folder)
    assert not calls
    (folder / "requirements.txt").write_text("mannequin_below", encoding="utf-8")
    environment.ensure_host(tmp_path, folder)
    assert len(calls) == 1


def test_every_python_of_an_environment_declares_what_torchvision_asks_for(tmp_path: Path, base: Path):
    """One that was made before this was known too; another host's as well, which sees the one below."""
    for file in operators(base):
        file.unlink()
    python, _ = environment.ensure(tmp_path)
    other, _ = environment.ensure_host(tmp_path, make_host(tmp_path / "other"))
    for interpreter in (python, other):
        assert said_by(interpreter, "import sys; print(sys.meta_path[0].__module__)") == f"mannequin_{OPERATORS}"


def test_what_declares_them_is_written_once_and_again_when_it_has_changed(tmp_path: Path, base: Path):
    module, startup = operators(base)
    text, written = module.read_text("utf-8"), [file.stat().st_mtime_ns for file in (module, startup)]
    environment.ensure(tmp_path)
    assert [file.stat().st_mtime_ns for file in (module, startup)] == written
    module.write_text("broken", encoding="utf-8")
    environment.ensure(tmp_path)
    assert module.read_text("utf-8") == text and startup.stat().st_mtime_ns == written[1]


def test_two_folders_of_one_name_are_two_hosts(tmp_path: Path):
    first, second = tmp_path / "a" / "ComfyUI", tmp_path / "b" / "ComfyUI"
    assert environment.host_home(tmp_path, first) != environment.host_home(tmp_path, second)


def test_a_folder_without_a_host_is_told_in_a_sentence(tmp_path: Path):
    with pytest.raises(environment.SetupError, match="^The host is .*nowhere, and there is no ComfyUI in it"):
        environment.ensure_host(tmp_path, tmp_path / "nowhere")


def test_requirements_that_cannot_be_had_name_the_log(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = make_host(tmp_path / "other", "mannequin-no-such-package")
    with pytest.raises(environment.SetupError, match=r"setup\.log"):
        environment.ensure_host(tmp_path, folder)
    assert not (environment.host_home(tmp_path, folder) / "ready").exists()
