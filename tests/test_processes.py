"""Two processes train what one does, and one notices when the other is gone."""

import contextlib
import functools
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from devices import on_eight_devices

SCRIPT = Path(__file__).with_name("two_processes.py")
STEPS, FOREVER, SECONDS = 3, 10**6, 150

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def together(folder, steps):
    """Two that train together, with two devices each; none outlives the block, or 150 seconds."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    words = [sys.executable, SCRIPT, address]
    started = [
        subprocess.Popen(
            [*words, str(index), str(steps), folder / f"{index}.npz"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in (0, 1)
    ]
    clock = threading.Timer(SECONDS, lambda: [process.kill() for process in started])
    clock.start()
    try:
        yield started
    finally:
        clock.cancel()
        for process in started:
            process.kill()
            process.communicate()


near = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6)


@on_eight_devices
def _check_that_they_train_alike(folder):
    import two_processes as script

    with together(folder, STEPS) as processes:
        whole = list(script.train(script.plain, script.PARAMETERS, script.BATCH, STEPS))
        alone = list(script.train_spread(STEPS))
        for process in processes:
            _, said = process.communicate()
            assert process.returncode == 0, said
    (value, parameters), files = alone[-1], [np.load(folder / f"{i}.npz") for i in (0, 1)]
    for found in ({"value": whole[-1][0], **whole[-1][1]}, *files):
        for name, expected in {"value": value, **parameters}.items():
            near(found[name], expected)
    near([value for value, _ in alone], [value for value, _ in whole])


def test_two_processes_train_what_one_does(tmp_path):
    """And so does one device, with the plain losses."""
    _check_that_they_train_alike(folder=tmp_path)


def test_a_process_that_dies_is_missed_by_the_other(tmp_path):
    """A connection breaks; or a device waits for another of the survivor's until it is aborted."""
    with together(tmp_path, FOREVER) as (survivor, victim):
        assert any(line.startswith("value") for line in survivor.stdout), survivor.stderr.read()
        victim.kill()
        _, said = survivor.communicate()
        assert survivor.returncode in (3, -signal.SIGABRT), said
        assert re.search("another process is gone|another task died", said), said
