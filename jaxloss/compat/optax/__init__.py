"""The names, arguments and values of `optax.losses`, computed by the losses of jaxloss.

`from jaxloss.compat import optax as losses` stands in for `from optax import losses`, and passes
optax's own tests. Results are one value per example as there, with these differences: shapes are
equal and only masks broadcast; a wrong label is NaN, in the gradient too; 16-bit numbers are
computed and returned in single precision; infinite logits, zero vectors and masked rows are no NaN.
The docstring of each function names the loss of jaxloss that it calls, which documents the rest.

Example:
    >>> import jax, jax.numpy as jnp
    >>> from jaxloss.compat import optax as losses
    >>> logits = jnp.array([[0.0, jnp.log(3.0)], [-jnp.inf, 0.0]])
    >>> labels = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    >>> [round(float(value), 4) for value in losses.softmax_cross_entropy(logits, labels)]
    [1.3863, 0.0]
    >>> [round(float(value), 4) for value in losses.cosine_distance(labels, labels, axis=0)]
    [0.0, 0.0]
"""

from jaxloss.compat.optax.classification import hinge_loss as hinge_loss
from jaxloss.compat.optax.classification import make_fenchel_young_loss as make_fenchel_young_loss
from jaxloss.compat.optax.classification import multiclass_hinge_loss as multiclass_hinge_loss
from jaxloss.compat.optax.classification import (
    multiclass_perceptron_loss as multiclass_perceptron_loss,
)
from jaxloss.compat.optax.classification import (
    multiclass_sparsemax_loss as multiclass_sparsemax_loss,
)
from jaxloss.compat.optax.classification import perceptron_loss as perceptron_loss
from jaxloss.compat.optax.classification import poly_loss_cross_entropy as poly_loss_cross_entropy
from jaxloss.compat.optax.classification import (
    safe_softmax_cross_entropy as safe_softmax_cross_entropy,
)
from jaxloss.compat.optax.classification import (
    sigmoid_binary_cross_entropy as sigmoid_binary_cross_entropy,
)
from jaxloss.compat.optax.classification import sigmoid_focal_loss as sigmoid_focal_loss
from jaxloss.compat.optax.classification import smooth_labels as smooth_labels
from jaxloss.compat.optax.classification import softmax_cross_entropy as softmax_cross_entropy
from jaxloss.compat.optax.classification import (
    softmax_cross_entropy_with_integer_labels as softmax_cross_entropy_with_integer_labels,
)
from jaxloss.compat.optax.classification import sparsemax_loss as sparsemax_loss
from jaxloss.compat.optax.contrastive import ntxent as ntxent
from jaxloss.compat.optax.divergence import convex_kl_divergence as convex_kl_divergence
from jaxloss.compat.optax.divergence import generalized_kl_divergence as generalized_kl_divergence
from jaxloss.compat.optax.divergence import kl_divergence as kl_divergence
from jaxloss.compat.optax.divergence import (
    kl_divergence_with_log_targets as kl_divergence_with_log_targets,
)
from jaxloss.compat.optax.ranking import ranking_softmax_loss as ranking_softmax_loss
from jaxloss.compat.optax.regression import cosine_distance as cosine_distance
from jaxloss.compat.optax.regression import cosine_similarity as cosine_similarity
from jaxloss.compat.optax.regression import huber_loss as huber_loss
from jaxloss.compat.optax.regression import l2_loss as l2_loss
from jaxloss.compat.optax.regression import log_cosh as log_cosh
from jaxloss.compat.optax.regression import squared_error as squared_error
from jaxloss.compat.optax.regression import triplet_margin_loss as triplet_margin_loss
from jaxloss.compat.optax.segmentation import binary_dice_loss as binary_dice_loss
from jaxloss.compat.optax.segmentation import dice_loss as dice_loss
from jaxloss.compat.optax.segmentation import (
    multiclass_generalized_dice_loss as multiclass_generalized_dice_loss,
)
from jaxloss.compat.optax.sequence import ctc_loss as ctc_loss
from jaxloss.compat.optax.sequence import ctc_loss_with_forward_probs as ctc_loss_with_forward_probs
