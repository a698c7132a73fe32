"""Train, evaluate, look: the library in five lines. About two minutes on one core."""

import matplotlib.pyplot as plt

import gridcode

run = gridcode.train(gridcode.load_config("quick").override({"seed": 3}), out="runs/five-lines")
evaluation = gridcode.evaluate(run)
print(evaluation.summary.verdict)
evaluation.headline()["rate"].isel(unit=slice(0, 8)).plot(col="unit", col_wrap=4)
plt.savefig("five_lines.png")
