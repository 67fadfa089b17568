"""Output on the terminal: the plan, progress, rankings, findings and the place of the report."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from jaxloss.compare.report import report_model, wording
from jaxloss.compare.report.quantities import NOTHING, hyperparameter_text, percent, wrapped
from jaxloss.compare.statistics.standings import Analysis
from jaxloss.compare.sweep.contenders import Contender
from jaxloss.compare.sweep.expression import Variant
from jaxloss.compare.sweep.plan import Plan, Unit
from jaxloss.compare.sweep.results import Results

_SIGNIFICANT = {"better", "worse", "temperature", "open"}
_STYLES = {"better": "green", "worse": "red", "failed": "red", "reference": ""}
_VERDICT_WIDTH, _NARROWEST = 16, 12  # characters
_TIE = "\N{NO-BREAK SPACE}"  # "p = 0.03" stays on one line
_OTHERS = 2 + _VERDICT_WIDTH + 12  # the rank, the verdict and the gaps between columns


def announce(plan: Plan) -> None:
    """Print the plan: how many networks are about to be trained."""
    noise = ", ".join(percent(level) for level in plan.noise)
    Console().print(
        f"{plan.task.title}: {plan.networks:,} networks of {len(plan.lineup.contenders)} "
        f"objectives ({len(plan.units)} with their hyper-parameters) x {plan.seeds} seeds x "
        f"{len(plan.rates)} learning rates, {noise} {plan.task.noise}, {plan.epochs} epochs",
        highlight=False,
        markup=False,
    )


def status(text: str) -> AbstractContextManager[object]:
    """A spinner on the standard error while something of unknown length runs."""
    return Console(stderr=True).status(escape(text))


@contextmanager
def progress(plan: Plan, *, quiet: bool = False) -> Iterator[Callable[[Unit], None]]:
    """A progress bar over the units; yields the function that advances it.

    The bar is on the standard error, and hidden unless that is a terminal.

    Args:
        plan: The plan.
        quiet: Show nothing at all.
    """
    console = Console(stderr=True)
    columns = TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    last = TextColumn("{task.description}", style="dim", markup=False)
    with Progress(*columns, last, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=len(plan.units))
        yield lambda unit: bar.update(task, advance=1, description=_unit(*unit))


def show(results: Results, analysis: Analysis) -> None:
    """Print the ranking at each level of noise, the findings and the warnings."""
    console = Console()
    for ranking in report_model.rankings(results, analysis):
        console.print()
        console.print(_table(ranking, console.width))
    metric = wording.number_format(results, analysis)
    note = (
        f"{metric.heading} on clean test data ({metric.direction}) and its paired difference to "
        f"{results.plan.lineup.reference}, ± standard errors; tests corrected by Holm."
    )
    console.print(note, style="dim", highlight=False, markup=False)
    console.print()
    for sentence in wording.findings(results, analysis):
        console.print(f"- {sentence}", highlight=False, markup=False)
    for warning in wording.warnings(results, analysis):
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False)


def finish(folder: Path, seconds: float) -> None:
    """Print where the files are and how long the run took."""
    Console().print(
        f"\nWrote {folder / 'report.html'}, report.md, results.csv and results.jsonl in "
        f"{seconds:.0f} s.",
        highlight=False,
        markup=False,
    )


def _unit(contender: Contender, variant: Variant) -> str:
    return f"{contender.name} {hyperparameter_text(variant.hyperparameters)}"


def _table(ranking: report_model.Ranking, width: int) -> Table:
    """The table of a ranking for this width: names are wrapped, numbers are not."""
    table = Table(
        title=Text(ranking.level),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("objective", overflow="fold")
    for header in ("rate", "score", "difference"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    columns = zip(*map(_numbers, ranking.lines), strict=True)
    # Rich would shorten numbers, which must stay whole: names get what width is left.
    numbers = [len(max(column, key=len)) for column in columns]
    room = width - sum(numbers) - _OTHERS
    for line in ranking.lines:
        style = "bold" if line.kind == "reference" else ""
        table.add_row(*_cells(line, max(room, _NARROWEST)), style=style)
    return table


def _cells(line: report_model.Line, room: int) -> Iterator[Text]:
    tuned = f"\n{line.hyperparameters}" if line.hyperparameters != NOTHING else ""
    yield Text(line.rank)
    yield Text(wrapped(line.loss, room)).append(tuned, style="dim")
    yield from (Text(cell) for cell in _numbers(line))
    p = f", {line.p.replace(' ', _TIE)}" if line.kind in _SIGNIFICANT else ""
    verdict = textwrap.fill(line.verdict + p, _VERDICT_WIDTH)
    yield Text(verdict, style=_STYLES.get(line.kind, "dim"))


def _numbers(line: report_model.Line) -> tuple[str, str, str]:
    return line.rate, line.score, line.difference
