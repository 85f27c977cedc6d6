import assert from "node:assert/strict";
import { test } from "node:test";
import { loginText } from "../../../clients/web/login.js";
import { statusText } from "../../../clients/web/marks.js";

test("a login says why it failed", () => {
  assert.equal(loginText(200, "view", "", null), "");
  assert.equal(loginText(200, "operate", "", null), "");
  assert.match(loginText(200, "metrics", "", null), /for monitoring only/);
  assert.match(loginText(401, "", "the token is wrong\n", null), /wrong, revoked or expired/);
  assert.match(loginText(429, "", "", "17"), /in 17 s/);
  assert.equal(loginText(403, "", "pages of this origin may not log in\n", null), "pages of this origin may not log in");
  assert.equal(loginText(502, "", "", null), "The gateway answered 502.");
});

test("the status of a page without a login has no retry", () => {
  assert.deepEqual(statusText({ state: "refused", why: "x" }, 0, 0, 0), { text: "not logged in", tone: "warn", retry: false });
});
