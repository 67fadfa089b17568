"""Translation of the losses of optax, Keras and PyTorch.

Each row is data: the peer's call, ours with the same value and gradient, and their differences. The
arguments have the names of the arrays in the tests, which evaluate both calls.
"""

from jaxloss.peers import keras, optax, torch
from jaxloss.peers.peer import Peer as Peer

PEERS = (*optax.ROWS, *keras.ROWS, *torch.ROWS)
