// What the annotator did and the service has not confirmed yet. It lies in this browser's storage
// until it is confirmed, so that neither a broken connection nor a reload loses any of it. Each
// entry has an id by which the service knows one that is sent twice.

import { post } from "./post.js";

const BATCH = 50;
const RETRY_MS = [500, 15000];
const SIGN_IN = [401, 403];
const HOPELESS = [400, 404, 409, 413];

export class Outbox extends EventTarget {
  #path;
  #prefix;
  #sending = false;
  #delay = RETRY_MS[0];
  #timer = 0;
  #count = 0;
  #batch = BATCH;
  state = "idle"; // idle, sending, offline or signed-out

  constructor(path, owner) {
    super();
    this.#path = path;
    this.#prefix = `synthvlm-review ${path} ${owner} `;
    addEventListener("online", () => this.send());
    addEventListener("storage", () => this.#tell());
  }

  // Entries that wait, in the order in which they were made.
  waiting() {
    return this.#stored("waiting ");
  }

  // Entries that the service will never take.
  refused() {
    return this.#stored("refused ");
  }

  // Keeps an entry, and sends it when it can. Throws when the browser's storage is full.
  add(entry) {
    const order = `${String(Date.now()).padStart(15, "0")}-${String(this.#count++).padStart(6, "0")}`;
    const random = crypto.getRandomValues(new Uint32Array(3));
    const id = `${order}-${[...random].map((part) => part.toString(36)).join("")}`;
    localStorage.setItem(`${this.#prefix}waiting ${id}`, JSON.stringify({ ...entry, id }));
    this.#tell();
    setTimeout(() => this.send());
    return id;
  }

  async send() {
    if (this.#sending) return;
    this.#sending = true;
    clearTimeout(this.#timer);
    try {
      for (let batch; (batch = this.waiting().slice(0, this.#batch)).length; ) {
        this.#tell("sending");
        this.#confirm(batch, await post(this.#path, { entries: batch }));
        this.#delay = RETRY_MS[0];
        this.#batch = BATCH;
      }
      this.#tell("idle");
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#sending = false;
    }
  }

  #confirm(batch, answer) {
    batch.forEach((entry, place) => this.#settle(entry, answer.outcomes[place] === "refused"));
    this.dispatchEvent(new CustomEvent("confirmed", { detail: answer }));
  }

  #settle(entry, refused) {
    if (refused) localStorage.setItem(`${this.#prefix}refused ${entry.id}`, JSON.stringify(entry));
    localStorage.removeItem(`${this.#prefix}waiting ${entry.id}`);
  }

  #failed(error) {
    if (SIGN_IN.includes(error.status)) return this.#tell("signed-out");
    if (HOPELESS.includes(error.status)) {
      // One of them is at fault: they go one by one, and that one is set aside.
      if (this.#batch === 1) this.#settle(this.waiting()[0], true);
      this.#batch = 1;
      this.#timer = setTimeout(() => this.send());
      return undefined;
    }
    this.#timer = setTimeout(() => this.send(), this.#delay * (0.75 + Math.random() / 2));
    this.#delay = Math.min(this.#delay * 2, RETRY_MS[1]);
    return this.#tell("offline");
  }

  #stored(kind) {
    const prefix = this.#prefix + kind;
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
    return keys.sort().map((key) => JSON.parse(localStorage.getItem(key)));
  }

  #tell(state = this.state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
