"""Train one network with a rewarded place.

    python experiments/rewards/train.py CONDITION SEED OUT [--steps 2000]

CONDITION is `visits`, `separation` or `finer` (goals.py), or `control`, the preset `quick` as it
is. About 50 CPU-s for 2,000 steps.
"""

import argparse
import time

from goals import CONDITIONS

import gridcode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("condition", choices=[*CONDITIONS, "control"])
    parser.add_argument("seed", type=int)
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=2000)
    given = parser.parse_args()
    config = gridcode.load_config("quick").override({"seed": given.seed, "steps": given.steps})
    made = CONDITIONS.get(given.condition)
    began = time.process_time()
    gridcode.train(config, out=given.out, objective=made(config.loss) if made else None)
    print(f"{given.out}: {time.process_time() - began:.0f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
