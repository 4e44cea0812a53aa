// What a screen reader hears: what matters at once, the rest once in a while, and never the text itself.

import {h, oneLine} from "./dom.mjs";

const EVERY = 5000; // milliseconds
const MOST = 3;
const TOLD = new Set(["vote", "verdict", "conflict", "watchdog"]);
const ENDED = new Set(["done", "failed", "cancelled", "interrupted"]);

export class Voice {
  node = h("div", {class: "heard", role: "status", "aria-live": "polite"});
  #news = [];

  close() {
    clearTimeout(this.soon);
  }

  news(item, before) {
    const was = before?.status;
    if (item.is === "question" && item.answer === null && !before) {
      this.#say(`${item.who} has a question for you: ${oneLine(item.text, 200)}`, {now: true});
    } else if (item.is === "run" && was !== item.status && ENDED.has(item.status)) {
      this.#say(`The run is ${item.status}`, {now: true});
    } else if (item.is === "member" && !item.team && was === "working" && ENDED.has(item.status)) {
      this.#say(`${item.name} is ${item.status}`);
    } else if (item.is === "decision" && TOLD.has(item.what) && !before) {
      this.#say(`${item.what}: ${oneLine(item.choice, 80)}`);
    }
  }

  #say(text, {now = false} = {}) {
    this.#news.push(text);
    if (now) this.#speak();
    else this.soon ??= setTimeout(() => this.#speak(), EVERY);
  }

  #speak() {
    clearTimeout(this.soon);
    this.soon = undefined;
    const news = this.#news.splice(0), last = news.slice(-MOST);
    const others = news.length - last.length;
    this.node.textContent = [others ? `${others} more things happened` : "", ...last].filter(Boolean).join(". ");
  }
}
