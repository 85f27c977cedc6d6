/** Small helpers for elements. Text is always set as text, never as markup. */

const BROAD = 5; // columns: more than a phone has room for

/** Make an element: `h("td", {class: "num"}, "12")`. Properties that begin with `on` are listeners; false and null are left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Give an element these children, in place of the ones that it has. Equal nodes stay: a selected text stays selected, a scrolled list where
 * it is, and the browser lays out only the nodes that differ. The children have no listeners.
 */
export function renew(root, ...children) {
  const [before, after] = [[...root.childNodes], children.flat()];
  after.forEach((node, at) => (before[at] ? patch(before[at], node) : root.append(node)));
  for (const node of before.slice(after.length)) node.remove();
}

function patch(node, wanted) {
  if (node.nodeName !== wanted.nodeName) {
    node.replaceWith(wanted);
  } else if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
  } else {
    for (const { name } of [...node.attributes]) if (!wanted.hasAttribute(name)) node.removeAttribute(name);
    for (const { name, value } of wanted.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    renew(node, ...wanted.childNodes);
  }
}

/** Set the text of an element; an equal text does not touch the page. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A text as nodes: words between backticks are code, such as a command to type. */
export function prose(text) {
  return String(text).split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part)).filter((part) => part !== "");
}

/** Set the text of an element, with its code; an equal text does not touch the page. */
export function setProse(element, text) {
  if (element.dataset.prose === text) return;
  element.dataset.prose = text;
  element.replaceChildren(...prose(text));
}

/** A long text, cut after two lines; all of it in the tooltip. */
export function cut(text) {
  return text && h("span", { class: "cut", title: text }, text);
}

/** Find an element by its id. */
export const byId = (id) => document.getElementById(id);

/**
 * Make a table. On a phone a wide one shows each row as a block, in which each cell has the text of its head.
 *
 * @param {string} caption for screen readers
 * @param {(string|{text: string, num?: boolean})[]} heads
 * @param {Array[]} rows cells: text or elements; a cell of a numeric column is aligned right
 * @param {string} empty text for a table without rows
 */
export function table(caption, heads, rows, empty) {
  if (!rows.length) return h("p", { class: "empty" }, prose(empty));
  const columns = heads.map((head) => (typeof head === "string" ? { text: head } : head));
  const cell = (content, at) => h(at ? "td" : "th", { class: columns[at].num && "num", scope: at ? null : "row", "data-head": at ? columns[at].text : null }, content);
  return h("div", { class: "scroll" }, h("table", { class: heads.length >= BROAD && "broad" },
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.num && "num" }, column.text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell)))),
  ));
}

/** Make a list of figures with their names: `[["queued", "3", "warn"], ...]`; the third item marks a figure that needs attention. */
export function figures(pairs) {
  return h("dl", { class: "figures" }, pairs.map(([name, value, tone]) => h("div", { class: tone ?? null }, h("dt", {}, name), h("dd", {}, value))));
}

/** A state as a word after a shape; `tone` is good, warn, bad or calm. */
export function chip(text, tone) {
  const shapes = { good: "●", warn: "▲", bad: "■", calm: "○" };
  return h("span", { class: `chip ${tone}` }, h("span", { "aria-hidden": "true" }, shapes[tone]), " ", prose(text));
}
