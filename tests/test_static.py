"""The host's conventions, held against the source and the schemas."""

import ast
import importlib.util
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from comfy_api.latest import io
from mannequin.nodes import NODES
from PIL import Image
from project import relative

import dev
from devtools import host
from devtools.host import ROOT

SHIPPED = [
    path
    for folder in ("nodes", "model_patches", "preprocessors", "training")
    for path in sorted((ROOT / folder).rglob("*.py"))
] + [ROOT / "__init__.py"]
#: What each folder may import of the others.
ARROWS = {
    "nodes": {"model_patches", "preprocessors"},
    "model_patches": set(),
    "preprocessors": set(),
    "training": {"model_patches", "preprocessors"},
}


def imports(tree: ast.AST):
    """Names of imported modules, with the dots of relative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
class TestNode:
    def test_schema(self, node):
        schema = node.GET_SCHEMA()
        assert node.__bases__ == (io.ComfyNode,)
        assert schema.node_id == node.__name__ and schema.node_id.startswith("Mannequin")
        assert schema.display_name and schema.category.startswith("Mannequin/")
        assert len(schema.description) > 40
        for socket in [*schema.inputs, *schema.outputs]:
            assert socket.tooltip and socket.tooltip.endswith((".", "noise)")), f"{socket} has no tooltip"

    def test_outputs_are_labelled_alike_on_every_host(self, node):
        """Without a display name, older versions show the type and newer ones the id."""
        outputs = node.GET_SCHEMA().outputs
        assert all(output.display_name for output in outputs)
        assert [output.display_name for output in outputs] == node.RETURN_NAMES

    def test_its_id_is_literal_in_the_source(self, node):
        """The Manager finds nodes by reading, not by running."""
        sources = [path.read_text(encoding="utf-8") for path in (ROOT / "nodes").glob("*.py")]
        assert sum(f'node_id="{node.__name__}"' in text for text in sources) == 1

    def test_inputs_are_the_arguments(self, node):
        import inspect

        arguments = inspect.signature(node.execute).parameters
        inputs = {socket.id: socket for socket in node.define_schema().inputs}
        assert arguments.keys() == inputs.keys()
        for name, socket in inputs.items():
            assert socket.optional == (arguments[name].default is not inspect.Parameter.empty), name

    def test_no_widget_takes_a_path_or_an_address(self, node):
        for socket in node.define_schema().inputs:
            assert not re.search(r"path|url|repo|dir|file", socket.id), socket.id

    def test_help_page(self, node):
        page = ROOT / "web" / "docs" / f"{node.__name__}.md"
        english = ROOT / "web" / "docs" / node.__name__ / "en.md"
        text = page.read_text(encoding="utf-8")
        assert text == english.read_text(encoding="utf-8"), "the host looks for either name"
        schema = node.define_schema()
        assert text.startswith(f"# {schema.display_name}\n")
        for socket in schema.inputs:
            assert f"`{socket.id}`" in text, f"the page does not explain {socket.id}"


def is_torch_load(called: ast.expr) -> bool:
    return ast.unparse(called) == "torch.load"


@pytest.mark.parametrize("path", SHIPPED, ids=relative)
class TestSource:
    def test_nothing_the_registry_flags(self, path):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        if relative(path).startswith("training/"):
            # Not in the published archive; it reads pickled weights, and nothing else in them.
            loads = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and is_torch_load(node.func)]
            assert len(loads) == text.count("torch.load(")
            assert all("weights_only=True" in map(ast.unparse, call.keywords) for call in loads)
            return
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"print", "eval", "exec", "open", "__import__"}
        modules = {name.split(".")[0] for name in imports(tree)}
        assert not modules & {"pickle", "subprocess", "requests", "urllib", "huggingface_hub", "shutil"}
        assert '"cuda"' not in text and ".cuda(" not in text and "torch.load(" not in text

    def test_no_bare_exception(self, path):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None
                caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
                assert not caught & {"Exception", "BaseException"}
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                assert node.exc.func.id not in {"Exception", "RuntimeError"}

    def test_arrows_point_one_way(self, path):
        folder = relative(path).split("/")[0]
        depth = len(relative(path).split("/")) - 1
        for name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            dots = len(name) - len(name.lstrip("."))
            if dots > depth or not dots:
                target = name.lstrip(".").split(".")[0]
                if target in ARROWS and target != folder and folder in ARROWS:
                    assert target in ARROWS[folder], f"{relative(path)} imports {target}"

    def test_who_knows_the_host(self, path):
        if relative(path).startswith(("nodes/", "model_patches/comfy_")) or path == ROOT / "__init__.py":
            return
        modules = {name.split(".")[0] for name in imports(ast.parse(path.read_text(encoding="utf-8")))}
        assert not modules & {"comfy", "comfy_api", "folder_paths", "comfy_extras"}

    def test_a_file_is_one_idea(self, path):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 430


def test_the_hosts_nodes_come_before_ours():
    """For what imports them behind this file, which imports dev.py."""
    assert importlib.util.find_spec("nodes").origin == str(host.comfyui_folder() / "nodes.py")


def test_loading_the_pack_imports_no_library_the_host_has_not_loaded():
    """In a fresh process: everything the host imports first, then the pack; what came with it is ours."""
    program = """
import json, sys
from devtools import host, torchvision_operators
sys.path.insert(0, str(host.comfyui_folder()))
torchvision_operators.install()
import comfy.cli_args
comfy.cli_args.args.cpu = True
import nodes, comfy_api.latest, comfy.sd, comfy.samplers, folder_paths
before = set(sys.modules)
host.import_host()
import asyncio, mannequin
extension = asyncio.run(mannequin.comfy_entrypoint())
asyncio.run(extension.get_node_list())
new = {name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
sys.stdout.write(json.dumps(sorted(new)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["mannequin"]


def test_project_metadata():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "mannequin-pose"
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["project"]["version"])
    assert {"face", "gpu", "training", "dev"} <= project["project"]["optional-dependencies"].keys()
    comfy = project["tool"]["comfy"]
    assert comfy["DisplayName"] == "Mannequin: Pose Transfer"
    floor = re.fullmatch(r">=(\d+\.\d+\.\d+)", comfy["requires-comfyui"])[1]
    assert f"ComfyUI {floor} or newer" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "web" / comfy["Icon"].rsplit("/", 1)[1]).is_file()
    assert (ROOT / "web" / comfy["Banner"].rsplit("/", 1)[1]).is_file()


def test_every_graph_has_a_thumbnail():
    graphs = {path.stem for path in (ROOT / "workflows").glob("*.json")}
    pictures = list((ROOT / "workflows").glob("*.jpg"))
    assert graphs and graphs == {path.stem for path in pictures}
    assert [path.name for path in pictures if path.stat().st_size > 50_000] == []


def test_a_thumbnail_is_the_graph_without_empty_canvas(tmp_path):
    from devtools.screenshot import save_thumbnail

    view = Image.new("RGB", (1600, 900), (20, 20, 20))
    view.paste((90, 90, 90), (300, 200, 700, 400))
    for file, wanted in (("small.jpg", (424, 224)), ("large.jpg", (1100, 157))):
        save_thumbnail(view, tmp_path / file)
        with Image.open(tmp_path / file) as picture:
            assert np.abs(np.subtract(picture.size, wanted)).max() <= 2
            assert picture.getpixel((picture.width // 2, picture.height // 2))[0] > 80
        view.paste((90, 90, 90), (40, 200, 1580, 400))


#: Commands that texts name, and where their programs lie.
COMMAND = re.compile(r"(?:python dev\.py |python -m )(training|bench)[ .]([a-z_.]*[a-z_])")
FOLDERS = {"training": "training", "bench": "benchmarks"}
TEXTS = [*SHIPPED, *ROOT.glob("*.md"), *(ROOT / "web").rglob("*.md"), *ROOT.glob("*/*.md")]


def test_every_command_that_is_named_exists():
    named = {(found[1], found[2]) for path in TEXTS for found in COMMAND.finditer(path.read_text(encoding="utf-8"))}
    there = {(word, name) for word, folder in FOLDERS.items() for name in dev.programs(ROOT / folder)}
    assert ("training", "convert") in named and named <= there


def test_the_published_pack_sends_nobody_to_what_it_lacks():
    """It has neither dev.py nor training: where one is named, so is the clone that has them."""
    for path in [path for path in TEXTS if relative(path).startswith(("nodes/", "model_patches/", "web/"))]:
        text = path.read_text(encoding="utf-8")
        if COMMAND.search(text):
            assert "clone" in text and "python dev.py training" in text, relative(path)
