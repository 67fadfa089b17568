"""Training steps: binding models, accumulating gradients, and balancing several terms.

`import jaxloss` does not import this module, as it needs optax: `from jaxloss import training`.
"""

from jaxloss.training.accumulation import accumulate as accumulate
from jaxloss.training.balance import cagrad as cagrad
from jaxloss.training.balance import mgda as mgda
from jaxloss.training.balance import pcgrad as pcgrad
from jaxloss.training.balance import rlw as rlw
from jaxloss.training.binding import Bound as Bound
from jaxloss.training.binding import Outcome as Outcome
from jaxloss.training.binding import bind as bind
from jaxloss.training.gradnorm import gradnorm as gradnorm
from jaxloss.training.learned import constrain as constrain
from jaxloss.training.learned import uncertainty_weighted as uncertainty_weighted
from jaxloss.training.learned import unconstrain as unconstrain
