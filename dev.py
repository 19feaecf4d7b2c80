#!/usr/bin/env python3
"""Everything a developer runs, each with its own set-up: ``python dev.py demo | test | serve | training | bench …``.

Standard library only. The environment and a ComfyUI to test against go into ``.mannequin/`` beside this file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# Last: a script's folder comes first anyway, and where tests import this, the host's module "nodes" is before ours.
sys.path.append(str(ROOT))

from devtools import environment  # noqa: E402
from devtools.say import say  # noqa: E402

COMMANDS = {
    "demo": ("devtools.demo", "transfer a pose in a real ComfyUI and show where the pictures are"),
    "test": ("pytest", "run the tests (--quick: a part in minutes, --slow: all there are; other words go to pytest)"),
    "serve": ("devtools.serve", "run a ComfyUI with the pack in it, on a free port, until Ctrl-C"),
    "training": ("training", "make data sets, train, evaluate: training preprocess, training train, …"),
    "bench": ("benchmarks", "measure speed and memory: bench step, mcld, pcdms, imagpose, guidance, train, …"),
    "parity": ("devtools.parity", "recompute golden files with our modules"),
    "hosts": ("devtools.hosts", "a table of which versions of ComfyUI the pack works on: hosts FOLDER…"),
    "soak": ("devtools.soak", "many prompts on a real server, and whether its memory grows: soak --prompts 1000"),
    "screenshot": ("devtools.screenshot", "open a workflow in the real front end and save a picture of the graph"),
}
INTERRUPTED = 130
#: The whole suite goes to as many processes as there are cores, up to four, a file to one of them.
TOGETHER = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
#: Files of the part that takes minutes: conventions, equations, the contract's heart, weight files. None has a server.
QUICK = (
    "attention",
    "checkpoints",
    "cva",
    "downloads",
    "hosts_table",
    "house",
    "lazy_layers",
    "locales",
    "mcld",
    "metrics",
    "mirrored",
    "model_files",
    "muon",
    "node_inputs",
    "nodes",
    "objectives",
    "packaging",
    "pose_alignment",
    "poses",
    "static",
    "texture_lookup",
    "training_free",
    "unet_families",
    "weight_kinds",
)


def module_and_arguments(command: str, rest: list[str]) -> tuple[str, list[str]]:
    """What ``python -m`` runs for a command."""
    module = COMMANDS[command][0]
    if command in ("bench", "training"):
        names = programs(ROOT / module)
        if not rest or rest[0] not in names:
            said = f"'{rest[0]}' is no command of {module}." if rest else f"Which command of {module}?"
            raise SystemExit(f"{said} There is {', '.join(names)}: python dev.py {command} {names[0]} --help")
        return f"{module}.{rest[0]}", rest[1:]
    if command == "test":
        chosen, rest = {"--slow", "--quick"} & {*rest}, [word for word in rest if word not in ("--slow", "--quick")]
        files = [f"tests/test_{name}.py" for name in QUICK] if "--quick" in chosen else []
        return module, [*(["-m", ""] if "--slow" in chosen else []), *([] if rest else TOGETHER), *files, *rest]
    return module, rest


def programs(folder: Path) -> list[str]:
    """Modules in a package's folder that run by themselves, as ``python -m`` takes them behind the package's name."""
    files = (path for path in folder.rglob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8"))
    modules = (path.relative_to(folder).with_suffix("") for path in files)
    return sorted(".".join(path.parts).removesuffix(".__main__") for path in modules)


def take_host(rest: list[str]) -> tuple[str | None, list[str]]:
    """The ComfyUI to run a command on, if not the environment's own, and the words without it."""
    parser = argparse.ArgumentParser(prog="dev.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--host", metavar="FOLDER", default=os.environ.get(environment.HOST_VARIABLE))
    found, others = parser.parse_known_args(rest)
    return found.host, others


def run_instead(command: list[str], where: Path, variables: dict[str, str]) -> int:
    """Hand this terminal over to a command; the status it ends with.

    Where a process can become another one it does, so that signals reach the command itself. Elsewhere this one waits:
    the command hears of Ctrl-C too, and is left the time to wind up.
    """
    if os.name != "nt":
        os.chdir(where)
        os.execve(command[0], command, variables)
    process = subprocess.Popen(command, cwd=where, env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def main() -> int:
    usage = "\n".join(f"  {name:<11}{text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        description="commands:\n" + usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", metavar="DIR", help="where the environment goes; default: MANNEQUIN_ENV or .mannequin")
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument(
        "rest",
        nargs=argparse.REMAINDER,
        metavar="…",
        help="words for the command; --host FOLDER (or MANNEQUIN_HOST) runs it on that ComfyUI",
    )
    arguments = parser.parse_args()
    if arguments.env:
        os.environ[environment.HOME_VARIABLE] = str(Path(arguments.env).expanduser().resolve())
    host, rest = take_host(arguments.rest)
    module, rest = module_and_arguments(arguments.command, rest)
    try:
        if host and arguments.command != "hosts":
            python, comfyui = environment.ensure_host(ROOT, Path(host))
        else:
            python, comfyui = environment.ensure(ROOT)
    except environment.SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Stopped. The next start goes on from here.")
        return INTERRUPTED
    # Paths on the command line are relative to where the user stands; only pytest is run from the clone.
    where = ROOT if module == "pytest" else Path.cwd()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    variables = os.environ | {"MANNEQUIN_COMFYUI": str(comfyui), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    if TOGETHER[0] in rest:
        # Each process with a thread: several with as many as there are cores are slower than one.
        variables = {"OMP_NUM_THREADS": "1"} | variables
    return run_instead([str(python), "-m", module, *rest], where, variables)


if __name__ == "__main__":
    sys.exit(main())
