"""The built-in tasks by name."""

from jaxloss.compare.tasks.digits import DIGITS
from jaxloss.compare.tasks.engel import ENGEL
from jaxloss.compare.tasks.generation import GENERATION
from jaxloss.compare.tasks.medical import BREAST_CANCER, DIABETES, HEAVY_TAILS
from jaxloss.compare.tasks.mnist1d import MNIST1D
from jaxloss.compare.tasks.super_resolution import SUPER_RESOLUTION
from jaxloss.compare.tasks.task import Task
from jaxloss.hints import nearest

_ALL = DIGITS, MNIST1D, BREAST_CANCER, DIABETES, HEAVY_TAILS, ENGEL, SUPER_RESOLUTION, GENERATION
TASKS: dict[str, Task] = {task.name: task for task in _ALL}


def find(name: str) -> Task:
    """Return the task of this name.

    Raises:
        ValueError: No task has this name.
    """
    if name not in TASKS:
        spelt = name.lower().replace(" ", "_")
        hint = nearest(spelt, TASKS) or f"; there are {', '.join(TASKS)}"
        message = f"no task is called {name!r}{hint}"
        raise ValueError(message)
    return TASKS[name]
