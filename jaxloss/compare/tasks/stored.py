"""Arrays and images in files: data sets as Keras keeps them, and a folder of images per class."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jaxloss.compare.tasks.reading import read_arrays

Pair = tuple[NDArray[Any], NDArray[Any]]  # inputs and targets

# What folders and arrays of the parts are called, and what the parts are called here.
_PARTS = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
_MOST = 1 << 29  # numbers: two gigabytes in single precision


def stored_arrays(path: Path) -> dict[str, Pair] | Pair | None:
    """The inputs and targets of a file or folder, in parts or not; None if it is a table.

    They are in an NPZ file of `x_train`, `y_train`, `x_test`, `y_test` and perhaps `x_val`, `y_val`
    as those of Keras, or of `x` and `y`; or in a folder that has a folder of images for each class,
    or in which `train`, `test` and perhaps `val` are such folders. Images are scaled to the least
    width and height among them.

    Raises:
        ValueError: An array or an image cannot be read, or there are no images.
    """
    if path.is_dir():
        return _images(path)
    is_archive = path.suffix.lower() == ".npz" and path.is_file()
    return _arrays(read_arrays(path)) if is_archive else None


def _arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Pair] | Pair | None:
    if set(arrays) == {"x", "y"}:
        return arrays["x"], arrays["y"]
    found = {
        part: (arrays[f"x_{name}"], arrays[f"y_{name}"])
        for name, part in _PARTS.items()
        if {f"x_{name}", f"y_{name}"} <= set(arrays)
    }
    return found if {"training", "test"} <= set(found) else None


def _images(path: Path) -> dict[str, Pair] | Pair:
    parts = {_PARTS[x.name.lower()]: x for x in path.iterdir() if x.name.lower() in _PARTS}
    apart = {"training", "test"} <= set(parts)
    files = {name: _files(x) for name, x in (parts if apart else {"all": path}).items()}
    kinds = [_kind(file) for part in files.values() for file in part]
    widths, heights, grey = zip(*kinds, strict=True)
    size, mode = (min(widths), min(heights)), "L" if all(grey) else "RGB"
    if len(kinds) * size[0] * size[1] * len(mode) > _MOST:
        message = f"{path.name} has {len(kinds)} images of {size[0]} x {size[1]}, too many pixels"
        raise ValueError(f"{message} to be held in memory: give smaller ones")
    made = {
        name: (
            np.stack([_pixels(file, size, mode) for file in part]),
            np.array([file.parent.name for file in part]),
        )
        for name, part in files.items()
    }
    return made if apart else made["all"]


def _files(folder: Path) -> list[Path]:
    """The images in the folders of a folder, of which each is that of a class."""
    files = sorted(file for file in folder.glob("*/*") if file.suffix.lower() in _IMAGES)
    classes = {file.parent for file in files}
    if len(classes) < 2:
        message = f"the folder {str(folder)!r} has images in {len(classes)} folders"
        raise ValueError(f"{message}; one for each class is needed, and at least two")
    return files


def _kind(file: Path) -> tuple[int, int, bool]:
    """Width, height, and whether an image is grey, from its first bytes."""
    with _reading(file), Image.open(file) as image:
        return image.width, image.height, image.mode in {"1", "L"}


def _pixels(file: Path, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """The pixels of an image, [height, width, channel]."""
    with _reading(file), Image.open(file) as image:
        scaled = image.convert(mode).resize(size)
    return np.asarray(scaled, np.uint8).reshape(*size[::-1], -1)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SyntaxError) as error:  # Pillow's: no image, or one that is damaged
        raise ValueError(f"the image {str(file)!r} cannot be read: {error}") from error
