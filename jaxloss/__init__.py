"""Loss functions and objectives for JAX."""

from jaxloss.contract import Loss as Loss
from jaxloss.contract import distance as distance
from jaxloss.contract import loss as loss
from jaxloss.contract import margin as margin
from jaxloss.facts import Facts as Facts

# distance-based
from jaxloss.losses.regression import huber as huber
from jaxloss.objective import Objective as Objective
from jaxloss.reduction import Average as Average
from jaxloss.reduction import mean as mean
from jaxloss.reduction import none as none
from jaxloss.reduction import total as total

__version__ = "0.1.0"
