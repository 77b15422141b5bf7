"""The report of `mnistnet compare`: two tables, curves and sentences."""

import sys
from collections.abc import Iterator
from math import log

import numpy as np

from mnistnet.experiments.compare import MIN_COST, Angle, Comparison
from mnistnet.experiments.trajectory import Trajectory
from mnistnet.util.number_format import per_cent, short, times
from mnistnet.util.text_drawing import Pen, columns, paragraph

NAME = 20  # columns
SPARKS = "▁▂▃▄▅▆▇█"
CURVE = 46  # columns


def report_lines(comparison: Comparison, rich: bool) -> Iterator[str]:
    """Yield the lines, with curves if the terminal is `rich` and can show their characters."""
    trajectories, pen = comparison.trajectories, Pen(rich)
    yield pen.heading("Cost and accuracy")
    yield from _results(trajectories)
    yield ""
    yield pen.heading("Paths through the space of weights and biases")
    yield from _path_table(comparison)
    if rich and _has_sparks() and _one_cost(trajectories):
        yield ""
        yield pen.heading("Cost on training images against seconds, on a logarithmic scale")
        yield from _curves(trajectories)
    yield ""
    for note in _notes(comparison):
        yield paragraph(note)
    told = [text for text in (_data(comparison), _drunk_man(comparison)) if text]
    if not told or len(trajectories) > 2:
        told.append(_best(comparison))
    yield from map(paragraph, filter(None, told))


def _results(trajectories: tuple[Trajectory, ...]) -> Iterator[str]:
    widths = [NAME, 9, 8, 8, 10, 8, 8, 7]
    yield columns(["", "cost", "accuracy"], [NAME, 43, 15])
    yield columns(["", "steps", "epochs", "seconds", "after 1 s", "at end", "train", "valid."], widths)
    for trajectory in trajectories:
        early, last = trajectory.cost_after(1), trajectory.snapshots[-1]
        known = last.validation_accuracy
        cells = [_name(trajectory), f"{trajectory.steps:,}", _epochs(trajectory), f"{trajectory.seconds:.1f}"]
        cells += ["-" if early is None else short(early), short(last.train_cost), per_cent(last.train_accuracy)]
        yield columns([*cells, "-" if known is None else per_cent(known)], widths)


def _path_table(comparison: Comparison) -> Iterator[str]:
    widths = [NAME, 10, 10, 10, 9, 10, 9]
    yield columns(["", "steps", "path", "displace-", "path /", "degrees off"], [*widths[:5], 19])
    yield columns(["", "a second", "length", "ment", "displ.", "at first", "at end"], widths)
    for trajectory, angle in zip(comparison.trajectories, comparison.angles, strict=True):
        cells = [_name(trajectory), f"{trajectory.steps / trajectory.seconds:,.0f}" if trajectory.seconds else "-"]
        cells += [short(trajectory.path_length), short(trajectory.displacement)]
        cells += [
            times(trajectory.path_length / trajectory.displacement) if trajectory.displacement else "-",
            *map(_degrees, (angle.first, angle.last)),
        ]
        yield columns(cells, widths)


def _epochs(trajectory: Trajectory) -> str:
    return f"{trajectory.epochs:,.1f}" if trajectory.epochs < 1000 else f"{trajectory.epochs:,.0f}"


def _name(trajectory: Trajectory) -> str:
    """Return a name that fits its column; a long one loses its middle."""
    name = trajectory.entry.name
    return name if len(name) < NAME else f"{name[: NAME // 2 - 2]}..{name[1 - NAME // 2 :]}"


def _degrees(degrees: float | None) -> str:
    return "-" if degrees is None else f"{degrees:.0f}"


def _has_sparks() -> bool:
    try:
        SPARKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _curves(trajectories: tuple[Trajectory, ...]) -> Iterator[str]:
    longest = max(trajectory.seconds for trajectory in trajectories)
    costs = [
        [trajectory.cost_after(second) for second in np.linspace(0, longest, CURVE)] for trajectory in trajectories
    ]
    known = [max(cost, MIN_COST) for row in costs for cost in row if cost is not None]
    scale = (len(SPARKS) - 1) / max(log(max(known) / min(known)), MIN_COST)
    for trajectory, row in zip(trajectories, costs, strict=True):
        levels = [None if cost is None else round(log(max(cost, MIN_COST) / min(known)) * scale) for cost in row]
        curve = "".join(" " if level is None else SPARKS[level] for level in levels)
        yield f"  {_name(trajectory):<{NAME}}{curve}  {short(trajectory.snapshots[-1].train_cost)}"
    yield f"  {'':<{NAME}}{'0 s':<{CURVE - 10}}{longest:>8.3g} s"


def _one_cost(trajectories: tuple[Trajectory, ...]) -> bool:
    """Return whether all costs are of one kind, and so can be compared."""
    return len({trajectory.entry.config.loss for trajectory in trajectories}) == 1


def _notes(comparison: Comparison) -> Iterator[str]:
    trajectories = comparison.trajectories
    configs = [trajectory.entry.config for trajectory in trajectories]
    if comparison.landscape is None:
        yield "These are different networks: each started from weights of its own, and no plane holds all their paths."
    elif len({config.seed for config in configs}) > 1:
        yield f"All started from the first weights of seed {configs[0].seed}; the seeds differ in all else."
    if not _one_cost(trajectories):
        yield "Their costs are of different kinds and cannot be compared: look at the accuracies."
    if len({(config.seed, config.validation) for config in configs}) > 1:
        yield "They were evaluated on different validation images, so small differences in accuracy say little."
    for trajectory in trajectories:
        if trajectory.diverged:
            entry = trajectory.entry
            rate = f"its learning rate of {entry.config.learning_rate:g} is too high"
            yield f"{entry.name} diverged after step {trajectory.steps:,}: {rate}."


def _drunk_man(comparison: Comparison) -> str | None:
    """Compare the largest batches with the smallest: the careful man with the drunk man."""
    pairs = sorted(
        zip(comparison.trajectories, comparison.angles, strict=True), key=lambda pair: pair[0].entry.batch_size
    )
    (drunk, angle), (careful, _) = pairs[0], pairs[-1]
    if drunk.entry.batch_size == careful.entry.batch_size or comparison.landscape is None:
        return None
    every = "all " if careful.entry.batch_size == len(careful.entry.train) else ""
    text = (
        f"The careful man, {careful.entry.name}, averages over {every}{careful.entry.batch_size:,} images before each "
        f"step: {_steps(careful)} in {careful.seconds:.1f} s, a path of length {short(careful.path_length)} that ends "
        f"{short(careful.displacement)} from its start. The drunk man, {drunk.entry.name}, looks at "
        f"{drunk.entry.batch_size:,}. {_off(angle)}He takes {_steps(drunk)} in {drunk.seconds:.1f} s, a path of length "
        f"{short(drunk.path_length)} that ends {short(drunk.displacement)} from its start. "
    )
    if len(drunk.stretch) > 2:
        path_length, displacement = drunk.stretch_lengths
        steps = len(drunk.stretch) - 1
        text += (
            f"Of {steps} steps in the middle, the path has length {short(path_length)} and displacement "
            f"{short(displacement)}. "
        )
    his, other = drunk.snapshots[-1].train_cost, careful.snapshots[-1].train_cost
    if his < other:
        return (
            f"{text}His cost is {short(his)}, the careful man's {short(other)}: many rough steps beat few exact ones."
        )
    return f"{text}His cost is {short(his)}, the careful man's {short(other)}: here exact steps were worth their time."


def _steps(trajectory: Trajectory) -> str:
    return f"{trajectory.steps:,} step{'' if trajectory.steps == 1 else 's'}"


def _off(angle: Angle) -> str:
    if angle.first is None or angle.last is None:
        return ""
    return (
        f"The gradient of such a batch is off by {angle.first:.0f} degrees at first, and by {angle.last:.0f} at the "
        "end; 90 would be no help at all. "
    )


def _data(comparison: Comparison) -> str | None:
    """Compare the smallest with the largest training set: why much labelled data is essential."""
    few, *_, many = sorted(comparison.trajectories, key=lambda trajectory: len(trajectory.entry.train))
    counts = len(few.entry.train), len(many.entry.train)
    known = [trajectory.snapshots[-1].validation_accuracy for trajectory in (few, many)]
    new = [accuracy for accuracy in known if accuracy is not None]
    if counts[0] == counts[1] or len(new) < len(known):
        return None
    own = [trajectory.snapshots[-1].train_accuracy for trajectory in (few, many)]
    text = (
        f"After learning from {counts[0]:,} images the network reads {per_cent(own[0])} of them and {per_cent(new[0])} "
        f"of images it has never seen; from {counts[1]:,}, {per_cent(own[1])} and {per_cent(new[1])}. "
    )
    if own[0] < own[1]:
        return text + f"{_steps(few)} were not enough to learn even so few; --seconds gives each the same time."
    gaps = [100 * (mine - other) for mine, other in zip(own, new, strict=True)]
    if new[1] <= new[0] or gaps[1] >= gaps[0]:
        return text
    return text + (
        f"The gap between the two shrinks from {gaps[0]:.1f} points to {gaps[1]:.1f}: few pictures can be learned by "
        "heart, and what is common to all twos can only be learned from many."
    )


def _best(comparison: Comparison) -> str:
    trajectories = comparison.trajectories
    cheapest = min(trajectories, key=lambda trajectory: trajectory.snapshots[-1].train_cost)
    best = min(trajectories, key=lambda trajectory: -(trajectory.snapshots[-1].validation_accuracy or 0))
    known, told = best.snapshots[-1].validation_accuracy, []
    if _one_cost(trajectories):
        told.append(
            f"The lowest cost on training images is that of {cheapest.entry.name}, "
            f"{short(cheapest.snapshots[-1].train_cost)}."
        )
    if known is not None:
        told.append(f"The best validation accuracy is that of {best.entry.name}, {per_cent(known)}.")
    return " ".join(told)
