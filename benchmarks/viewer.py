"""How long the explorer takes: `python benchmarks/viewer.py RUN` prints medians and ranges.

Copies (hard links) of an evaluated run, twenty or `--copies`, are served and opened in headless
Chromium. Needs the extra `dev`.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

COPIES, REPEATS, CLICKS = 20, 5, 20
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
]
# The time from a click until the unit's map has been drawn, as the page itself measures it.
CLICK = """async (index) => {
    const frame = () => new Promise(requestAnimationFrame);
    const began = performance.now();
    document.querySelectorAll(".tile")[index].click();
    const map = () => document.querySelector("dialog[open] .unit-pictures canvas");
    while (!map() || map().width < 50) await frame();
    await frame();
    const took = performance.now() - began;
    document.querySelector("dialog[open] .close").click();
    const open = () => document.querySelector("dialog[open]") || location.hash.includes("/unit/");
    while (open()) await frame();
    await new Promise((done) => setTimeout(done, 200));
    return took;
}"""
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def range_of(values: list[float]) -> dict[str, int]:
    median, low, high = statistics.median(values), min(values), max(values)
    return {"median": round(median), "min": round(low), "max": round(high)}


def first_look(page: Page, url: str) -> tuple[float, float]:
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("tbody tr")
    shown = 1000 * (time.perf_counter() - began)
    page.wait_for_timeout(200)
    return page.evaluate(PAINT), shown


def measure(browser, start) -> dict[str, dict[str, float]]:
    paints, lists, opened, clicks = [], [], [], []
    for _ in range(REPEATS):
        server, url = start()  # a new one, so that nothing is cached
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        try:
            paint, rows = first_look(page, url)
            paints.append(paint)
            lists.append(rows)
            began = time.perf_counter()
            page.locator("tbody a").first.click()
            page.wait_for_selector(".tile canvas")
            opened.append(1000 * (time.perf_counter() - began))
            page.wait_for_timeout(3000)
            clicks += [page.evaluate(CLICK, index) for index in range(CLICKS)]
        finally:
            page.context.close()
            server.terminate()
            server.wait()
    return {
        "first_contentful_paint_ms": range_of(paints),
        "list_of_runs_shown_ms": range_of(lists),
        "click_on_a_run_until_its_maps_ms": range_of(opened),
        "click_on_a_unit_until_its_map_ms": range_of(clicks),
    }


def measure_runs(run: Path, copies: int, chromium: str) -> dict[str, Any]:
    """Times of the explorer on so many copies (hard links) of an evaluated run, beside it."""
    with tempfile.TemporaryDirectory(dir=run.parent) as folder:
        for number in range(copies):
            copy = Path(folder) / f"run-{number:03d}"
            shutil.copytree(run, copy, copy_function=os.link)

        command = [sys.executable, "-m", "gridcode", "explore", folder]
        command += ["--port", "0", "--no-browser", "--json"]

        def start():
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            return server, json.loads(server.stdout.readline())["url"]

        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which(chromium), args=FLAGS)
            found = {"runs": copies, "repeats": REPEATS} | measure(browser, start)
            browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--copies", type=int, default=COPIES, help="runs in the list")
    parser.add_argument("--chromium", default="chromium", help="name or path of the browser")
    arguments = parser.parse_args()
    found = measure_runs(arguments.run, arguments.copies, arguments.chromium)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
