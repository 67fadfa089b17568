"""The cases that are measured: losses at shapes, which tests and the benchmark share.

A shape is that of the first array, with the batch in front; of a linear head it is tokens,
features, classes.
"""

from dataclasses import dataclass

LABELLED = "softmax_cross_entropy_with_integer_labels"
HEAD = f"linear_head({LABELLED})"
# Elementwise losses of all kinds: with kinks and without, cheap ones, and those of exponentials.
SMOOTH_AND_SHARP = (
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "hinge",
    "poisson_nll",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal",
)
# From what fits the first cache of a core to what fits hardly any: 4 kB, 4 MiB, 64 MiB, 256 MB.
SIZES = (1000, 2**20, 2**24, 64_000_000)

QUICK, USUAL, HEAVY = range(3)  # in order, so that a run takes all up to one of them


@dataclass(frozen=True)
class Case:
    """A loss at a shape.

    Attributes:
        loss: Its name, or of a made loss the call that makes it.
        shape: Of the first array.
        cost: QUICK, USUAL, or HEAVY for what is measured only when it is asked for.
    """

    loss: str
    shape: tuple[int, ...]
    cost: int = USUAL

    @property
    def name(self) -> str:
        """What it is asked for by."""
        return f"{self.loss.partition('(')[0]}@{'x'.join(map(str, self.shape))}"


def _cost(loss: str, size: int) -> int:
    if size == SIZES[-1]:
        return HEAVY
    return QUICK if size == SIZES[1] and loss in {"huber", "sigmoid_focal"} else USUAL


# Classes: 10 and 1000, as of CIFAR-10 and ImageNet; 32,768 and 128,256, as in the vocabularies of
# Mistral 7B (v0.3) and Llama 3. Pairs: up to the 32,768 of CLIP (arXiv:2103.00020).
CASES = (
    *(Case(loss, (size,), _cost(loss, size)) for loss in SMOOTH_AND_SHARP for size in SIZES),
    Case(LABELLED, (8192, 10), QUICK),
    Case(LABELLED, (4096, 1000), QUICK),
    Case(LABELLED, (2048, 32768)),
    Case(LABELLED, (512, 128256)),
    Case("softmax_cross_entropy", (4096, 1000)),
    Case(HEAD, (512, 64, 8192), QUICK),
    Case(HEAD, (4096, 512, 32768), HEAVY),
    Case(HEAD, (4096, 512, 128256), HEAVY),
    Case(HEAD, (4096, 2048, 128256), HEAVY),
    Case("symmetric_info_nce", (1024, 256), QUICK),
    Case("symmetric_info_nce", (8192, 256), HEAVY),
    Case("symmetric_info_nce", (32768, 256), HEAVY),
    Case("siglip", (8192, 256), HEAVY),
    Case("siglip", (32768, 256), HEAVY),
    Case("ntxent", (256, 64)),
    Case("ntxent", (2048, 64), HEAVY),
    Case("dice", (8, 65536)),
    Case("lovasz_hinge", (1, 1048576)),
    Case("ssim", (8, 256, 256, 1)),
    Case("ctc", (16, 200, 32)),
)

# How many numbers are measured of a domain whose record names no shape, and how long its axes may
# be. 2**20 numbers of 32 bits are 4 MiB; with 256, only the call itself costs anything.
TYPICAL_NUMBERS, FEW_NUMBERS = 2**20, 256
LONGEST = 64
