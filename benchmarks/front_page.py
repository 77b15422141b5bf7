"""Writes what was measured into README.md: the table of networks, and the speed beside others, won and lost alike.

python -m benchmarks.front_page
"""

from __future__ import annotations

from statistics import median
from typing import Any

from msgspec import convert

from benchmarks import gates, report
from benchmarks.machine import ROOT
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
    found, results, curves = (report.read(path) for path in (gates.RESULTS, report.RESULTS, report.CURVES))
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
    machines = dict.fromkeys(_machine(row["about"]) for row in found["rows"])
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
    """Return how long an epoch takes in PyTorch and in JAX for each of ours, and who wins where."""
    ratios = {(row["workload"], row["peer"]): row["ratio"] for row in results["rows"] if row["valid"]}
    names = [name for name in WORKLOADS if any((name, peer) in ratios for peer in PEERS)]
    lines = []
    for name in names:
        workload = WORKLOADS[name]
        shown = [f"{ratios[name, peer]:.2f}" if (name, peer) in ratios else "–" for peer in PEERS]
        lines.append([described(workload.config("auto")), f"{workload.batch_size}", *shown])
    verdicts = [
        _verdict(title, [ratios[name, peer] for name in names if (name, peer) in ratios])
        for peer, title in PEERS.items()
    ]
    return "\n\n".join(
        [
            "Time for an epoch of the same work relative to mnistnet's (above 1: mnistnet is faster), on "
            f"{_machine(results['about'])}:",
            report.table(["network", "batch", *PEERS.values()], lines),
            " ".join([*verdicts, _widths(Curve(curves, "width"))]),
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


def _machine(about: Row) -> str:
    return f"{about['cores']} cores ({about['machine']})"


def _verdict(title: str, ratios: list[float]) -> str:
    """Count where a peer is slower and where it is faster, apart from differences that say nothing."""
    kinds = {
        "slower": sum(ratio > 1 + EQUAL for ratio in ratios),
        f"within {EQUAL:.0%} of mnistnet".replace("%", " %"): sum(abs(ratio - 1) <= EQUAL for ratio in ratios),
        "faster": sum(ratio < 1 - EQUAL for ratio in ratios),
    }
    found = {kind: count for kind, count in kinds.items() if count}
    if not found:
        return f"{title} was not measured."
    if len(found) == 1:
        return f"{title} is {next(iter(found))} in all {len(ratios)}."
    return f"Of these {len(ratios)}, {title} is {', '.join(f'{kind} in {count}' for kind, count in found.items())}."


def _widths(width: Curve) -> str:
    """Say at which widths of one hidden layer PyTorch takes less time, however little."""
    times = {value: (width.get(OURS, value), width.get(THEIRS, value)) for value in width.values}
    lost = [f"{value:,} ({1 - b / a:.0%} less time)".replace("%", " %") for value, (a, b) in times.items() if b < a]
    where = f"PyTorch is faster at {', '.join(lost)}" if lost else "mnistnet is faster at each of those measured"
    return f"Of hidden layers of {width.values[0]} to {width.values[-1]:,} neurons, {where}."


if __name__ == "__main__":
    main()
