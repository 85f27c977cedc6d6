/**
 * The WebSocket to the gateway: reconnects with back-off and jitter, subscribes again, and reports its status.
 *
 * Time, randomness, timers and the socket come from `world`, so that tests need not wait.
 */

import { Streams } from "./streams.js";

const OPEN = 1; // readyState of a WebSocket: of one that is closing or closed it is greater
const BASE_MS = 500;
const CAP_MS = 15000;
const SETTLED_MS = 5000; // a connection that lasted this long resets the back-off
const CHECK_MS = 250; // between two checks for silence
const QUIET_MS = 700; // statistics arrive every second, ticks more often: after a longer silence a ping is sent
const SILENT_MS = 1500; // after this silence, also without a pong, the gateway is frozen or dead
const LATE_MS = 250; // a check that is later than this: the page itself stood still, and first reads what has arrived
const DEAD_MS = 8000; // after this silence the connection counts as dead
const ANSWER_MS = 10000; // after this a request without an answer has failed

const REFUSED = 4001; // no attempt succeeds before a login

const REASONS = {
  1006: "the gateway cannot be reached",
  1001: "the gateway is stopping",
  4000: "the gateway refused a message",
  1012: "the rights of this page have changed",
  4001: "the gateway requires a token",
  4002: "this page was too slow",
  4003: "the gateway does not serve this origin",
};

/** The delay in ms before attempt n (from 1): doubles up to a cap, with a random factor of 0.5 to 1. */
export function backoff(attempt, random) {
  return Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1)) * (0.5 + 0.5 * random());
}

/** The meaning of a closing code, for people. */
export function reasonOf(code) {
  return REASONS[code] ?? `closed with code ${code}`;
}

/** The world of a browser. */
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
   * @param {{hello: Function, frame: Function, status: Function}} handlers called with messages, and with the status when it changes
   */
  constructor(world, handlers) {
    this.world = world;
    this.handlers = handlers;
    this.subscription = null;
    this.attempt = 0;
    this.waiting = new Map(); // id of a request -> {resolve, reject, timer}
    this.nextId = 1;
    this.streams = new Streams((message) => this.isOpen && this._send(message), () => this.nextId++);
    this.socket = null;
    this.timer = null;
    this.silence = "no message for {} s"; // until the hello has the judge's sentence about a silent gateway
    this.status = { state: "connecting", attempt: 0, retryAt: 0, why: "" };
  }

  /** Connect, and reconnect after every loss. */
  start() {
    this._open();
  }

  /** Reconnect now: instead of at the end of the back-off, or after a login. */
  retry() {
    if (!["reconnecting", "refused"].includes(this.status.state) || this.socket) return;
    this.world.cancel(this.timer);
    this._open();
  }

  /** Set the subscription, now and after every reconnection. */
  subscribe(subscription) {
    this.subscription = subscription;
    if (this.isOpen) this._send({ type: "subscribe", ...subscription });
  }

  /** Add a part to the subscription, such as `{quotes: true}`. */
  add(part) {
    this.subscription = { ...this.subscription, ...part };
    if (this.isOpen) this._send({ type: "subscribe", ...part });
  }

  /** Remove a part again. */
  remove(part) {
    this.subscription = Object.fromEntries(Object.entries(this.subscription ?? {}).filter(([name]) => !(name in part)));
    if (this.isOpen) this._send({ type: "unsubscribe", ...part });
  }

  /** Reconnect because the data is inconsistent; a new connection gets all data in full. */
  restart(why) {
    const { socket } = this;
    if (!socket) return;
    this._lost(0, why);
    socket.close();
  }

  /** Send a request; the promise rejects with the gateway's error, or when the connection is lost. */
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
    this._update({ state: this.attempt ? "reconnecting" : "connecting", attempt: this.attempt, retryAt: 0 });
    const socket = this.world.open();
    this.socket = socket;
    this.openedAt = this.receivedAt = this.world.now();
    this.isPinged = false;
    socket.onmessage = (event) => socket === this.socket && this._receive(event.data);
    socket.onclose = (event) => socket === this.socket && (event.code === REFUSED ? this._refused(event.reason) : this._lost(event.code));
    this._watch();
  }

  _receive(text) {
    this.receivedAt = this.world.now();
    this.isPinged = false;
    const message = JSON.parse(text);
    if (message.type === "hello") this._welcome(message);
    else if (message.type === "frame") this.handlers.frame(message);
    else if (message.type === "answer") this._settle(message.id, "resolve", message.value);
    else if (message.type === "ticks") this.streams.take(message);
    else if (message.type === "error" && !this.streams.fail(message)) this._settle(message.id, "reject", failure(message.code, message.text));
    if (this.status.state === "stale") this._update({ state: "connected", why: "" });
  }

  _welcome(hello) {
    this.openedAt = this.world.now();
    this.silence = hello.silence ?? this.silence;
    this._update({ state: "connected", attempt: 0, retryAt: 0, why: "" });
    this.handlers.hello(hello);
    if (this.subscription) this._send({ type: "subscribe", ...this.subscription });
    this.streams.restart();
  }

  /** Check for silence; there is one timer, either this or that of the back-off. */
  _watch() {
    const due = this.world.now() + CHECK_MS;
    this.world.cancel(this.timer);
    this.timer = this.world.later(() => this._check(due), CHECK_MS);
  }

  /** `due`: when this check should have been made; of the second check in a row it does not matter. */
  _check(due) {
    const now = this.world.now();
    if (now - due > LATE_MS) {
      this.timer = this.world.later(() => this._check(Infinity), 0);
      return;
    }
    const quiet = now - this.receivedAt;
    if (quiet >= DEAD_MS) {
      this.restart(this.silence.replace("{}", Math.round(quiet / 1000)));
      return;
    }
    if (quiet >= SILENT_MS && this.isOpen) {
      const why = this.silence.replace("{}", Math.round(quiet / 1000));
      if (why !== this.status.why) this._update({ state: "stale", why });
    } else if (quiet >= QUIET_MS && this.isOpen && !this.isPinged) {
      this.isPinged = true;
      this._send({ type: "ping", id: 0 });
    }
    this._watch();
  }

  /** The gateway requires a token, or another one: stay disconnected until `retry`. */
  _refused(reason) {
    const why = reason || reasonOf(REFUSED);
    this.socket = null;
    this.attempt = 0;
    this.world.cancel(this.timer);
    this._update({ state: "refused", attempt: 0, retryAt: 0, why });
    for (const id of [...this.waiting.keys()]) this._settle(id, "reject", failure("NOT_CONNECTED", why));
  }

  _lost(code, why = reasonOf(code)) {
    const lasted = this.isOpen ? this.world.now() - this.openedAt : 0;
    this.socket = null;
    this.attempt = lasted >= SETTLED_MS ? 1 : this.attempt + 1;
    const wait = backoff(this.attempt, this.world.random);
    this._update({ state: "reconnecting", attempt: this.attempt, retryAt: this.world.now() + wait, why });
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

  /** Send a message; nothing on a socket that is closing: its `close` comes, and settles what waits. */
  _send(message) {
    if (this.socket.readyState > OPEN) return;
    this.socket.send(JSON.stringify(message));
  }

  _update(change) {
    this.status = { ...this.status, ...change };
    this.handlers.status(this.status);
  }
}

function failure(code, text) {
  return Object.assign(new Error(text), { code });
}
