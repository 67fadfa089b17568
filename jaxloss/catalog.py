"""The catalog of all public losses as data: signatures, facts and the sections of docstrings."""

import importlib
import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import jaxloss
from jaxloss.core.domains import ArrayDomain
from jaxloss.core.loss import Loss
from jaxloss.core.signature import HyperParameter
from jaxloss.files import decoded, write
from jaxloss.hints import nearest
from jaxloss.peers import PEERS, names

T = TypeVar("T")

_WANTED = "a table goes between `<!-- losses -->` and `<!-- /losses -->`, or the same of `peers`"
_SECTION = re.compile(r"^(Args|Returns|Example|Limits|References|Raises):$|^(Use|Avoid) when ")


@dataclass(frozen=True)
class Entry:
    """The entry of one loss in the catalog.

    Attributes:
        name: The public name.
        field: The field of application: the folder of `jaxloss.losses`.
        family: The family: the file of that folder.
        loss: The loss itself.
        arrays: The positional arguments: domain, dtypes and event axes, by name.
        hyperparameters: The keyword arguments: domain and default, by name.
        facts: The facts at its defaults, by name.
        summary: The definition, in a sentence.
        formula: The formula, in plain text.
        use_when: When to use it.
        avoid_when: When not to use it.
        limits: Identities with other losses.
        references: The sources.
    """

    name: str
    field: str
    family: str
    loss: "Loss[Any]"
    arrays: Mapping[str, ArrayDomain]
    hyperparameters: Mapping[str, HyperParameter]
    facts: Mapping[str, Any]
    summary: str
    formula: str
    use_when: str
    avoid_when: str
    limits: str
    references: str


@dataclass(frozen=True)
class Family:
    """A family of losses: its field and name, the first line of its file, and its entries."""

    field: str
    name: str
    summary: str
    entries: list[Entry]


@dataclass(frozen=True)
class Field:
    """A field of application: its name, the first line of its folder, and its families."""

    name: str
    summary: str
    families: list[Family]


class UnknownNameError(Exception):
    """A name that the catalog does not hold."""


def public_losses() -> dict[str, "Loss[Any]"]:
    """Every loss that the package exports, by name."""
    # By `dir`, as exports are imported when they are first asked for.
    exported = {name: getattr(jaxloss, name) for name in dir(jaxloss)}
    return {name: value for name, value in exported.items() if isinstance(value, Loss)}


def catalog() -> list[Entry]:
    """The entries of all public losses, sorted by field, family and name."""
    entries = [_entry(name, loss) for name, loss in public_losses().items()]
    return sorted(entries, key=lambda entry: (entry.field, entry.family, entry.name))


def families(name: str | None = None) -> list[Family]:
    """All families with their losses, or those of one field or family.

    Raises:
        UnknownNameError: No field or family has that name; the message names the nearest.
    """
    entries = catalog()
    if name is not None:
        _known("family", name, {x: x for entry in entries for x in (entry.field, entry.family)})
        entries = [entry for entry in entries if name in (entry.field, entry.family)]
    # `catalog` is sorted, as `groupby` joins only neighbours.
    groups = itertools.groupby(entries, key=lambda entry: (entry.field, entry.family))
    return [Family(*place, _summary(*place), list(group)) for place, group in groups]


def fields(name: str | None = None) -> list[Field]:
    """All fields with their families, or those of one field or family.

    Raises:
        UnknownNameError: No field or family has that name; the message names the nearest.
    """
    groups = itertools.groupby(families(name), key=lambda family: family.field)
    return [Field(field, _summary(field), list(group)) for field, group in groups]


def look_up(name: str) -> Entry:
    """Return the entry of one loss.

    Raises:
        UnknownNameError: No loss has that name; the message translates the name of another
            library's loss, or names the nearest.
    """
    every = public_losses()
    if name not in every and (hint := names.translation(name, dir(jaxloss))):
        message = f"no loss `{name}`{hint}"
        raise UnknownNameError(message)
    return _entry(name, _known("loss", name, every))


def called_here(name: str) -> list[str]:
    """Return the names here of another library's loss, or of an abbreviation.

    Example:
        >>> called_here("MSELoss"), called_here("mae")
        (['squared_error'], ['absolute_error'])
    """
    return names.called_here(name, public_losses())


def write_tables(file: str) -> None:
    """Write the tables of losses and of peers into a Markdown file, each between its markers.

    The markers are `<!-- losses -->` and `<!-- /losses -->`, and the same with `peers`; a file may
    have only one pair. The rest of the file does not change, nor does its kind of newlines.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: It is not in UTF-8, or its markers do not match; the message names the line.
    """
    path, tables = Path(file), {"losses": markdown_table, "peers": migration_table}
    if not path.exists():
        message = f"there is no file {file!r}; {_WANTED}"
        raise ValueError(message)
    text = decoded(path, path.read_bytes())
    # A file of Windows keeps its newlines, or a diff would show every line.
    newline = re.search(r"\r\n|\r|\n", text)
    pieces, end = [], 0
    for name, start, stop in _between_markers(path, text, tables):
        table = f"\n{tables[name]()}\n".replace("\n", newline[0] if newline else "\n")
        pieces += [text[end:start], table]
        end = stop
    write(path, "".join([*pieces, text[end:]]))


def _between_markers(path: Path, text: str, names: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the name, start and end of the text between each pair of markers."""
    opening: re.Match[str] | None = None
    seen: set[str] = set()

    def refuse(marker: re.Match[str], what: str) -> NoReturn:
        line = text.count("\n", 0, marker.start()) + 1
        message = f"{path}, line {line}: `{marker[0]}` {what}; {_WANTED}, each once"
        raise ValueError(message)

    for marker in re.finditer(rf"<!-- (/?)({'|'.join(names)}) -->", text):
        closes, name = marker.groups()
        if opening and not (closes and name == opening[2]):
            refuse(opening, f"is not closed before `{marker[0]}`")
        if closes and not opening:
            refuse(marker, "closes what was not opened")
        if name in seen:
            refuse(marker, "is there twice")
        if opening:
            yield name, opening.end(), marker.start()
            seen.add(name)
        opening = None if closes else marker
    if opening:
        refuse(opening, "is not closed")
    if not seen:
        message = f"{path} has no markers; {_WANTED}"
        raise ValueError(message)


def migration_table() -> str:
    """The table of other libraries' losses and their translations, for the README."""
    rows = [
        f"| {peer.library} | `{peer.call}` | `{peer.ours}` | {peer.differs} |" for peer in PEERS
    ]
    header = ["| library | its call | ours | what differs |", "| --- | --- | --- | --- |"]
    return "\n".join([*header, *rows])


def markdown_table() -> str:
    """The table of losses in the README."""
    return "\n\n".join(_section_of(field) for field in fields())


def _section_of(field: Field) -> str:
    title = f"### {field.name.capitalize()}\n\n{field.summary}"
    return "\n\n".join([title, *map(_table_of, field.families)])


def _table_of(family: Family) -> str:
    rows = [
        f"| `{entry.name}` | {entry.summary} | {', '.join(_traits(entry)) or '—'} |"
        for entry in family.entries
    ]
    title = f"**{family.name}**: {family.summary}"
    return "\n".join([title, "", "| loss | what it is | facts |", "| --- | --- | --- |", *rows])


def _traits(entry: Entry) -> list[str]:
    """The facts that tables show, in words."""
    facts = entry.facts
    words = [name for name in ("convex", "redescending", "calibrated", "proper") if facts.get(name)]
    # That a constant is infinite is no fact worth a word.
    if facts.get("lipschitz", float("inf")) < float("inf"):
        words.append(f"{facts['lipschitz']:.3g}-Lipschitz")
    return [*words, f"elicits the {facts['elicits']}"] if "elicits" in facts else words


def _summary(*place: str) -> str:
    """The first line of the docstring of a folder of losses, or of a file in it."""
    module = importlib.import_module(".".join(["jaxloss.losses", *place]))
    return (inspect.getdoc(module) or "").partition("\n")[0]


def _known(kind: str, name: str, every: Mapping[str, T]) -> T:
    """Return the value of this name.

    Raises:
        UnknownNameError: No value has this name; the message names the nearest.
    """
    if name not in every:
        message = f"no {kind} `{name}`{nearest(name, every)} (`jaxloss list` shows all)"
        raise UnknownNameError(message)
    return every[name]


def _entry(name: str, loss: "Loss[Any]") -> Entry:
    text = _sections(inspect.getdoc(loss) or "")
    hyperparameters = loss.signature.hyperparameters
    # The module of the function: that of the loss would be the one of its class.
    *_, field, family = loss.function.__module__.split(".")
    return Entry(
        name=name,
        field=field,
        family=family,
        loss=loss,
        arrays=loss.signature.arrays,
        hyperparameters=hyperparameters,
        facts=loss.facts.at(**{key: item.default for key, item in hyperparameters.items()}),
        summary=text["Summary"],
        formula=text["Formula"],
        use_when=text["Use"],
        avoid_when=text["Avoid"],
        limits=text["Limits"],
        references=text["References"],
    )


def _sections(doc: str) -> dict[str, str]:
    """The sections of a docstring by title; before the first title are summary and formula."""
    summary, _, body = doc.partition("\n")
    sections: dict[str, list[str]] = {"Formula": []}
    title = "Formula"
    for line in body.splitlines():
        found = _SECTION.match(line)
        if found:
            title = found[1] or found[2]
        # "Use when" and "Avoid when" are titles and the beginning of their text at once.
        sections.setdefault(title, []).append(line if not found or found[2] else "")
    texts = {title: inspect.cleandoc("\n".join(lines)) for title, lines in sections.items()}
    return {"Use": "", "Avoid": "", "Limits": "", "References": ""} | texts | {"Summary": summary}
