// The pairs to judge next: leased in advance, their images fetched, the next three decoded, so that
// the next one is painted without waiting for anything.

import { post } from "./post.js";

const HELD = 20;
const LOW = 12;
const FETCHED = 10;
const DECODED = 3;
const TRIES = 5;
const RETRY_MS = 1000;
const LOOK_AGAIN_MS = 5000;
const PROBLEMS = { 401: "signed-out", 403: "signed-out", 404: "closed", 409: "closed" };

export class Supply extends EventTarget {
  #path;
  #asking = false;
  #timer = 0;
  #known = new Map(); // pair id -> pair with its images
  #done = new Set(); // judged or skipped here, or waiting to be sent
  #taken = null;
  #queue = [];
  #touched = false; // whether anything was judged since the leases were renewed
  problem = ""; // why there is no next pair: "", "nothing", "offline", "closed" or "signed-out"

  constructor(path, done) {
    super();
    this.#path = path;
    done.forEach((pair) => this.#done.add(pair));
    addEventListener("online", () => this.ask());
    document.addEventListener("visibilitychange", () => document.hidden || this.ask());
  }

  // The next pair, painted as soon as it is put into the page; null while there is none.
  take() {
    const pair = this.#queue[0];
    if (!pair?.ready) return null;
    this.#queue.shift();
    this.#taken = pair;
    if (this.#queue.length < LOW) this.ask();
    setTimeout(() => this.#prepare());
    return pair;
  }

  // The pair that was taken has been judged or skipped.
  finish(pair) {
    this.#touched = true;
    this.#done.add(pair.pair);
    this.#known.delete(pair.pair);
    this.#taken = null;
    delete pair.elements;
  }

  // The pair is to be judged later after all.
  putBack(pair) {
    this.#done.delete(pair.pair);
    this.#known.set(pair.pair, pair);
    this.#queue.unshift(pair);
    this.#taken = null;
  }

  async ask() {
    if (this.#asking) return;
    this.#asking = true;
    this.#touched = false;
    clearTimeout(this.#timer);
    let again = LOOK_AGAIN_MS;
    try {
      const answer = await post(this.#path, { count: HELD });
      this.#queue = answer.pairs
        .filter(({ pair }) => !this.#done.has(pair) && pair !== this.#taken?.pair)
        .map((pair) => this.#known.get(pair.pair) ?? pair);
      this.#known = new Map(this.#queue.map((pair) => [pair.pair, pair]));
      this.problem = this.#queue.length ? "" : "nothing";
      if (this.#queue.length) again = (answer.lease_seconds * 1000) / 3;
    } catch (error) {
      this.problem = PROBLEMS[error.status] ?? "offline";
      if (this.problem === "offline") again = RETRY_MS;
    }
    this.#asking = false;
    this.#timer = setTimeout(() => this.#askLater(), again);
    this.#prepare();
    this.dispatchEvent(new Event("change"));
  }

  // Renews the leases of somebody who judges; those of somebody who has left go to others in time.
  #askLater() {
    const idle = this.#taken && !this.#touched;
    if (!idle || this.problem === "offline") this.ask();
    else this.#timer = setTimeout(() => this.#askLater(), RETRY_MS);
  }

  #prepare() {
    for (const pair of this.#queue.slice(0, FETCHED)) {
      pair.elements ??= pair.images.map(element);
    }
    for (const pair of this.#queue.slice(0, DECODED)) this.#decode(pair);
  }

  async #decode(pair) {
    if (pair.ready || pair.decoding) return;
    pair.decoding = true;
    try {
      await Promise.all(pair.elements.map((image) => image.decode()));
      pair.ready = true;
    } catch {
      pair.tries = (pair.tries ?? 0) + (navigator.onLine ? 1 : 0);
      // Shown without its image, so that it can be skipped.
      pair.broken = pair.ready = pair.tries >= TRIES;
      if (!pair.ready) {
        pair.elements = pair.images.map(element);
        setTimeout(() => this.#prepare(), RETRY_MS);
      }
    }
    pair.decoding = false;
    this.dispatchEvent(new Event("change"));
  }
}

function element({ url, width, height }) {
  const image = new Image(width || undefined, height || undefined);
  image.decoding = "sync";
  image.src = url;
  return image;
}
