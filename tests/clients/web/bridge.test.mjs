import assert from "node:assert/strict";
import { test } from "node:test";
import { waysOf } from "../../../clients/web/panel_bridge.js";

test("a bridge has a way for each direction, site, service and the configuration; odd values are left out", () => {
  const bridge = {
    kind: "bridge", name: "nyc", send: { state: "sending", number: 7, lag: 0 }, receive: { tyo: { state: "waiting" }, ldn: { state: "receiving", missing: 2 } },
    tasks: { "report@ldn": { state: "sending", under_way: 3 }, odd: 5 }, serves: null, config: { owner: "ldn", state: "receiving" },
  };
  const rows = waysOf({ processes: [{ kind: "feed", name: "x", send: {} }, bridge, { kind: "bridge", name: "new" }] });
  assert.deepEqual(rows.map(({ way, site, state }) => [way, site, state]), [
    ["out", "nyc", "sending"], ["in", "ldn", "receiving"], ["in", "tyo", "waiting"], ["tasks", "report@ldn", "sending"], ["config", "ldn", "receiving"],
  ]);
  assert.deepEqual([rows[1].missing, rows[3].under_way], [2, 3]);
  assert.deepEqual(waysOf({}), []);
});
