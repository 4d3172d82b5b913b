// Which key does what. Everyone may change it; the choice stays in this browser.

const STORED = "synthvlm-review keys";
const DIGITS = /^(Digit|Numpad)(\d)$/;
const NAMES = { " ": "Space", arrowleft: "←", arrowright: "→", arrowup: "↑", arrowdown: "↓" };

// The name of a pressed key. Digits are told by their place: other layouts have them on Shift.
export function keyName(event) {
  const digit = DIGITS.exec(event.code);
  if (digit) return (event.shiftKey ? "shift+" : "") + digit[2];
  return event.key.toLowerCase();
}

export function shownKey(name) {
  return NAMES[name] ?? name.replace("shift+", "⇧").toUpperCase();
}

export class Keys {
  #defaults;
  #keys; // action -> key

  // `defaults` maps each action to its key.
  constructor(defaults) {
    this.#defaults = defaults;
    const stored = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    this.#keys = { ...defaults, ...stored };
  }

  action(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
    const name = keyName(event);
    return Object.keys(this.#defaults).find((action) => this.#keys[action] === name);
  }

  key(action) {
    return this.#keys[action];
  }

  // Gives an action a key; one that had it before gets the other's.
  set(action, name) {
    const other = Object.keys(this.#defaults).find((one) => this.#keys[one] === name);
    if (other) this.#keys[other] = this.#keys[action];
    this.#keys[action] = name;
    localStorage.setItem(STORED, JSON.stringify(this.#keys));
  }

  reset() {
    this.#keys = { ...this.#defaults };
    localStorage.removeItem(STORED);
  }
}
