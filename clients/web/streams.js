/** Streams of ticks over one connection: each reads a topic from the journal and then live, and begins again after a reconnection. */

export class Streams {
  /**
   * @param {function(object)} send sends a message; does nothing without a connection
   * @param {function(): number} newId makes the id of a request
   */
  constructor(send, newId) {
    Object.assign(this, { send, newId });
    this.open = new Map(); // id -> stream
  }

  /**
   * Begin a stream; returns the function that ends it.
   *
   * @param {object} wanted topic, and one of since, from and last
   * @param {{began: Function, rows: function(object[], boolean), failed: function(string, string)}} handlers `began` is called at each beginning:
   *   the stream's rows come from the start; `failed` with the reason why it ended, and its code
   */
  read(wanted, handlers) {
    const stream = { wanted, handlers, id: null };
    this._begin(stream);
    return () => {
      if (this.open.delete(stream.id)) this.send({ type: "ticks.stop", id: stream.id });
    };
  }

  /** Begin all streams on a new connection. */
  restart() {
    const streams = [...this.open.values()];
    this.open.clear();
    streams.forEach((stream) => this._begin(stream));
  }

  /** Pass the rows of a message on to their stream; a stream that was ended has none. */
  take({ id, rows, live }) {
    this.open.get(id)?.handlers.rows(rows, live);
  }

  /** End the stream that an error names; false if it names none. */
  fail({ id, code, text }) {
    const stream = this.open.get(id);
    if (!stream) return false;
    this.open.delete(id);
    stream.handlers.failed(text, code);
    return true;
  }

  _begin(stream) {
    stream.id = this.newId();
    this.open.set(stream.id, stream);
    stream.handlers.began();
    this.send({ type: "ticks.read", id: stream.id, ...stream.wanted });
  }
}
