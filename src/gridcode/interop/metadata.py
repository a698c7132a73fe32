"""What an NWB file says of an experiment: given by the user, or what is true of a simulation."""

import os
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from gridcode.errors import InputError
from gridcode.reading import reading


def _zoned(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("give its time zone, such as 2024-05-06T10:00:00+02:00")
    return time


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SubjectData(_Table):
    """The animal, as `pynwb.file.Subject` takes it; DANDI requires the first four."""

    subject_id: str | None = None
    species: str | None = None
    """Latin binomial, such as Rattus norvegicus."""
    sex: str | None = None
    """M, F, O (other) or U (unknown)."""
    age: str | None = None
    """ISO 8601 duration, such as P90D."""
    date_of_birth: datetime | None = None
    description: str | None = None
    genotype: str | None = None
    strain: str | None = None
    weight: str | None = None


class Metadata(_Table):
    """The experiment, as `pynwb.NWBFile` takes it."""

    session_start_time: Annotated[datetime, AfterValidator(_zoned)] | None = None
    session_description: str | None = None
    session_id: str | None = None
    identifier: str | None = None
    experiment_description: str | None = None
    experimenter: tuple[str, ...] | None = None
    """Names as Last, First."""
    institution: str | None = None
    lab: str | None = None
    keywords: tuple[str, ...] | None = None
    related_publications: tuple[str, ...] | None = None
    notes: str | None = None
    protocol: str | None = None
    surgery: str | None = None
    pharmacology: str | None = None
    spike_resolution_s: float | None = None
    """Of spike times, 1 over the sampling rate; default: the smallest difference of two times."""
    subject: SubjectData | None = None


def load_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Metadata from a TOML file: keys of `Metadata`, the animal under `[subject]`.

    Raises:
        InputError: no such file, no TOML, or a key or value that makes no sense.
    """
    name = Path(path).name
    with reading(f"cannot read {path}"):
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    try:
        return Metadata.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            why = f"not known; known are {', '.join(_keys(key))}"
        raise InputError(f"{name}: {key}: {why}") from None


def _keys(key: str) -> list[str]:
    model = SubjectData if key.startswith("subject.") else Metadata
    return list(model.model_fields)


def metadata_for(given: Metadata | str | os.PathLike[str] | None, *, simulated: bool) -> Metadata:
    """The metadata of an NWB file: those given, or of a file, checked for what cannot be missing.

    Args:
        given: metadata, a TOML file of them, or None.
        simulated: whether the cells are units of a model; a recording has a start.

    Raises:
        InputError: as `load_metadata`, or the start of a recording is missing.
    """
    if given is None or isinstance(given, Metadata):
        about = given or Metadata()
    else:
        about = load_metadata(given)
    if about.session_start_time is None and not simulated:
        raise InputError(
            "an NWB file says when the session began: give --metadata FILE.toml with a line "
            "session_start_time = 2024-05-06T10:00:00+02:00"
        )
    return about


def no_animal(name: str, weights: str) -> SubjectData:
    """The subject of a simulation.

    DANDI's profile has no simulations: it requires species, sex and age of every file. Those say
    that there is no animal: NCBI's taxon of synthetic constructs, `O` for other, an age of none.
    """
    return SubjectData(
        subject_id=f"simulation-{name}".replace("/", "-"),
        species="http://purl.obolibrary.org/obo/NCBITaxon_32630",
        sex="O",
        age="P0D",
        description=(
            f"No animal: a simulated neural network (weights {weights}). Species (synthetic "
            "construct), sex (other) and age (none) stand where the archive requires them."
        ),
    )
