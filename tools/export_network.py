"""Put a trained network into the package: src/gridcode/packaged/NAME.safetensors and NAME.json.

    gridcode train quick --seed 0 --out runs/a && gridcode evaluate runs/a
    OMP_NUM_THREADS=1 python tools/export_network.py runs/a quick-64

Evaluates the network as it is and with its weights rounded, with the same seeds, and takes the
smallest form that keeps the scores.
"""

import argparse
import copy
import datetime
import hashlib
import itertools
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from low_rank import Factors, factor, factored
from network_scores import TOLERANCE, changes, headline_scores, measure, measuring, small_scores

from gridcode.analysis.records import Summary
from gridcode.api.verbs import load_network
from gridcode.config import Config, load_config, locate, preset_names
from gridcode.errors import GridcodeError, InputError
from gridcode.models.packing import pack_weights, unpack, weights_digest
from gridcode.models.populations import Network
from gridcode.packaged.networks import FORMAT, PACKAGE
from gridcode.runs.files import one_line_errors, write_atomically
from gridcode.runs.run import Run

LIMIT_BYTES = 2_000_000
METRICS_KEPT = 100


def export(
    run: Run | str | os.PathLike[str],
    name: str,
    *,
    folder: str | os.PathLike[str] = PACKAGE,
    command: str | None = None,
    limit_bytes: int = LIMIT_BYTES,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Write NAME.safetensors and NAME.json.

    Weights are rounded to float16 where the file then fits and the scores stay within `TOLERANCE`
    of those of the run's own weights, measured with the same seeds; else the layer behind W(v) is
    factored as well; else they stay in float32, whole or factored.

    Args:
        run: an evaluated run.
        name: lower-case letters, digits and hyphens; replaced where it exists.
        folder: where to; the package itself by default.
        command: the command that trained it; by default derived from the settings.
        limit_bytes: largest file of weights.
        progress: called with (what, done, total).

    Returns:
        The content of the JSON file.

    Raises:
        InputError: a bad name, a run without checkpoint or evaluation, or weights that do not fit.
    """
    run = Run.open(run)
    folder = Path(folder)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise InputError(
            f"a packaged network's name has lower-case letters, digits and hyphens, unlike '{name}'"
        )
    if not folder.is_dir():
        raise InputError(f"there is no folder '{folder}'")
    manifest = run.manifest
    if "step" not in manifest:
        raise InputError(f"'{run.folder}' has no manifest.json: train it with `gridcode train`")
    network = load_network(run).float()
    evaluation = measuring(run.config.evaluation, run.read_evaluation()[0])
    factors = factor(network, max_velocity_m=run.config.world.max_velocity_m)
    own = measure(network, run.config, evaluation, progress=progress)
    data, stored, found = _smallest(
        network,
        factors,
        own,
        lambda n: measure(n, run.config, evaluation, progress=progress),
        limit_bytes,
    )
    details = {
        "format": FORMAT,
        "name": name,
        "command": command or training_command(run.config),
        "seed": run.config.training.seed,
        "exported": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "weights": weights_digest(stored.state_dict()),
        "bytes": len(data),
        **{key: found[key] for key in ("dtype", "rank", "rank_error")},
        "scores": headline_scores(found["summary"]),
        "small_scores": small_scores(stored, run.config),
        "comparison": {
            "float32": headline_scores(own),
            "changes": found["changes"],
            "tolerance": TOLERANCE,
            "not_taken": found["not_taken"],
            "evaluation": evaluation.model_dump(mode="json"),
        },
        "manifest": manifest,
        # The settings that the run's file gives, without those added in later versions.
        "config": run.config.model_dump(mode="json", exclude_unset=True),
        "metrics": _columns(run.metrics()),
    }
    with one_line_errors(f"cannot write to '{folder}'"):
        write_atomically(folder / f"{name}.safetensors", data)
        write_atomically(folder / f"{name}.json", laid_out(details) + "\n")
    return details


def _smallest(
    network: Network,
    factors: Mapping[str, Factors],
    own: Summary,
    evaluate: Callable[[Network], Summary],
    limit_bytes: int,
) -> tuple[bytes, Network, dict[str, Any]]:
    """The first form of the weights that fits and keeps the scores, and what was tried."""
    not_taken: list[dict[str, Any]] = []
    ranks = ({}, factors) if factors else ({},)
    for dtype, low_rank in itertools.product(("float16", "float32"), ranks):
        rank = max((f.left.shape[1] for f in low_rank.values()), default=None)
        form = {
            "dtype": dtype,
            "rank": rank,
            "rank_error": max((f.error for f in low_rank.values()), default=None),
        }
        try:
            data = pack_weights(factored(network.state_dict(), low_rank), dtype=dtype)
        except InputError as error:
            not_taken.append(form | {"reason": str(error)})
            continue
        if len(data) > limit_bytes:
            not_taken.append(form | {"reason": f"{len(data)} bytes are more than {limit_bytes}"})
            continue
        if dtype == "float32" and not low_rank:
            return data, network, form | {"summary": own, "changes": None, "not_taken": not_taken}
        stored = _loaded(network, data)
        summary = evaluate(stored)
        apart = changes(own, summary)
        if not apart["too_far"]:
            return (
                data,
                stored,
                form | {"summary": summary, "changes": apart, "not_taken": not_taken},
            )
        not_taken.append(
            form
            | {"reason": f"scores change too much: {', '.join(apart['too_far'])}", "changes": apart}
        )
    tried = "; ".join(
        f"{row['dtype']}{' of rank ' + str(row['rank']) if row['rank'] else ''}: {row['reason']}"
        for row in not_taken
    )
    raise InputError(
        f"the network does not fit in {limit_bytes} bytes with its scores kept ({tried})"
    )


def _loaded(network: Network, data: bytes) -> Network:
    """A network like this one with the weights of a file."""
    other = copy.deepcopy(network)
    other.load_state_dict(unpack(data))
    return other


def training_command(config: Config) -> str:
    """A `gridcode train` command with these settings: the nearest preset and its overrides."""
    commands: list[list[str]] = []
    for preset in preset_names():
        words = ["gridcode", "train", preset, "--seed", str(config.training.seed)]
        theirs = load_config(preset).model_dump(mode="json")
        for section, values in config.model_dump(mode="json", exclude={"evaluation"}).items():
            for field, value in values.items():
                if value != theirs[section][field] and (section, field) != ("training", "seed"):
                    words += [
                        _option(section, field),
                        value if isinstance(value, str) else json.dumps(value),
                    ]
        commands.append(words)
    shortest: list[str] = min(commands, key=len)
    return shlex.join(shortest)


def _option(section: str, field: str) -> str:
    """The shortest option for a setting."""
    try:
        short = locate(field) == (section, field)
    except InputError:
        short = False
    return "--" + (field if short else f"{section}.{field}").replace("_", "-")


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """About a hundred of the logged lines by name, evenly spread, for the training curves."""
    if not rows:
        return {}
    kept = sorted({round(i * (len(rows) - 1) / (METRICS_KEPT - 1)) for i in range(METRICS_KEPT)})
    return {name: [_rounded(rows[i].get(name)) for i in kept] for name in rows[-1]}


def _rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def laid_out(value: Any, depth: int = 1) -> str:
    """JSON with a line for each entry of an object, and each list on one line."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False)
    indent = " " * depth
    lines = [
        f"{indent}{json.dumps(name)}: {laid_out(entry, depth + 1)}" for name, entry in value.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n" + " " * (depth - 1) + "}"


def main() -> int:
    """Export a network."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", help="evaluated run folder")
    parser.add_argument("name", metavar="NAME", help="name of the packaged network")
    parser.add_argument("--command", help="command that trained it [derived from the settings]")
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, default=PACKAGE, help="where to [the package]"
    )
    parser.add_argument(
        "--limit-bytes",
        type=int,
        default=LIMIT_BYTES,
        help=f"largest file of weights [{LIMIT_BYTES}]",
    )
    arguments = parser.parse_args()
    try:
        details = export(
            arguments.run,
            arguments.name,
            folder=arguments.out,
            command=arguments.command,
            limit_bytes=arguments.limit_bytes,
            progress=_progress,
        )
    except GridcodeError as error:
        print(f"export: {error}", file=sys.stderr)
        return error.exit_code
    comparison = details["comparison"]
    print(
        f"{details['name']}: {details['bytes']} bytes, {details['dtype']}, "
        f"rank {details['rank']}; {details['command']}"
    )
    print(
        f"changes against the run's own weights: {comparison['changes']}; "
        f"not taken: {comparison['not_taken']}"
    )
    return 0


def _progress(what: str, done: int, total: int) -> None:
    if done >= total:
        print(f"  {what} done", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
