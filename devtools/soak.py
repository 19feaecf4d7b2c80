"""``python dev.py soak``: a thousand prompts on a real server, refused, interrupted and freed ones among them.

The shared graphs that run with what the repository carries take turns. The server's memory is looked at after each
prompt; its peak after the first third may be a hundredth above the one before, and the exit status says so. What the
host keeps of every prompt in its history, some 70 KB of these graphs, is cleared: that is the host's.
"""

import argparse
import copy
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .client import Client, PromptFailed, PromptInterrupted, PromptRefused
from .graph_format import ui_to_api
from .host import ROOT
from .say import say
from .server import Server

RAN, REFUSED, INTERRUPTED, FREED, FAILED = "ran", "refused", "interrupted", "freed", "failed"
#: What is done otherwise in each dozen of prompts, by its place there.
DOZEN = {4: REFUSED, 7: INTERRUPTED, 11: FREED}
#: Steps of a prompt: the state of a run is made and left in a few as in many; and of one that is to be interrupted.
STEPS, ENDLESS = 4, 500
LIMIT = 0.01
MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """A prompt that is over.

    Attributes:
        kind: what became of it; ``freed`` ran after the server was asked to unload and forget everything.
        seconds: from queueing to its end.
        memory: the server's resident memory then, in bytes.
    """

    graph: str
    kind: str
    seconds: float
    memory: int


def lacking(prompt: dict[str, dict], info: dict[str, dict]) -> Iterator[str]:
    """Chosen values of a graph that the server does not offer: files that are not there, above all."""
    for node in prompt.values():
        inputs = info[node["class_type"]]["input"]
        for group in ("required", "optional"):
            for name, (kind, *settings) in inputs.get(group, {}).items():
                options = settings[0].get("options") if kind == "COMBO" else kind if isinstance(kind, list) else None
                value = node["inputs"].get(name)
                if options is not None and isinstance(value, str) and value not in options:
                    yield value


def runnable(client: Client) -> dict[str, dict]:
    """The shared graphs that lack nothing, by name, in the format that the server queues."""
    info = client.object_info()
    paths = sorted((ROOT / "workflows").glob("*.json"))
    graphs = {path.stem: ui_to_api(json.loads(path.read_text(encoding="utf-8")), info) for path in paths}
    return {name: prompt for name, prompt in graphs.items() if not any(lacking(prompt, info))}


def changed(prompt: dict[str, dict], seed: int, steps: int) -> dict[str, dict]:
    """A graph with another seed, so that it is not answered from the cache, and so many steps."""
    prompt = copy.deepcopy(prompt)
    for node in prompt.values():
        given = {"seed": seed, "noise_seed": seed, "steps": steps}
        node["inputs"] |= {name: value for name, value in given.items() if name in node["inputs"]}
    return prompt


def run_one(client: Client, prompt: dict[str, dict], kind: str, seed: int) -> str:
    """Queue a graph so that it meets its kind of end; the kind it met."""

    def stop(event: str, data: dict) -> None:
        if kind == INTERRUPTED and event == "progress" and data["max"] == ENDLESS:
            client.interrupt()

    steps = {REFUSED: -1, INTERRUPTED: ENDLESS}.get(kind, STEPS)
    if kind == FREED:
        client.free()
    try:
        client.run(changed(prompt, seed, steps), stop)
    except PromptRefused:
        return REFUSED
    except PromptInterrupted:
        return INTERRUPTED
    except PromptFailed as error:
        say(f"Prompt {seed} failed: {error}")
        return FAILED
    return kind if kind == FREED else RAN


def soak(server: Server, prompts: int, on_sample: Callable[[Sample], None] = lambda sample: None) -> list[Sample]:
    """So many prompts of the graphs that lack nothing, in turns.

    Raises:
        ConnectionError: the server died.
    """
    client = Client(server.url)
    graphs = list(runnable(client).items())
    # What is refused for its steps, or interrupted in them, has some.
    sampling = [(name, prompt) for name, prompt in graphs if any("steps" in node["inputs"] for node in prompt.values())]
    samples = []
    for number in range(prompts):
        wanted = DOZEN.get(number % 12, RAN)
        among = sampling if wanted in (REFUSED, INTERRUPTED) else graphs
        # A dozen later, what is done otherwise meets another graph.
        name, prompt = among[(number + number // 12) % len(among)]
        started = time.monotonic()
        kind = run_one(client, prompt, wanted, number)
        client.forget_history()
        samples.append(Sample(name, kind, time.monotonic() - started, server.memory))
        on_sample(samples[-1])
    return samples


def growth(samples: list[Sample]) -> float:
    """By how much, as a fraction, the peak of memory after the first third is above the one in it; three or more."""
    memory = [sample.memory for sample in samples]
    first = len(memory) // 3
    return max(memory[first:]) / max(memory[:first]) - 1


def table(samples: list[Sample], rows: int = 9) -> str:
    """As Markdown: prompts in order, what became of them, how long one took, memory in MiB."""
    rows = min(rows, len(samples))
    kinds = (RAN, FREED, REFUSED, INTERRUPTED, FAILED)
    lines = [f"| prompts | {' | '.join(kinds)} | s each | median MiB | peak MiB |", "|---" * (len(kinds) + 4) + "|"]
    ends = [len(samples) * row // rows for row in range(rows + 1)]
    for start, end in zip(ends, ends[1:], strict=False):
        part = samples[start:end]
        memory, met = [sample.memory / MIB for sample in part], Counter(sample.kind for sample in part)
        counts = " | ".join(str(met[kind]) for kind in kinds)
        seconds = statistics.fmean(sample.seconds for sample in part)
        numbers = f"{seconds:.1f} | {statistics.median(memory):.0f} | {max(memory):.0f}"
        lines.append(f"| {start + 1}–{end} | {counts} | {numbers} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py soak", description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=1000, help="three or more; default: 1000")
    prompts = max(parser.parse_args().prompts, 3)
    # What is held is asked for, and not what the C library keeps of what was let go: it returns larger blocks at once.
    os.environ |= {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    with Server() as server:
        say(f"{prompts} prompts of {', '.join(runnable(Client(server.url)))}.")
        done: list[Sample] = []

        def tell(sample: Sample) -> None:
            done.append(sample)
            if len(done) % max(prompts // 20, 1) == 0:
                say(f"  {len(done)}: {sample.graph}, {sample.kind}, {sample.memory / MIB:.0f} MiB")

        soak(server, prompts, tell)
    say(table(done))
    grown, failed = growth(done), sum(sample.kind == FAILED for sample in done)
    said = f"After the first third memory is {grown:+.2%}; at most {LIMIT:+.0%} is allowed."
    say(f"{said} {failed} prompts failed." if failed else said)
    return int(grown > LIMIT or failed > 0)


if __name__ == "__main__":
    sys.exit(main())
