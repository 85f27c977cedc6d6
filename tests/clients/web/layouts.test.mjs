import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedLayouts } from "../../../clients/web/layouts/shared.js";

/** A broker with one layout, which counts what it is asked. */
function broker() {
  const asked = [];
  const at = { revision: 5, version: 3 };
  const request = async (type, values) => {
    asked.push([type, values]);
    if (type === "layout.list") return values.revision === at.revision ? { revision: at.revision, layouts: null } : { revision: at.revision, layouts: [{ name: "desk", version: at.version, by: "ada", at_ns: 0 }, { name: 7 }, null] };
    if (type === "layout.put" && values.if_version !== (values.name === "desk" ? at.version : 0)) throw Object.assign(new Error("it has version 4 by bob"), { code: "OTHER_VERSION" });
    [at.revision, at.version] = [at.revision + 1, at.version + 1];
    return { version: at.version };
  };
  return { asked, at, request };
}

test("heads are asked for with the revision that is there, and odd ones are left out", async () => {
  const { asked, request } = broker();
  const shared = new SharedLayouts("table", { request, offers: () => true });
  assert.equal(await shared.refresh(), true);
  assert.deepEqual([...shared.heads.keys()], ["desk"]);
  assert.equal(await shared.refresh(), false);
  assert.deepEqual(asked.map(([, values]) => values), [{ view: "table" }, { view: "table", revision: 5 }]);
});

test("a layout is replaced only in the version that the page knows, and a refused change is known afterwards", async () => {
  const { asked, at, request } = broker();
  const shared = new SharedLayouts("table", { request, offers: () => true });
  await shared.refresh();
  [at.revision, at.version] = [6, 4]; // by another page
  await assert.rejects(shared.put("desk", {}), /by bob/);
  assert.equal(shared.heads.get("desk").version, 4);
  assert.equal(await shared.put("desk", {}), 5);
  await shared.put("new", {});
  assert.deepEqual(asked.filter(([type]) => type === "layout.put").map(([, { name, if_version }]) => [name, if_version]), [["desk", 3], ["desk", 4], ["new", 0]]);
  await shared.remove("desk");
  assert.equal(asked.findLast(([type]) => type === "layout.remove")[1].if_version, 6);
});

test("answers of another form are no layouts", async () => {
  for (const answer of [null, {}, { layouts: 7 }, { layouts: [{}] }]) {
    const shared = new SharedLayouts("table", { request: async () => answer, offers: () => true });
    await shared.refresh();
    assert.equal(shared.heads.size, 0);
  }
});
