"""House habits: what pull requests run, what forms ask, how the papers are cited, and that what is named exists."""

import re

import pytest
import yaml
from project import PROJECT, relative

import dev
from devtools.host import ROOT

GITHUB = ROOT / ".github"
FORMS = [GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature")]
FILES = [*sorted(GITHUB.rglob("*.yml")), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"]
#: Texts for developers: what they name is in the clone.
NAMING = [ROOT / "CONTRIBUTING.md", GITHUB / "pull_request_template.md", GITHUB / "workflows" / "tests.yml"]
#: Made by dev.py, and a pattern's other half.
NOT_THERE = {".mannequin/"}
COMMAND = re.compile(r"python dev\.py (\w+)((?: --[a-z]+)*)")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")
PATH = re.compile(r"`([\w.<>*-]+/[\w.<>*/-]*|[\w<>*]+\.(?:py|md|json|yml|cff))`")


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_it_is_yaml(path):
    assert isinstance(read(path), dict)


@pytest.mark.parametrize("path", [*NAMING, ROOT / "README.md"], ids=relative)
def test_commands_that_are_named_exist(path):
    named = COMMAND.findall(path.read_text(encoding="utf-8"))
    assert named and {command for command, _ in named} <= dev.COMMANDS.keys()


@pytest.mark.parametrize("path", NAMING[:2], ids=relative)
def test_paths_that_are_named_exist(path):
    """``<method>`` stands for any one that is there."""
    named = {re.sub("<.*?>", "*", name) for name in PATH.findall(path.read_text(encoding="utf-8"))} - NOT_THERE
    assert len(named) > 2
    folders = (ROOT, ROOT / "tests", ROOT / "model_patches")
    assert [name for name in named if not any(path for folder in folders for path in folder.glob(name))] == []


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")], ids=relative)
def test_links_lead_somewhere(path):
    """To a file of the clone, and to a heading where they name one."""
    for file, heading in LINK.findall(path.read_text(encoding="utf-8")):
        target = path.parent / file if file else path
        assert target.exists(), file
        if heading:
            headings = re.findall("^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}, heading


class TestPullRequests:
    jobs = read(GITHUB / "workflows" / "tests.yml")["jobs"]

    def test_the_quick_part_runs_everywhere(self):
        matrix = self.jobs["quick"]["strategy"]["matrix"]
        assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
        assert f">={matrix['python'][0]}" == PROJECT["requires-python"]
        assert self.jobs["quick"]["steps"][-1] == {"run": "python dev.py test --quick"}

    def test_they_may_only_read(self):
        workflow = read(GITHUB / "workflows" / "tests.yml")
        # YAML 1.1 takes "on" for true.
        assert {"pull_request", "push"} == workflow[True].keys()
        assert workflow["permissions"] == {"contents": "read"}

    def test_style_is_what_pre_commit_runs(self):
        (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
        assert [hook["id"] for hook in repository["hooks"]] == ["ruff-check", "ruff-format"]
        assert any("pre_commit run --all-files" in step.get("run", "") for step in self.jobs["style"]["steps"])

    def test_the_quick_part_is_files_without_a_server(self):
        module, words = dev.module_and_arguments("test", ["--quick"])
        files = [ROOT / word for word in words[len(dev.TOGETHER) :]]
        assert module == "pytest" and words[: len(dev.TOGETHER)] == dev.TOGETHER and len(files) == len(dev.QUICK)
        for file in files:
            assert file.name in {path.name for path in (ROOT / "tests").iterdir()}
            asked = re.findall(r"\bdef test\w*\((.*?)\)", file.read_text(encoding="utf-8"), re.DOTALL)
            words = {word for arguments in asked for word in re.findall(r"\w+", arguments)}
            assert not words & {"server", "client", "front_end", "made_home", "made_python"}, file

    def test_slow_and_quick_are_words_of_ours_and_the_rest_is_pytests(self):
        _, words = dev.module_and_arguments("test", ["--slow", "-k", "x"])
        assert words == ["-m", "", "-k", "x"]
        _, words = dev.module_and_arguments("test", ["--quick", "-x"])
        assert words == [*(f"tests/test_{name}.py" for name in dev.QUICK), "-x"]


class TestForms:
    @pytest.mark.parametrize("path", FORMS, ids=relative)
    def test_a_form_is_one(self, path):
        form = read(path)
        assert form.keys() == {"name", "description", "labels", "body"}
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        names = [field["id"] for field in fields]
        assert len({*names}) == len(names) > 2
        assert all(field["type"] in ("input", "textarea") and field["attributes"]["label"] for field in fields)
        assert any(field.get("validations") == {"required": True} for field in fields)

    def test_a_bug_comes_with_version_log_and_graph(self):
        asked = {field.get("id"): field for field in read(FORMS[0])["body"]}
        assert all(asked[name]["validations"]["required"] for name in ("comfyui", "log", "graph"))
        (floor,) = re.findall(r"ComfyUI ([\d.]+\d) or newer", (ROOT / "README.md").read_text(encoding="utf-8"))
        assert f"needs {floor} or newer" in asked["comfyui"]["attributes"]["description"]

    def test_links_lead_into_the_repository(self):
        repository = PROJECT["urls"]["Repository"]
        for link in read(GITHUB / "ISSUE_TEMPLATE" / "config.yml")["contact_links"]:
            place = re.fullmatch(rf"{repository}/(?:tree|blob)/main/(.+)", link["url"])[1]
            assert (ROOT / place).exists() and link["about"]


class TestCitation:
    """What the Citation File Format 1.2.0 requires, and what the README says of the papers."""

    cited = read(ROOT / "CITATION.cff")

    def test_of_the_pack(self):
        assert {"cff-version", "message", "title", "authors"} <= self.cited.keys()
        assert self.cited["cff-version"] == "1.2.0" and self.cited["type"] == "software"
        assert self.cited["version"] == PROJECT["version"]
        assert self.cited["repository-code"] == PROJECT["urls"]["Repository"]
        assert self.cited["license"] in (ROOT / "README.md").read_text(encoding="utf-8")

    def test_of_the_papers(self):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        papers = re.findall(r'^\| \w+ \((\w+).*?, "(.+?)"\)', readme, re.MULTILINE)
        references = self.cited["references"]
        assert len(papers) == len(references) == 5
        for (first, title), reference in zip(papers, references, strict=True):
            assert {"type", "title", "authors"} <= reference.keys()
            assert reference["title"].endswith(title) and reference["authors"][0]["family-names"] == first
            assert all(author.keys() == {"given-names", "family-names"} for author in reference["authors"])
            assert isinstance(reference.get("year", 0), int)
            for identifier in reference.get("identifiers", ()):
                assert identifier["type"] == "other" and re.fullmatch(r"arXiv:\d{4}\.\d{5}", identifier["value"])


def test_what_is_for_developers_is_not_published():
    ignored = (ROOT / ".comfyignore").read_text(encoding="utf-8").split()
    assert {".github/", ".pre-commit-config.yaml", "CONTRIBUTING.md", "dev.py", "devtools/", "tests/"} <= {*ignored}
