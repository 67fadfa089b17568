"""Mathematical properties of a loss, as data: claims that the tests check numerically."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

Truth = bool | Callable[..., bool] | None
Constant = float | Callable[..., float] | None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Properties in the first argument, for every value of the others; `None` claims nothing.

    A property that depends on hyper-parameters is a function of them, by name: `huber` has
    `lipschitz=lambda delta: delta`. Options whose default is None, such as `softcap`, are off.

    Attributes:
        convex: Convex in the prediction (residual, margin, scores, logits).
        strictly_convex: No chord touches the graph, however far out.
        symmetric: rho(-r) = rho(r).
        lipschitz: The least Lipschitz constant in the Euclidean norm, `inf` if there is none.
        smooth: The least Lipschitz constant of the gradient, `inf` if there is none.
        supremum: The least upper bound of the value, `inf` if there is none.
        redescending: The influence rho' returns to 0 for large residuals: outliers are forgotten.
        calibrated: Minimising the risk gives the classifier with the fewest errors (Bartlett,
            Jordan & McAuliffe 2006).
        proper: The true probabilities, and no others, minimise the risk, through softmax or `link`.
        elicits: The functional of the target's distribution that minimises the risk.
        link: The probability of the class +1 at a minimising score, where the score determines it.
    """

    convex: Truth = None
    strictly_convex: Truth = None
    symmetric: Truth = None
    lipschitz: Constant = None
    smooth: Constant = None
    supremum: Constant = None
    redescending: Truth = None
    calibrated: Truth = None
    proper: Truth = None
    elicits: str | Callable[..., str] | None = None
    link: Callable[..., Any] | None = None

    def at(self, **hyperparameters: Any) -> dict[str, Any]:
        """The facts that are claimed, by name, for these values of the hyper-parameters.

        >>> import jaxloss as jl
        >>> jl.huber.facts.at(delta=2.0)["lipschitz"]
        2.0
        """
        claims = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            name: _evaluate(claim, hyperparameters) if name != "link" else claim
            for name, claim in claims.items()
            if claim is not None
        }


def _evaluate(claim: Any, hyperparameters: dict[str, Any]) -> Any:
    if not callable(claim):
        return claim
    return claim(**{name: hyperparameters[name] for name in inspect.signature(claim).parameters})
