"""What the command line shows while something runs: bars on a terminal, lines in a log.

A log gets a line for each stage with the time it took. A training adds a line for each tenth, and
any stage a sign of life after a minute without a line, then after two, four, ...
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from gridcode.training.loop import Progress as TrainingProgress
    from gridcode.training.many import ManyProgress

LINES_EVERY_S = 15.0
SILENT_S = 60.0


@contextlib.contextmanager
def progress_bar(
    title: str, *, quiet: bool, console: Console | None = None, tenths: bool = False
) -> Iterator[Callable[..., None] | None]:
    """A display of stages of work; yields `show(what, done, total, detail="")`, None if quiet.

    Args:
        title: what every line begins with.
        quiet: show nothing.
        console: standard error by default.
        tenths: in a log, a line when a stage starts and for each tenth of it.
    """
    if quiet:
        yield None
        return
    console = console or Console(stderr=True)
    # A terminal with TERM=dumb cannot move its cursor.
    if console.is_terminal and not console.is_dumb_terminal:
        with _Bars(title, console) as bars:
            yield bars.show
    else:
        with _Lines(title, console, tenths=tenths) as lines:
            yield lines.show


@contextlib.contextmanager
def training_bar(
    *, quiet: bool, console: Console | None = None
) -> Iterator[Callable[["TrainingProgress"], None] | None]:
    """A display for `gridcode.train(progress=...)`."""
    with progress_bar("train", quiet=quiet, console=console, tenths=True) as show:
        yield show and (lambda p: show("", p.step, p.steps, _terms(p)))


@contextlib.contextmanager
def many_bar(
    *, quiet: bool, console: Console | None = None
) -> Iterator[Callable[["ManyProgress"], None] | None]:
    """A display for `gridcode.train_many(progress=...)`: steps of all networks together."""
    with progress_bar("train", quiet=quiet, console=console, tenths=True) as show:
        yield show and (
            lambda p: show(f"{p.networks} networks", p.done, p.total, f"{p.finished} finished")
        )


@contextlib.contextmanager
def working(
    title: str, what: str, *, quiet: bool, console: Console | None = None
) -> Iterator[None]:
    """A display for a stage whose progress is not known."""
    with progress_bar(title, quiet=quiet, console=console) as show:
        if show:
            show(what, 0, 1)
        yield
        if show:
            show(what, 1, 1)


def duration(seconds: float) -> str:
    """A time such as `7 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _terms(p: "TrainingProgress") -> str:
    if p.metrics is None:
        return ""
    m = p.metrics
    return (
        f"loss {m['loss']:.3f}, separation {m['separation']:.3f}, "
        f"invariance {m['invariance']:.3f}, capacity {m['capacity']:.3f}, "
        f"isometry {m['isometry']:.3f}, {m['silent_units']} units silent, "
        f"{m['steps_per_second']:.0f} steps/s"
    )


class _Time(ProgressColumn):
    """Time left, or taken where that is not known or the stage is over."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = None if task.finished else task.time_remaining
        taken = task.finished_time if task.finished else task.elapsed
        return Text(duration(taken or 0) if left is None else f"{duration(left)} left")


class _Bars:
    def __init__(self, title: str, console: Console) -> None:
        self._title = title
        self._tasks: dict[str, TaskID] = {}
        cut = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[count]}"),
            _Time(),
            TextColumn("{task.fields[detail]}", markup=False, table_column=cut),
            console=console,
            refresh_per_second=4,
            expand=True,
        )

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int, detail: str = "") -> None:
        count = f"{done}/{total}" if total > 1 else ""
        if what not in self._tasks:
            name = f"{self._title} {what}".strip()
            self._tasks[what] = self._progress.add_task(name, total=total, count=count, detail="")
        self._progress.update(
            self._tasks[what], completed=done, total=total, count=count, detail=detail
        )


class _Lines:
    def __init__(self, title: str, console: Console, *, tenths: bool) -> None:
        self._title, self._console, self._tenths = title, console, tenths
        self._began: dict[str, float] = {}
        self._finished: set[str] = set()
        self._what, self._part, self._tenth, self._detail = "", 0.0, 0, ""
        self._patience = SILENT_S
        self._last_line = self._last_news = time.monotonic()
        self._over, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Lines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def show(self, what: str, done: int, total: int, detail: str = "") -> None:
        with self._lock:
            if what in self._finished:
                return
            now = time.monotonic()
            if what not in self._began:
                # It has been at work since the stage before it was last heard of.
                self._began[what], self._tenth, self._patience = self._last_news, 0, SILENT_S
                if self._tenths:
                    self._print(what, f"{total} steps")
            self._what, self._detail, self._last_news = what, detail, now
            self._part = done / total if total else 1.0
            if done >= total:
                self._finished.add(what)
                self._print(
                    what, ", ".join(filter(None, [duration(now - self._began[what]), detail]))
                )
            elif (
                self._tenths
                and int(10 * self._part) > self._tenth
                and now - self._last_line >= LINES_EVERY_S
            ):
                self._tenth = int(10 * self._part)
                self._print_part(now)

    def _watch(self) -> None:
        while not self._over.wait(SILENT_S / 20):
            with self._lock:
                now = time.monotonic()
                if now - self._last_line >= self._patience and not self._over.is_set():
                    self._patience *= 2
                    self._print_part(now)

    def _print_part(self, now: float) -> None:
        """Say how far the stage has come; after its end the next has not said its name yet."""
        if self._what in self._finished or self._what not in self._began:
            self._print("", f"at work for {duration(now - self._last_news)}")
            return
        taken = now - self._began[self._what]
        left = (
            f"{duration(taken * (1 / self._part - 1))} left"
            if self._part
            else f"at work for {duration(taken)}"
        )
        percent = f"{100 * self._part:.0f}%" if self._part else ""
        self._print(self._what, ", ".join(filter(None, [percent, left, self._detail])))

    def _print(self, what: str, text: str) -> None:
        self._last_line = time.monotonic()
        name = f"{self._title} {what}".strip()
        self._console.print(f"{name}: {text}", markup=False, highlight=False, soft_wrap=True)
