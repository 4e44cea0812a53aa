// Messages between members, decisions, and answered questions, in the order of events.

import {button, face, h, put} from "./dom.mjs";
import {clamped, entryFor} from "./entries.mjs";

const TITLE = "Messages and decisions";
const LATEST = 120; // entries that are shown until somebody asks for more

export class Feed {
  #earlier = button("", () => this.#more(), {class: "quiet earlier", hidden: true});
  #list = h("div", {class: "list-of-entries", tabindex: "0", role: "log", "aria-live": "off", "aria-label": TITLE});
  node = h("section", {class: "feed", hidden: true}, h("h3", {}, TITLE), this.#earlier, this.#list);
  #order = []; // [number of the event, id], sorted
  #numbers = new Map();
  #rows = new Map();
  #changed = new Set();
  #limit = LATEST;
  #wanted = null;
  #sticks = true;

  constructor(view) {
    this.view = view;
    this.#list.addEventListener("scroll", () => {
      this.#sticks = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 24;
    }, {passive: true});
  }

  add(item) {
    const number = Number((item.event || item.id).slice(1)) || 0;
    if (this.#numbers.get(item.id) !== number) {
      if (this.#numbers.has(item.id)) this.#order = this.#order.filter(([, id]) => id !== item.id);
      let place = this.#order.length;
      while (place > 0 && this.#order[place - 1][0] > number) place -= 1;
      this.#order.splice(place, 0, [number, item.id]);
      this.#numbers.set(item.id, number);
    }
    this.#changed.add(item.id);
    this.view.frame();
  }

  forget(id) {
    if (!this.#numbers.delete(id)) return;
    this.#order = this.#order.filter(([, one]) => one !== id);
    this.#rows.get(id)?.box.remove();
    this.#rows.delete(id);
    this.#changed.delete(id);
  }

  // Shows only these, or all.
  sift(ids) {
    this.#wanted = ids;
    this.paint();
  }

  paint() {
    const all = this.#wanted ? this.#order.filter(([, id]) => this.#wanted.has(id)) : this.#order;
    const shown = all.slice(-this.#limit).map(([, id]) => id), kept = new Set(shown);
    for (const [id, row] of this.#rows) if (!kept.has(id)) this.#drop(id, row);
    let next = this.#list.firstChild;
    for (const id of shown) {
      const box = this.#row(id);
      if (box === next) next = next.nextSibling;
      else this.#list.insertBefore(box, next);
    }
    this.#changed.clear();
    this.node.hidden = this.#order.length === 0;
    const earlier = all.length - shown.length;
    this.#earlier.hidden = earlier === 0;
    put(this.#earlier, `Show ${earlier} earlier`);
    if (this.#sticks && this.view.working) this.#list.scrollTop = 1e9;
  }

  reveal(id) {
    if (!this.#numbers.has(id)) return null;
    if (!this.#rows.has(id)) this.#more();
    return {box: this.#rows.get(id).box, focus: this.#list};
  }

  #row(id) {
    const item = this.view.items.get(id), fresh = !this.#rows.has(id);
    if (fresh) this.#rows.set(id, item.is === "question" ? answered(this.view) : entryFor(item, this.view));
    const row = this.#rows.get(id);
    if (fresh || this.#changed.has(id)) row.paint(item);
    return row.box;
  }

  #drop(id, row) {
    row.box.remove();
    this.#rows.delete(id);
  }

  #more() {
    this.#limit = Infinity;
    this.paint();
  }
}

const NOT_ANSWERED = {deadline: "Nobody answered in time", nobody: "Not answered"};

function answered(view) {
  const box = h("div", {class: "entry question"});
  const paint = (item) => {
    const asker = h("b", {}, view.called(item.lane, item.who));
    const said = item.answer ? `You: ${item.answer}` : NOT_ANSWERED[item.by] ?? "Not answered";
    box.replaceChildren(
      h("div", {class: "from"}, face(item.who), h("span", {}, asker, " asked you"), h("time", {}, view.since(item.at))),
      clamped(h("div", {class: "prose"}, item.text), item.text),
      h("div", {class: "said"}, said),
    );
  };
  return {box, paint};
}
