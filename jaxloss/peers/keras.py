"""The losses of `keras.losses`."""

from functools import partial

from jaxloss.peers.peer import ZERO_VECTOR, Peer

_LAST = "targets come first; a mean over the last axis"

row = partial(Peer, "keras")

ROWS = (
    row(
        "mean_squared_error(targets, predictions)",
        "squared_error(predictions, targets).mean(-1)",
        _LAST,
    ),
    row(
        "mean_absolute_error(targets, predictions)",
        "absolute_error(predictions, targets).mean(-1)",
        _LAST,
    ),
    row(
        "mean_absolute_percentage_error(targets, predictions)",
        "100 * absolute_percentage_error(predictions, targets).mean(-1)",
        f"{_LAST}; in percent; a target of 0 is NaN here",
    ),
    row(
        "mean_squared_logarithmic_error(counts, rates)",
        "squared_log_error(rates, counts).mean(-1)",
        f"{_LAST}; below 0 is NaN here, not clamped",
    ),
    row(
        "huber(targets, predictions, delta=2.0)",
        "huber(predictions, targets, delta=2.0).mean(-1)",
        _LAST,
    ),
    row("log_cosh(targets, predictions)", "log_cosh(predictions, targets).mean(-1)", _LAST),
    row("hinge(signs, scores)", "hinge(scores, signs).mean(-1)", _LAST),
    row("squared_hinge(signs, scores)", "squared_hinge(scores, signs).mean(-1)", _LAST),
    row(
        "categorical_hinge(one_hot, binary_probabilities)",
        "crammer_singer(binary_probabilities, labels)",
        "integer labels; no 0 competes for the true class where all other classes score below 0",
    ),
    row(
        "cosine_similarity(targets, predictions)",
        "-cosine_similarity(predictions, targets)",
        f"targets come first; the sign; {ZERO_VECTOR}",
    ),
    row(
        "poisson(counts, rates)",
        "poisson_nll(rates, counts).mean(-1)",
        f"{_LAST}; no epsilon: a rate of 0 is right for a count of 0 only",
    ),
    row(
        "kl_divergence(distribution, probabilities)",
        "categorical_cross_entropy(probabilities, distribution) - "
        "categorical_cross_entropy(distribution, distribution)",
        "targets come first; not clipped; of logits, `kl_divergence` of their `log_softmax`",
    ),
    row(
        "binary_crossentropy(binary_labels, binary_probabilities)",
        "binary_cross_entropy(binary_probabilities, binary_labels).mean(-1)",
        f"{_LAST}; probabilities are not clipped",
    ),
    row(
        "binary_crossentropy(binary_labels, logits, from_logits=True, label_smoothing=0.1)",
        "sigmoid_binary_cross_entropy(logits, binary_labels, label_smoothing=0.1).mean(-1)",
        f"{_LAST}; logits have a function of their own",
    ),
    row(
        "categorical_crossentropy(distribution, probabilities)",
        "categorical_cross_entropy(probabilities, distribution)",
        "targets come first; probabilities are neither normalised nor clipped",
    ),
    row(
        "categorical_crossentropy(distribution, logits, from_logits=True, label_smoothing=0.1)",
        "softmax_cross_entropy(logits, distribution, label_smoothing=0.1)",
        "targets come first; logits have a function of their own",
    ),
    row(
        "sparse_categorical_crossentropy(labels, logits, from_logits=True)",
        "softmax_cross_entropy_with_integer_labels(logits, labels)",
        "labels come first; an example is ignored by `where`, not by `ignore_class`",
    ),
    row(
        "binary_focal_crossentropy(binary_labels, logits, from_logits=True)",
        "sigmoid_focal(logits, binary_labels).mean(-1)",
        f"{_LAST}; class balance is on where `alpha` is given",
    ),
    row(
        "categorical_generalized_cross_entropy(labels, jax.nn.softmax(logits), 0.7)",
        "generalized_cross_entropy(logits, labels, q=0.7)",
        "labels come first; logits here, not their softmax",
    ),
    row(
        "categorical_focal_crossentropy(one_hot, logits, alpha=1.0, from_logits=True)",
        "softmax_focal(logits, labels)",
        "integer labels; `alpha` is `class_weights`, and not 0.25 by default",
    ),
    row(
        "circle(groups, embeddings / jnp.linalg.norm(embeddings, axis=-1, keepdims=True))",
        "circle(embeddings, groups)",
        "labels come first; vectors of any length",
    ),
    row(
        "dice(region, region_probabilities, axis=-1)",
        "dice(region_probabilities, region)",
        "targets come first; one value per region, not one for the batch",
    ),
    row(
        "tversky(region, region_probabilities, alpha=0.6, beta=0.3, axis=-1)",
        "tversky(region_probabilities, region, alpha=0.3, beta=0.6)",
        "targets come first; up to Keras 3.15 alpha and beta change places (keras#23333)",
        below="3.16",
    ),
    row(
        "ctc(spelled, letter_logits)",
        "ctc(letter_logits, jnp.full(2, letter_logits.shape[-2]), letters, spelled)",
        "labels come first; their number is given, not guessed from zeros",
    ),
)
