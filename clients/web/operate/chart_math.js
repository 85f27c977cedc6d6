/** The geometry of the charts over time: scales, segments between gaps, times of the axis, and texts. Pure. */

export const MOST_LINES = 8; // of one chart
const STEPS_S = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

/**
 * Round a greatest value up to a whole number of steps of 1, 2, 2.5 or 5 times a power of ten.
 *
 * @returns {{top: number, step: number}}
 */
export function scaleOf(greatest, steps = 3) {
  if (!(greatest > 0)) return { top: 1, step: 1 };
  const power = 10 ** Math.floor(Math.log10(greatest / steps));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((one) => one * steps >= greatest * 0.999999);
  return { top: step * Math.ceil(greatest / step - 0.000001), step };
}

/** The parts of a line between its gaps: arrays of indexes of points that follow each other. */
export function segmentsOf(values) {
  const parts = [];
  let part = null;
  values.forEach((value, at) => {
    if (value === null || value === undefined) part = null;
    else if (part) part.push(at);
    else parts.push((part = [at]));
  });
  return parts;
}

/** The times of the axis in ms since 1970 UTC: whole multiples of a step that gives at most `most` of them. */
export function timesOf(beginMs, endMs, most = 6) {
  const step = 1000 * (STEPS_S.find((seconds) => (endMs - beginMs) / 1000 / seconds <= most) ?? STEPS_S.at(-1));
  const times = [];
  for (let at = Math.ceil(beginMs / step) * step; at <= endMs; at += step) times.push(at);
  return times;
}

/** The lines of a chart, those with the greatest newest values first, and the number of those that are left out. */
export function linesOf(answer) {
  const newest = ({ mean }) => mean.findLast((value) => value !== null) ?? 0;
  const lines = Object.entries(answer?.lines ?? {}).map(([name, line]) => ({ name, ...line }));
  if (lines.length > MOST_LINES) lines.sort((one, other) => newest(other) - newest(one));
  return { lines: lines.slice(0, MOST_LINES), left: Math.max(0, lines.length - MOST_LINES) };
}

/** The greatest value of lines; 0 without one. */
export function greatestOf(lines) {
  return lines.reduce((most, { greatest }) => greatest.reduce((one, value) => Math.max(one, value ?? 0), most), 0);
}

/** A value with its unit, in three figures. */
export function valueText(value, unit) {
  if (value === null || value === undefined) return "–";
  const digits = value === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = Number(value.toFixed(digits)).toLocaleString("en", { maximumFractionDigits: digits });
  return unit ? `${text} ${unit}` : text;
}

/** The time of a point: the time of the day, with seconds if points are less than a minute apart. */
export function pointTime(beginMs, stepMs, at) {
  return `${new Date(beginMs + at * stepMs).toISOString().slice(11, stepMs < 60_000 ? 19 : 16)} UTC`;
}

/** The index of a point at a place of the picture, within the picture's points. */
export function indexAt(x, left, width, count) {
  return Math.max(0, Math.min(count - 1, Math.round(((x - left) / width) * (count - 1))));
}
