"""Losses compared fairly on real data: `jaxloss compare`, and the same from Python.

Four parts, each of which imports only those before it: `tasks` (data, models and metrics), `sweep`
(training, as one program), `statistics` (model selection and tests) and `report` (words, figures,
pages).
"""

from jaxloss.compare.comparison import Outcome as Outcome
from jaxloss.compare.comparison import compare as compare
from jaxloss.compare.tasks.registry import find as find
from jaxloss.compare.tasks.tables import table as table
from jaxloss.compare.tasks.task import Task as Task
