"""Many commands of this folder by one: ``python -m training.study STUDY.yaml --out DIR [NAME=VALUE …]``.

A study is a file in ``studies/``: values, and parts, each a command line in which ``{name}`` stands for a value, for
what is in DIR ({out}) or in the pack's folder ({pack}). Parts are run in their order, each in a process of its own, and
said before they are. A part that is done is not done again, and one that was stopped goes on, with the same command.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from .data import atomic
from .errors import INTERRUPTED, TrainingError, concluded
from .yaml_files import STRICT, read_mapping, valid

PACK = Path(__file__).resolve().parent.parent
#: In the study's folder: by the name of each part that is done, the words it was done with.
DONE = "done.json"


@dataclass(frozen=True)
class Part:
    """A command.

    Attributes:
        run: its words: a command of ``python -m training.…``, and what follows.
        minutes: that it took with the file's own values.
    """

    __pydantic_config__: ClassVar = STRICT
    run: str
    minutes: float


@dataclass(frozen=True)
class Study:
    """A file.

    Attributes:
        about: what it shows, and on which machine its minutes were measured.
        values: by name; one may name those before it.
        parts: by name, in the order in which they run.
    """

    __pydantic_config__: ClassVar = STRICT
    about: str
    values: dict[str, str | int | float]
    parts: dict[str, Part]


def read_study(path: Path) -> Study:
    """A study from its file.

    Raises:
        TrainingError: there is none, or it is not what a study is.
    """
    return valid(Study, read_mapping(path, "study"), path, "study")


def commands(study: Study, out: Path, changes: dict[str, Any]) -> dict[str, list[str]]:
    """Each part's words.

    Raises:
        TrainingError: a changed value is none of the study's, or something names a value that is none.
    """
    for name in changes:
        if name not in study.values:
            raise TrainingError(f"The study has no value '{name}'; it has {', '.join(study.values)}.")
    # Values are written as a shell has them, and may be several words: a folder may have spaces in its name.
    values = {"out": shlex.quote(str(out)), "pack": shlex.quote(str(PACK))}
    for name, value in (study.values | changes).items():
        values[name] = _filled(str(value), values, f"value '{name}'")
    return {name: shlex.split(_filled(part.run, values, f"part '{name}'")) for name, part in study.parts.items()}


def _filled(text: str, values: dict[str, str], where: str) -> str:
    try:
        return text.format_map(values)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise TrainingError(f"The study's {where} names a value that is none before it: {error}.") from error


def run(study: Study, out: Path, changes: dict[str, Any], only: Sequence[str] | None = None) -> str:
    """Do what is not done yet; where the tables are.

    Raises:
        TrainingError: a value or a part means nothing, or a part failed.
        KeyboardInterrupt: a part was stopped.
    """
    todo = commands(study, out, changes)
    for name in only or ():
        if name not in todo:
            raise TrainingError(f"The study has no part '{name}'; it has {', '.join(todo)}.")
    out.mkdir(parents=True, exist_ok=True)
    done = _done(out / DONE)
    left = [name for name in only or todo if done.get(name) != todo[name]]
    minutes = sum(study.parts[name].minutes for name in left)
    _say(f"{study.about.strip()}\n\nLeft to do: {len(left)} of {len(todo)} parts, {_time(minutes)} as measured.")
    for place, name in enumerate(left, 1):
        words = todo[name]
        _say(f"\n[{place}/{len(left)}] {name}, {_time(study.parts[name].minutes)}:\n  training {shlex.join(words)}\n")
        status = _status(words)
        if status in (INTERRUPTED, -signal.SIGINT):
            raise KeyboardInterrupt
        if status:
            raise TrainingError(f"The part '{name}' failed, and says why above. After that the same command goes on.")
        done[name] = words
        atomic.write(out, out / DONE, f"{json.dumps(done, indent=1)}\n".encode())
    return f"\nAll parts are done; their tables are in '{out}'.\n"


def _status(words: Sequence[str]) -> int:
    """A command's exit status. Ctrl-C is the command's own to answer: it may have to finish what it writes."""
    process = subprocess.Popen([sys.executable, "-m", f"training.{words[0]}", *words[1:]])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _done(path: Path) -> dict[str, list[str]]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        said = f"'{path}' is no JSON ({error}). Remove it: every part is then looked at again, and goes on."
        raise TrainingError(said) from error


def _time(minutes: float) -> str:
    return f"about {minutes / 60:.1f} h" if minutes >= 90 else f"about {minutes:.0f} min"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong, 130 after Ctrl-C."""
    from .train import change

    parser = argparse.ArgumentParser(
        prog="python -m training.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, metavar="STUDY.yaml", help="such as training/studies/five_methods.yaml")
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="of its values: pairs=50 workers=8")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where everything goes")
    parser.add_argument("--only", metavar="PART,…", help="some of its parts, with commas between")
    options = parser.parse_intermixed_args(arguments)

    def study() -> str:
        changes = dict(change(text) for text in options.changes)
        only = options.only.split(",") if options.only else None
        return run(read_study(options.study), options.out, changes, only)

    return concluded(study, "Stopped. The same command goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
