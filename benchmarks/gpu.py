"""Training on a CUDA device: steps a second by shape, number of networks, pairs and precision.

All of it (part of benchmarks/gpu.sh), and the table of rounding errors alone, on any machine:

    python benchmarks/gpu.py OUT.json [--seconds 130] [--rehearse]
    TRITON_INTERPRET=1 python benchmarks/gpu.py --errors OUT.csv

Every case runs as training runs: kernels, whole step as a CUDA graph. Beside it stand what the
device's own products and copies take at least, measured in the same run. The kernels round their
operands themselves, so that the interpreter, which computes products exactly, shows the error of
the rounding; a GPU adds that of its sums. The file is written after every case, and a second call
goes on behind the last one.
"""

import argparse
import csv
import gc
import json
import time
from pathlib import Path
from typing import Any

import steps
import torch
from torch import Tensor

# Seconds to time each case for.
SECONDS = 0.7
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "quick": ("quick", {}),
    "paper": ("paper", {}),
    "dense": ("dense", {}),
    # The first stage trains each population by itself, the second all together, on longer paths.
    "modules, first stage": (
        "modules",
        {"training.steps": 1_000_000, "training.separate_steps": 999_999},
    ),
    "modules, second stage": ("modules", {"training.separate_steps": 1}),
}
# Sizes of a rehearsal on the CPU, in Triton's interpreter.
TINY = {"world.steps": 3, "world.trajectories": 6, "model.units": 8, "loss.sampled_states": 12}
TINY_MODULES = {
    "world.steps": 3,
    "world.trajectories": 6,
    "world.joint_steps": 4,
    "world.joint_trajectories": 4,
    "model.populations": [8, 8],
    "loss.sampled_states": 12,
}


def all_cases() -> list[tuple[str, dict[str, Any], int]]:
    """Shape, overrides and networks, the most wanted first: time may not be enough for all."""
    cases: list[tuple[str, dict[str, Any], int]] = []
    preset_pairs = {name: steps.load_config(p).loss.pairs for name, (p, _) in SHAPES.items()}
    for products in ("float32", "bf16", "tf32"):
        for as_preset in (True, False):
            for networks in (1, 16):
                for name in SHAPES:
                    own: dict[str, Any] = {}
                    if not as_preset:
                        own["loss.pairs"] = "sampled" if preset_pairs[name] == "all" else "all"
                    if products != "float32":
                        own["training.products"] = products
                    cases.append((name, own, networks))
    cases.append(("quick", {}, 96))
    return cases + [("dense", {"model.units": units}, 1) for units in (32, 64, 256, 512)]


def kernel_errors(states: int, device: str) -> list[dict[str, object]]:
    """Errors of the pair kernel relative to float64, on random states of 128 units."""
    from gridcode.gpu.pairs import fused_pair_terms
    from gridcode.losses.pairwise import pair_pass

    generator = torch.Generator().manual_seed(0)
    g = torch.nn.functional.normalize(
        torch.rand(states, 128, generator=generator).sub(0.5).relu(), dim=1
    )
    x = 2 * torch.rand(states, 2, generator=generator)
    wanted = pair_pass(
        g.double(), x.double(), sigma_x=0.05, sigma_g=0.4, weights=(1.0, 0.3), reduction="mean"
    )
    single = pair_pass(g, x, sigma_x=0.05, sigma_g=0.4, weights=(1.0, 0.3), reduction="mean")

    def row(
        name: str, separation: Tensor, invariance: Tensor, gradient: Tensor
    ) -> dict[str, object]:
        values = {
            "separation": abs(float(separation) / float(wanted[0]) - 1),
            "invariance": abs(float(invariance) / float(wanted[1]) - 1),
        }
        values["gradient"] = float((gradient.cpu().double() - wanted[2]).norm() / wanted[2].norm())
        return {"products": name, "states": states} | {
            key: f"{value:.1e}" for key, value in values.items()
        }

    rows = [row("float32, blocks on the CPU", *single)]
    for products in ("float32", "tf32", "bf16"):
        own = g[None].to(device).requires_grad_()
        one = torch.ones(1, device=device)
        settings = {
            "sigma_x": 0.05 * one,
            "sigma_g": 0.4 * one,
            "separation_weight": one,
            "invariance_weight": 0.3 * one,
        }
        total, separation, invariance = fused_pair_terms(
            own, x[None].to(device), **settings, reduction="mean", products=products
        )
        total.sum().backward()
        rows.append(row(products, separation, invariance, own.grad[0]))
    return rows


def measure(path: Path, *, seconds: float, rehearse: bool) -> None:
    """Time all cases, for so many seconds at most; the file goes on behind what it holds."""
    end = time.monotonic() + seconds
    device = "cpu" if rehearse else "cuda"
    rates = steps.cpu_rates() if rehearse else steps.gpu_rates()
    result: dict[str, Any] = {"machine": steps.machine(), "cases": []}
    if path.exists():
        result |= json.loads(path.read_text(encoding="utf-8"))
    sizes = (1e6, 1e9) if not rehearse else (1e6,)
    result["ceilings"] = {
        "float32_tflops": rates.gemm / 1e12,
        "tf32_tflops": (rates.tf32 or 0) / 1e12,
        "bf16_tflops": (rates.bf16 or 0) / 1e12,
        "copy_gb_s": max(rates.read(size) for size in sizes) / 1e9,
    }
    wanted = all_cases()
    if rehearse:
        wanted = wanted[:5:4]
    for shape, overrides, networks in wanted[len(result["cases"]) :]:
        if time.monotonic() > end:
            print(f"rates: {len(result['cases'])} of {len(wanted)} cases, then out of time")
            break
        preset, of_shape = SHAPES[shape]
        tiny = (TINY_MODULES if preset == "modules" else TINY) if rehearse else {}
        try:
            case = steps.gpu_case(
                preset,
                networks=networks,
                overrides=of_shape | overrides | tiny,
                seconds=0 if rehearse else SECONDS,
                rates=rates,
                device=device,
            )
        except Exception as error:  # the other cases are worth having
            case = {"failed": (str(error).strip().splitlines() or [repr(error)])[0]}
        gc.collect()
        torch.cuda.empty_cache()
        named = {"shape_name": shape, "preset": preset, "overrides": overrides}
        result["cases"].append(named | {"networks": networks} | case)
        print(result["cases"][-1], flush=True)
        _write(path, result)
    if "errors" not in result:
        result["errors"] = kernel_errors(60 if rehearse else 4000, device)
    _write(path, result)


def _write(path: Path, result: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--errors", action="store_true", help="rounding errors alone, as CSV")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--rehearse", action="store_true", help="tiny, on the CPU")
    options = parser.parse_args()
    if not options.errors:
        measure(options.out, seconds=options.seconds, rehearse=options.rehearse)
        return
    rows = kernel_errors(600, "cuda" if torch.cuda.is_available() else "cpu")
    with open(options.out, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
