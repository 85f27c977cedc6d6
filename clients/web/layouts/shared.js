/** The layouts of a view that the broker keeps for all users of the page: their heads, asked for again while the view is shown. Pure but for `request`. */

/** @typedef {{name: string, version: number, by: string, at_ns: number}} Head */

export class SharedLayouts {
  /**
   * @param {string} view
   * @param {{request: function(string, object): Promise, offers: function(string): boolean}} tools of the connection
   */
  constructor(view, { request, offers }) {
    Object.assign(this, { view, request, offers, revision: undefined });
    this.heads = new Map(); // name -> head
  }

  get isOffered() {
    return this.offers("layout.list");
  }

  get mayChange() {
    return this.offers("layout.put");
  }

  /** Ask for the heads; returns whether they have changed. */
  async refresh() {
    const answer = await this.request("layout.list", { view: this.view, ...(this.revision === undefined ? {} : { revision: this.revision }) });
    if (!Array.isArray(answer?.layouts)) return false;
    this.revision = Number.isSafeInteger(answer.revision) ? answer.revision : undefined;
    this.heads = new Map(answer.layouts.filter(isHead).map((head) => [head.name, head]));
    return true;
  }

  /** Ask for a layout; its document is unchecked. */
  async read(name) {
    const { version, document } = await this.request("layout.show", { name });
    return { version, document };
  }

  /** Add a layout, or replace the version of it that this page knows; returns its version. */
  async put(name, document) {
    const head = await this._changed(() => this.request("layout.put", { name, document, if_version: this.heads.get(name)?.version ?? 0 }));
    return head.version;
  }

  /** Remove the version of a layout that this page knows. */
  async remove(name) {
    await this._changed(() => this.request("layout.remove", { name, if_version: this.heads.get(name)?.version }));
  }

  /** Change something, and learn what there is now, whether it succeeded or not. */
  async _changed(change) {
    try {
      return await change();
    } finally {
      await this.refresh().catch(() => {});
    }
  }
}

function isHead(head) {
  return typeof head?.name === "string" && Number.isInteger(head.version);
}
