"""Losses compared fairly on real data: `jaxloss compare`, and the same from Python.

Four parts: `tasks` (what is trained on and measured), `sweep` (the training, as one program),
`statistics` (what is chosen, and what chance explains) and `report` (words, figures, pages).
"""

from jaxloss.compare.comparison import Outcome as Outcome
from jaxloss.compare.comparison import compare as compare
from jaxloss.compare.tasks.registry import find as find
from jaxloss.compare.tasks.tables import table as table
from jaxloss.compare.tasks.task import Task as Task
