#!/usr/bin/env bash
# Everything about the GPU in one go, on a CUDA machine with PyTorch >= 2.11 and Triton; no network needed.
#
#   bash benchmarks/gpu.sh [OUT]          tests, steps per second, then a training at the published settings
#   SLICE_S=480 bash benchmarks/gpu.sh    ends the training after so many seconds; called again it goes on
#
# Results: OUT/tests.txt, OUT/gpu.json (to commit as benchmarks/results/gpu.json), and the training RUN (default
# OUT/paper) packed as OUT/paper.tar.aa, ...: unpacked as RUN, it goes on where it stopped.
# What is in OUT already is not done again.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-${OUT:-runs/gpu}}
run=${RUN:-$out/paper}
slice=${SLICE_S:-480}
if [ -z "${PYTHON:-}" ] && [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; fi
python=${PYTHON:-python3}
mkdir -p "$out"
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1

"$python" - <<'PY'
import sys
try:
    import torch
except ImportError:
    sys.exit("PyTorch is not installed for this Python; set PYTHON")
ok = torch.cuda.is_available()
print(torch.__version__, torch.cuda.get_device_name() if ok else "no CUDA device")
sys.exit(0 if ok else 2)
PY

if [ ! -f "$out/tests.txt" ]; then
    # Without the import hook and without warnings as errors: the machine may have other versions than the suite knows.
    options=(-q -p no:cacheprovider -o addopts= -m "not slow" -o filterwarnings=default -n "${TEST_JOBS:-4}" --durations 8)
    timeout "${TESTS_S:-150}" "$python" -m pytest "${options[@]}" tests/test_gpu.py tests/test_kernels.py tests/test_batched.py \
        2>&1 | tee "$out/tests.part" || true
    mv "$out/tests.part" "$out/tests.txt"
fi

if [ ! -f "$out/gpu.json" ]; then
    timeout "${BENCH_S:-180}" "$python" benchmarks/gpu.py "$out/gpu.part.json" || echo "benchmark cut off"
    mv "$out/gpu.part.json" "$out/gpu.json" || true
fi

# A training in slices: killed at the end of a slice, it goes on from its newest checkpoint.
what=paper
options=(--out "$run" --checkpoint-every 10000 --log-every 1000 --snapshots 12)
if [ -f "$run/config.toml" ]; then what="$run" options=(); fi
timeout --signal=INT --kill-after=30 "$slice" "$python" -m gridcode train "$what" ${options[@]+"${options[@]}"} || echo "slice over; call again to go on"
"$python" - "$run" <<'PY'
import json, sys
import gridcode
run = gridcode.Run(sys.argv[1])
print(json.dumps({"manifest": run.manifest, "last": run.metrics()[-1:]}, indent=1))
for old in run.checkpoints()[1:]:
    old.unlink()
PY
tar -C "$run" -c . | split -b 15m - "$out/paper.tar."
