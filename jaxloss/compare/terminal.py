"""What is printed: the plan, progress with the time left, the ranking and where the report is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from jaxloss.compare import wording
from jaxloss.compare.contenders import Contender
from jaxloss.compare.experiment import Outcome, Plan
from jaxloss.compare.statistics import Standing

_STYLES = {"better": "green", "worse": "red", "not significant": "dim", "reference": ""}


def announce(plan: Plan) -> None:
    """Say what is about to happen."""
    noise = ", ".join(wording.percent(level) for level in plan.noise)
    Console().print(
        f"[bold]{plan.networks} networks[/bold]: {len(plan.contenders)} losses x "
        f"{plan.seeds} seeds x {len(plan.rates)} learning rates, "
        f"label noise {noise}, {plan.epochs} epochs"
    )


def status(text: str) -> AbstractContextManager[object]:
    """A sign of life while something runs whose length is unknown."""
    return Console(stderr=True).status(text)


@contextmanager
def progress(plan: Plan) -> Iterator[Callable[[Contender], None]]:
    """A bar over the contenders, silent where nobody watches; yields what advances it."""
    console = Console(stderr=True)
    columns = TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    last = TextColumn("{task.description}", style="dim")
    with Progress(*columns, last, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(plan.contenders))
        yield lambda contender: bar.update(task, advance=1, description=contender.name)


def show(outcome: Outcome) -> None:
    """Print the ranking at each noise level, and what it says."""
    console = Console()
    for noise, ranking in zip(outcome.plan.noise, outcome.standings, strict=True):
        console.print()
        console.print(_table(f"{wording.percent(noise)} label noise", ranking))
    console.print()
    for sentence in wording.findings(outcome):
        console.print(f"- {sentence}", highlight=False)
    for warning in wording.warnings(outcome):
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)


def finish(folder: Path, seconds: float) -> None:
    """Say where everything is."""
    page = folder / "report.html"
    Console().print(
        f"\nWrote {page}, results.csv and results.jsonl in {seconds:.0f} s.", highlight=False
    )


def _table(title: str, ranking: list[Standing]) -> Table:
    table = Table(
        title=title,
        caption="test accuracy in percent and its paired difference to cross-entropy, ± standard "
        "errors; t-tests corrected by Holm",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        show_edge=False,
        padding=0,
    )
    for header in ("#", "loss", "rate", "accuracy", "difference", ""):
        side: Literal["left", "right"] = "left" if header in {"loss", ""} else "right"
        table.add_column(header, justify=side, no_wrap=True)
    for rank, standing in enumerate(ranking, 1):
        table.add_row(
            str(rank),
            standing.loss,
            f"{standing.rate:g}",
            wording.points(standing.accuracy),
            wording.points(standing.difference, signed=True) if standing.difference else "",
            Text(wording.verdict(standing), style=_STYLES[standing.verdict]),
            style="" if standing.difference else "bold",
        )
    return table
