"""Writes torch_values.json: PyTorch's side of the table of peers, since PyTorch is no dependency.

Run it where PyTorch is installed beside jaxloss and its tests: `python tests/torch_values.py`.
"""

import inspect
import json
from pathlib import Path

import numpy as np
import torch
from peer_arrays import SHAPE, arrays, moving

from jaxloss.peers import PEERS

ENTER = {"probabilities": torch.softmax, "log_probabilities": torch.log_softmax}


def unreduced(function):
    """The function with one value per example, where it would reduce."""
    try:
        reduces = "reduction" in inspect.signature(function).parameters
    except ValueError:  # a built-in function, which has no signature and does not reduce
        return function
    return (
        (lambda *args, **more: function(*args, reduction="none", **more)) if reduces else function
    )


def value_and_gradient(peer):
    """As in test_peers.py: in the array that comes first in our call, or in its logits."""
    tensors = {name: torch.tensor(np.array(x)) for name, x in arrays(SHAPE).items()}
    tensors = {name: x if x.is_floating_point() else x.long() for name, x in tensors.items()}
    name = moving(peer.ours)
    start = (tensors["logits"] if name in ENTER else tensors[name]).requires_grad_()
    tensors[name] = ENTER[name](start, dim=-1) if name in ENTER else start
    functions = {n: unreduced(f) for n, f in vars(torch.nn.functional).items() if callable(f)}
    value = eval(peer.call, {"torch": torch} | functions, tensors)
    value.sum().backward()
    return {"value": value.tolist(), "gradient": start.grad.tolist()}


def names():
    """The losses of `torch.nn`, and what else compares a prediction with a target."""
    others = {"CosineSimilarity", "PairwiseDistance"}
    return sorted(name for name in dir(torch.nn) if "Loss" in name or name in others)


if __name__ == "__main__":
    table = {peer.call: value_and_gradient(peer) for peer in PEERS if peer.library == "torch"}
    document = {"torch": torch.__version__, "names": names(), "rows": table}
    Path(__file__).with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
