// The annotator's page: shows a pair, takes the verdict by key, button or swipe, shows the next.

import { Keys, keyName, shownKey } from "./keys.js";
import { Outbox } from "./outbox.js";
import { onSwipe } from "./swipe.js";
import { Supply } from "./supply.js";

const RECENT = 10;
const UNDONE = 50;
const KEYS = {
  yes: "y", partly: "p", no: "n", left: "arrowleft", equal: "arrowdown", right: "arrowright",
  skip: "s", undo: "u", comment: "c", help: "?",
  reason1: "1", reason2: "2", reason3: "3", reason4: "4", reason5: "5", reason6: "6", reason7: "7",
  quality1: "shift+1", quality2: "shift+2", quality3: "shift+3", quality4: "shift+4", quality5: "shift+5",
};
const MARKS = { yes: "✓", partly: "≈", no: "✗", left: "←", equal: "=", right: "→" };
const SAVING = {
  idle: () => "✓ All saved",
  sending: (count) => `↑ Saving ${count}…`,
  offline: (count) => `⚠ Offline: ${count} kept in this browser`,
  "signed-out": (count) => `⚠ Sign in again: ${count} kept in this browser`,
};

const at = (id) => document.getElementById(id);
const { campaign, annotator, compared } = document.body.dataset;
const path = `/campaigns/${campaign}`;
const keys = new Keys(KEYS);
const outbox = new Outbox(`${path}/entries`, annotator);
const last = new Map(outbox.waiting().map(({ pair, kind }) => [pair, kind]));
const supply = new Supply(
  `${path}/lease`,
  [...last].filter(([, kind]) => kind !== "retract").map(([pair]) => pair),
);
const controls = at("verdict");
let current = null;
let since = 0;
let recent = []; // the last verdicts, newest first: { pair, values }
let done = []; // what can be undone, newest last: { pair, values }, without values if skipped

function show(pair, values = {}) {
  current = pair;
  document.body.dataset.state = pair ? (pair.broken ? "broken" : "judging") : supply.problem || "loading";
  if (!pair) return;
  pair.elements ??= pair.images.map(({ url }) => Object.assign(new Image(), { src: url }));
  pair.elements.forEach((image, place) => {
    image.alt = compared ? `${place ? "Right" : "Left"} image` : "The image to compare with the caption";
  });
  at("caption").textContent = pair.caption;
  at("images").replaceChildren(...pair.elements);
  controls.reset();
  for (const reason of values.reasons ?? []) controls.querySelector(`[value="${reason}"]`).checked = true;
  if (values.quality) controls.querySelector(`[name=quality][value="${values.quality}"]`).checked = true;
  at("comment").value = values.comment ?? "";
  note(values.word ? `You judged this pair: ${values.word}. A new verdict takes its place.` : "");
  since = performance.now();
}

const next = () => show(supply.take());

function keep(entry) {
  try {
    outbox.add(entry);
    return true;
  } catch {
    note("This browser's storage is full, so the verdict could not be kept. Wait until all are saved.");
    return false;
  }
}

function judge(word) {
  if (!current || current.broken) return;
  const form = new FormData(controls);
  const reasons = form.getAll("reason");
  // What is unsafe or private may well be what the caption says.
  if (word === "yes" && controls.querySelector("[name=reason]:checked:not([data-grave])")) {
    note("This reason says that something is wrong: choose partly or no, or clear it.");
    return;
  }
  const values = {
    reasons,
    quality: Number(form.get("quality") ?? 0),
    comment: form.get("comment"),
    [compared ? "preference" : "alignment"]: word,
  };
  const milliseconds = Math.round(performance.now() - since);
  if (!keep({ kind: "verdict", pair: current.pair, milliseconds, ...values })) return;
  remember(current, { ...values, word });
  did({ pair: current, values: { ...values, word } });
  supply.finish(current);
  next();
}

function did(act) {
  done = [...done, act].slice(-UNDONE);
}

function skip() {
  if (!current || !keep({ kind: "skip", pair: current.pair })) return;
  did({ pair: current });
  supply.finish(current);
  next();
}

// Takes the last verdict back, also one from before a reload; a pair that was skipped is shown again.
function undo() {
  const { pair, values } = done.at(-1) ?? recent[0] ?? {};
  if (!pair || (values && !keep({ kind: "retract", pair: pair.pair }))) return;
  done.pop();
  recent = recent.filter((one) => one.pair.pair !== pair.pair);
  showRecent();
  again(pair, { ...values, word: "" });
}

// Shows a pair that was judged before; the one on the screen comes after it.
function again(pair, values) {
  if (current && current.pair !== pair.pair) supply.putBack(current);
  show(pair, values);
}

function remember(pair, values) {
  recent = [{ pair, values }, ...recent.filter((one) => one.pair.pair !== pair.pair)].slice(0, RECENT);
  setTimeout(showRecent);
}

function showRecent() {
  at("recent").replaceChildren(...recent.map(({ pair, values }) => {
    const copy = at("recent-item").content.cloneNode(true);
    const button = copy.querySelector("button");
    copy.querySelector("img").src = pair.images[0].url;
    copy.querySelector(".mark").textContent = MARKS[values.word];
    copy.querySelector(".word").textContent = values.word;
    copy.querySelector(".text").textContent = pair.caption;
    button.dataset.word = values.word;
    button.addEventListener("click", () => again(pair, values));
    return copy;
  }));
}

const note = (text) => { at("note").textContent = text; };

function showSaving() {
  const count = outbox.waiting().length;
  const refused = outbox.refused().length;
  const state = count && outbox.state === "idle" ? "sending" : outbox.state;
  const text = SAVING[count || state === "signed-out" ? state : "idle"](count);
  const more = refused ? ` · ${refused} refused by the service` : "";
  document.body.dataset.saving = state;
  if (at("saving").textContent !== text + more) at("saving").textContent = text + more;
}

function showKeys() {
  for (const shown of document.querySelectorAll("[data-key-of]")) {
    shown.textContent = shownKey(keys.key(shown.dataset.keyOf));
  }
}

function act(action) {
  const [, kind, place] = /^(reason|quality)(\d)$/.exec(action) ?? [];
  if (kind) controls.querySelectorAll(`[name=${kind}]`)[place - 1]?.click();
  else if (action === "skip") skip();
  else if (action === "undo") undo();
  else if (action === "comment") at("comment").focus();
  else if (action === "help") at("help").showModal();
  else if (compared ? ["left", "equal", "right"].includes(action) : ["yes", "partly", "no"].includes(action)) judge(action);
  else return false;
  return true;
}

function pressed(event) {
  const waiting = document.querySelector("[data-remap][aria-pressed=true]");
  if (waiting && event.key !== "Tab") return remap(waiting, event);
  if (at("help").open) return undefined;
  if (event.target.matches("textarea")) {
    if (event.key === "Escape") event.target.blur();
    return undefined;
  }
  const action = keys.action(event);
  // A key that is held down is no verdict on the next pair.
  if (action && !event.repeat && act(action)) event.preventDefault();
  return undefined;
}

function remap(button, event) {
  if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
  event.preventDefault();
  button.setAttribute("aria-pressed", "false");
  if (event.key !== "Escape") keys.set(button.dataset.remap, keyName(event));
  showKeys();
}

document.addEventListener("keydown", pressed);
controls.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-action], [data-remap]");
  if (button?.dataset.action) act(button.dataset.action);
  if (button?.dataset.remap) button.setAttribute("aria-pressed", "true");
});
at("reset-keys").addEventListener("click", () => { keys.reset(); showKeys(); });
at("close-help").addEventListener("click", () => at("help").close());
addEventListener("beforeunload", (event) => { if (outbox.waiting().length) event.preventDefault(); });
onSwipe(at("images"), (side) => judge(compared ? side : { right: "yes", left: "no" }[side]));
outbox.addEventListener("change", showSaving);
outbox.addEventListener("confirmed", ({ detail: { judged } }) => {
  if (judged === null) return;
  at("judged").hidden = false;
  at("judged").firstChild.textContent = judged;
});
supply.addEventListener("change", () => { if (!current) next(); });

// Adds verdicts from before this page was loaded to those that it knows, which are newer.
async function loadRecent() {
  const answer = await fetch(`${path}/recent`);
  if (!answer.ok) return;
  const { verdicts } = await answer.json();
  const known = new Map(recent.map((one) => [one.pair.pair, one]));
  const stored = verdicts.map((one) => known.get(one.pair.pair) ?? one);
  recent = [...recent.filter((one) => !stored.includes(one)), ...stored].slice(0, RECENT);
  showRecent();
}

showKeys();
showSaving();
supply.ask();
await outbox.send();
if (outbox.waiting().length) outbox.addEventListener("confirmed", loadRecent, { once: true });
await loadRecent();
