"""Functions of numbers that keep their digits, in few passes over memory.

What many losses use is exported here, the rest from its file.
"""

from jaxloss.numerics.elementary import abs_zero_grad as abs_zero_grad
from jaxloss.numerics.elementary import as_argument as as_argument
from jaxloss.numerics.elementary import as_array as as_array
from jaxloss.numerics.elementary import computing_dtype as computing_dtype
from jaxloss.numerics.elementary import divide as divide
from jaxloss.numerics.elementary import divide_by_temperature as divide_by_temperature
from jaxloss.numerics.elementary import expm1 as expm1
from jaxloss.numerics.elementary import is_diagonal as is_diagonal
from jaxloss.numerics.elementary import log as log
from jaxloss.numerics.elementary import log_odds_against as log_odds_against
from jaxloss.numerics.elementary import log_softmax as log_softmax
from jaxloss.numerics.elementary import logsumexp as logsumexp
from jaxloss.numerics.elementary import machine_epsilon as machine_epsilon
from jaxloss.numerics.elementary import nan_gradient as nan_gradient
from jaxloss.numerics.elementary import norm as norm
from jaxloss.numerics.elementary import poison as poison
from jaxloss.numerics.elementary import quotient as quotient
from jaxloss.numerics.elementary import reciprocal as reciprocal
from jaxloss.numerics.elementary import relative_excess as relative_excess
from jaxloss.numerics.elementary import soft_cap as soft_cap
from jaxloss.numerics.elementary import square_sum as square_sum
from jaxloss.numerics.elementary import tanh as tanh
from jaxloss.numerics.elementary import tiny as tiny
from jaxloss.numerics.elementary import unit as unit
from jaxloss.numerics.elementary import weighted as weighted
from jaxloss.numerics.elementary import xlogx as xlogx
from jaxloss.numerics.elementary import zero_if_weightless as zero_if_weightless
from jaxloss.numerics.softmax import at_label as at_label
from jaxloss.numerics.softmax import is_label as is_label
