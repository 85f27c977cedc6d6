/** Lines of the log and rows of workers and subscribers, as texts. Pure. */

export const LEVEL_TONES = { debug: "calm", info: "calm", warning: "warn", error: "bad", critical: "bad", exception: "bad" };

/** The time of a line with milliseconds, with its day if that is not today. */
export function lineTime(ms, nowMs) {
  if (!Number.isFinite(ms) || ms === null) return "";
  const text = new Date(ms).toISOString();
  return text.slice(0, 10) === new Date(nowMs).toISOString().slice(0, 10) ? text.slice(11, 23) : text.slice(5, 23).replace("T", " ");
}

/** The lines that are new in an answer: those after the last one that was shown before. */
export function newLines(before, lines) {
  const key = ({ at_ms: at, process, event, text }) => JSON.stringify([at, process, event, text]);
  const last = before.at(-1);
  if (!last) return lines.length;
  const at = lines.findLastIndex((line) => key(line) === key(last));
  return at < 0 ? lines.length : lines.length - 1 - at;
}

/** The scaled services of the statistics: their set number, that which the scaler wants, and the bounds, as far as they are known. */
export function scalesOf(stats) {
  const pools = (stats.processes ?? []).find((process) => process.kind === "scaler")?.pools ?? {};
  return Object.entries(stats.scaling ?? {}).map(([service, row]) => ({ service, set: row.workers, waiting: row.queued, ...pools[service] }));
}

/** Whether a text is a number of workers: `auto`, or a whole number. */
export function readWorkers(text) {
  const plain = text.trim().toLowerCase();
  if (plain === "auto") return "auto";
  return /^\d{1,5}$/.test(plain) ? Number(plain) : null;
}
