#!/usr/bin/env bash
# Everything about the GPU in one go, on a CUDA machine with PyTorch >= 2.11 and Triton; no network needed.
#
#   bash benchmarks/gpu.sh [OUT]          tests, steps per second, then a training at the published settings
#   SLICE_S=480 bash benchmarks/gpu.sh    ends the training after so many seconds; called again it goes on
#
# Results: OUT/tests.txt, OUT/gpu.json (to commit as benchmarks/results/gpu.json), OUT/paper (a run folder).
# What is in OUT already is not done again.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-${OUT:-runs/gpu}}
slice=${SLICE_S:-480}
if [ -z "${PYTHON:-}" ] && [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; fi
python=${PYTHON:-python3}
mkdir -p "$out"
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1

"$python" - <<'EOF'
import sys
try:
    import torch
except ImportError:
    sys.exit("PyTorch is not installed for this Python; set PYTHON")
ok = torch.cuda.is_available()
print(torch.__version__, torch.cuda.get_device_name() if ok else "no CUDA device")
sys.exit(0 if ok else 2)
EOF

if [ ! -f "$out/tests.txt" ]; then
    # Without the import hook and without warnings as errors: the machine may have other versions than the suite knows.
    options=(-q -p no:cacheprovider -o addopts= -m "not slow" -o filterwarnings=default)
    "$python" -m pytest "${options[@]}" tests/test_kernels.py tests/test_gpu.py tests/test_batched.py 2>&1 | tee "$out/tests.part" || true
    mv "$out/tests.part" "$out/tests.txt"
fi

if [ ! -f "$out/gpu.json" ]; then
    "$python" benchmarks/gpu.py "$out/gpu.part.json"  # cut off, it goes on with the next case
    mv "$out/gpu.part.json" "$out/gpu.json"
fi

# A training in slices: killed at the end of a slice, it goes on from its newest checkpoint.
what=paper
options=(--out "$out/paper" --checkpoint-every 20000 --log-every 1000)
if [ -f "$out/paper/config.toml" ]; then what="$out/paper" options=(); fi
timeout --signal=INT --kill-after=30 "$slice" "$python" -m gridcode train "$what" ${options[@]+"${options[@]}"} || echo "slice over; call again to go on"
"$python" - "$out/paper" <<'EOF'
import json, sys
import gridcode
run = gridcode.Run(sys.argv[1])
print(json.dumps({"manifest": run.manifest, "last": run.metrics()[-1:]}, indent=1))
EOF
