"""The rankings as LaTeX, for a paper: tables with the rules of the package booktabs."""

import pandas as pd

from jaxloss.compare.report.report_model import HEADERS, Ranking, ReportModel

# What pdfLaTeX has no letters for in text mode.
_SYMBOLS = str.maketrans(
    {
        "\N{MINUS SIGN}": "$-$",
        "\N{EM DASH}": "---",
        "±": r"$\pm$",
        "<": "$<$",
        ">": "$>$",
    }
)


def render(report: ReportModel) -> str:
    """Render each ranking as a table, with the decision as a comment in front."""
    tables = [_table(report, ranking) for ranking in report.rankings]
    return f"% {' '.join(report.decision.split())}\n\n" + "\n".join(tables)


def _table(report: ReportModel, ranking: Ranking) -> str:
    frame = pd.DataFrame([line.cells for line in ranking.lines], columns=HEADERS)
    caption = f"{report.metric} ({report.direction}){f', {ranking.level}' if ranking.level else ''}"
    text: str = frame[["objective", "score", "difference", "P(better)", "verdict"]].to_latex(
        index=False, escape=True, column_format="lrrrl", caption=_escaped(caption)
    )
    return text.translate(_SYMBOLS)


def _escaped(text: str) -> str:
    """Escape a caption, which pandas takes as it is."""
    return text.replace("%", r"\%").replace("_", r"\_").replace("&", r"\&").replace("#", r"\#")
