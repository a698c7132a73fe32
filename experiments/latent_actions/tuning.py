"""Short trainings of one seed, not among the study's: which settings learn anything at all.

    python experiments/latent_actions/tuning.py

One row a variant in tuning.csv (world `frame`, seed 10, 220 steps, ten seconds each).
"""

import csv
import functools

import torch
from measure import decoding
from network import ActionNetwork, infonce, sic
from study import IMAGES, TABLE, train

STEPS, SEED = 220, 10
# Weights of separation, invariance and capacity; whether only predicted and seen are compared.
SETTINGS = [
    ((1.0, 0.1, 0.5), False),
    ((1.0, 1.0, 0.5), False),
    ((1.0, 1.0, 0.0), False),
    ((2.0, 1.0, 0.0), False),
    ((2.0, 1.0, 0.5), True),
    ((0.3, 1.0, 0.0), True),
    ((1.0, 1.0, 0.0), True),
    ((2.0, 1.0, 0.0), True),
    ((4.0, 1.0, 0.0), True),
]
VARIANTS = {}
for weights, views in SETTINGS:
    name = f"SIC {' '.join(map(str, weights))}, {'two views' if views else 'all pairs'}"
    VARIANTS[name] = functools.partial(sic, images=IMAGES, weights=weights, two_views=views)
for t in (0.05, 0.1, 0.2):
    VARIANTS[f"InfoNCE {t}"] = functools.partial(infonce, images=IMAGES, temperature=t)


def main():
    torch.set_num_threads(1)
    path = TABLE.with_name("tuning.csv")
    rows = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []
    done = {row["variant"] for row in rows}
    for name, objective in VARIANTS.items():
        if name in done:
            continue
        generator = torch.Generator().manual_seed(SEED)
        torch.manual_seed(SEED)
        network = ActionNetwork()
        train(network, objective, "frame", "permuted", generator, sums=False, steps=STEPS)
        with torch.inference_mode():
            found = decoding(network, "frame", generator, lengths=(1, 16))
        row = {"variant": name} | {k: round(v, 3) for k, v in found.items()}
        print(name, row["knn_place_px_1"], row["knn_place_px_16"], flush=True)
        rows.append(row)
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
