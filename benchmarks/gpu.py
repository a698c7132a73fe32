"""Training on a CUDA device: steps a second by shape, number of networks and precision.

All of it (part of benchmarks/gpu.sh), and the table of rounding errors alone, on any machine:

    python benchmarks/gpu.py OUT.json
    TRITON_INTERPRET=1 python benchmarks/gpu.py --errors OUT.csv

Every case runs as training runs: kernels, whole step as a CUDA graph. The kernels round their
operands themselves, so that the interpreter, which computes products exactly, shows the error of
the rounding; a GPU adds that of its sums.
"""

import csv
import gc
import json
import sys
from pathlib import Path

import steps
import torch
from torch import Tensor

# Seconds to time each case for.
SECONDS = 1.5
# preset, overrides, networks
CASES = [
    ("paper", {}, 1),
    *(("quick", {}, networks) for networks in (1, 4, 16, 96)),
    ("paper", {"training.products": "tf32"}, 1),
    ("paper", {"training.products": "bf16"}, 1),
    ("paper", {"world.orders": "latin", "world.trajectories": 120}, 1),
    *(("dense", {}, networks) for networks in (4, 16)),
    *(("dense", {"model.units": units}, 1) for units in (32, 64, 96, 128, 256, 512)),
]


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


def main() -> None:
    if sys.argv[1] == "--errors":
        rows = kernel_errors(600, "cuda" if torch.cuda.is_available() else "cpu")
        with open(sys.argv[2], "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
        return
    path = Path(sys.argv[1])
    if path.exists():
        result = json.loads(path.read_text(encoding="utf-8"))
    else:
        result = {"machine": steps.machine(), "errors": kernel_errors(4000, "cuda"), "cases": []}
    for preset, overrides, networks in CASES[len(result["cases"]) :]:
        try:
            case = steps.gpu_case(preset, networks=networks, overrides=overrides, seconds=SECONDS)
        except Exception as error:  # the other cases are worth having
            case = {"failed": str(error).strip().splitlines()[0]}
        gc.collect()
        torch.cuda.empty_cache()
        result["cases"].append(
            {"preset": preset, "overrides": overrides, "networks": networks} | case
        )
        print(result["cases"][-1], flush=True)
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    rates = steps.gpu_rates()
    result["ceilings"] = {
        "float32_tflops": rates.gemm / 1e12,
        "bf16_tflops": (rates.bf16 or 0) / 1e12,
        "copy_gb_s": rates.read(1e9) / 1e9,
    }
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
