"""The packaged networks: their names, loading one, and unpacking it into a run folder."""

import difflib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import ValidationError

from gridcode import display
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.models.packing import unpack
from gridcode.models.populations import Network, load_into_network
from gridcode.runs.files import write_atomically
from gridcode.runs.run import Run
from gridcode.training import checkpoint
from gridcode.training.schedule import Plateau
from gridcode.training.step import Snapshot

FORMAT = 1
PACKAGE = Path(__file__).parent


@dataclass(frozen=True, repr=False, eq=False)
class Pretrained:
    """A trained network that comes with the package.

    Attributes:
        name: its name.
        network: the network, float32, on the CPU.
        config: what it was trained on.
        seed: of its training.
        scores: cell types, modules and path integration of this network, with the weights as they
            are here.
        command: what trained it.
        details: all that its JSON file says: also `manifest`, `dtype`, `comparison` with the
            weights before rounding, `metrics`.
    """

    name: str
    network: Network
    config: Config
    seed: int
    scores: dict[str, Any]
    command: str
    details: dict[str, Any]

    def __repr__(self) -> str:
        modules = (
            ", ".join(f"{module['spacing_m']:.2f} m" for module in self.scores["modules"]) or "none"
        )
        return f"Pretrained('{self.name}': {self.scores['units']} units, modules: {modules}, seed {self.seed})"

    def _repr_html_(self) -> str:
        scores = self.scores
        rows: dict[str, object] = {
            "units": scores["units"],
            "modules": display.metres(module["spacing_m"] for module in scores["modules"]),
        }
        return display.table(
            f"Pretrained '{self.name}'", rows | {"seed": self.seed, "trained with": self.command}
        )

    def as_system(
        self,
    ) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Float[np.ndarray, " unit"]]:
        """The network as NumPy arrays, (step function, start state), for `gridcode.analysis`."""
        return self.network.as_system()

    def unpack(self, out: str | os.PathLike[str]) -> Run:
        """Make an ordinary run folder of it, which every command reads; its checkpoint is the end of the training.

        Args:
            out: the folder; new.

        Raises:
            InputError: there is something already, or it cannot be written.
        """
        run = Run.create(out, self.config)
        manifest = self.details["manifest"]
        step = int(manifest["step"])
        snapshot = Snapshot(
            self.network.state_dict(), {}, step, 0, Plateau(), self.config.training_hash
        )
        columns = self.details["metrics"]
        rows = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
        times = {name: manifest[name] for name in ("wall_seconds", "cpu_seconds")}
        try:
            write_atomically(run.metrics_path, "".join(json.dumps(row) + "\n" for row in rows))
            checkpoint.save(snapshot, run.checkpoint_path(step), extra=times)
            write_atomically(
                run.folder / "manifest.json",
                json.dumps(manifest | {"pretrained": self.name}, indent=2) + "\n",
            )
        except OSError as error:
            raise InputError(f"cannot write to '{run.folder}': {error.strerror or error}") from None
        return run


def pretrained_names(folder: str | os.PathLike[str] | None = None) -> list[str]:
    """Names of the trained networks in the package, or in another folder of such files."""
    return sorted(
        path.stem
        for path in Path(folder or PACKAGE).glob("*.json")
        if path.with_suffix(".safetensors").is_file()
    )


def details_of(name: str, folder: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """What a network's JSON file says; its weights are not read.

    Raises:
        InputError: no such network, or its file is damaged.
    """
    names = pretrained_names(folder)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        known = f"they are {', '.join(names)}" if names else "there are none"
        raise InputError(
            f"there is no pretrained network '{name}'; "
            + (f"did you mean '{near[0]}'?" if near else known)
        )
    try:
        details: dict[str, Any] = json.loads(
            (Path(folder or PACKAGE) / f"{name}.json").read_text(encoding="utf-8")
        )
        known_format = details["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name}.json is damaged ({error}); install gridcode again") from None
    if not known_format:
        raise InputError(
            f"{name}.json is in format {details['format']}, which this version does not read"
        )
    return details


def pretrained(name: str, *, folder: str | os.PathLike[str] | None = None) -> Pretrained:
    """A trained network of the package, ready to use.

    Args:
        name: one of `pretrained_names()`.
        folder: another folder of such files (`tools/export_network.py` writes them).

    Raises:
        InputError: no such network, or its files are damaged.
    """
    details = details_of(name, folder)
    try:
        data = (Path(folder or PACKAGE) / f"{name}.safetensors").read_bytes()
        if hashlib.sha256(data).hexdigest() != details["sha256"]:
            raise InputError(
                f"{name}.safetensors is damaged: it does not match its SHA-256; install gridcode again"
            )
        config = Config.model_validate(details["config"])
        network = load_into_network(config.model, unpack(data))
        return Pretrained(
            name, network, config, details["seed"], details["scores"], details["command"], details
        )
    except InputError:
        raise
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(
            f"{name}.json has settings that this version does not read ({key}: {error.errors()[0]['msg']})"
        ) from None
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(
            f"the files of '{name}' are damaged ({str(error).splitlines()[0]}); install gridcode again"
        ) from None
