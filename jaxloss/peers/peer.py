"""What one row of the table of peers holds."""

from dataclasses import dataclass

ZERO_VECTOR = "the zero vector has similarity 0, and no epsilon spoils small vectors"


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
