/**
 * The WebSocket to the gateway: reconnects with back-off and jitter, subscribes again, and says honestly how things are.
 *
 * Time, randomness, timers and the socket itself come in through `world`, so that tests drive it without waiting.
 */

const BASE_MS = 500;
const CAP_MS = 15000;
const SETTLED_MS = 5000; // a connection that lasted so long has the back-off start anew
const QUIET_MS = 3000; // statistics come every second: silence for longer is told, and a ping sent
const DEAD_MS = 8000; // and for so long is taken for a dead connection
const ANSWER_MS = 10000; // a request that has no answer by then has failed

const REASONS = {
  1006: "the gateway cannot be reached",
  1001: "the gateway is stopping",
  4000: "the gateway refused a message",
  4001: "the gateway wants a token",
  4002: "this page was too slow",
  4003: "the gateway does not serve this origin",
};

/** How long to wait before attempt n (from 1): doubling, capped, between half of it and all of it by chance. */
export function backoff(attempt, random) {
  return Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1)) * (0.5 + 0.5 * random());
}

/** What a closing code means, for people. */
export function reasonOf(code) {
  return REASONS[code] ?? `closed with code ${code}`;
}

/** The browser's own world. */
export function browserWorld(address) {
  return {
    open: () => new WebSocket(address),
    now: () => performance.now(),
    random: Math.random,
    later: (call, ms) => setTimeout(call, ms),
    cancel: (timer) => clearTimeout(timer),
  };
}

/** One connection for the life of the page. */
export class Connection {
  /**
   * @param {object} world see `browserWorld`
   * @param {{hello: Function, frame: Function, status: Function}} heard called with messages, and with the status when it changes
   */
  constructor(world, heard) {
    this.world = world;
    this.heard = heard;
    this.subscription = null;
    this.attempt = 0;
    this.waiting = new Map(); // id of a request -> {resolve, reject, timer}
    this.nextId = 1;
    this.socket = null;
    this.timer = null;
    this.status = { state: "connecting", attempt: 0, retryAt: 0, why: "" };
  }

  /** Connect, and stay connected. */
  start() {
    this._open();
  }

  /** Try again now rather than at the end of the back-off. */
  retry() {
    if (this.status.state !== "reconnecting" || this.socket) return;
    this.world.cancel(this.timer);
    this._open();
  }

  /** Say what is wanted, now and after every reconnection. */
  subscribe(subscription) {
    this.subscription = subscription;
    if (this.isOpen) this._send({ type: "subscribe", ...subscription });
  }

  /** Connect anew, because what came does not fit together; a new connection is told everything in full. */
  restart(why) {
    const { socket } = this;
    if (!socket) return;
    this._lost(0, why);
    socket.close();
  }

  /** Ask for something; the promise fails with the gateway's error, or when the connection is lost. */
  request(type, values) {
    if (!this.isOpen) return Promise.reject(failure("NOT_CONNECTED", "there is no connection to the gateway"));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const late = () => this._settle(id, "reject", failure("TIMEOUT", "the gateway has not answered within 10 s"));
      this.waiting.set(id, { resolve, reject, timer: this.world.later(late, ANSWER_MS) });
      this._send({ type, id, ...values });
    });
  }

  get isOpen() {
    return this.status.state === "connected" || this.status.state === "stale";
  }

  _open() {
    this._tell({ state: this.attempt ? "reconnecting" : "connecting", attempt: this.attempt, retryAt: 0 });
    const socket = this.world.open();
    this.socket = socket;
    this.openedAt = this.heardAt = this.world.now();
    socket.onmessage = (event) => socket === this.socket && this._take(event.data);
    socket.onclose = (event) => socket === this.socket && this._lost(event.code);
    this._watch();
  }

  _take(text) {
    this.heardAt = this.world.now();
    const message = JSON.parse(text);
    if (message.type === "hello") this._welcome(message);
    else if (message.type === "frame") this.heard.frame(message);
    else if (message.type === "answer") this._settle(message.id, "resolve", message.value);
    else if (message.type === "error") this._settle(message.id, "reject", failure(message.code, message.text));
    if (this.status.state === "stale") this._tell({ state: "connected", why: "" });
  }

  _welcome(hello) {
    this.openedAt = this.world.now();
    this._tell({ state: "connected", attempt: 0, retryAt: 0, why: "" });
    this.heard.hello(hello);
    if (this.subscription) this._send({ type: "subscribe", ...this.subscription });
  }

  /** Look every second whether anything was heard; one timer, either this or the back-off's. */
  _watch() {
    this.world.cancel(this.timer);
    this.timer = this.world.later(() => this._look(), 1000);
  }

  _look() {
    const quiet = this.world.now() - this.heardAt;
    if (quiet >= DEAD_MS) {
      this.restart(`nothing was heard for ${Math.round(quiet / 1000)} s`);
      return;
    }
    if (quiet >= QUIET_MS && this.isOpen) {
      this._tell({ state: "stale", why: `nothing heard for ${Math.round(quiet / 1000)} s` });
      this._send({ type: "ping", id: 0 });
    }
    this._watch();
  }

  _lost(code, why = reasonOf(code)) {
    const lasted = this.isOpen ? this.world.now() - this.openedAt : 0;
    this.socket = null;
    this.attempt = lasted >= SETTLED_MS ? 1 : this.attempt + 1;
    const wait = backoff(this.attempt, this.world.random);
    this._tell({ state: "reconnecting", attempt: this.attempt, retryAt: this.world.now() + wait, why });
    for (const id of [...this.waiting.keys()]) this._settle(id, "reject", failure("NOT_CONNECTED", why));
    this.world.cancel(this.timer);
    this.timer = this.world.later(() => this._open(), wait);
  }

  _settle(id, how, value) {
    const waiter = this.waiting.get(id);
    if (!waiter) return;
    this.waiting.delete(id);
    this.world.cancel(waiter.timer);
    waiter[how](value);
  }

  _send(message) {
    this.socket.send(JSON.stringify(message));
  }

  _tell(change) {
    this.status = { ...this.status, ...change };
    this.heard.status(this.status);
  }
}

function failure(code, text) {
  return Object.assign(new Error(text), { code });
}
