/** All charts of a run, a function each: (element, data, options) to a handle with `update(data)` and `destroy()`. */

export { latticeVectors, spacingOrientation, spacingShape } from "gridcode/module-charts.js";
export { rings } from "gridcode/ring-charts.js";
export { pValues, scoreHistogram, scoresAgainstNull, typeCounts } from "gridcode/score-charts.js";
export { comparePathError, pathError } from "gridcode/path-charts.js";
export { distanceAllConditions, distanceCurve, invariance } from "gridcode/space-charts.js";
export { controls, persistence, variance } from "gridcode/state-charts.js";
export { trainingCurves } from "gridcode/training-charts.js";
