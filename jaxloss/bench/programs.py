"""Implementations ready to be run: ours or a peer's, of a value or of value and gradient."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.bench import inputs, libraries, peers
from jaxloss.bench.cases import Case
from jaxloss.bench.clock import Run
from jaxloss.bench.peers import Match
from jaxloss.core.objective import Objective

Arrays = Mapping[str, np.ndarray]
Mean = Callable[..., Array]


@dataclass(frozen=True)
class Implementation:
    """A computation of a loss: one call of it, and what the compiler says of it.

    Attributes:
        call: What is computed, as its users write it.
        run: One call, to its end.
        build: Lowering and compiling from nothing, for implementations that are compiled.
        lowering: Seconds.
        compiling: Seconds.
        temporaries: Bytes that the compiler allocates beside inputs and outputs.
        read: Bytes of the inputs.
        written: Bytes of the outputs.
    """

    call: str
    run: Run
    build: Run | None = None
    lowering: float | None = None
    compiling: float | None = None
    temporaries: int | None = None
    read: int = 0
    written: int = 0


@dataclass(frozen=True)
class Question:
    """What every implementation computes: a loss of these arrays, or its value and gradient."""

    case: Case
    dtype: str
    gradient: bool
    arrays: Arrays
    hyperparameters: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        case: Case,
        dtype: str,
        quantity: str,
        arrays: Callable[[Case], Arrays] = inputs.draw,
    ) -> "Question":
        """The question about a case, at the hyper-parameters that the peers have too."""
        match = next(iter(peers.matches(case.loss).values()), None)
        hyperparameters = dict(match.hyperparameters) if match else {}
        return cls(case, dtype, quantity == "gradient", arrays(case), hyperparameters)

    @property
    def spelled(self) -> str:
        """Our call, without its arrays."""
        numbers = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.case.loss}({numbers})" if numbers else self.case.loss

    @property
    def moving(self) -> list[str]:
        """The arrays that the gradient is taken in, as our signature names them."""
        return inputs.moving(inputs.find(self.case.loss))


@dataclass(frozen=True)
class Program:
    """What JAX compiles of an implementation.

    Attributes:
        call: What is computed, as its users write it.
        step: The value, or the value and its gradient in the first argument.
        moved: The arrays that the gradient is taken in, by name.
        held: The other arrays.
        dtype: Of all arrays that are no integers.
    """

    call: str
    step: Callable[[Any, Any], Any]
    moved: Arrays
    held: Arrays
    dtype: str

    @classmethod
    def of(
        cls, call: str, mean: Mean, question: Question, arrays: Arrays, moving: Sequence[str]
    ) -> "Program":
        """The program of a mean of arrays by name."""

        def value(moved: Mapping[str, Array], held: Mapping[str, Array]) -> Array:
            return mean(**moved, **held)

        step = jax.value_and_grad(value) if question.gradient else value
        moved = {name: arrays[name] for name in moving}
        held = {name: array for name, array in arrays.items() if name not in moved}
        return cls(call, step, moved, held, question.dtype)

    def arguments(self, make: Callable[..., Any]) -> tuple[Any, Any]:
        """The arguments of the step, each made of an array and its dtype."""

        def made(array: np.ndarray) -> Any:
            return make(array, self.dtype if array.dtype == np.float32 else array.dtype)

        arguments: tuple[Any, Any] = jax.tree.map(made, (self.moved, self.held))
        return arguments


def ours(question: Question) -> Implementation:
    """The mean of our objective, compiled."""
    return _compiled(our_program(question))


def our_program(question: Question) -> Program:
    """The mean of our objective, weighted where `weights` are among the arrays."""
    loss = inputs.find(question.case.loss)
    names = [name for name in question.arrays if name != "weights"]

    def mean(weights: Array | None = None, **arrays: Array) -> Array:
        *predictions, target = (arrays[name] for name in names)
        given = (tuple(predictions), target) if predictions else ((target,), None)
        value: Array = Objective(loss, **question.hyperparameters)(*given, weights=weights)
        return value

    return Program.of(question.spelled, mean, question, question.arrays, question.moving)


def peer(question: Question, match: Match) -> Implementation:
    """The mean of a peer's call."""
    arrays, moving = _of_peer(question, match)
    if match.peer.library == "torch":
        functions = libraries.namespace(match.peer.library)
        return _eager(match.peer.call, functions, question, arrays, moving)
    return _compiled(peer_program(question, match))


def peer_program(question: Question, match: Match) -> Program:
    """The mean of the call of a peer that JAX compiles."""
    arrays, moving = _of_peer(question, match)
    code = compile(match.peer.call, "<peers>", "eval")
    functions = libraries.namespace(match.peer.library)

    def mean(**arrays: Array) -> Array:
        return jnp.mean(eval(code, functions, arrays))  # a row of our own table of peers

    return Program.of(match.peer.call, mean, question, arrays, moving)


def _of_peer(question: Question, match: Match) -> tuple[Arrays, list[str]]:
    """The arrays as a peer names them, and those that the gradient is taken in."""
    renamed = dict(zip(question.arrays, match.names, strict=True))
    arrays = {renamed[name]: array for name, array in question.arrays.items()}
    moving = [renamed[name] for name in question.moving]
    return peers.with_derived(arrays, match.peer.call), moving


def _compiled(program: Program) -> Implementation:
    """One that JAX lowers and compiles here, each step with its time."""
    moved, held = program.arguments(jnp.asarray)

    def build() -> tuple[Any, float]:
        jax.clear_caches()  # or the traces of functions that were called before are found again
        lowered = jax.jit(program.step).lower(moved, held)
        between = time.perf_counter()
        return lowered.compile(), between

    start = time.perf_counter()
    compiled, between = build()
    end, memory = time.perf_counter(), compiled.memory_analysis()
    return Implementation(
        program.call,
        # A call of JAX returns before the result is there.
        run=lambda: jax.block_until_ready(compiled(moved, held)),
        build=build,
        lowering=between - start,
        compiling=end - between,
        temporaries=memory and memory.temp_size_in_bytes,  # None on backends that do not say
        read=memory.argument_size_in_bytes if memory else 0,
        written=memory.output_size_in_bytes if memory else 0,
    )


def _eager(
    call: str, functions: dict[str, Any], question: Question, arrays: Arrays, moving: Sequence[str]
) -> Implementation:
    """A call of PyTorch, which compiles nothing; on its accelerator where JAX is on one too."""
    torch, code = functions["torch"], compile(call, "<peers>", "eval")
    on_gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    tensors = {
        name: _tensor(torch, array, question.dtype).to("cuda" if on_gpu else "cpu")
        for name, array in arrays.items()
    }
    moved = [tensors[name].requires_grad_(question.gradient) for name in moving]

    def run() -> object:
        with torch.set_grad_enabled(question.gradient):
            value = eval(code, functions, tensors).mean()
        found = torch.autograd.grad(value, moved) if question.gradient else value
        if on_gpu:  # where calls of PyTorch return before the result is there
            torch.cuda.synchronize()
        return found

    return Implementation(call, run)


def _tensor(torch: Any, array: np.ndarray, dtype: str) -> Any:
    tensor = torch.from_numpy(np.array(array))  # a copy, as some are views that may not be written
    # Labels of `torch.nn.functional.cross_entropy` are of 64 bits.
    return tensor.to(getattr(torch, dtype) if array.dtype == np.float32 else torch.int64)
