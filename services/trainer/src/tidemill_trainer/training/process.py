"""Processes of a run: bounded in memory, ended with their parent, one computing thread each."""

import ctypes
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
"""One thread each and no random hashes: sums are then made in the same order every time."""

PRELOADED = ["tidemill_trainer.training.candidate"]

_PR_SET_PDEATHSIG = 1


def confine(memory_bytes: int) -> None:
    """Limit this process's private memory, and end it when its parent ends (where Linux does that)."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    if hasattr(signal, "SIGKILL") and os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def prepare() -> BaseContext:
    """Start the server that processes are forked from, so that it loads the libraries, once, while this one goes on.

    It computes nothing itself and has one thread, which makes forking it safe.
    """
    os.environ.update(ENVIRONMENT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()
    return context


def map_each(
    function: Callable[[T], R], items: Sequence[T], parallel: int, memory_bytes: int, failed: Callable[[T, str], R]
) -> list[R]:
    """`function` of each item, at most `parallel` at a time, each in a process of its own.

    Where a process dies, `failed(item, cause)` takes the place of its result; the others go on.
    """
    context = prepare()
    results: list[R] = []
    for start in range(0, len(items), parallel):
        group = items[start : start + parallel]
        pools = [
            ProcessPoolExecutor(1, mp_context=context, initializer=confine, initargs=(memory_bytes,)) for _ in group
        ]
        futures = [pool.submit(function, item) for pool, item in zip(pools, group, strict=True)]
        results += [_result(future, item, failed) for future, item in zip(futures, group, strict=True)]
        for pool in pools:
            pool.shutdown()
    return results


def _result(future: "Future[R]", item: T, failed: Callable[[T, str], R]) -> R:
    try:
        return future.result()
    except BrokenProcessPool:
        return failed(item, "its process died: out of memory, or a crash in native code")
    except MemoryError:
        return failed(item, "out of memory")
