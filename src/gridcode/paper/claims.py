"""Claims of the paper's figures, the verdict that follows from them, and a figure's files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gridcode.paper.pictures import write_files
from gridcode.paper.tables import Table, table_text

AGREES, IN_PART, NOT, UNKNOWN = "agrees", "agrees in part", "does not agree", "could not be judged"


@dataclass(frozen=True)
class Claim:
    """One thing that the paper's figure shows, and in which networks it holds here.

    Attributes:
        text: the claim, with the limits by which it is judged.
        holds: for each network; None where it could not be measured.
        central: the figure stands or falls with it.
    """

    text: str
    holds: tuple[bool | None, ...]
    central: bool = False

    @property
    def decided(self) -> list[bool]:
        """The outcome in every network where it could be measured."""
        return [held for held in self.holds if held is not None]

    def __str__(self) -> str:
        yes, of = sum(self.decided), len(self.decided)
        if not of:
            return f"{self.text}: not measured"
        held = f"holds in {yes} of {of}" if of > 1 else "holds" if yes else "does not hold"
        missing = len(self.holds) - of
        return f"{self.text}: {held}" + (f" ({missing} not measured)" if missing else "")


def judge(claims: Sequence[Claim]) -> str:
    """The verdict that follows from claims.

    `agrees`: every claim holds in every network. `does not agree`: none holds in any, or a central
    one holds in none. `agrees in part`: all else.
    """
    decided = [held for claim in claims for held in claim.decided]
    if not decided:
        return UNKNOWN
    refuted = any(c.central and c.decided and not any(c.decided) for c in claims)
    if refuted or not any(decided):
        return NOT
    return AGREES if all(c.holds and all(c.holds) for c in claims) else IN_PART


@dataclass(frozen=True)
class FigureDraft:
    """A figure before it is written.

    Attributes:
        title: what the figure is about.
        paper: what the paper shows, a sentence.
        found: what was measured here, sentences made from numbers.
        claims: what the verdict rests on.
        caveats: limits of the result, sentences.
        tables: rows by the suffix of the file's name; "" is the main one. Every number that the
            figure shows is in one of them.
        figure: the picture.
        networks: names of the networks.
    """

    title: str
    paper: str
    found: Sequence[str]
    claims: Sequence[Claim]
    caveats: Sequence[str]
    tables: Mapping[str, Table]
    figure: Figure
    networks: Sequence[str] = ()


@dataclass(frozen=True)
class Reproduction:
    """A figure of the paper, made here.

    Attributes:
        figure: its name.
        verdict: `agrees`, `agrees in part`, `does not agree`, or `could not be judged` where
            nothing could be measured.
        text: one paragraph: what the paper shows, what was found, whether that agrees, and limits.
        claims: what the verdict rests on.
        networks: names of the networks that it was made from.
        tables: rows by name.
        files: what was written.
    """

    figure: str
    verdict: str
    text: str
    claims: tuple[Claim, ...]
    networks: tuple[str, ...]
    tables: Mapping[str, Table] = field(repr=False)
    files: tuple[Path, ...] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """What `gridcode reproduce --json` prints."""
        return {
            "figure": self.figure,
            "verdict": self.verdict,
            "text": self.text,
            "networks": list(self.networks),
            "claims": [
                {"claim": c.text, "holds": list(c.holds), "central": c.central} for c in self.claims
            ],
            "files": [str(path) for path in self.files],
        }


def write(figure: str, draft: FigureDraft, folder: Path) -> Reproduction:
    """Write picture, tables and paragraph into a folder that exists.

    Raises:
        InputError: they cannot be written.
    """
    verdict, held = judge(draft.claims), "; ".join(map(str, draft.claims))
    sentences = [draft.paper, *draft.found, f"Judged by: {held}." if held else "", *draft.caveats]
    heading = f"**Figure {figure.removeprefix('fig')}, {draft.title}: {verdict}.**"
    text = " ".join(s for s in (heading, *sentences) if s)
    texts = {
        f"{figure}_{name}.csv" if name else f"{figure}.csv": table_text(rows)
        for name, rows in draft.tables.items()
        if rows
    } | {f"{figure}.md": text + "\n"}
    files = write_files(folder, figure, draft.figure, texts)
    return Reproduction(
        figure,
        verdict,
        text,
        tuple(draft.claims),
        tuple(draft.networks),
        dict(draft.tables),
        tuple(files),
    )
