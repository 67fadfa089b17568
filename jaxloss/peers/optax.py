"""The losses of `optax.losses`."""

from functools import partial

from jaxloss.peers.peer import IN_LOGS, ZERO_VECTOR, Peer

row = partial(Peer, "optax")

ROWS = (
    row("squared_error(predictions, targets)", "squared_error(predictions, targets)"),
    row("l2_loss(predictions, targets)", "half_squared_error(predictions, targets)"),
    row(
        "huber_loss(predictions, targets, delta=2.0)",
        "huber(predictions, targets, delta=2.0)",
    ),
    row("log_cosh(predictions, targets)", "log_cosh(predictions, targets)"),
    row(
        "cosine_similarity(predictions, targets)",
        "cosine_similarity(predictions, targets)",
        ZERO_VECTOR,
    ),
    row(
        "cosine_distance(predictions, targets)",
        "cosine_distance(predictions, targets)",
        ZERO_VECTOR,
    ),
    row(
        "hinge_loss(scores, signs)",
        "hinge(scores, signs)",
        "labels may be boolean or {0, 1} too",
    ),
    row(
        "perceptron_loss(scores, signs)",
        "perceptron(scores, signs)",
        "labels may be boolean or {0, 1} too",
    ),
    row(
        "sigmoid_binary_cross_entropy(logits, binary_labels)",
        "sigmoid_binary_cross_entropy(logits, binary_labels)",
        "shapes are equal; an infinite logit on the right side costs 0",
    ),
    row(
        "softmax_cross_entropy(logits, distribution)",
        "softmax_cross_entropy(logits, distribution)",
        "classes are the last axis; a class is masked by a logit of -inf, not by `where`",
    ),
    row(
        "safe_softmax_cross_entropy(logits, distribution)",
        "softmax_cross_entropy(logits, distribution)",
    ),
    row(
        "softmax_cross_entropy_with_integer_labels(logits, labels)",
        "softmax_cross_entropy_with_integer_labels(logits, labels)",
        "a label outside [0, classes) is NaN; -1 does not wrap",
    ),
    row(
        "softmax_cross_entropy(logits, smooth_labels(distribution, 0.1))",
        "softmax_cross_entropy(logits, distribution, label_smoothing=0.1)",
        "smoothing is an option, and spreads over the classes that are not masked",
    ),
    row("multiclass_hinge_loss(scores, labels)", "crammer_singer(scores, labels)"),
    row(
        "kl_divergence(log_probabilities, distribution)",
        "kl_divergence(log_probabilities, distribution)",
        f"off the simplex it is the generalised divergence, Σ t log(t / p) - t + p; {IN_LOGS}",
    ),
    row(
        "generalized_kl_divergence(log_probabilities, distribution)",
        "kl_divergence(log_probabilities, distribution)",
    ),
    row(
        "kl_divergence_with_log_targets(log_probabilities, log_distribution)",
        "kl_divergence_with_log_targets(log_probabilities, log_distribution)",
        f"a target of -inf adds 0; {IN_LOGS}",
    ),
    row(
        "sigmoid_focal_loss(logits, binary_labels, alpha=0.25, gamma=2.0)",
        "sigmoid_focal(logits, binary_labels, alpha=0.25, gamma=2.0)",
        "a soft label gives the expectation over hard ones",
    ),
    row(
        "poly_loss_cross_entropy(logits, one_hot, epsilon=2.0)",
        "poly1_cross_entropy(logits, labels, epsilon=2.0)",
        "integer labels; epsilon is 1 by default",
    ),
    row(
        "sparsemax_loss(scores, binary_labels)",
        "sparsemax(scores, binary_labels)",
    ),
    row(
        "multiclass_sparsemax_loss(score_rows, label_rows)",
        "multiclass_sparsemax(score_rows, label_rows)",
        "any batch axes, not exactly one",
    ),
    row("multiclass_perceptron_loss(scores, labels)", "multiclass_perceptron(scores, labels)"),
    row(
        "make_fenchel_young_loss(jax.nn.logsumexp)(scores, one_hot)",
        "fenchel_young(jax.nn.logsumexp)(scores, one_hot)",
        "of the conjugate, as there; makes one loss for each",
    ),
    row(
        "triplet_margin_loss(anchors, positives, negatives)",
        "triplet(anchors, positives, negatives)",
        "any p >= 1, as a norm: |x|, not x, to the power p; equal points have gradient 0",
    ),
    row(
        "ranking_softmax_loss(scores, relevance, reduce_fn=None)",
        "ranking_softmax(scores, relevance)",
        "one value per list; `where` of an objective hides items, weights multiply the relevance",
    ),
    row(
        "ntxent(embeddings, groups)",
        "(ntxent(embeddings, groups) * partners).sum() / partners.sum()",
        "one value per anchor; theirs weighs it by how many positives it has",
    ),
    row(
        "binary_dice_loss(region_logits, region)",
        "dice(jax.nn.sigmoid(region_logits), region, smooth=2.0)",
        "probabilities; `smooth` is twice theirs, and 0 by default",
    ),
    row(
        "dice_loss(pixel_logits, pixel_classes)",
        "dice(jax.nn.softmax(pixel_logits).mT, pixel_classes.mT, smooth=2.0).mean(-1)",
        "one value per region, so that the classes are a batch axis",
    ),
    row(
        "multiclass_generalized_dice_loss(pixel_logits, pixel_classes)",
        "(dice(jax.nn.softmax(pixel_logits).mT, pixel_classes.mT, smooth=2.0) * rarity).mean()",
        "a weighted mean; that of Sudre et al., with weights in the ratio, is `generalized_dice`",
    ),
    row(
        "ctc_loss(letter_logits, frame_padding, spelled, letter_padding)",
        "ctc(letter_logits, frames, letters, spelled)",
        "numbers of frames and labels, not paddings; blank is class 0; inf, not 1e5, where no "
        "alignment exists",
    ),
)
