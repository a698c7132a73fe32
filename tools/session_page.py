"""Draw docs/images/session_page.png: the page of a planted session, as a browser shows it.

python tools/session_page.py [OUT.png]

Two modules of grid cells, of which two cells are also tuned to head direction, five head-direction
cells, a border cell, a place cell, five cells that fire at random and a silent one. Needs Chromium.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import gridcode
from gridcode.analysis.synthetic import lattice_cell, place_cell
from gridcode.recordings.recording import Recording, recording_from_path
from gridcode.world.walks import smooth_walk

OUT = Path(__file__).parents[1] / "docs" / "images" / "session_page.png"
FEWER = """() => {
    const seen = {};
    for (const card of document.querySelectorAll(".cell-card")) {
        const module = card.querySelector(".swatch").textContent;
        seen[module] = (seen[module] ?? 0) + 1;
        card.hidden = seen[module] > (module ? 2 : 6);
    }
}"""
ARENA_M, MINUTES, SAMPLES_PER_S = 1.5, 20, 30


def planted_session(seed: int = 0) -> Recording:
    """Thirty units along a path, with Poisson spikes."""
    rng = np.random.default_rng(seed)
    steps = MINUTES * 60 * SAMPLES_PER_S
    walk = smooth_walk(arena_m=ARENA_M, steps=steps, walkers=1, max_step_m=0.012, generator=rng)
    where, time = walk.positions[1:, 0], np.arange(steps) / SAMPLES_PER_S
    step = np.diff(where, axis=0, append=where[-1:])
    head_deg = np.degrees(np.arctan2(step[:, 1], step[:, 0])) % 360

    def towards(angle_deg: float, width: float) -> np.ndarray:
        return np.exp(width * (np.cos(np.radians(head_deg - angle_deg)) - 1))

    rates = {}
    for module, (count, spacing, turn) in enumerate([(9, 0.38, 8.0), (8, 0.54, 25.0)], start=1):
        for cell in range(count):
            rates[f"T{module}C{cell + 1}"] = 12 * lattice_cell(
                where,
                spacing_m=spacing,
                orientation_deg=turn + rng.normal(),
                phase_m=tuple(rng.uniform(-1, 1, 2)),
            )
    for cell, angle in (("T2C1", 40), ("T2C2", 130)):
        rates[cell] *= 2 * towards(angle, 2.0)
    rates |= {f"T3C{k + 1}": 10 * towards(70 * k, 4.0) for k in range(5)}
    rates["T4C1"] = 10 * np.exp(-(((where[:, 0] - where[:, 0].min()) / 0.12) ** 2))
    rates["T4C2"] = 10 * place_cell(where, centre_m=(0.2, 0.2), width_m=0.15)
    rates |= {f"T5C{k + 1}": np.full(steps, 1.0 + k) for k in range(5)}
    spikes = {name: np.repeat(time, rng.poisson(rate / 30)) for name, rate in rates.items()}
    return recording_from_path(
        where,
        time,
        spike_times_s=np.concatenate(list(spikes.values())),
        spike_units=np.repeat(list(spikes), [len(times) for times in spikes.values()]),
        units=[*spikes, "T5C6"],
        head_direction_deg=head_deg,
    )


def draw(page: Path, out: Path) -> None:
    """The top of a page, with two units of each module and the first six in none."""
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        window = browser.new_page(viewport={"width": 1280, "height": 1500})
        window.goto(page.as_uri())
        window.wait_for_selector(".cell-card canvas")
        window.evaluate(FEWER)
        window.wait_for_timeout(1000)
        window.screenshot(path=out)
        browser.close()
    with Image.open(out) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=0)
        few.save(out, optimize=True)


def main() -> None:
    """Score the planted session and draw its page."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    recording = planted_session()
    population = gridcode.score(recording)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        gridcode.write_score_report(population, page, recording=recording, title="planted session")
        draw(page, out)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
