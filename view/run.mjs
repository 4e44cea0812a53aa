// The live view of one run: mount(element, transport) -> unmount.
//
//   transport.listen(receive)  calls receive with each message, and returns a function that ends that. A message is
//                              a patch or a snapshot (see items.py), or {error: "why", of: command} where a
//                              command failed; without `of` it is the connection that has trouble
//   transport.send(command)    {do: "since", seq} | {do: "stop"} | {do: "resume"} | {do: "answer", name, text}; where it
//                              returns a promise and that is rejected, the command failed
//   transport.widen()          may be missing; shows the view on the whole screen
//
// There is no build step and nothing is loaded. Texts are only ever shown as text.

import {Asks} from "./asks.mjs";
import {button, clock, fill, h, listOf, oneLine, put} from "./dom.mjs";
import {Feed} from "./feed.mjs";
import {Follower} from "./follow.mjs";
import {Lanes} from "./lanes.mjs";
import {Plan} from "./plan.mjs";
import {Answer, Top} from "./top.mjs";
import {Voice} from "./voice.mjs";
import STYLE from "./style.css";

const SIFT_AGAIN = 400; // milliseconds until what is new is looked through, too
const MOST_EVIDENCE = 8;
const ENDED = new Set(["done", "failed", "cancelled"]);
const IN_LANES = new Set(["reply", "tool", "memory"]);
const SEARCHED = ["name", "role", "who", "to", "model", "tool", "arguments", "what", "choice", "task", "text"];

export function mount(element, transport) {
  const view = new RunView(element, transport);
  return () => view.close();
}

class RunView {
  #dirty = new Set(); // ids of what has changed since the last frame
  #events = new Map(); // by the id of the event, the id of what shows it
  #forgot = false; // whether something has gone since then
  #names = new Map(); // how many members have a name

  constructor(element, transport) {
    this.transport = transport;
    this.follower = new Follower(transport, this);
    const look = {class: "filter", type: "search", placeholder: "Filter", "aria-label": "Filter members and messages",
      "aria-keyshortcuts": "/", title: "Press / to get here"};
    this.filter = h("input", {...look, oninput: () => this.sift()});
    Object.assign(this, {top: new Top(this), asks: new Asks(this), answer: new Answer(this), voice: new Voice()});
    Object.assign(this, {lanes: new Lanes(this), feed: new Feed(this)});
    this.plan = new Plan({choose: (step) => this.#chosen(step), called: (lane) => this.teams(lane)});
    this.problem = h("div", {class: "problem", role: "alert", hidden: true});
    const work = h("div", {class: "work"}, this.lanes.node, this.feed.node);
    this.root = h("div", {class: "guildhall", role: "region", "aria-label": "Team run"});
    this.root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves keys to it
    this.root.addEventListener("keydown", (event) => this.#key(event));
    const parts = [this.top, this.asks, this.answer, this.plan].map(({node}) => node);
    const [top, ...others] = parts, style = h("style", {}, STYLE);
    this.root.append(style, top, this.voice.node, this.problem, ...others, this.lanes.bar, work);
    element.append(this.root);
    this.clock = setInterval(() => this.#tick(), 1000);
    this.follower.start();
  }

  close() {
    for (const part of [this.lanes, this.top, this.voice]) part.close();
    this.follower.stop();
    clearInterval(this.clock);
    clearTimeout(this.sifting);
    cancelAnimationFrame(this.framed);
    this.root.remove();
  }

  get items() {
    return this.follower.items;
  }

  get working() {
    return this.items.get("run")?.status === "working";
  }

  now() {
    return this.follower.now();
  }

  send(command) {
    if (command.do !== "since") this.#say("");
    return this.follower.send(command);
  }

  // -- what comes in, by way of the follower

  changed(item) {
    this.#dirty.add(item.id);
    if (item.event) this.#events.set(item.event, item.id);
    this.frame();
  }

  forgotten(id) {
    this.#dirty.delete(id);
    for (const part of [this.lanes, this.feed, this.asks]) part.forget(id);
    this.#forgot = true;
  }

  news(item, before) {
    this.voice.news(item, before);
  }

  failed(command, why) {
    if (command.do === "answer") this.asks.failed(command.name, why);
    else if (command.do === "stop") {
      this.top.stopFailed();
      this.#say(`The run was not stopped: ${why}.`);
    } else if (command.do === "resume") {
      this.top.resumeFailed();
      this.#say(`The run does not go on: ${why}.`);
    } else this.#say(`This may be out of date: ${why}.`, {passing: true});
  }

  caughtUp() {
    if (this.passing) this.#say("");
  }

  #say(text, {passing = false} = {}) {
    this.passing = passing;
    this.problem.hidden = !text;
    put(this.problem, text.replace(/\.\.$/, "."));
  }

  // -- what is seen

  frame() {
    this.framed ??= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.framed = undefined;
    const ids = [...this.#dirty], kinds = new Set();
    this.#dirty.clear();
    for (const item of ids.map((id) => this.items.get(id)).filter(Boolean)) {
      kinds.add(item.is);
      this.#place(item);
    }
    if (kinds.has("member")) this.#nameAll();
    if (kinds.has("step") || this.#forgot) this.plan.paint(this.follower.of("step"));
    this.#forgot = false;
    this.lanes.paint();
    this.feed.paint();
    if (kinds.has("run") || kinds.has("question")) this.#paintRun();
    if (ids.length) this.#resift();
  }

  #place(item) {
    if (item.is === "member") this.lanes.member(item);
    else if (item.is === "question") {
      if (this.asks.paint(item)) this.feed.forget(item.id);
      else this.feed.add(item);
    } else if (IN_LANES.has(item.is) && this.lanes.takes(item)) this.lanes.add(item);
    else if (item.is === "memory" || item.is === "tool" || item.is === "message" || item.is === "decision") {
      this.feed.add(item);
    }
  }

  #paintRun() {
    const run = this.items.get("run");
    if (!run) return;
    this.root.dataset.status = run.status;
    const asked = this.follower.of("question").some((item) => item.answer === null);
    this.top.paint(run, asked);
    this.answer.paint(run, asked);
    this.lanes.ended(ENDED.has(run.status));
  }

  #tick() {
    this.top.tick(this.working ? this.items.get("run") : null);
    this.asks.tick(this.now());
  }

  // -- names, and what things rest on

  #nameAll() {
    const numbers = new Map();
    for (const {name} of this.follower.of("member")) numbers.set(name, (numbers.get(name) ?? 0) + 1);
    const more = [...numbers].some(([name, number]) => number > 1 && number !== this.#names.get(name));
    this.#names = numbers;
    if (more) for (const member of this.follower.of("member")) this.lanes.member(member);
  }

  // The name of whoever works in the lane, with its team where others have the same name.
  called(lane, who) {
    const member = this.items.get(lane), name = who ?? member?.name ?? "the team";
    if (!member || (this.#names.get(name) ?? 0) < 2) return name;
    const team = member.name === name ? this.items.get(member.above) : member;
    return team ? `${name} (${team.name})` : name;
  }

  // The team with those that it is a team of, from the outside in.
  teams(lane) {
    const names = [];
    for (let team = this.items.get(lane); team; team = this.items.get(team.above)) names.unshift(team.name);
    return names.length > 1 ? names.slice(1).join(" › ") : names[0] ?? "the run";
  }

  // When it was, counted from the beginning of the run.
  since(at) {
    const began = this.items.get("run")?.began;
    return began ? clock(at - began) : "";
  }

  evidence(label, ids) {
    const items = listOf(ids).map((id) => this.items.get(this.#events.get(id) ?? id)).filter(Boolean);
    const known = [...new Map(items.map((item) => [this.#inShort(item), item])).values()];
    if (!known.length) return null;
    const chip = (item) => button(this.#inShort(item), () => this.reveal(item.id), {class: "chip"});
    const chips = known.slice(0, MOST_EVIDENCE).map(chip);
    const more = known.length > MOST_EVIDENCE ? `and ${known.length - MOST_EVIDENCE} more` : "";
    return fill(h("div", {class: "evidence"}), `${label} `, ...chips, more);
  }

  #inShort(item) {
    const who = this.called(item.lane, item.who);
    if (item.is === "tool") return `${who} · ${item.tool}`;
    if (item.is === "decision") return `${item.what} · ${oneLine(item.choice, 40)}`;
    return item.is === "reply" ? who : `${who} · ${item.is}`;
  }

  reveal(id) {
    this.#clear();
    const found = this.lanes.reveal(id) ?? this.feed.reveal(id);
    if (found) this.flash(found.box, found.focus);
  }

  flash(box, focus) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.scrollIntoView({block: "nearest", behavior: still ? "auto" : "smooth"});
    if (!still) box.animate?.({backgroundColor: ["var(--accent-soft)", "transparent"]}, 1400);
    focus.focus({preventScroll: true});
  }

  #chosen(step) {
    const mine = this.follower.of("member").filter(({name}) => name === step.who);
    const member = mine.find(({above}) => above === step.lane) ?? mine[0];
    if (member) this.reveal(member.id);
  }

  // -- what a reader does

  // Where whoever uses the keyboard goes on.
  focus() {
    this.root.tabIndex = -1;
    this.root.focus({preventScroll: true});
  }

  sift() {
    const wanted = this.filter.value.trim().toLowerCase();
    const hits = wanted ? this.#found(wanted) : null;
    this.lanes.sift(hits);
    this.feed.sift(hits);
    this.frame();
  }

  // Sifts again in a while, since there is something new.
  #resift() {
    if (!this.filter.value.trim()) return;
    this.sifting ??= setTimeout(() => {
      this.sifting = undefined;
      this.sift();
    }, SIFT_AGAIN);
  }

  #found(wanted) {
    const hits = new Set();
    for (const item of this.items.values()) {
      if (!SEARCHED.some((name) => String(item[name] ?? "").toLowerCase().includes(wanted))) continue;
      hits.add(item.id);
      if (item.lane && IN_LANES.has(item.is)) hits.add(item.lane);
    }
    return hits;
  }

  #clear() {
    if (!this.filter.value && !this.lanes.only) return;
    this.filter.value = this.lanes.only = "";
    this.sift();
  }

  #key(event) {
    event.stopPropagation(); // a notebook's shortcuts are not meant
    const writing = event.target.matches("input, textarea");
    if (event.key === "/" && !writing) {
      this.filter.focus();
      event.preventDefault();
    } else if (event.key === "Escape" && event.target === this.filter) this.#clear();
  }
}
