"""The page in a browser: what a reader of a phone or a screen sees first, and what works there."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from jaxloss.compare import judge

NAMES = "chromium", "chromium-browser", "google-chrome"
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), "")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
    "--window-size=1400,1000",
    "--dump-dom",
]
DARK = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]
HEIGHT = 844  # of a phone
SCRIPT = """
<script>
const seen = {
  width: innerWidth,
  page: document.documentElement.scrollWidth,
  decision: document.querySelector("h1").getBoundingClientRect().bottom,
  background: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.querySelector("h1")).color,
  beyond: [...document.querySelectorAll("main *, header *")]
    .filter(x => !x.closest(".scroll, svg, pre"))
    .filter(x => x.getBoundingClientRect().right > innerWidth + 1)
    .map(x => x.outerHTML.slice(0, 80)),
};
const table = document.querySelector(".sortable");
const order = () => [...table.tBodies[0].rows].map(row => row.cells[1].innerText.trim());
const head = table.tHead.rows[0].cells[2];
seen.ranked = order();
head.click(); seen.ascending = order(); seen.sort = head.ariaSort;
head.click(); seen.descending = order();
const toggle = document.querySelector(".scale input");
const drawings = [...document.querySelectorAll(".scale + div, .scale + div + div")].slice(0, 2);
const visible = () => drawings.map(x => x.offsetHeight > 0);
seen.before = visible(); toggle.click(); seen.after = visible();
seen.tooltips = document.querySelectorAll("svg g > title").length;
parent.document.body.dataset.seen = JSON.stringify(seen);
</script>
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed to show the page in"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of made-up scores of losses with long names, at two levels of noise."""
    generator = np.random.default_rng(0)
    losses = {
        "cross_entropy": 0.0,
        "generalized_cross_entropy(q=[0.1, 0.3, 0.5, 0.7, 0.9])": 0.05,
        "0.7*softmax_cross_entropy_with_integer_labels + 0.3*brier": 0.001,
        "one_hot_absolute_error": -0.4,
    }
    rows = [
        (loss, noise, seed, 0.9 - noise / 2 + gain * noise + 0.004 * generator.normal())
        for noise in (0.0, 0.4)
        for seed in range(8)
        for loss, gain in losses.items()
    ]
    frame = pd.DataFrame(rows, columns=["loss", "noise", "seed", "accuracy"])
    folder = tmp_path_factory.mktemp("report")
    options = {"reference": "cross_entropy", "metric": "accuracy", "unit": "points", "overlap": 0.2}
    judge(frame, **options).report(folder)
    return folder / "report.html"


def looked_at(page, width, *, dark):
    """What a browser says of the page after the script above, and what it prints of errors.

    The page is shown in a frame: a window of Chromium is at least 500 pixels wide.
    """
    shown = page.read_text(encoding="utf-8").replace("</body>", f"{SCRIPT}</body>")
    frame = (
        f'<iframe width="{width}" height="{HEIGHT}" style="border:0" srcdoc="{html.escape(shown)}">'
    )
    file = page.with_name(f"seen-{width}-{dark}.html")
    file.write_text(f"<!doctype html><meta charset='utf-8'><body>{frame}</iframe></body>")
    command = [CHROMIUM, *FLAGS, *(DARK if dark else []), file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    return json.loads(html.unescape(found[1])), console


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1200])
def test_the_first_screen_holds_the_decision_and_nothing_overflows(page, width, dark):
    seen, console = looked_at(page, width, dark=dark)
    assert console == []
    assert seen["width"] == width
    assert seen["decision"] < HEIGHT / 2
    assert seen["page"] <= width
    assert seen["beyond"] == []
    light = [int(x) > 128 for x in re.findall(r"\d+", seen["background"])[:3]]
    assert light == [not dark] * 3
    assert [int(x) > 128 for x in re.findall(r"\d+", seen["ink"])[:3]] == [dark] * 3


def test_headings_sort_the_scale_can_be_chosen_and_points_have_tooltips(page):
    seen, _ = looked_at(page, 1200, dark=False)
    assert seen["ascending"] == seen["ranked"][::-1]
    assert seen["descending"] == seen["ranked"]
    assert seen["sort"] == "ascending"
    assert seen["before"] == [False, True]
    assert seen["after"] == [True, False]
    assert seen["tooltips"] > 10
