#!/usr/bin/env bash
# Everything about the GPU in one call of under 9 minutes, on a CUDA machine with Python 3.12, PyTorch 2.11 and Triton 3.6; no network.
#
#   make gpu-bundle                       before, where there is a network: wheels of what such a machine lacks, in .gpu-bundle
#   bash benchmarks/gpu.sh [OUT]          all parts; results go to OUT (default: $OUT, else runs/gpu) as they come
#   bash benchmarks/gpu.sh --rehearse [OUT]     the same parts, tiny, on a CPU and in Triton's interpreter; numbers mean nothing
#
# Parts, in this order; each ends within its own seconds, all within BUDGET_S. PARTS="published" runs some only.
#   tests       kernels, CUDA graph and batched program                                  tests.txt
#   rates       steps a second of each shape, beside measured ceilings                   gpu.json
#   plain       the same steps by vmap and torch.compile, as a ratio to the kernels      gpu.json
#   modules     32 seeds of `modules` trained; measured on the CPU beside the next part  modules.csv
#   published   the published settings for the time left; goes on in the next call       published.tar.xz.aa, ...
#               from OUT, or else from RESUME (default experiments/published)
# log.txt says how long each part took and how it ended. What is in OUT already is not done again.
set -uo pipefail
cd "$(dirname "$0")/.."
began=$SECONDS
rehearse=()
if [ "${1:-}" = --rehearse ]; then rehearse=(--rehearse); shift; fi
out=${1:-${OUT:-runs/gpu}}
budget=${BUDGET_S:-520}
parts=${PARTS:-tests rates plain modules published}
resume=${RESUME:-experiments/published}
if [ -z "${PYTHON:-}" ] && [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; fi
python=${PYTHON:-python3}
work=$(mktemp -d)
mkdir -p "$out"
trap 'rm -rf "$work"' EXIT
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 TRITON_CACHE_DIR="$work/triton"
say() { echo "$*" | tee -a "$out/log.txt"; }

# Wheels are archives of what goes into a folder on the path: unpacked, they need no installation.
bundle=${BUNDLE:-.gpu-bundle}
if [ ${#rehearse[@]} = 0 ] && [ -d "$bundle" ]; then
    for wheel in "$bundle"/*.whl; do "$python" -m zipfile -e "$wheel" "$work/site"; done
    PYTHONPATH="$work/site:$PYTHONPATH"
fi
if [ ${#rehearse[@]} = 0 ]; then
    tests_s=100 rates_s=140 plain_s=80 compile_s=55 modules_s=70 seeds=32 chosen=(tests/test_gpu.py tests/test_kernels.py tests/test_batched.py)
else
    export TRITON_INTERPRET=1 OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=
    tests_s=120 rates_s=120 plain_s=120 compile_s=0 modules_s=120 seeds=1 chosen=(tests/test_kernels.py -k uniform)
fi
last_s=10

"$python" - "${#rehearse[@]}" <<'PY' | tee -a "$out/log.txt"
import importlib, sys
needed = "torch triton numpy scipy sklearn gudhi xarray h5netcdf h5py safetensors pydantic tomli_w jaxtyping beartype"
missing = []
for name in [*needed.split(), *"matplotlib PIL plotly jinja2 rich pytest xdist hypothesis".split()]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(f"{name} ({error})")
if missing:
    sys.exit("this Python lacks " + ", ".join(missing) + ": see `make gpu-bundle`")
import torch, triton
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
print(f"Python {sys.version.split()[0]}, PyTorch {torch.__version__}, Triton {triton.__version__}, {gpu}")
sys.exit(2 if gpu == "no CUDA device" and sys.argv[1] == "0" else 0)
PY
status=$?
if [ $status != 0 ]; then exit $status; fi

left() { echo $((budget - (SECONDS - began) - last_s)); }
wanted() { case " $parts " in *" $1 "*) [ -z "${2:-}" ] || [ ! -e "$2" ] ;; *) false ;; esac; }
# part NAME SECONDS COMMAND: runs it for at most so many seconds, and notes how it ended.
part() {
    local name=$1 limit=$2 start=$SECONDS code
    shift 2
    if [ "$limit" -gt "$(left)" ]; then limit=$(left); fi
    if [ "$limit" -lt 5 ]; then say "$name: no time left"; return 1; fi
    timeout --signal=INT --kill-after=5 "$limit" "$@"
    code=$?
    case $code in 0) how="done" ;; 124 | 137) how="cut off" ;; *) how="failed with code $code" ;; esac
    say "$name: $how after $((SECONDS - start)) s of $limit s"
    return $code
}

if wanted tests "$out/tests.txt"; then
    # Without the import hook and without warnings as errors: the machine may have other versions than the suite knows.
    options=(-q -p no:cacheprovider -o addopts= -m "not slow" -o filterwarnings=default --durations 8)
    if [ ${#rehearse[@]} = 0 ]; then options+=(-n "${TEST_JOBS:-8}"); fi
    part tests $tests_s "$python" -m pytest "${options[@]}" "${chosen[@]}" >"$out/tests.txt" 2>&1
    tail -n 1 "$out/tests.txt"
    tail -n 1 "$out/log.txt"
fi
if wanted rates; then
    part rates $rates_s "$python" benchmarks/gpu.py "$out/gpu.json" --seconds $((rates_s - 15)) "${rehearse[@]}"
fi
if wanted plain; then
    part plain $plain_s "$python" benchmarks/gpu_plain.py "$out/gpu.json" --seconds $((plain_s - 5)) --compile-s $compile_s "${rehearse[@]}"
fi
measuring=
if wanted modules "$out/modules.csv"; then
    if part modules $modules_s "$python" benchmarks/gpu_modules.py train "$work/modules" --seeds $seeds "${rehearse[@]}"; then
        part "modules measured" "$(left)" "$python" benchmarks/gpu_modules.py measure "$work/modules" "$out/modules.csv" "${rehearse[@]}" &
        measuring=$!
    fi
fi
if wanted published; then
    slice=$(left)
    if [ ${#rehearse[@]} != 0 ]; then slice=$((slice < 100 ? slice : 100)); fi
    part published "$slice" "$python" experiments/published/published.py "$out" \
        --seconds $((${#rehearse[@]} ? 1 : slice - 15)) --resume "$resume" --work "$work/published" "${rehearse[@]}"
fi
if [ -n "$measuring" ]; then wait "$measuring"; fi
say "all: $((SECONDS - began)) s of $budget s"
