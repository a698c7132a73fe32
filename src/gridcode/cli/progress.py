"""What the command line shows while something runs: bars on a terminal, lines in a log.

A log gets a line for each stage with the time it took. A training adds a line for each tenth, and
any stage a sign of life after a minute without a line, then after two, four, ...
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
def making_bar(
    *, quiet: bool, console: Console | None = None
) -> Iterator[Callable[["TrainingProgress"], None] | None]:
    """A display for `gridcode.baselines.making`: whatever the model logs."""

    def words(p: "TrainingProgress") -> str:
        logged = (p.metrics or {}).items()
        return ", ".join(f"{name} {value:.3g}" for name, value in logged if name != "step")

    with progress_bar("make", quiet=quiet, console=console, tenths=True) as show:
        yield show and (lambda p: show("", p.step, p.steps, words(p)))


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
        # A long name leaves room for the bar, `11500/12000` and `59 min 59 s left`.
        width = max(10, console.width - 49)
        name = Column(no_wrap=True, overflow="ellipsis", max_width=width)
        rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[count]}"),
            _Time(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[detail]}", markup=False, table_column=rest),
            console=console,
            refresh_per_second=4,
            expand=True,
        )

    def __enter__(self) -> "_Bars":
        self._progress.start()
        # A bar without an end, until there is news.
        self._first = self._add(self._title)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _add(self, name: str) -> TaskID:
        return self._progress.add_task(name, total=None, count="", detail="")

    def show(self, what: str, done: int, total: int, detail: str = "") -> None:
        count = f"{done}/{total}" if total > 1 else ""
        if not self._tasks:
            self._progress.remove_task(self._first)
        if what not in self._tasks:
            self._tasks[what] = self._add(f"{self._title} {what}".strip())
        self._progress.update(
            self._tasks[what], completed=done, total=total, count=count, detail=detail
        )


@dataclass
class _Stage:
    name: str
    began: float
    first_news: float
    first_part: float
    part: float = 0.0
    detail: str = ""
    tenths_shown: int = 0
    finished: bool = False

    def how_far(self, now: float) -> str:
        percent = f"{100 * self.part:.0f}%, " if self.part else ""
        if self.part <= self.first_part:
            return f"{percent}at work for {duration(now - self.began)}"
        rate = (self.part - self.first_part) / (now - self.first_news)
        return f"{percent}{duration((1 - self.part) / rate)} left"


class _Lines:
    def __init__(self, title: str, console: Console, *, tenths: bool) -> None:
        self._title, self._console, self._tenths = title, console, tenths
        self._stages: dict[str, _Stage] = {}
        self._current: _Stage | None = None
        self._last_line = self._last_news = time.monotonic()
        self._patience = SILENT_S
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
            now, part = time.monotonic(), done / total if total else 1.0
            if what not in self._stages:
                # It has been at work since the last news of the stage before it.
                name = f"{self._title} {what}".strip()
                self._stages[what] = _Stage(name, self._last_news, now, part)
                self._patience = SILENT_S
                if self._tenths:
                    self._print(name, f"{total} steps")
            stage = self._current = self._stages[what]
            if stage.finished:
                return
            stage.part, stage.detail, self._last_news = part, detail, now
            due = self._tenths and now - self._last_line >= LINES_EVERY_S
            if done >= total:
                stage.finished, self._patience = True, SILENT_S
                self._print(stage.name, duration(now - stage.began), detail)
            elif due and int(10 * part) > stage.tenths_shown:
                stage.tenths_shown = int(10 * part)
                self._print(stage.name, stage.how_far(now), detail)

    def _watch(self) -> None:
        while not self._over.wait(SILENT_S / 20):
            with self._lock:
                now, stage = time.monotonic(), self._current
                if self._over.is_set() or now - self._last_line < self._patience:
                    continue
                self._patience *= 2
                if stage is None or stage.finished:  # the next has not given its name yet
                    self._print(self._title, f"at work for {duration(now - self._last_news)}")
                else:
                    self._print(stage.name, stage.how_far(now), stage.detail)

    def _print(self, name: str, *texts: str) -> None:
        self._last_line = time.monotonic()
        line = f"{name}: {', '.join(text for text in texts if text)}"
        with contextlib.suppress(OSError):  # a full log must not end the work
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
