"""Output on the terminal: the plan, progress, the decision, rankings and findings."""

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from jaxloss.compare.report.quantities import NOTHING, percent, wrapped
from jaxloss.compare.report.report_model import Line, Ranking, ReportModel
from jaxloss.compare.sweep.plan import Phase, Plan
from jaxloss.compare.sweep.records import Record

_STYLES = {"better": "green", "worse": "red", "failed": "red", "reference": ""}
_VERDICT_WIDTH = 19  # characters
_GAP = 2  # between columns
_OTHERS = 2 + _VERDICT_WIDTH + 5  # the rank and the verdict, with the gaps about them
_TIE = "\N{NO-BREAK SPACE}"  # "0.9 ± 0.1" stays on one line
_TEXT_WIDTH = 100
# Columns from which names fit beside the numbers, and the rates as well.
_TABLE_FROM, _RATES_FROM = 76, 96


def announce(plan: Plan) -> None:
    """Print the plan: what is about to be tuned and tested."""
    noise = ", ".join(percent(level) for level in plan.noise)
    candidates = len({(arm.noise, each) for arm in plan.arms for each in arm.start})
    seeds = f"{plan.seeds} seeds" if plan.seeds else "seeds until the time is up"
    _plain(
        Console(),
        f"{plan.task.title}: {len(plan.lineup.contenders)} objectives at {noise} "
        f"{plan.task.noise}, {plan.epochs} epochs; {candidates:,} settings to tune, then tests on "
        f"{seeds}",
    )


def status(text: str) -> AbstractContextManager[object]:
    """A spinner on the standard error while something of unknown length runs."""
    return Console(stderr=True).status(escape(text))


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Callable[[Sequence[Record]], None]]:
    """Show how many networks are trained; yields the function that takes their rows.

    The line is on the standard error, and hidden unless that is a terminal. How many networks there
    will be is known neither of a search nor of tests that end when the time is up.

    Args:
        quiet: Show nothing at all.
    """
    console = Console(stderr=True)
    columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    trained, seeds = dict.fromkeys(Phase, 0), set[int]()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as shown:
        task = shown.add_task("compiling", total=None)

        def done(rows: Sequence[Record]) -> None:
            for row in rows:
                trained[row.phase] += 1
                if row.phase is Phase.TEST:
                    seeds.add(row.seed)
            text = f"{trained[Phase.TUNING]:,} networks to tune"
            if trained[Phase.TEST]:
                text += f", {trained[Phase.TEST]:,} to test, of {len(seeds)} seeds"
            shown.update(task, description=text)

        yield done


def show(report: ReportModel) -> None:
    """Print the decision, the ranking at each level of noise, the findings and the warnings."""
    console = Console()
    _rankings(console, report)
    console.print()
    for sentence in report.findings:
        _plain(console, f"- {sentence}")
    for warning in report.warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False)


def text(report: ReportModel) -> str:
    """The decision and the rankings as plain text."""
    file = io.StringIO()
    _rankings(Console(file=file, width=_TEXT_WIDTH), report)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def finish(folder: Path, seconds: float) -> None:
    """Print where the files are and how long the run took."""
    _plain(
        Console(),
        f"\nWrote {folder / 'report.html'}, report.md, decision.json, rankings.tex, figures, "
        f"results.csv and results.jsonl in {seconds:.0f} s.",
    )


def _rankings(console: Console, report: ReportModel) -> None:
    console.print(report.decision, style="bold", highlight=False, markup=False)
    for ranking in report.rankings:
        console.print()
        if console.width >= _TABLE_FROM:
            console.print(_table(ranking, console.width))
        else:
            _list(console, ranking)
    note = (
        f"{report.metric} on test data ({report.direction}), and its paired difference to "
        f"{report.reference}, ± standard errors; tests corrected for all comparisons."
    )
    console.print(note, style="dim", highlight=False, markup=False)


def _plain(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)


def _table(ranking: Ranking, width: int) -> Table:
    """The table of a ranking for this width: names are wrapped, numbers are not."""
    table = Table(
        title=Text(ranking.level),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    # Rich would shorten numbers, which must stay whole: names get what width is left, and more of
    # it on a narrow terminal, which shows no rates.
    rows = [_numbers(line) for line in ranking.lines]
    headers = [name for name in rows[0] if width >= _RATES_FROM or name != "rate"]
    numbers = {name: [row[name] for row in rows] for name in headers}
    widths = [max(map(len, [name, *column])) for name, column in numbers.items()]
    left = width - sum(widths) - _GAP * len(widths) - _OTHERS
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("objective", overflow="fold")
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for line, *cells in zip(ranking.lines, *numbers.values(), strict=True):
        style = "bold" if line.kind == "reference" else ""
        verdict = _verdict(line, textwrap.fill(line.verdict, _VERDICT_WIDTH))
        table.add_row(line.rank, _name(line, left), *cells, verdict, style=style)
    return table


def _list(console: Console, ranking: Ranking) -> None:
    """Print a ranking without columns, for a narrow terminal."""
    _plain(console, ranking.level)
    for line in ranking.lines:
        indent, width = " " * (len(line.rank) + 2), console.width - 1
        names = textwrap.indent(_name(line, width - len(indent)).plain, indent)
        known = {name: number for name, number in _numbers(line).items() if number != NOTHING}
        numbers = [f"{name} {number}" for name, number in known.items()]
        tied = ", ".join([*(x.replace(" ", _TIE) for x in numbers), line.verdict])
        details = textwrap.fill(tied, width, initial_indent=indent, subsequent_indent=indent)
        _plain(console, f"{line.rank}. {names.lstrip()}")
        console.print(_verdict(line, details))


def _name(line: Line, width: int) -> Text:
    tuned = f"\n{line.hyperparameters}" if line.hyperparameters != NOTHING else ""
    return Text(wrapped(line.loss, width)).append(tuned, style="dim")


def _verdict(line: Line, text: str) -> Text:
    return Text(text, style=_STYLES.get(line.kind, "dim"))


def _numbers(line: Line) -> dict[str, str]:
    return {
        "score": line.score,
        "difference": line.difference,
        "P(better)": line.better,
        "rate": line.rate,
    }
