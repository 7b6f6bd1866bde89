"""How many threads a fit takes: all that numba may have, shared by the fits of a process, fewer where others say so."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import config

from skreg import _blas, _team
from skreg._interrupt import DeferredInterrupt
from skreg._team import WORTH_A_TEAM, Team
from skreg._threads import DISBANDED
from skreg.kernels import _signals
from skreg.kernels._collector import collector_paused
from skreg.kernels._settings import numba_config
from skreg.kernels._signals import HeldSignals


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 8)
    monkeypatch.setattr(_team.sys, "modules", {**_team.sys.modules, "numba.np.ufunc.parallel": None})
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def members_of(team):
    """Numbers of the members that a kernel is called with, and of how many."""
    called = []
    team.run(lambda *arguments: called.append(arguments[:2]))
    return sorted(called)


def test_a_fit_takes_all_cores_where_that_pays_and_one_where_it_does_not():
    with Team(WORTH_A_TEAM) as team:
        assert members_of(team) == [(member, 8) for member in range(8)]
    with Team(WORTH_A_TEAM - 1) as team:
        assert members_of(team) == [(0, 1)]


@pytest.mark.parametrize(
    ("openmp", "numba", "n_cores"),
    [
        ("1", None, 1),
        ("3", None, 3),
        ("4,2", None, 4),
        ("64", None, 8),
        ("1", "8", 8),
        ("0", None, 8),
        ("x", None, 8),
        ("²", None, 8),
    ],
)
def test_openmp_s_limit_counts_where_numba_s_is_not_said(openmp, numba, n_cores, monkeypatch):
    """dask's workers set the first, joblib's the second."""
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    if numba is not None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", numba)
    assert _team.n_cores() == n_cores


@pytest.mark.parametrize(("said", "n_cores"), [("5", 5), ("five", 3), (None, 3)])
def test_without_numba_as_many_threads_as_it_would_have(said, n_cores, monkeypatch):
    """A search's worker that finds all machine code on disk does not import it."""
    monkeypatch.setattr(_team, "numba_config", lambda: None)
    monkeypatch.setattr(_team.os, "sched_getaffinity", lambda process: {0, 1, 4}, raising=False)
    if said is not None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", said)
    assert _team.n_cores() == n_cores


@pytest.mark.parametrize("said", ["0", "-1"])
def test_less_than_one_thread_is_refused(said, monkeypatch):
    monkeypatch.setattr(_team, "numba_config", lambda: None)
    monkeypatch.setenv("NUMBA_NUM_THREADS", said)
    with pytest.raises(ValueError, match=f"NUMBA_NUM_THREADS must be a whole number >= 1, got '{said}'"):
        _team.n_cores()


def test_numba_s_own_limit_counts_where_it_is_imported():
    assert numba_config() is config
    assert _team.n_cores() == 8


def test_fits_in_several_threads_share_the_cores():
    counts, both_inside, both_done = [], threading.Barrier(2), threading.Barrier(2)

    def fit():
        with Team(WORTH_A_TEAM) as team:
            both_inside.wait()
            counts.append(len(members_of(team)))
            both_done.wait()

    threads = [threading.Thread(target=fit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [4, 4]
    with Team(WORTH_A_TEAM) as team:
        assert len(members_of(team)) == 8


def test_a_team_within_a_team_takes_its_threads():
    with Team(WORTH_A_TEAM) as outer:
        with Team(WORTH_A_TEAM, most=3) as inner:
            assert members_of(inner) == [(0, 3), (1, 3), (2, 3)]
        with Team(1) as inner:
            assert members_of(inner) == [(0, 1)]
        assert len(members_of(outer)) == 8
    with Team(1) as outer, Team(WORTH_A_TEAM) as inner:
        assert len(members_of(inner)) == 8


def thread_of_second_member(team):
    found = {}

    def note(member, n_members, arrivals):
        found[member] = threading.get_ident()

    team.run(note)
    return found[1]


def test_threads_stay_for_the_next_team():
    _team._spare_threads.clear()
    first = run_a_team()
    assert run_a_team() == first
    with Team(WORTH_A_TEAM, most=2) as team:
        assert thread_of_second_member(team) == first
        with ThreadPoolExecutor(1) as other:  # at the same time, one of its own
            assert other.submit(run_a_team).result() != first
    assert len(_team._spare_threads) == 1
    with Team(WORTH_A_TEAM) as team:  # more than wait
        assert len(members_of(team)) == 8
    assert len(_team._spare_threads) == 1


def run_a_team():
    with Team(WORTH_A_TEAM, most=2) as team:
        return thread_of_second_member(team)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no other way to have a child without threads")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    run_a_team()
    child = os.fork()
    if child == 0:
        with Team(WORTH_A_TEAM) as team:
            os._exit(0 if len(members_of(team)) == 8 else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("The child waits for threads of its parent.")


def test_an_error_of_a_member_reaches_the_caller():
    def fail(member, n_members, arrivals):
        if member == 1:
            raise MemoryError("no memory")

    with Team(WORTH_A_TEAM) as team, pytest.raises(MemoryError):
        team.run(fail)


def test_an_error_of_the_caller_s_member_frees_the_others():
    def fail(member, n_members, arrivals):
        if member == 0:
            raise KeyboardInterrupt
        while arrivals[0] < n_members:  # as if at a meeting
            np.asarray(arrivals)

    with Team(WORTH_A_TEAM) as team, pytest.raises(KeyboardInterrupt):
        team.run(fail)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no other way to have a child without threads")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_other_threads_have_limited_is_not_limited_in_a_forked_process():
    """Garbage collection, and the threads of BLAS."""

    def limits():
        return gc.isenabled(), [library.num_threads for library in _blas._libraries()]

    before, inside, done = limits(), threading.Event(), threading.Event()

    def limit():
        with collector_paused(), _blas.single_blas_thread():
            inside.set()
            done.wait()

    thread = threading.Thread(target=limit)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        as_before = limits() == before
        with collector_paused(), _blas.single_blas_thread():
            is_limited = not gc.isenabled()
        os._exit(0 if as_before and is_limited and limits() == before else 1)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    assert status == 0
    assert limits() == before


# When something goes wrong ------------------------------------------------------------------------------------------


def test_a_member_that_fails_is_waited_for_by_nobody():
    """And all have ended when its error comes out, whoever it was."""
    for failing in range(8):
        ended, waited = [], []

        def work(member, n_members, arrivals, failing=failing, ended=ended, waited=waited):
            if member == failing:
                raise LookupError(member)
            while arrivals[0] != DISBANDED:
                time.sleep(0.001)
            time.sleep(0.01)
            ended.append(member)

        with Team(WORTH_A_TEAM) as team:
            with pytest.raises(LookupError, match=str(failing)):
                team.run(work)
            assert sorted(ended) == [member for member in range(8) if member != failing]
            assert len(members_of(team)) == 8


@pytest.mark.parametrize("n_possible", [0, 3])
def test_a_team_is_as_large_as_there_are_threads_for(n_possible, monkeypatch):
    """No thread can be started without memory for its stack, or while the interpreter is ending."""
    started, start = [], threading.Thread.start

    def start_some(thread):
        if len(started) == n_possible:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    _team._spare_threads.clear()
    monkeypatch.setattr(threading.Thread, "start", start_some)
    with Team(WORTH_A_TEAM) as team:
        assert members_of(team) == [(member, 1 + n_possible) for member in range(1 + n_possible)]
    monkeypatch.undo()
    _team._spare_threads.clear()


def test_nothing_of_a_kernel_stays_with_the_threads():
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    with Team(WORTH_A_TEAM) as team:
        team.run(lambda thing, *others: None, thing)
        del thing
        deadline = time.monotonic() + 10
        while gone() is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert gone() is None


def test_threads_that_nobody_needs_end():
    _team._spare_threads.clear()
    with Team(WORTH_A_TEAM, most=2) as team:
        (thread,) = (each for each in threading.enumerate() if each.ident == thread_of_second_member(team))
    assert thread.is_alive()
    _team._spare_threads.clear()
    thread.join(10)
    assert not thread.is_alive()


# Signals --------------------------------------------------------------------------------------------------------------


class Alarm(Exception):
    pass


def ring(number, frame):
    raise Alarm


@pytest.fixture
def alarm():
    """Number of a signal whose handler raises."""
    number = signal.SIGTERM
    before = signal.signal(number, ring)
    yield number
    signal.signal(number, before)


def test_handlers_wait_until_all_members_have_ended(alarm):
    ended = []

    def work(member, n_members, arrivals):
        if member == 0:
            signal.raise_signal(alarm)
            signal.raise_signal(signal.SIGINT)
        else:
            time.sleep(0.02)
        ended.append(member)

    with Team(WORTH_A_TEAM) as team:
        with pytest.raises((Alarm, KeyboardInterrupt)):
            team.run(work)
        assert sorted(ended) == list(range(8))
        assert len(members_of(team)) == 8
    assert signal.getsignal(alarm) is ring
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_a_handler_raises_while_signals_are_held_or_released_leaves_all_handlers_as_they_were(alarm, monkeypatch):
    """The signal comes before its handler is held, or when it is back and others are not."""
    real, before = _signals.set_handler, {number: signal.getsignal(number) for number in signal.valid_signals()}
    for wanted in (False, True):  # whether the handlers are put back

        def set_handler(number, handler, wanted=wanted):
            real(number, handler)
            if (number == signal.SIGINT and not wanted) or (number == alarm and handler is ring and wanted):
                monkeypatch.undo()
                signal.raise_signal(alarm)

        monkeypatch.setattr(_signals, "set_handler", set_handler)
        with pytest.raises(Alarm), HeldSignals():
            pass
        assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_an_interrupt_within_another_s_context_is_seen_by_both():
    with DeferredInterrupt() as outer:
        with HeldSignals(), DeferredInterrupt():
            pass
        with DeferredInterrupt() as inner:
            signal.raise_signal(signal.SIGINT)
            for each in inner, outer:
                with pytest.raises(KeyboardInterrupt):
                    each.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


UNDER_FIRE = """
import faulthandler, random, signal, sys, time, warnings
import numpy as np
from skreg import MLPRegressor, _team

faulthandler.dump_traceback_later(60, exit=True)
warnings.simplefilter("ignore")
_team.n_cores = lambda: 3
X = np.random.default_rng(0).standard_normal((2000, 150)).astype(np.float32)
y = X[:, 0].copy()
make = lambda: MLPRegressor((64, 64), max_iter=1, batch_size=1000, random_state=0, early_stopping=True)
net = make().fit(X, y)
expected = net.predict(X)
work = {"predict": lambda: net.predict(X), "fit": lambda: make().fit(X, y)}[sys.argv[1]]
start = time.perf_counter()
work()
once, n_rung = time.perf_counter() - start, 0

class Alarm(Exception):
    pass

def ring(number, frame):
    raise Alarm

signal.signal(signal.SIGALRM, ring)
random.seed(0)
deadline = time.monotonic() + 4
while time.monotonic() < deadline:
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 2 * once))
        while True:
            work()
    except Alarm:
        n_rung += 1
signal.setitimer(signal.ITIMER_REAL, 0)
assert n_rung > 20, n_rung
np.testing.assert_array_equal(net.predict(X), expected)
np.testing.assert_array_equal(make().fit(X, y).predict(X), expected)
print("whole")
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no alarms")
@pytest.mark.parametrize("what", ["predict", "fit"])
def test_alarms_at_any_moment_do_no_harm(what):
    run = subprocess.run([sys.executable, "-c", UNDER_FIRE, what], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "whole\n"), run.stderr


AT_THE_END = """
import atexit, sys, threading, time, warnings
import numpy as np
from skreg import MLPRegressor, _team

warnings.simplefilter("ignore")
_team.n_cores = lambda: 3
X = np.random.default_rng(0).standard_normal((2000, 150)).astype(np.float32)
expected = MLPRegressor((64, 64), max_iter=2, batch_size=1000, random_state=0).fit(X, X[:, 0]).predict(X)

def fit():
    if sys.argv[1] == "thread":
        threading.main_thread().join()
    if sys.argv[2] == "new":
        _team._spare_threads.clear()
    net = MLPRegressor((64, 64), max_iter=2, batch_size=1000, random_state=0).fit(X, X[:, 0])
    print((net.predict(X) == expected).all())

if sys.argv[1] == "thread":
    threading.Thread(target=fit).start()
else:
    atexit.register(fit)
"""


@pytest.mark.parametrize("how", ["thread", "atexit"])
@pytest.mark.parametrize("threads", ["spare", "new"])
def test_a_fit_may_run_while_the_interpreter_is_ending(how, threads):
    run = subprocess.run([sys.executable, "-c", AT_THE_END, how, threads], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "True\n"), run.stderr
