"""How much memory a call needs, measured in a process of its own.

The peak of a process never falls, so that in one process a second call would seem to need nothing.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

from jaxloss.bench import peers, programs
from jaxloss.bench.cases import Case
from jaxloss.bench.programs import Implementation, Question

# proc(5): VmHWM is the peak of VmRSS, and 5 written into clear_refs sets it back to VmRSS.
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_KIB = 1024


def peak(case: Case, dtype: str, quantity: str, library: str) -> int:
    """Bytes that a call needs at its peak beside its inputs.

    Raises:
        RuntimeError: The process failed, or was killed for its memory; the message ends with the
            last line that it wrote.
    """
    wanted = json.dumps([case.loss, case.shape, dtype, quantity, library])
    command = [sys.executable, "-m", __name__, wanted]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        words = done.stderr.strip().rpartition("\n")[2]
        message = f"its process ended with {done.returncode}: {words}"
        raise RuntimeError(message)
    return int(done.stdout)


def available() -> int | None:
    """Bytes that may be allocated without swapping, where the system says so."""
    file = Path("/proc/meminfo")
    return _field(file, "MemAvailable") if file.exists() else None


def main(wanted: str) -> None:
    """Run one implementation, and print what it needed."""
    loss, shape, dtype, quantity, library = json.loads(wanted)
    question = Question.of(Case(loss, tuple(shape)), dtype, quantity)
    print(_risen(implementation(question, library)))


def implementation(question: Question, library: str) -> Implementation:
    """Ours, or that of a library."""
    if library == "ours":
        return programs.ours(question)
    return programs.peer(question, peers.matches(question.case.loss)[library])


def _risen(measured: Implementation) -> int:
    """How far the peak during a call is above what was held before it.

    On Linux the peak is set back first, as drawing and casting the inputs may have needed more.
    """
    before = _most()
    if _RESET.exists():
        _RESET.write_text("5", encoding="ascii")
        before = _field(_STATUS, "VmRSS")
    measured.run()
    return _most() - before


def _most() -> int:
    if _STATUS.exists():
        return _field(_STATUS, "VmHWM")
    unit = 1 if sys.platform == "darwin" else _KIB  # getrusage(2) of macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _field(file: Path, name: str) -> int:
    lines = file.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * _KIB


if __name__ == "__main__":
    main(sys.argv[1])
