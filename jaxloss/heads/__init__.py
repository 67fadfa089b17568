"""Losses of linear heads, which never hold the logits or scores of all tokens at once.

The logits of a language model are its largest array by far. Here those of some tokens at a time
are made, reduced to their losses, and dropped.
"""

from jaxloss.heads.distillation import DistillationHead as DistillationHead
from jaxloss.heads.distillation import distillation_head as distillation_head
from jaxloss.heads.linear import linear_head as linear_head
from jaxloss.heads.linear import tied_head as tied_head
from jaxloss.heads.loss import HeadLoss as HeadLoss
from jaxloss.heads.policy import TokenLogProbabilities as TokenLogProbabilities
from jaxloss.heads.policy import token_log_probabilities as token_log_probabilities
