"""Writes what was measured into README.md: the table of networks, and the speed beside others, won and lost alike.

python -m benchmarks.front_page
"""

from __future__ import annotations

from statistics import median
from typing import Any

from msgspec import convert

from benchmarks import bench, gates, report
from benchmarks.machine import ROOT, title
from benchmarks.scaling import OURS, THEIRS, Curve
from benchmarks.workloads import WORKLOADS
from mnistnet.config import loader as configs
from mnistnet.config.figures import Figures
from mnistnet.config.schema import Config
from mnistnet.data.registry import DATASETS

PAGE = ROOT / "README.md"
NETWORKS = "<!-- networks: begin -->", "<!-- networks: end -->"
SPEED = "<!-- speed: begin -->", "<!-- speed: end -->"
PEERS = {"pytorch": "PyTorch", "jax": "JAX"}
EQUAL = 0.05  # a smaller difference is within what the machine itself varies by

Row = dict[str, Any]


def main() -> None:
    """Rewrite this page, and that of the gates, which shows some of the same figures."""
    found, results, curves = (report.read(path) for path in (gates.RESULTS, bench.RESULTS, report.CURVES))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), found, results, curves), encoding="utf-8")
    gates.PAGE.write_text(gates.page(gates.PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")


def page(text: str, found: Row, results: Row, curves: Row) -> str:
    """Return the page with these figures in place of the old ones."""
    text = report.replace_between(text, *NETWORKS, networks(found))
    return report.replace_between(text, *SPEED, speed(results, curves))


def networks(found: Row) -> str:
    """Return the table of the networks whose promise was measured, and under which conditions."""
    lines = [_cells(row) for row in found["rows"]]
    parts = [report.table(["config", "network", "epochs", "test accuracy", "n", "time"], lines)]
    machines = dict.fromkeys(title(row["about"]) for row in found["rows"])
    disturbed = any("\\*" in cell for line in lines for cell in line)
    star = "; \\* while other programs were at work, on a quiet machine it is less" if disturbed else ""
    parts.append(
        "Mean (lowest to highest) over the seeds 0 to n - 1, and the median time from prompt to prompt, start-up, data "
        f"and test included, on {' or '.join(machines)}{star}."
    )
    if found["imports"]:
        ours, theirs = (median(seconds) for seconds in zip(*found["imports"]["seconds"], strict=True))
        parts.append(f"`speedrun` in turn with importing PyTorch: {ours:.2f} s against {theirs:.2f} s.")
    return "\n\n".join(parts)


def speed(results: Row, curves: Row) -> str:
    """Return how long an epoch takes in PyTorch and in JAX for each of ours, and who wins where, machine by machine."""
    ratios = {
        (title(machine["about"]), row["workload"], row["peer"]): row["ratio"]
        for machine in results["machines"]
        for row in machine["rows"]
        if row["valid"] and row["peer"] in PEERS
    }
    abouts = {title(machine["about"]): machine["about"] for machine in results["machines"]}
    heads = [f"{name}, commit {about['commit']}" for name, about in abouts.items()]
    lines = []
    for name in [name for name in WORKLOADS if any(name == place[1] for place in ratios)]:
        workload = WORKLOADS[name]
        found = [[ratios.get((machine, name, peer)) for peer in PEERS] for machine in abouts]
        cells = [" / ".join("–" if ratio is None else f"{ratio:.2f}" for ratio in pair) for pair in found]
        lines.append([described(workload.config("auto")), f"{workload.batch_size}", *cells])
    verdicts = []
    for machine in abouts:
        won = {
            name: [ratio for (where, _, who), ratio in ratios.items() if (where, who) == (machine, peer)]
            for peer, name in PEERS.items()
        }
        words = "; ".join(_verdict(name, found) for name, found in won.items())
        verdicts.append(f"{machine}: {words}.")
    return "\n\n".join(
        [
            f"Time for an epoch of the same work in {' / '.join(PEERS.values())}, relative to mnistnet's (above 1: "
            "mnistnet is faster):",
            report.table(["network", "batch", *heads], lines),
            "<br>\n".join([*verdicts, _widths(Curve(curves, "width"), title(curves["about"]))]),
            *(machine["source"] for machine in results["machines"] if "source" in machine),
        ]
    )


def described(config: Config) -> str:
    """Return a network and how it learns in a few words: its sizes, and what is not as it is by default."""
    default = Config()
    words = ["-".join(map(str, config.layer_sizes))]
    if config.dataset != default.dataset:
        words[0] += f" on {DATASETS[config.dataset].title.split()[0]}"
    if config.activation != default.activation:
        words.append(config.activation)
    if config.loss != default.loss:
        words.append(f"{config.loss} cost")
    name = configs.to_mapping(config)["optimizer"]["name"]
    if name != configs.to_mapping(default)["optimizer"]["name"]:
        words.append({"sgd": "plain SGD"}.get(name, name))
    if config.label_smoothing:
        words.append("label smoothing")
    if config.augment:
        words.append("distorted images")
    if config.drawn_digits:
        words.append("drawn digits")
    return ", ".join(words)


def _cells(row: Row) -> list[str]:
    found = convert(row, Figures)
    config = configs.load(ROOT / "configs" / f"{found.config}.yaml")
    runs, time = f"{len(found.runs)}", found.time.replace("*", "\\*")
    return [f"`{found.config}`", described(config), f"{config.epochs}", found.accuracy, runs, time]


def _verdict(name: str, ratios: list[float]) -> str:
    """Count where a peer is slower and where it is faster, apart from differences that say nothing."""
    kinds = {
        "slower": sum(ratio > 1 + EQUAL for ratio in ratios),
        f"within {EQUAL:.0%} of mnistnet".replace("%", " %"): sum(abs(ratio - 1) <= EQUAL for ratio in ratios),
        "faster": sum(ratio < 1 - EQUAL for ratio in ratios),
    }
    found = {kind: count for kind, count in kinds.items() if count}
    if not found:
        return f"{name} was not measured"
    if len(found) == 1:
        return f"{name} is {next(iter(found))} in all {len(ratios)}"
    return f"{name} is {', '.join(f'{kind} in {count}' for kind, count in found.items())} of {len(ratios)}"


def _widths(width: Curve, machine: str) -> str:
    """Say at which widths of one hidden layer PyTorch takes less time, however little."""
    times = {value: (width.get(OURS, value), width.get(THEIRS, value)) for value in width.values}
    lost = [f"{value:,} ({1 - b / a:.0%} less time)".replace("%", " %") for value, (a, b) in times.items() if b < a]
    where = f"PyTorch is faster at {', '.join(lost)}" if lost else "mnistnet is faster at each of those measured"
    return f"{machine}: of hidden layers of {width.values[0]} to {width.values[-1]:,} neurons, {where}."


if __name__ == "__main__":
    main()
