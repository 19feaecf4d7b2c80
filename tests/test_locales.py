"""The nodes in other languages: all of them, in that language, with every number and name of the English words."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from devtools import locale_template
from devtools.host import ROOT, comfyui_folder
from devtools.locale_template import LOCALES

#: Letters that every tooltip and description of a language has; where they are English's own, it has other words.
SCRIPTS = {
    "zh": r"[\u4e00-\u9fff]",
    "zh-TW": r"[\u4e00-\u9fff]",
    "ja": r"[\u3040-\u30ff]",
    "ko": r"[\uac00-\ud7af]",
    "fr": r"[a-z]",
    "de": r"[a-z]",
    "es": r"[a-z]",
    "ru": r"[\u0400-\u04ff]",
}
FILES = ("main.json", "nodeDefs.json")
#: Of two languages in one script: characters that only the other one writes.
FOREIGN = {
    "zh": "這為從載樣個來時動發對關開應實與圖數點權視節",
    "zh-TW": "这为从载样个来时动发对关开应实与图数点权视节",
}
#: Words that no text keeps; a widget's values, which are not translated, have others.
ENGLISH = {"the", "of", "with", "which", "where", "from"}
#: Names of methods, models, files and sockets.
KEPT = re.compile(r"\w+(?:[/_]\w+)+|\w*[a-z][A-Z]\w*|[A-Z]{2,}\w*")
#: Nodes of the host, which its own translations name, and a word that has one in Chinese.
TRANSLATED = {"KSampler", "SamplerCustom", "SamplerCustomAdvanced", "BasicScheduler", "RescaleCFG", "SNR"}


def read(language: str, name: str) -> dict:
    return json.loads((LOCALES / language / name).read_text(encoding="utf-8"))


def leaves(words: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text, and the keys that lead to it."""
    for key, value in words.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


TEXTS = {language: dict(leaves(read(language, "nodeDefs.json"))) for language in ("en", *SCRIPTS)}
#: What is read as sentences; the other texts are names.
SENTENCES = {path: text for path, text in TEXTS["en"].items() if path[-1] in ("description", "tooltip")}


@cache
def nodes_named(text: str) -> list[str]:
    """Ids of our nodes that an English text names, the longest names first; another pack's may begin alike."""
    named = []
    titles = {path[0]: title for path, title in TEXTS["en"].items() if path[-1] == "display_name"}
    for node, title in sorted(titles.items(), key=lambda entry: -len(entry[1])):
        text, count = re.subn(re.escape(title) + r"(?! ?[A-Z])", "", text) if " " in title else (text, 0)
        named += [node] * bool(count)
    return named


@pytest.mark.parametrize("name", FILES)
def test_the_template_is_what_the_nodes_say(name):
    there = (LOCALES / "en" / name).read_text(encoding="utf-8")
    assert there == locale_template.files()[name], "run 'python -m devtools.locale_template' and translate what changed"


def test_these_are_the_languages():
    assert {folder.name for folder in LOCALES.iterdir()} == {"en", *SCRIPTS}


#: In a process of its own: other packages' modules may stand under the names of the host's here.
SERVED = """
import json, sys
import folder_paths
from app.custom_node_manager import CustomNodeManager

folder_paths.get_folder_paths = lambda name: [sys.argv[1]]
sys.stdout.buffer.write(json.dumps(CustomNodeManager().build_translations()).encode())
"""


def test_the_host_serves_them(tmp_path):
    """Read by the host's own code, as it answers /i18n."""
    shutil.copytree(LOCALES, tmp_path / "mannequin-pose" / "locales")
    command = [sys.executable, "-c", SERVED, str(tmp_path)]
    made = subprocess.run(command, cwd=comfyui_folder(), capture_output=True, check=True)
    served = json.loads(made.stdout)
    for language in ("en", *SCRIPTS):
        assert served[language] == read(language, "main.json") | {"nodeDefs": read(language, "nodeDefs.json")}


def test_they_are_published():
    ignored = (ROOT / ".comfyignore").read_text(encoding="utf-8") + (ROOT / ".gitignore").read_text(encoding="utf-8")
    assert not re.search(r"locales|json", ignored)


@pytest.mark.parametrize("language", ["en", *SCRIPTS])
class TestFiles:
    def test_they_are_written_alike(self, language):
        """UTF-8 without a mark, and one way to lay out JSON: what differs between two versions is words."""
        assert {path.name for path in (LOCALES / language).iterdir()} == {*FILES}
        for name in FILES:
            text = (LOCALES / language / name).read_bytes().decode("utf-8").replace("\r\n", "\n")
            assert text == locale_template.text_of(json.loads(text))

    @pytest.mark.parametrize("name", FILES)
    def test_nothing_is_missing_and_nothing_is_left_over(self, language, name):
        assert [path for path, _ in leaves(read(language, name))] == [path for path, _ in leaves(read("en", name))]

    @pytest.mark.parametrize("name", FILES)
    def test_every_front_end_shows_them_as_they_are(self, language, name):
        """Older ones take these signs for placeholders, newer ones show what would escape them."""
        for path, text in leaves(read(language, name)):
            assert text and text == text.strip() and not re.search(r"[{}@|]", text), path

    def test_no_category_would_be_two(self, language):
        assert not [text for _, text in leaves(read(language, "main.json")) if "/" in text]


@pytest.mark.parametrize("language", SCRIPTS)
class TestTexts:
    def test_they_are_in_the_language(self, language):
        for path, english in SENTENCES.items():
            text = TEXTS[language][path]
            assert text != english and re.search(SCRIPTS[language], text), path
            assert not {*re.findall(r"[\w-]+", text)} & ENGLISH and not {*text} & {*FOREIGN.get(language, "")}, path

    def test_names_are_in_the_language(self, language):
        paths = [path for path in TEXTS["en"] if path[-1] == "display_name"]
        alike = [path[0] for path in paths if TEXTS[language][path] == TEXTS["en"][path]]
        assert alike == ["MannequinSourceNet"]
        assert len({TEXTS[language][path] for path in paths}) == len(paths)

    def test_one_name_is_translated_one_way(self, language):
        """An input that several nodes have is called alike on all of them."""
        found = {}
        for path, name in TEXTS["en"].items():
            if path[-1] == "name":
                found.setdefault((path[1], name), set()).add(TEXTS[language][path])
        assert not [(name, words) for name, words in found.items() if len(words) > 1]

    def test_no_node_has_two_inputs_of_one_name(self, language):
        for node, words in read(language, "nodeDefs.json").items():
            names = [entry["name"] for entry in words["inputs"].values()]
            assert len({*names}) == len(names), node

    def test_numbers_are_kept(self, language):
        for path, english in TEXTS["en"].items():
            if path[-1] != "display_name":
                text = TEXTS[language][path]
                assert Counter(re.findall(r"\d+", text)) == Counter(re.findall(r"\d+", english)), (path, text)

    def test_names_of_methods_and_files_are_kept(self, language):
        widgets = {path[2] for path in TEXTS["en"] if path[1] == "inputs"}
        widgets |= {text for path, text in TEXTS["en"].items() if path[1] == "outputs" and path[-1] == "name"}
        for path, english in SENTENCES.items():
            kept = {*KEPT.findall(english)} - widgets - TRANSLATED
            assert not [name for name in kept if name.removesuffix("s") not in TEXTS[language][path]], path

    def test_other_nodes_are_named_as_they_are_shown(self, language):
        for path, english in SENTENCES.items():
            for node in nodes_named(english):
                assert TEXTS[language][node, "display_name"] in TEXTS[language][path], path
