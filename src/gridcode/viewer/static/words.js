/** Names and short explanations that more than one page uses. */

import { short } from "gridcode/format.js";

/** A group of maps in words: "smooth walk, 4 m". */
export function groupName({ group, walk, arena_m: arena, headline }) {
  const where = arena === null || arena === undefined ? "" : `${short(arena)} m`;
  const text = [walk && `${walk} walk`, where].filter(Boolean).join(", ") || group;
  return headline ? `${text} (tested)` : text;
}

/** States of a run: what they mean, and how they are drawn. */
export const STATES = {
  training: "being trained now",
  stopped: "stopped before its last step; `gridcode train` goes on with it",
  trained: "trained, not evaluated yet",
  evaluated: "trained and evaluated",
  damaged: "cannot be read",
};

/** What p-values and modules of an evaluation rest on. */
export function testsInWords({ level, nulls, null: kind, false_discovery_rate: rate }) {
  return (
    `A type or a lattice counts only where p is ${level} or less against ${nulls} null maps of the unit itself (${kind}: they ` +
    `keep what the map is made of, but not its lattice), ` +
    `and the expected share of false discoveries among all units is ${short(100 * rate)}% or less. ` +
    `A module counts only where independently turned lattices would agree as well in ${level} of populations or fewer.`
  );
}

/** The file that maps of an evaluation, or of anybody's cells, come from. */
export const sourceOf = (run, group) => (run.kind === "population" ? (run.source?.file ?? "the maps") : `evaluation/ratemaps.nc, ${group}`);
