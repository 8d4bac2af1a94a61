"""Processes of the suite. Each is in a group of its own, so that Ctrl-C reaches the suite alone, which then ends them in order."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys

END_LIMIT = 60  # seconds until a process that was asked to end must have ended


def start(words, **more):
    return subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_ends_with_parent, **more)


def _ends_with_parent():
    """In the child: it gets SIGTERM when the suite is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def end_group(process):
    """Ends a process and all that it has started, and waits for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
