// What the user is asked, with the answers offered and room for one in their own words.

import {button, clock, face, h, put} from "./dom.mjs";

const PATIENCE = 10_000; // milliseconds in which an answer should have reached the run
const SOON = 3600; // seconds before a deadline from which on they are counted

export class Asks {
  node = h("div", {class: "asks"});
  #cards = new Map();

  constructor(view) {
    this.view = view;
  }

  // Shows the question while it is open; whether it still is.
  paint(item) {
    if (item.answer !== null) {
      this.forget(item.id);
      return false;
    }
    if (!this.#cards.has(item.id)) {
      const card = new Card(item, this.view);
      this.#cards.set(item.id, card);
      this.node.append(card.node);
    }
    this.#cards.get(item.id).paint(item);
    return true;
  }

  forget(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    const focused = card.node.contains(document.activeElement);
    card.close();
    this.#cards.delete(id);
    if (focused) this.view.focus(); // nothing is lost for who answered by keyboard
  }

  failed(name, why) {
    for (const card of this.#cards.values()) if (card.sent === name) card.failed(why);
  }

  // Once a second: how much time is left.
  tick(now) {
    for (const card of this.#cards.values()) card.tick(now);
  }
}

class Card {
  #text = h("div", {class: "prose", tabindex: "0", role: "group", "aria-label": "Question"});
  #state = h("div", {class: "note", role: "status"});
  #left = h("span", {class: "left"});

  constructor(item, view) {
    Object.assign(this, {item, view});
    const who = view.called(item.lane, item.who);
    this.own = h("textarea", {
      rows: 1, "aria-label": `Your answer to ${who}`, maxlength: 20000,
      placeholder: item.options.length ? "Or say it in your own words" : "Your answer",
      onkeydown: (event) => this.#key(event),
    });
    const offered = item.options.map((text) => button(text, () => this.#send(text), {class: "option"}));
    this.sends = button("Answer", () => this.#send(this.own.value.trim()), {class: offered.length ? "" : "option"});
    this.controls = h("div", {class: "controls"}, ...offered, h("div", {class: "free"}, this.own, this.sends));
    const head = h("div", {class: "from"}, face(item.who), h("b", {}, who), " asks you", this.#left);
    this.node = h("div", {class: "question", role: "group", tabindex: "-1", "aria-label": `${who} asks you`}, head);
    this.node.append(this.#text, this.controls, this.#state);
  }

  paint(item) {
    this.item = item;
    put(this.#text, item.text);
    this.tick(this.view.now());
  }

  tick(now) {
    const {deadline} = this.item;
    const seconds = deadline ? Math.max(0, deadline - now) : Infinity;
    put(this.#left, seconds < SOON ? ` · ${clock(seconds)} left` : "");
  }

  failed(why) {
    this.#free(`Your answer did not reach the run: ${why}. Try again.`);
    this.#state.classList.add("bad");
  }

  close() {
    clearTimeout(this.late);
    this.node.remove();
  }

  #send(text) {
    if (!text) return this.own.focus();
    this.#state.classList.remove("bad");
    put(this.#state, `Sending “${text.length > 80 ? `${text.slice(0, 79)}…` : text}”`);
    this.#lock(true);
    this.late = setTimeout(() => this.#free("There is no word from the run yet. You can send it again."), PATIENCE);
    this.sent = this.item.name; // it may have another name by the time that this fails
    this.view.send({do: "answer", name: this.sent, text});
  }

  #free(said) {
    clearTimeout(this.late);
    put(this.#state, said);
    this.#lock(false);
  }

  // What is disabled loses the focus, which whoever uses the keyboard gets back.
  #lock(locked) {
    if (locked && this.controls.contains(document.activeElement)) this.node.focus({preventScroll: true});
    for (const control of this.controls.querySelectorAll("button, textarea")) control.disabled = locked;
    if (!locked && document.activeElement === this.node) this.own.focus({preventScroll: true});
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send(this.own.value.trim());
  }
}
