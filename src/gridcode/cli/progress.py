"""What the command line shows while something runs: bars on a terminal, plain lines in a log file or where a terminal cannot move its cursor."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gridcode.training.loop import Progress as TrainingProgress
from gridcode.training.many import ManyProgress

LINES_EVERY_S = 15.0


def can_redraw(console: Console) -> bool:
    """Whether a bar can be drawn over itself: on a terminal that moves its cursor, which one with TERM=dumb does not."""
    return console.is_terminal and not console.is_dumb_terminal


@contextlib.contextmanager
def training_bar(
    console: Console, *, quiet: bool
) -> Iterator[Callable[[TrainingProgress], None] | None]:
    """A display for `gridcode.train(progress=...)`: step, loss terms, rate and time left."""
    if quiet:
        yield None
        return
    if not can_redraw(console):
        yield _lines(console)
        return
    columns = (
        TextColumn("train"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[terms]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as bar:
        task = bar.add_task("train", total=None, terms="")

        def show(p: TrainingProgress) -> None:
            bar.update(task, total=p.steps, completed=p.step, terms=_terms(p))

        yield show


@contextlib.contextmanager
def many_bar(console: Console, *, quiet: bool) -> Iterator[Callable[[ManyProgress], None] | None]:
    """A display for `gridcode.train_many(progress=...)`: networks finished, steps of all together, time left."""
    if quiet:
        yield None
        return
    if not can_redraw(console):
        began = last = time.monotonic()
        first: int | None = None
        shown: ManyProgress | None = None

        def line(p: ManyProgress) -> None:
            nonlocal last, first, shown
            first = p.done if first is None else first
            now = time.monotonic()
            if p == shown or (now - last < LINES_EVERY_S and p.finished < p.networks):
                return
            last, shown = now, p
            left = (
                f"{(now - began) / (p.done - first) * (p.total - p.done):.0f} s left"
                if p.done > first
                else "starting"
            )
            console.print(
                f"train {p.networks} networks: {p.finished} finished, {p.done}/{p.total} steps  {left}",
                soft_wrap=True,
                highlight=False,
            )

        yield line
        return
    columns = (
        TextColumn("train {task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console, refresh_per_second=4) as bar:
        task = bar.add_task("", total=None)

        def show(p: ManyProgress) -> None:
            bar.update(
                task,
                total=p.total,
                completed=p.done,
                description=f"{p.finished} of {p.networks} networks, all steps",
            )

        yield show


def _terms(p: TrainingProgress) -> str:
    if p.metrics is None:
        return ""
    m = p.metrics
    return (
        f"loss {m['loss']:.3f}  sep {m['separation']:.3f}  inv {m['invariance']:.3f}  cap {m['capacity']:.3f}  "
        f"iso {m['isometry']:.3f}  silent {m['silent_units']}  {m['steps_per_second']:.0f} steps/s"
    )


def _lines(console: Console) -> Callable[[TrainingProgress], None]:
    began = last = time.monotonic()
    first: int | None = None

    def show(p: TrainingProgress) -> None:
        nonlocal last, first
        first = p.step - 1 if first is None else first
        now = time.monotonic()
        if now - last < LINES_EVERY_S and p.step < p.steps:
            return
        last = now
        left = (now - began) / (p.step - first) * (p.steps - p.step)
        console.print(
            f"train {p.step}/{p.steps}  {left:.0f} s left  {_terms(p)}",
            soft_wrap=True,
            highlight=False,
        )

    return show


@contextlib.contextmanager
def evaluation_bar(
    console: Console, *, quiet: bool, title: str = "evaluate"
) -> Iterator[Callable[[str, int, int], None] | None]:
    """A display for `gridcode.evaluate(progress=...)` and `gridcode.score(progress=...)`: what is in work."""
    if quiet:
        yield None
        return
    if not can_redraw(console):
        with _told_now_and_then(console, title) as line:
            yield line
        return
    columns = (
        SpinnerColumn(),
        TextColumn(title + " {task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show


@contextlib.contextmanager
def working(console: Console, *, quiet: bool, title: str, what: str) -> Iterator[None]:
    """A display for something whose progress is not known: that it is at work, and that it is done."""
    with evaluation_bar(console, quiet=quiet, title=title) as progress:
        if progress:
            progress(what, 0, 1)
        yield
        if progress:
            progress(what, 1, 1)


@contextlib.contextmanager
def _told_now_and_then(console: Console, title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Lines for a log: what is done, and every 15 s how far what is in work has come, also while no news of it arrives."""
    finished: set[str] = set()
    current, percent, last = "", 0.0, time.monotonic()
    over, lock = threading.Event(), threading.Lock()

    def say(text: str) -> None:
        nonlocal last
        last = time.monotonic()
        console.print(f"{title} {text}", markup=False, highlight=False, soft_wrap=True)

    def line(what: str, done: int, total: int) -> None:
        nonlocal current, percent
        with lock:
            current, percent = what, 100 * done / total if total else 0.0
            if done >= total and what not in finished:
                finished.add(what)
                say(f"{what} done")

    def watch() -> None:
        # Looked at four times as often as lines are due, so that none is more than LINES_EVERY_S
        # after the one before.
        while not over.wait(LINES_EVERY_S / 4):
            with lock:
                if not over.is_set() and time.monotonic() - last > 0.7 * LINES_EVERY_S:
                    # After the end of one part the next has not said its name yet.
                    known = current and current not in finished
                    say(
                        f"{current} {f'{percent:.0f}%' if percent else 'at work'}"
                        if known
                        else "at work"
                    )

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        over.set()
        thread.join()
