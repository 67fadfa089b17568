"""The rows of the tables of peers, and differences that many of them share."""

from dataclasses import dataclass

ZERO_VECTOR = "the zero vector has similarity 0, and no epsilon spoils small vectors"

IN_LOGS = "the gradient in log p is p - t, not -t, and behind a log_softmax the same"


@dataclass(frozen=True)
class Peer:
    """A loss of another library, with its translation.

    Attributes:
        library: "optax", "keras" or "torch"; "" of a name that several libraries use.
        call: The peer's call, of functions of `optax.losses`, `keras.losses` or
            `torch.nn.functional`.
        ours: Our expression of the same value, of names of `jaxloss`.
        differs: The differences to know when migrating, or "".
        below: The first version of the peer for which the row no longer holds, if there is one.
    """

    library: str
    call: str
    ours: str
    differs: str = ""
    below: str | None = None
