"""A sheet of examples: for each class a row with its name and its first images, as training sees them."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mnistnet.data.datasets import Examples
from mnistnet.errors import PlotError
from mnistnet.util.atomic_files import replace_file

GREY = 96  # between the images
EACH = 16  # images of a class
MARGIN = 96  # dots at the left, for the name
TEXT = 13  # dots that a line of text needs
SIDE = 56  # dots that an image has at least, enlarged by a whole factor


def draw_examples(examples: Examples, names: tuple[str, ...], path: Path) -> int:
    """Draw the sheet into a .png file, and return how many images are on it. Raises PlotError."""
    if path.suffix.lower() != ".png":
        raise PlotError(f"{path}: expected a file name that ends in .png")
    rows, columns = examples.shape
    zoom = max(1, -(-min(SIDE, 256) // max(rows, columns)))
    height, width = max(rows * zoom, TEXT) + 2, columns * zoom + 2
    present = [label for label in range(len(names)) if (examples.labels == label).any()]
    sheet = Image.new("L", (MARGIN + EACH * width, len(present) * height), GREY)
    pen, drawn = ImageDraw.Draw(sheet), 0
    for line, label in enumerate(present):
        pen.text((4, line * height + 2), names[label][:14], fill=255)
        for column, index in enumerate(np.flatnonzero(examples.labels == label)[:EACH]):
            image = Image.fromarray(examples.images[index].reshape(rows, columns))
            large = image.resize((columns * zoom, rows * zoom), Image.Resampling.NEAREST)
            sheet.paste(large, (MARGIN + column * width, line * height))
            drawn += 1
    stream = BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    replace_file(path, stream.getvalue(), PlotError)
    return drawn
