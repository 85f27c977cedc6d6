/** The layouts of a view that this browser keeps: the one that is shown, and others by name. Pure but for the storage passed in. */

const MOST_LAYOUTS = 50;
const LONGEST_NAME = 60;
const FORM = 1; // version of the documents of layouts that this page writes, PROTOCOL.md section 7.11

/**
 * @typedef {object} Form of the layouts of a view
 * @property {string} view
 * @property {string} key of the storage
 * @property {Object<string, {is: function(*): boolean, must: string}>} parts the values that each key of a layout may have
 * @property {function(object): object} checked returns a layout whose parts are all valid; unknown ones are left out
 */

/** Return a layout as a document for others. */
export function documentOf(form, layout) {
  return { version: FORM, view: form.view, ...layout };
}

/**
 * Read the document of a layout; it is unchecked.
 *
 * @returns {{layout: object|null, error: string}} `error` says why it cannot be shown
 */
export function readDocument(form, document) {
  const refused = (error) => ({ layout: null, error });
  if (document === null || typeof document !== "object" || Array.isArray(document)) return refused("it is no map of values");
  if (document.view !== form.view) return refused(`it is of the view ${String(document.view).slice(0, 30)}, not of ${form.view}`);
  if (!Number.isInteger(document.version) || document.version < 1) return refused("its version is no number");
  if (document.version > FORM) return refused("a newer page made it; reload this page");
  for (const [name, { is, must }] of Object.entries(form.parts)) {
    if (Object.hasOwn(document, name) && !is(document[name])) return refused(`its ${name} must be ${must}`);
  }
  return { layout: form.checked(document), error: "" };
}

export const TEXT = { is: (value) => typeof value === "string", must: "text" };
export const TEXTS = { is: (value) => Array.isArray(value) && value.every(TEXT.is), must: "an array of texts" };
export const BOOLEAN = { is: (value) => typeof value === "boolean", must: "true or false" };

/** The named layouts, and the one that is shown. */
export class Layouts {
  /**
   * @param {{getItem: Function, setItem: Function}|null} storage null or one that throws: the layouts last until the page is closed
   * @param {Form} form
   */
  constructor(storage, form) {
    Object.assign(this, { storage, form });
    const kept = this._read();
    this.shown = form.checked(kept.shown ?? kept); // an earlier page kept nothing but the choice of the cards
    const named = kept.named !== null && typeof kept.named === "object" ? kept.named : {};
    this.named = new Map(Object.entries(named).slice(0, MOST_LAYOUTS).map(([name, layout]) => [name, form.checked(layout ?? {})]));
    this.taken = this._taken(kept.taken);
  }

  /** Whether the shown layout is still the shared one that was taken over. */
  get isTaken() {
    return this.taken !== null && JSON.stringify(this.taken.layout) === JSON.stringify(this.shown);
  }

  /** Change parts of the shown layout. */
  change(part) {
    this.shown = this.form.checked({ ...this.shown, ...part });
    this._write();
  }

  /** Keep the shown layout under a name; returns why not, or "". */
  save(name) {
    const why = faultOfName(name);
    if (why) return why;
    if (!this.named.has(name) && this.named.size >= MOST_LAYOUTS) return `there are ${MOST_LAYOUTS} layouts already; remove one first`;
    this.named.set(name, this.shown);
    this._write();
    return "";
  }

  /** Show a named layout. */
  load(name) {
    if (!this.named.has(name)) return;
    [this.shown, this.taken] = [this.named.get(name), null];
    this._write();
  }

  /** Show a shared layout. */
  take(name, version, layout) {
    [this.shown, this.taken] = [layout, { name, version, layout }];
    this._write();
  }

  remove(name) {
    this.named.delete(name);
    this._write();
  }

  _taken(kept) {
    if (typeof kept?.name !== "string" || !Number.isInteger(kept.version)) return null;
    return { name: kept.name, version: kept.version, layout: this.form.checked(kept.layout ?? {}) };
  }

  _read() {
    try {
      const value = JSON.parse(this.storage.getItem(this.form.key) ?? "{}");
      return value !== null && typeof value === "object" ? value : {};
    } catch {
      return {};
    }
  }

  _write() {
    try {
      this.storage.setItem(this.form.key, JSON.stringify({ shown: this.shown, named: Object.fromEntries(this.named), taken: this.taken }));
    } catch {
      // without storage the layouts last until the page is closed
    }
  }
}

/** Why a name is none; "" if it is one. */
export function faultOfName(name) {
  if (!name || name.length > LONGEST_NAME) return `a name has 1 to ${LONGEST_NAME} characters`;
  return /[/\\]|^\.+$/.test(name) ? "a name has no / and no \\, and more than dots" : "";
}
