"""Losses compared fairly on real data: `jaxloss compare`, and the same from Python.

Four parts, each of which imports only those before it: `tasks` (data, models and metrics), `sweep`
(training, as one program), `statistics` (model selection and tests) and `report` (words, figures,
pages). `judge` gives the last two for the scores of one's own training runs.
"""

from jaxloss.compare.comparison import Outcome as Outcome
from jaxloss.compare.comparison import Settings as Settings
from jaxloss.compare.comparison import compare as compare
from jaxloss.compare.judgement import Judgement as Judgement
from jaxloss.compare.judgement import judge as judge
from jaxloss.compare.tasks.metrics import Metric as Metric
from jaxloss.compare.tasks.models import Model as Model
from jaxloss.compare.tasks.optimizers import Optimizer as Optimizer
from jaxloss.compare.tasks.outputs import Output as Output
from jaxloss.compare.tasks.registry import find as find
from jaxloss.compare.tasks.tables import table as table
from jaxloss.compare.tasks.task import Data as Data
from jaxloss.compare.tasks.task import DataSplit as DataSplit
from jaxloss.compare.tasks.task import Task as Task
from jaxloss.compare.tuner import Found as Found
from jaxloss.compare.tuner import tune as tune
