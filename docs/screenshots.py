"""Pictures of the explorer for the docs: `python docs/screenshots.py RUNS` (needs extra `dev`).

RUNS holds `modules-192` and `quick-64`, unpacked by `gridcode pretrained` and evaluated,
`modules-seed10`, trained by `gridcode train modules --seed 10`, and a sweep of 1,000 steps, such as
that of `examples/sweep.toml`. Pictures whose run is not there are left as they are.
"""

import argparse
import io
import shutil
import threading
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from gridcode.viewer import serving
from gridcode.viewer.server import create_app

IMAGES = Path(__file__).parent / "images"
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
]
LAPTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


def keep(page: Page, name: str, **options: object) -> None:
    """Take a picture and keep it in 256 colours, which halves it."""
    page.wait_for_timeout(900)
    with Image.open(io.BytesIO(page.screenshot(**options))) as image:
        image.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        ).save(IMAGES / f"explorer-{name}.png", optimize=True)


def open_page(browser, url: str, *, size=LAPTOP, scheme: str = "light") -> Page:
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.goto(url)
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


def open_run(browser, url: str, name: str, **options: object) -> Page:
    page = open_page(browser, url, **options)
    page.get_by_role("link", name=name).click()
    page.wait_for_selector(".tile canvas")
    return page


def take(browser, url: str) -> None:
    page = open_page(browser, url)
    page.wait_for_timeout(3000)
    names = page.locator("td.run-name a").all_inner_texts()
    keep(page, "runs", clip={"x": 0, "y": 0, "width": 1280, "height": 620})

    page = open_run(browser, url, "modules-192")
    keep(page, "run")
    address = page.url
    page.get_by_role("link", name="Torus").click()
    page.wait_for_selector(".gl-container canvas", timeout=60_000)
    page.wait_for_timeout(3000)
    keep(page, "torus")
    page.close()

    if "modules-seed10" in names:
        take_training(browser, url)
    if page_of := sweep_address(browser, url):
        page = open_page(browser, page_of)
        page.locator("select", has_text="isometry").select_option("loss")
        page.wait_for_selector(".js-plotly-plot")
        keep(page, "sweep")
        page.close()

    page = open_page(browser, f"{address}/unit/50")
    page.wait_for_selector("dialog[open] canvas")
    page.wait_for_timeout(4000)
    keep(page, "unit")
    page.locator("dialog .can-enlarge").click()
    page.locator(".enlarged-map").hover(position={"x": 250, "y": 250})
    page.mouse.wheel(0, -300)
    keep(page, "enlarged")
    page.close()

    page = open_run(browser, url, "modules-192", size=PHONE, scheme="dark")
    page.locator(".tile canvas").first.scroll_into_view_if_needed()
    keep(page, "phone")
    page.close()

    page = open_page(browser, url)
    for name in ("modules-192", "quick-64"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare 2 runs").click()
    page.wait_for_selector(".columns canvas")
    page.evaluate(
        "() => { document.querySelector('.columns').scrollIntoView(); scrollBy(0, -150); }"
    )
    keep(page, "compare")
    page.close()

    take_curves(browser, url)


def take_training(browser, url: str) -> None:
    page = open_run(browser, url, "modules-seed10")
    address = page.url
    page.close()
    page = open_page(browser, f"{address}?step=444")
    page.wait_for_timeout(45_000)  # maps of a step are made when they are asked for
    page.evaluate(
        "() => { document.querySelector('.history').scrollIntoView(); scrollBy(0, -160); }"
    )
    keep(page, "training")
    page.close()


def sweep_address(browser, url: str) -> str | None:
    page = open_page(browser, url)
    links = page.locator(".sweeps a")
    found = links.first.evaluate("link => link.href") if links.count() else None
    page.close()
    return found


def take_curves(browser, url: str) -> None:
    page = open_page(browser, url)
    page.locator("input[type=search]").fill("training.steps=1000 state=evaluated")
    page.get_by_label("Choose all runs that are shown").check()
    page.locator("button.primary").click()
    page.wait_for_selector(".js-plotly-plot")
    page.evaluate("() => document.querySelector('[data-section=training]').scrollIntoView()")
    keep(page, "curves", clip={"x": 0, "y": 0, "width": 1280, "height": 700})
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path)
    parser.add_argument(
        "--chromium", default="chromium", help="the browser: a name on the PATH, or its place"
    )
    arguments = parser.parse_args()
    listener = serving.listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(create_app([arguments.runs]), log_level="warning", access_log=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=shutil.which(arguments.chromium), args=FLAGS
            )
            take(browser, f"http://127.0.0.1:{listener.getsockname()[1]}/")
            browser.close()
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


if __name__ == "__main__":
    main()
