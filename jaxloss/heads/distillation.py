"""A divergence between the distributions of two linear heads: a student and its frozen teacher."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.domains import Positive, Scale
from jaxloss.core.loss import Loss
from jaxloss.core.signature import HyperParameter
from jaxloss.heads.fused import HeadInputs
from jaxloss.heads.loss import ChunkPolicy, HeadLoss, HeadSignature, head_arrays
from jaxloss.numerics import divide_by_temperature, log_softmax, poison


def _softmax(x: Array) -> Array:
    return jnp.exp(log_softmax(x))


_FORMS = {Scale.LOG_PROBABILITY: log_softmax, Scale.PROBABILITY: _softmax}
_HEADS = 2  # student and teacher
_TEMPERATURE = HyperParameter(get_args(Positive)[1], 1.0)


class DistillationHead(HeadLoss):
    """A divergence of the distributions of two linear maps, some tokens at a time."""

    def head_inputs(self, arrays: Sequence[Array], keywords: Mapping[str, Any]) -> HeadInputs:
        """The arrays by their roles, those of the teacher as constants of the derivative."""
        inputs = super().head_inputs(arrays, keywords)
        student, teacher = inputs.heads
        return inputs._replace(heads=(student, jax.lax.stop_gradient(teacher)))


def distillation_head(
    loss: Loss[...], *, tokens: int | None = None, memory: int | None = None
) -> DistillationHead:
    """Make a loss of a student's linear head and a teacher's, whose logits are never all held.

        loss(p, t),   p = softmax((h W + b) / T),   t = softmax((h' W' + b') / T)
        h = hidden,   W = weight,   b = bias,   those of the teacher with ',   T = temperature

    Both heads are gone through some tokens at a time, as `linear_head` does it. The teacher is
    frozen: no gradient leads to it, and none is formed.

    Args:
        loss: A loss of two distributions, each by its logarithms or as it is, such as
            `kl_divergence_with_log_targets`, `reverse_kl` or `generalized_jensen_shannon`.
        tokens: As for `linear_head`.
        memory: As for `linear_head`, for the logits of both.

    Returns:
        A loss of `hidden`, shape `[..., features]`, `weight`, shape `[features, classes]`, `bias`,
        shape `[classes]` or a scalar, and of `teacher_hidden`, `teacher_weight`, `teacher_bias`
        likewise, which may have other features; with the hyper-parameters of `loss`, and
        `temperature` > 0, by default 1, and with `where` as `linear_head` has it. One value per
        token, shape `[...]`; the same object each time.

    Raises:
        TypeError: `loss` is no loss of two distributions, or a size is no integer.
        ValueError: A size is below 1, or both are given.

    Use when a student with a large vocabulary learns from a teacher's logits.
    Avoid when it is added to other terms without a factor of T²: its gradient falls like 1 / T².

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> head = jl.distillation_head(jl.kl_divergence_with_log_targets)
        >>> student, teacher = jnp.zeros((1, 2)), jnp.array([[0.0, 50.0]])
        >>> value = head(jnp.ones((3, 1)), student, 0.0, jnp.ones((3, 1)), teacher, 0.0)
        >>> [round(x, 4) for x in value.tolist()]
        [0.6931, 0.6931, 0.6931]

    Limits:
        0 where the logits of both are equal, or differ by the same number for all classes.

    References:
        Hinton, Vinyals & Dean (2015), Distilling the knowledge in a neural network,
        arXiv:1503.02531.
        Agarwal et al. (2024), On-policy distillation of language models: learning from
        self-generated mistakes, arXiv:2306.13649.
    """
    chunk_policy, forms, signature = ChunkPolicy(tokens, memory), _forms(loss), loss.signature

    def function(logits: Any, _: Any, hyper: Mapping[str, Any]) -> Array:
        others = {name: value for name, value in hyper.items() if name != "temperature"}
        temperature = jnp.asarray(hyper.get("temperature", _TEMPERATURE.default), logits[0].dtype)
        temperature = poison(temperature, _TEMPERATURE.domain.contains(temperature))
        pairs = zip(forms, logits, strict=True)
        return loss(*(form(divide_by_temperature(x, temperature)) for form, x in pairs), **others)

    return derive(
        distillation_head,
        loss,
        function=function,
        doc=_text(loss.__name__),
        signature=HeadSignature(
            signature.name,
            head_arrays() | head_arrays("teacher_"),
            {**signature.hyperparameters, "temperature": _TEMPERATURE},
            heads=_HEADS,
            tied=False,
        ),
        kind=functools.partial(DistillationHead, chunk_policy=chunk_policy),
        options=chunk_policy.as_options(),
    )


def _forms(loss: Loss[...]) -> list[Callable[[Array], Array]]:
    """From logits to each of the two distributions."""
    domains = loss.signature.arrays.values() if isinstance(loss, Loss) else ()
    forms: list[Callable[[Array], Array]] = [
        _FORMS[domain.scale]
        for domain in domains
        if domain.axes == ("classes",) and domain.scale in _FORMS
    ]
    if len(forms) != 2 or len(domains) != 2:
        message = "is a loss of two distributions, as reverse_kl"
        raise TypeError(f"distillation_head: `loss` {message}, got {loss!r}")
    return forms


def _text(name: str) -> str:
    return f"""`{name}` of a student's linear head and a teacher's, some tokens at a time.

        {name}(p, t),   p = softmax((h W + b) / T),   t = softmax((h' W' + b') / T)

    Args:
        hidden: Features of each token, shape `[..., features]`.
        weight: What makes the logit of each class, shape `[features, classes]`.
        bias: A number of each class, shape `[classes]`, or a scalar for all; 0.0 is no bias.
        teacher_hidden: Likewise of the teacher, which is frozen.
        teacher_weight: Likewise of the teacher.
        teacher_bias: Likewise of the teacher.
        temperature: What the logits of both are divided by, > 0.
        **hyperparameters: Those of `{name}`.
        where: Which tokens count, boolean, shape `[...]` or a prefix; all by default.

    Returns:
        One value per token, shape `[...]`; 0 with gradient 0 where the token does not count.
    """
