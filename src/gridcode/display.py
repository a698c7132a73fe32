"""What the command line shows while something runs: bars on a terminal, plain lines in a log file."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gridcode.training.loop import Progress as TrainingProgress
from gridcode.training.many import ManyProgress

LINES_EVERY_S = 15.0


@contextlib.contextmanager
def training_bar(console: Console, *, quiet: bool) -> Iterator[Callable[[TrainingProgress], None] | None]:
    """A display for `gridcode.train(progress=...)`: step, loss terms, rate and time left."""
    if quiet:
        yield None
        return
    if not console.is_terminal:
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
    if not console.is_terminal:
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
            left = f"{(now - began) / (p.done - first) * (p.total - p.done):.0f} s left" if p.done > first else "starting"
            console.print(f"train {p.networks} networks: {p.finished} finished, {p.done}/{p.total} steps  {left}", soft_wrap=True, highlight=False)

        yield line
        return
    columns = (TextColumn("train {task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"))
    with Progress(*columns, TimeRemainingColumn(), console=console, refresh_per_second=4) as bar:
        task = bar.add_task("", total=None)

        def show(p: ManyProgress) -> None:
            bar.update(task, total=p.total, completed=p.done, description=f"{p.finished} of {p.networks} networks, all steps")

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
        console.print(f"train {p.step}/{p.steps}  {left:.0f} s left  {_terms(p)}", soft_wrap=True, highlight=False)

    return show


@contextlib.contextmanager
def evaluation_bar(console: Console, *, quiet: bool, title: str = "evaluate") -> Iterator[Callable[[str, int, int], None] | None]:
    """A display for `gridcode.evaluate(progress=...)` and `gridcode.score(progress=...)`: what is in work."""
    if quiet:
        yield None
        return
    if not console.is_terminal:
        finished = set()

        def line(what: str, done: int, total: int) -> None:
            if done == total and what not in finished:
                finished.add(what)
                console.print(f"{title} {what} done", highlight=False)

        yield line
        return
    columns = (SpinnerColumn(), TextColumn(title + " {task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=4) as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield show
