"""What the losses of optax, Keras and PyTorch are called here, and what differs.

Each row is data: the peer's call, ours with the same value and gradient, and what to watch. The
names of the arguments are those of the arrays in the tests, which evaluate both calls.
"""

from jaxloss.peers import keras, optax, torch
from jaxloss.peers.peer import Peer as Peer

PEERS = (*optax.ROWS, *keras.ROWS, *torch.ROWS)
