"""What the losses of optax, Keras and PyTorch are called here, and what differs.

Each row is data: the peer's call, ours with the same value and gradient, and what to watch. The
names of the arguments are those of the arrays in the tests, which evaluate both calls.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A loss of another library beside ours.

    Attributes:
        library: "optax", "keras" or "torch".
        call: The peer's call, of functions of `optax.losses`, `keras.losses` or
            `torch.nn.functional`.
        ours: Our expression of the same value, of names of `jaxloss`.
        differs: What is to be watched when moving, or nothing.
    """

    library: str
    call: str
    ours: str
    differs: str = ""


_LAST = "targets come first; a mean over the last axis"
_ZERO = "the zero vector has similarity 0, and no epsilon spoils small vectors"

PEERS = (
    Peer("optax", "squared_error(predictions, targets)", "squared_error(predictions, targets)"),
    Peer("optax", "l2_loss(predictions, targets)", "half_squared_error(predictions, targets)"),
    Peer(
        "optax",
        "huber_loss(predictions, targets, delta=2.0)",
        "huber(predictions, targets, delta=2.0)",
    ),
    Peer("optax", "log_cosh(predictions, targets)", "log_cosh(predictions, targets)"),
    Peer(
        "optax",
        "cosine_similarity(predictions, targets)",
        "cosine_similarity(predictions, targets)",
        _ZERO,
    ),
    Peer(
        "optax",
        "cosine_distance(predictions, targets)",
        "cosine_distance(predictions, targets)",
        _ZERO,
    ),
    Peer(
        "optax",
        "hinge_loss(scores, signs)",
        "hinge(scores, signs)",
        "labels may be boolean or {0, 1} too",
    ),
    Peer(
        "optax",
        "perceptron_loss(scores, signs)",
        "perceptron(scores, signs)",
        "labels may be boolean or {0, 1} too",
    ),
    Peer(
        "optax",
        "sigmoid_binary_cross_entropy(logits, truths)",
        "sigmoid_binary_cross_entropy(logits, truths)",
        "shapes are equal; an infinite logit on the right side costs 0",
    ),
    Peer(
        "optax",
        "softmax_cross_entropy(logits, distribution)",
        "softmax_cross_entropy(logits, distribution)",
        "classes are the last axis; a class is masked by a logit of -inf, not by `where`",
    ),
    Peer(
        "optax",
        "safe_softmax_cross_entropy(logits, distribution)",
        "softmax_cross_entropy(logits, distribution)",
    ),
    Peer(
        "optax",
        "softmax_cross_entropy_with_integer_labels(logits, labels)",
        "softmax_cross_entropy_with_integer_labels(logits, labels)",
        "a label outside [0, classes) is NaN; -1 does not wrap",
    ),
    Peer(
        "optax",
        "softmax_cross_entropy(logits, smooth_labels(distribution, 0.1))",
        "softmax_cross_entropy(logits, distribution, label_smoothing=0.1)",
        "smoothing is an option, and spreads over the classes that are not masked",
    ),
    Peer("optax", "multiclass_hinge_loss(scores, labels)", "crammer_singer(scores, labels)"),
    Peer(
        "optax",
        "kl_divergence(log_probabilities, distribution)",
        "kl_divergence(log_probabilities, distribution)",
        "off the simplex it is the generalised divergence, Σ t log(t / p) - t + p",
    ),
    Peer(
        "optax",
        "generalized_kl_divergence(log_probabilities, distribution)",
        "kl_divergence(log_probabilities, distribution)",
    ),
    Peer(
        "optax",
        "kl_divergence_with_log_targets(log_probabilities, log_distribution)",
        "kl_divergence_with_log_targets(log_probabilities, log_distribution)",
        "a target of -inf adds 0",
    ),
    Peer(
        "optax",
        "sigmoid_focal_loss(logits, truths, alpha=0.25, gamma=2.0)",
        "sigmoid_focal(logits, truths, alpha=0.25, gamma=2.0)",
        "a soft label gives the expectation over hard ones",
    ),
    Peer(
        "optax",
        "poly_loss_cross_entropy(logits, one_hot, epsilon=2.0)",
        "poly1_cross_entropy(logits, labels, epsilon=2.0)",
        "integer labels; epsilon is 1 by default",
    ),
    Peer(
        "keras",
        "mean_squared_error(targets, predictions)",
        "squared_error(predictions, targets).mean(-1)",
        _LAST,
    ),
    Peer(
        "keras",
        "mean_absolute_error(targets, predictions)",
        "absolute_error(predictions, targets).mean(-1)",
        _LAST,
    ),
    Peer(
        "keras",
        "mean_absolute_percentage_error(targets, predictions)",
        "100 * absolute_percentage_error(predictions, targets).mean(-1)",
        f"{_LAST}; in percent; a target of 0 is NaN here",
    ),
    Peer(
        "keras",
        "mean_squared_logarithmic_error(counts, rates)",
        "squared_log_error(rates, counts).mean(-1)",
        f"{_LAST}; below 0 is NaN here, not clamped",
    ),
    Peer(
        "keras",
        "huber(targets, predictions, delta=2.0)",
        "huber(predictions, targets, delta=2.0).mean(-1)",
        _LAST,
    ),
    Peer(
        "keras", "log_cosh(targets, predictions)", "log_cosh(predictions, targets).mean(-1)", _LAST
    ),
    Peer("keras", "hinge(signs, scores)", "hinge(scores, signs).mean(-1)", _LAST),
    Peer("keras", "squared_hinge(signs, scores)", "squared_hinge(scores, signs).mean(-1)", _LAST),
    Peer(
        "keras",
        "categorical_hinge(one_hot, chances)",
        "crammer_singer(chances, labels)",
        "integer labels; no 0 competes for the true class where all rivals score below 0",
    ),
    Peer(
        "keras",
        "cosine_similarity(targets, predictions)",
        "-cosine_similarity(predictions, targets)",
        f"targets come first; the sign; {_ZERO}",
    ),
    Peer(
        "keras",
        "poisson(counts, rates)",
        "poisson_nll(rates, counts).mean(-1)",
        f"{_LAST}; no epsilon: a rate of 0 is right for a count of 0 only",
    ),
    Peer(
        "keras",
        "kl_divergence(distribution, probabilities)",
        "kl_divergence(jnp.log(probabilities), distribution)",
        "targets come first; predictions are logs here",
    ),
    Peer(
        "keras",
        "binary_crossentropy(truths, chances)",
        "binary_cross_entropy(chances, truths).mean(-1)",
        f"{_LAST}; probabilities are not clipped",
    ),
    Peer(
        "keras",
        "binary_crossentropy(truths, logits, from_logits=True, label_smoothing=0.1)",
        "sigmoid_binary_cross_entropy(logits, truths, label_smoothing=0.1).mean(-1)",
        f"{_LAST}; logits have a function of their own",
    ),
    Peer(
        "keras",
        "categorical_crossentropy(distribution, probabilities)",
        "categorical_cross_entropy(probabilities, distribution)",
        "targets come first; probabilities are neither normalised nor clipped",
    ),
    Peer(
        "keras",
        "categorical_crossentropy(distribution, logits, from_logits=True, label_smoothing=0.1)",
        "softmax_cross_entropy(logits, distribution, label_smoothing=0.1)",
        "targets come first; logits have a function of their own",
    ),
    Peer(
        "keras",
        "sparse_categorical_crossentropy(labels, logits, from_logits=True)",
        "softmax_cross_entropy_with_integer_labels(logits, labels)",
        "labels come first; an example is ignored by `where`, not by `ignore_class`",
    ),
    Peer(
        "keras",
        "binary_focal_crossentropy(truths, logits, from_logits=True)",
        "sigmoid_focal(logits, truths).mean(-1)",
        f"{_LAST}; class balance is on where `alpha` is given",
    ),
    Peer(
        "keras",
        "categorical_generalized_cross_entropy(labels, probabilities, 0.7)",
        "generalized_cross_entropy(jnp.log(probabilities), labels, q=0.7)",
        "labels come first; logits here",
    ),
    Peer("torch", "mse_loss(predictions, targets)", "squared_error(predictions, targets)"),
    Peer("torch", "l1_loss(predictions, targets)", "absolute_error(predictions, targets)"),
    Peer(
        "torch",
        "huber_loss(predictions, targets, delta=2.0)",
        "huber(predictions, targets, delta=2.0)",
    ),
    Peer(
        "torch",
        "smooth_l1_loss(predictions, targets, beta=0.5)",
        "smooth_l1(predictions, targets, beta=0.5)",
    ),
    Peer(
        "torch",
        "poisson_nll_loss(predictions, counts)",
        "poisson_nll_with_log_rates(predictions, counts)",
        "rates and log rates have a function each",
    ),
    Peer(
        "torch",
        "gaussian_nll_loss(predictions, targets, rates)",
        "gaussian_nll(predictions, rates, targets)",
        "the variance comes before the targets and is not clamped",
    ),
    Peer(
        "torch",
        "binary_cross_entropy(chances, truths)",
        "binary_cross_entropy(chances, truths)",
        "the logarithm is not clamped at -100",
    ),
    Peer(
        "torch",
        "binary_cross_entropy_with_logits(logits, truths, pos_weight=torch.tensor(3.0))",
        "sigmoid_binary_cross_entropy(logits, truths, positive_weight=3.0)",
    ),
    Peer(
        "torch",
        "cross_entropy(logits, labels, label_smoothing=0.1)",
        "softmax_cross_entropy_with_integer_labels(logits, labels, label_smoothing=0.1)",
        "classes are the last axis, not the second; `where` ignores, not a label of -100",
    ),
    Peer(
        "torch",
        "nll_loss(log_probabilities, labels)",
        "nll(log_probabilities, labels)",
        "classes are the last axis, not the second",
    ),
    Peer(
        "torch",
        "kl_div(log_probabilities, distribution).sum(-1)",
        "kl_divergence(log_probabilities, distribution)",
        "a sum over the classes",
    ),
    Peer("torch", "soft_margin_loss(scores, signs)", "logistic(scores, signs)"),
    Peer(
        "torch",
        "multi_margin_loss(scores, labels)",
        "weston_watkins(scores, labels) / scores.shape[-1]",
        "a sum over the classes, not a mean",
    ),
    Peer(
        "torch",
        "cosine_similarity(predictions, targets, dim=-1)",
        "cosine_similarity(predictions, targets)",
        _ZERO,
    ),
)
