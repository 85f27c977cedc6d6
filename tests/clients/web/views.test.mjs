import assert from "node:assert/strict";
import { test } from "node:test";
import { Views } from "../../../clients/web/views.js";

/** The little of a document that a navigation needs. */
class Element {
  constructor() {
    Object.assign(this, { attributes: {}, children: [], hidden: false });
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
  removeAttribute(name) {
    delete this.attributes[name];
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.children = children;
  }
}

function someViews(hash, offered = () => true) {
  globalThis.document = { createElement: () => new Element() };
  const [location, calls, nav] = [{ hash }, [], new Element()];
  const view = (name, more) => ({ name, title: name, elements: [new Element()], open: () => calls.push(`open ${name}`), close: () => calls.push(`close ${name}`), ...more });
  const views = new Views(nav, location, [view("cards"), view("table", { offered, turn: (now) => calls.push(`turn ${now}`) })]);
  return { views, location, calls, nav };
}

test("the address names the view; one is shown at a time, opened and closed once", () => {
  const { views, location, calls, nav } = someViews("#/table");
  assert.deepEqual(views.views.map(({ elements }) => elements[0].hidden), [true, false]);
  assert.deepEqual(nav.children.map(({ attributes }) => attributes["aria-current"]), [undefined, "page"]);
  views.refresh();
  views.turn(500);
  location.hash = "#/cards";
  views.refresh();
  assert.deepEqual(calls, ["open table", "turn 500", "close table", "open cards"]);
  assert.deepEqual(views.views.map(({ elements }) => elements[0].hidden), [false, true]);
});

test("a link to an element leaves the view; an unknown view, and none, is the first one", () => {
  const { views, location } = someViews("#/table");
  location.hash = "#displays";
  views.refresh();
  assert.equal(views.shown.name, "table");
  for (const hash of ["#/nosuch", ""]) {
    location.hash = hash;
    views.refresh();
    assert.equal(views.shown.name, "cards");
  }
});

test("a view that is not offered has no link, and is left when the right to it ends", () => {
  let offered = true;
  const { views, nav } = someViews("#/table", () => offered);
  assert.equal(nav.hidden, false);
  offered = false;
  views.refresh();
  assert.deepEqual([views.shown.name, nav.children[1].hidden, nav.hidden], ["cards", true, true]);
});
