"""Numbers as people read them, in a terminal and in figures: few digits, and one unit for all of a table."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor, log10

UNITS = {
    6: "millions",
    3: "thousands",
    0: "",
    -3: "thousandths",
    -6: "millionths",
    -9: "billionths",
    -12: "trillionths",
}

MAX_DECIMALS = 6


@dataclass(frozen=True)
class Unit:
    """A power of ten that makes a column of numbers short. `signed`: numbers above 0 are written with a plus."""

    exponent: int
    decimals: int
    signed: bool = True

    @property
    def name(self) -> str:
        """The unit in a word, such as "thousandths"; empty for plain numbers."""
        return UNITS.get(self.exponent, f"1e{self.exponent}")

    @property
    def words(self) -> str:
        """The unit for a table's head: " (in thousandths)"; empty for plain numbers."""
        return f" (in {self.name})" if self.name else ""

    def __call__(self, value: float) -> str:
        """Return a number in this unit; "0" is zero, "." a number too small to show."""
        if value == 0:
            return "0"
        text = f"{value / 10.0**self.exponent:{'+' if self.signed else ''}.{self.decimals}f}"
        return text if text.strip("+-0.") else "."


def unit(values: Iterable[float], digits: int = 3, *, signed: bool = True) -> Unit:
    """Return the unit in which the largest of some numbers has so many digits."""
    top = max((abs(float(value)) for value in values), default=0.0)
    if top == 0:
        return Unit(0, digits - 1, signed)
    magnitude = floor(log10(top))
    exponent = 3 * (magnitude // 3)
    return Unit(exponent, max(0, digits - 1 - (magnitude - exponent)), signed)


def finer(coarse: Unit, values: Iterable[float], digits: int = 3) -> Unit:
    """Return the same unit with more decimals, so that the largest of some smaller numbers has so many digits."""
    top = max((abs(float(value)) for value in values), default=0.0)
    if top == 0:
        return coarse
    needed = digits - 1 - floor(log10(top)) + coarse.exponent
    return replace(coarse, decimals=max(coarse.decimals, min(needed, MAX_DECIMALS)))


def short(value: float, sign: str = "") -> str:
    """Return a number with three digits, such as 0.0123, 1.20e-07 or 32.0; `sign="+"` for a sign in any case."""
    return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}#.3g}".rstrip(".")


def times(ratio: float) -> str:
    """Return a ratio in words, with two or three digits: 1.4, 32, 125,000, 26 billion, over a thousand trillion."""
    if ratio >= 1e15:
        return "over a thousand trillion"
    for size, word in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1, "")):
        if ratio >= size:
            return (f"{ratio / size:.2g}" if ratio < 10 * size else f"{float(f'{ratio / size:.3g}'):,.0f}") + word
    return f"{ratio:.2g}"


def per_cent(share: float, digits: int = 1) -> str:
    """Return a share of 1 as per cent."""
    return f"{100 * share:.{digits}f} %"
