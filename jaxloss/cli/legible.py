"""Text for terminals that lack its characters: `r²` is written `r^2` instead of an error."""

import codecs
import io
import unicodedata
from typing import TextIO

NAME = "jaxloss.cli.legible"

# What formulas and tables use and Unicode does not decompose into ASCII.
_WORDS = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{INFINITY}": "inf",
    "\N{SQUARE ROOT}": "sqrt ",
    "\N{INTEGRAL}": "integral ",
    "\N{PARTIAL DIFFERENTIAL}": "d",
    "\N{NOT EQUAL TO}": "!=",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{MIDDLE DOT}": "*",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MATHEMATICAL LEFT ANGLE BRACKET}": "<",
    "\N{MATHEMATICAL RIGHT ANGLE BRACKET}": ">",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{GREEK CAPITAL LETTER SIGMA}": "sum ",
    "\N{GREEK CAPITAL LETTER PI}": "product ",
}
_PLACED = {"<super>": "^", "<sub>": "_"}


def make_legible(*streams: TextIO | None) -> None:
    """Let streams write what their encoding lacks in other words, in place of failing.

    An encoding that lacks nothing changes nothing. Streams that are no files of text are left
    alone.
    """
    # An error handler, so that each encoding keeps what it has: ² is in latin-1, but not in ASCII.
    codecs.register_error(NAME, _replaced)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):  # not what a notebook or a test puts in its place
            stream.reconfigure(errors=NAME)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """The handler of encoding errors: a replacement, and the position to go on from."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(spelt, error.object[error.start : error.end])), error.end


def spelt(character: str) -> str:
    """A character in ASCII: its word, its letter without marks, or its number.

    Example:
        >>> "".join(map(spelt, "ρ² ± Lovász"))
        'rho^2 +- Lovasz'
    """
    if character in _WORDS or character.isascii():
        return _WORDS.get(character, character)
    name = unicodedata.name(character, "")
    if name.startswith("GREEK ") and "LETTER" in name:
        return name.split()[-1].lower()
    parts = unicodedata.normalize("NFKD", character)  # á is a and an accent, ² is 2
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    if plain.isascii():
        return _PLACED.get(unicodedata.decomposition(character).partition(" ")[0], "") + plain
    return character.encode("ascii", "backslashreplace").decode("ascii")
