"""The losses of `torch.nn` and `torch.nn.functional`."""

from functools import partial

from jaxloss.peers.peer import IN_LOGS, ZERO_VECTOR, Peer

row = partial(Peer, "torch")

ROWS = (
    row("mse_loss(predictions, targets)", "squared_error(predictions, targets)"),
    row("l1_loss(predictions, targets)", "absolute_error(predictions, targets)"),
    row(
        "huber_loss(predictions, targets, delta=2.0)",
        "huber(predictions, targets, delta=2.0)",
    ),
    row(
        "smooth_l1_loss(predictions, targets, beta=0.5)",
        "smooth_l1(predictions, targets, beta=0.5)",
    ),
    row(
        "poisson_nll_loss(predictions, counts)",
        "poisson_nll_with_log_rates(predictions, counts)",
        "rates and log rates have a function each",
    ),
    row(
        "gaussian_nll_loss(predictions, targets, rates)",
        "gaussian_nll(predictions, rates, targets)",
        "the variance comes before the targets and is not clamped",
    ),
    row(
        "binary_cross_entropy(binary_probabilities, binary_labels)",
        "binary_cross_entropy(binary_probabilities, binary_labels)",
        "the logarithm is not clamped at -100",
    ),
    row(
        "binary_cross_entropy_with_logits(logits, binary_labels, pos_weight=torch.tensor(3.0))",
        "sigmoid_binary_cross_entropy(logits, binary_labels, positive_weight=3.0)",
    ),
    row(
        "cross_entropy(logits, labels, label_smoothing=0.1)",
        "softmax_cross_entropy_with_integer_labels(logits, labels, label_smoothing=0.1)",
        "classes are the last axis, not the second; `where` ignores, not a label of -100",
    ),
    row(
        "nll_loss(log_probabilities, labels)",
        "nll(log_probabilities, labels)",
        "classes are the last axis, not the second",
    ),
    row(
        "kl_div(log_probabilities, distribution).sum(-1)",
        "kl_divergence(log_probabilities, distribution)",
        f"a sum over the classes; {IN_LOGS}",
    ),
    row("soft_margin_loss(scores, signs)", "logistic(scores, signs)"),
    row(
        "multi_margin_loss(scores, labels)",
        "weston_watkins(scores, labels) / scores.shape[-1]",
        "a sum over the classes, not a mean",
    ),
    row(
        "multi_margin_loss(scores, labels, p=2)",
        "one_vs_each(squared_hinge)(scores, labels) / scores.shape[-1]",
        "a sum over the classes, not a mean",
    ),
    row(
        "cosine_similarity(predictions, targets, dim=-1)",
        "cosine_similarity(predictions, targets)",
        ZERO_VECTOR,
    ),
    row(
        "linear_cross_entropy(predictions, weight, labels)",
        "softmax_cross_entropy_with_integer_labels(predictions @ weight.T, labels)",
    ),
    row(
        "hinge_embedding_loss(distances, signs)",
        "hinge_embedding(distances, signs)",
    ),
    row(
        "cosine_embedding_loss(predictions, targets, sign, margin=0.2)",
        "cosine_embedding(predictions, targets, sign, margin=0.2)",
        ZERO_VECTOR,
    ),
    row(
        "margin_ranking_loss(scores, other_scores, signs, margin=0.5)",
        "margin_ranking(scores, other_scores, signs, margin=0.5)",
    ),
    row(
        "multilabel_margin_loss(scores, listed)",
        "multilabel_margin(scores, several)",
        "labels are multi-hot, not a list that ends with -1",
    ),
    row(
        "multilabel_soft_margin_loss(logits, binary_labels)",
        "multilabel_soft_margin(logits, binary_labels)",
    ),
    row(
        "pairwise_distance(predictions, targets, p=3.0)",
        "minkowski_distance(predictions, targets, p=3.0)",
        "no epsilon is added: equal points are at distance 0, with gradient 0",
    ),
    row(
        "triplet_margin_loss(anchors, positives, negatives, p=3.0)",
        "triplet(anchors, positives, negatives, p=3.0)",
        "no epsilon is added",
    ),
    row(
        "triplet_margin_loss(anchors, positives, negatives, swap=True)",
        "triplet_with_swap(anchors, positives, negatives)",
        "a function of its own",
    ),
    row(
        "triplet_margin_with_distance_loss(anchors, positives, negatives, "
        "distance_function=lambda x, y: 1 - cosine_similarity(x, y, dim=-1))",
        "triplet_of(cosine_distance)(anchors, positives, negatives)",
        "any distance, and any margin-based loss of the lead",
    ),
    row(
        "ctc_loss(torch.log_softmax(letter_logits, -1).transpose(0, 1), spelled, frames, letters)",
        "ctc(letter_logits, frames, letters, spelled)",
        "logits, batch first; `zero_infinity=True` is `infeasible=0`; no division by the length",
    ),
)
