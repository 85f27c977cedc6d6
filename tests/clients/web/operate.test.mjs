import assert from "node:assert/strict";
import { test } from "node:test";
import { greatestOf, indexAt, linesOf, pointTime, scaleOf, segmentsOf, timesOf, valueText } from "../../../clients/web/operate/chart_math.js";
import { each, Poll } from "../../../clients/web/operate/common.js";
import { changesText, differencesOf, scheduleText, valueText as configText } from "../../../clients/web/operate/config_diff.js";
import { lineTime, newLines, readWorkers, scalesOf } from "../../../clients/web/operate/log_rows.js";
import { actionsOf, confirmation, detailOf, matching, moment, seconds, shown } from "../../../clients/web/operate/task_rows.js";

const NOW = Date.UTC(2026, 10, 30, 12, 0, 0);
const ROW = { task: "07".repeat(16), service: "nepse", action: "brief", state: "failed", attempt: 2, retries: 1, priority: 1, key: null, worker: "w/1", trouble: "no", posted_ns: (NOW - 5000) * 1e6, due_ns: NOW * 1e6, ended_ns: NOW * 1e6, expires_ns: null, retried_as: null };

test("tasks are found by action, id, worker and trouble, without regard to case", () => {
  const rows = [ROW, { ...ROW, task: "ab".repeat(16), action: "depth", trouble: "BLOCKED" }];
  assert.equal(matching(rows, " ").length, 2);
  assert.deepEqual(["DEPTH", "abab", "blocked", "0707", "nothing"].map((text) => matching(rows, text).length), [1, 1, 1, 1, 0]);
});

test("a row offers what its state allows and the role may", () => {
  const all = () => true;
  const actions = (state, offers) => actionsOf({ state }, offers).join(" ");
  assert.deepEqual(["queued", "running", "waiting", "done", "failed", "unreadable"].map((state) => actions(state, all)), ["cancel", "cancel", "cancel", "", "retry drop", "drop"]);
  assert.equal(actions("failed", (type) => type === "task.drop"), "drop");
  assert.equal(actions("queued", () => false), "");
});

test("the detail of a task has its arguments, its error and the traceback, and says what is left out", () => {
  const error = { code: "CRASHED", text: "no", details: { attempts: 2, troubles: ["x"], traceback: "Traceback", status: 5 } };
  const task = { ...ROW, args: { n: 1 }, args_bytes: 4, answer_bytes: 90, kept: true, error, running_s: null };
  const { figures, blocks } = detailOf(task, NOW);
  assert.deepEqual(blocks.map(({ name }) => name), ["Arguments", "Error", "Traceback", "Details"]);
  assert.equal(blocks[3].text, '{\n  "status": 5\n}');
  assert.equal(Object.fromEntries(figures).posted, "11:59:55");
  const done = detailOf({ ...task, state: "done", error: undefined, trouble: "", args: null, args_bytes: 200000, value: null, answer_bytes: 150000 }, NOW).blocks;
  assert.deepEqual(done.map(({ text }) => text), ["200,000 bytes, not shown", "150,000 bytes, not shown"]);
  assert.equal(detailOf({ ...task, state: "done", kept: false }, NOW).blocks[1].text, "no longer kept");
  assert.equal(detailOf({ ...task, state: "done", value: null, answer_bytes: 1 }, NOW).blocks[1].text, "null");
});

test("times, values and questions are short", () => {
  assert.deepEqual([moment(null, NOW), moment((NOW - 172_800_000) * 1e6, NOW)], ["–", "11-28 12:00:00"]);
  assert.deepEqual([seconds(NaN), seconds(0.0011), seconds(0.25), seconds(2.5), seconds(150)], ["–", "1.1 ms", "250 ms", "2.50 s", "3 min"]);
  assert.equal(shown("x".repeat(50), 10), "xxxxxxxxxx\n… (50 characters)");
  assert.equal(confirmation("drop", [ROW]), "Delete 1 dead letter of nepse?");
  assert.equal(confirmation("retry", [ROW, { ...ROW, service: "other" }]), "Post 2 dead letters again?");
});

test("many changes run a few at a time, count failures, and end with the connection", async () => {
  const running = { now: 0, most: 0 };
  const change = async (row) => {
    running.most = Math.max(running.most, (running.now += 1));
    await Promise.resolve();
    running.now -= 1;
    if (row % 3 === 0) throw Object.assign(new Error("no"), { code: row === 9 ? "NOT_CONNECTED" : "BUSY" });
  };
  const { done, failed } = await each([1, 2, 3, 4, 5], change, 2);
  assert.deepEqual([done, failed.length, running.most], [4, 1, 2]);
  assert.ok((await each([9, 1, 2, 4, 5, 7], change, 1)).done === 0);
});

test("a poll runs once at a time, when it is due", async () => {
  let [runs, end] = [0, null];
  const poll = new Poll(() => new Promise((resolve) => { runs += 1; end = resolve; }), 1000);
  for (const now of [5, 600, 1200]) poll.turn(now);
  assert.equal(runs, 1);
  end();
  await new Promise(setImmediate);
  poll.turn(900);
  assert.equal(runs, 1);
  poll.soon();
  poll.turn(901);
  assert.equal(runs, 2);
});

test("a scale has round steps and covers the greatest value", () => {
  assert.deepEqual([scaleOf(0), scaleOf(7), scaleOf(30), scaleOf(0.9)], [{ top: 1, step: 1 }, { top: 7.5, step: 2.5 }, { top: 30, step: 10 }, { top: 1, step: 0.5 }]);
  for (const value of [1e-6, 0.3, 1, 99, 101, 12345, 1e9]) {
    const { top, step } = scaleOf(value);
    assert.ok(top >= value * 0.999 && top / step <= 4.001, `${value}: ${top} ${step}`);
  }
});

test("gaps split a line, and a single point is a separate part", () => {
  assert.deepEqual(segmentsOf([null, 1, 2, null, null, 0, null]), [[1, 2], [5]]);
  assert.deepEqual(segmentsOf([null, null]), []);
});

test("of many lines those with the greatest newest values are drawn", () => {
  const line = (value) => ({ least: [value], mean: [value], greatest: [value] });
  const lines = Object.fromEntries([...Array(11).keys()].map((number) => [`p${number}`, line(number === 3 ? null : number)]));
  const { lines: drawn, left } = linesOf({ lines });
  assert.deepEqual([drawn[0].name, drawn.length, left, greatestOf(drawn)], ["p10", 8, 3, 10]);
  assert.deepEqual(linesOf(null), { lines: [], left: 0 });
});

test("the axis has whole times, and a place belongs to its nearest point", () => {
  const times = timesOf(NOW - 3_600_000, NOW, 4);
  assert.deepEqual(times.map((time) => new Date(time).toISOString().slice(11, 16)), ["11:00", "11:15", "11:30", "11:45", "12:00"]);
  assert.deepEqual([indexAt(-50, 46, 100, 11), indexAt(97, 46, 100, 11), indexAt(900, 46, 100, 11)], [0, 5, 10]);
  assert.deepEqual([pointTime(NOW, 15_000, 1), pointTime(NOW, 360_000, 1)], ["12:00:15 UTC", "12:06 UTC"]);
  assert.deepEqual([valueText(null, "ms"), valueText(0, "ms"), valueText(1.234, "ms"), valueText(45.67, ""), valueText(12345, "MB")], ["–", "0 ms", "1.23 ms", "45.7", "12,345 MB"]);
});

test("two versions differ in the keys that are set, unset and changed", () => {
  const before = { scopes: { global: { log_level: "info" }, "kind:feed": { stale_s: 5 } } };
  const after = { scopes: { global: { log_level: "debug" }, "kind:nepse": { cache_s: 2 } } };
  assert.deepEqual(differencesOf(before, after), [["global", "log_level", "info", "debug"], ["kind:feed", "stale_s", 5, undefined], ["kind:nepse", "cache_s", undefined, 2]]);
  assert.deepEqual(differencesOf({ scopes: {} }, {}), []);
  assert.deepEqual([configText(undefined), configText(null), configText(false)], ["default", "default", "false"]);
  const changes = [1, 2, 3, 4].map((number) => ({ scope: "global", key: `k${number}`, before: null, after: number }));
  assert.equal(changesText(changes, 2), "global k1 default → 1; global k2 default → 2; and 2 more");
});

test("a schedule says when it is due", () => {
  assert.equal(scheduleText({ cron: "5 15 * * *", zone: "Asia/Kathmandu", calendar: "nepse" }), "cron 5 15 * * *, Asia/Kathmandu, calendar nepse");
  assert.equal(scheduleText({ every_s: 60, at: "10:00", zone: "UTC" }), "every 1 min from 10:00, UTC");
});

test("new lines of the log are those after the last one that was shown", () => {
  const line = (number) => ({ at_ms: number, process: "p", event: `e${number}`, text: "" });
  assert.equal(newLines([], [line(1), line(2)]), 2);
  assert.equal(newLines([line(1), line(2)], [line(1), line(2)]), 0);
  assert.equal(newLines([line(1)], [line(1), line(2), line(3)]), 2);
  assert.equal(newLines([line(9)], [line(1)]), 1);
  assert.deepEqual([lineTime(null, NOW), lineTime(NOW - 1, NOW), lineTime(NOW - 86_400_001, NOW)], ["", "11:59:59.999", "11-29 11:59:59.999"]);
});

test("numbers of workers are whole numbers or auto, and the scaler's report completes them", () => {
  assert.deepEqual(["auto", " AUTO ", "3", "-1", "1.5", "", "999999"].map(readWorkers), ["auto", "auto", 3, null, null, null, null]);
  const stats = { scaling: { nepse: { workers: "auto", queued: 2 } }, processes: [{ kind: "scaler", pools: { nepse: { wanted: 3, least: 1, most: 4 } } }] };
  assert.deepEqual(scalesOf(stats), [{ service: "nepse", set: "auto", waiting: 2, wanted: 3, least: 1, most: 4 }]);
  assert.deepEqual(scalesOf({}), []);
});
