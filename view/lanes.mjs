// A lane for each member, under the team it works in. What is out of sight is not painted until it is looked at.

import {Sign, button, face, h, oneLine, plural, put, putTitle, unmarked} from "./dom.mjs";
import {entryFor, used} from "./entries.mjs";

const MANY = 12; // lanes beyond which those that have ended are folded up
const FEW = 4; // lanes that stay open when the run has ended, and that nobody has to search
const ENDED = new Set(["done", "failed", "cancelled", "skipped"]);
const CHIPS = {working: "at work", waiting: "waiting", done: "done", failed: "failed", cancelled: "cancelled"};
const WAITS = /^wait(s|ing)\b/; // what a member is doing that cannot go on by itself
const ARROWS = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1};

export class Lanes {
  #chips = h("div", {class: "chips", role: "group", "aria-label": "Show members that are"});
  #unfold = button("Expand all", () => this.#expandAll(), {class: "quiet"});
  #groups = new Map(); // by the team
  #lanes = new Map(); // by the member
  only = ""; // the status that is looked at

  constructor(view) {
    this.view = view;
    this.title = h("h3", {}, "Members");
    this.bar = h("div", {class: "bar-of-lanes", hidden: true}, this.title, this.#chips, view.filter, this.#unfold);
    this.node = h("div", {class: "lanes", hidden: true, onkeydown: (event) => this.#key(event)});
    this.seen = new IntersectionObserver((all) => all.forEach((one) => this.#saw(one)), {rootMargin: "250px"});
  }

  close() {
    this.seen.disconnect();
  }

  // Whether the lane of its member shows this; what a team does as a team is for the feed.
  takes(item) {
    const member = this.view.items.get(item.lane);
    return Boolean(member) && (item.is === "reply" || !member.team || Boolean(this.#lanes.get(item.lane)?.speaks));
  }

  add(item) {
    const lane = this.#laneOf(this.view.items.get(item.lane));
    lane.speaks ||= item.is === "reply";
    lane.mark(item);
  }

  member(item) {
    const lane = item.team ? this.#lanes.get(item.id) : this.#laneOf(item);
    if (lane && item.team && !lane.speaks) {
      this.forget(item.id);
      lane.ids.forEach((id) => this.view.changed(this.view.items.get(id)));
    } else lane?.about(item);
    this.#groups.get(item.id)?.about(item);
    this.recount = true;
  }

  forget(id) {
    const lane = this.#lanes.get(id);
    if (!lane) {
      for (const one of this.#lanes.values()) one.forget(id);
      return;
    }
    this.seen.unobserve(lane.node);
    lane.node.remove();
    this.#lanes.delete(id);
    for (const [key, group] of this.#groups) if (!group.body.hasChildNodes()) this.#drop(key, group);
    this.recount = true;
  }

  paint() {
    const painted = [...this.#lanes.values()].filter((lane) => lane.paint());
    if (this.recount) this.#count();
    for (const lane of painted) lane.stick(); // all writes are done: one layout for all lanes
  }

  // Once the answer is there, what led to it steps back.
  ended(over) {
    if (this.over === over) return;
    this.over = over;
    this.#refold();
  }

  // Shows only the lanes of these members, or all; and of them those with the status that is looked at.
  sift(ids = this.wanted) {
    this.wanted = ids;
    let shown = 0;
    for (const [id, lane] of this.#lanes) {
      const hit = (!ids || ids.has(id)) && (!this.only || lane.status === this.only);
      lane.node.hidden = !hit;
      shown += hit;
    }
    for (const group of this.#groups.values()) group.sift();
    const all = this.#lanes.size;
    put(this.title, shown === all ? plural(all, "member") : `${shown} of ${plural(all, "member")}`);
  }

  // Opens the lane in which this is, and returns what shows it.
  reveal(id) {
    for (const [member, lane] of this.#lanes) {
      if (member !== id && !lane.ids.has(id)) continue;
      lane.expand(true);
      lane.paint();
      return {box: lane.rows.get(id)?.box ?? lane.node, focus: lane.head};
    }
    const team = this.#groups.get(id);
    return team ? {box: team.node, focus: team.node.querySelector(".head")} : null;
  }

  #laneOf(member) {
    if (!this.#lanes.has(member.id)) {
      const lane = new Lane(member, this);
      this.#lanes.set(member.id, lane);
      this.#groupOf(member.above).body.append(lane.node);
      this.seen.observe(lane.node);
      lane.about(member);
      this.#refold();
    }
    return this.#lanes.get(member.id);
  }

  #groupOf(above) {
    const key = above && this.view.items.get(above)?.above ? above : ""; // the outermost team is the run itself
    if (!this.#groups.has(key)) {
      const group = new Group(key && this.view.teams(key), (id) => this.view.items.get(id));
      this.#groups.set(key, group);
      this.node.append(group.node);
      if (key) group.about(this.view.items.get(key));
    }
    return this.#groups.get(key);
  }

  #drop(key, group) {
    group.node.remove();
    this.#groups.delete(key);
  }

  #refold() {
    const many = this.#lanes.size > MANY, folds = this.#lanes.size > (this.over ? FEW : MANY);
    this.node.classList.toggle("many", many);
    this.view.filter.hidden = this.#unfold.hidden = this.#lanes.size <= FEW;
    if (this.folds === folds) return;
    this.folds = folds;
    for (const lane of this.#lanes.values()) lane.fold();
  }

  #expandAll() {
    const wide = this.#unfold.textContent === "Expand all";
    for (const lane of this.#lanes.values()) lane.expand(wide);
    put(this.#unfold, wide ? "Collapse all" : "Expand all");
  }

  #count() {
    this.recount = false;
    this.bar.hidden = this.node.hidden = this.#lanes.size === 0;
    const numbers = new Map();
    for (const lane of this.#lanes.values()) numbers.set(lane.status, (numbers.get(lane.status) ?? 0) + 1);
    const here = Object.keys(CHIPS).filter((status) => numbers.has(status));
    const told = here.map((status) => [status, numbers.get(status)]);
    if (this.told === (this.told = `${told.join()} ${this.only}`)) return;
    const focused = this.#chips.contains(document.activeElement) ? document.activeElement.dataset.is : null;
    this.#chips.replaceChildren(...told.map(([status, number]) => this.#chip(status, number)));
    if (focused) this.#chips.querySelector(`[data-is="${CSS.escape(focused)}"]`)?.focus();
    this.sift();
  }

  #chip(status, number) {
    const onclick = () => {
      this.only = this.only === status ? "" : status;
      this.#count();
      this.view.frame();
    };
    const chip = h("button", {type: "button", class: "chip", onclick, "aria-pressed": this.only === status});
    chip.dataset.is = status;
    chip.append(new Sign(status).node, `${number} ${CHIPS[status]}`);
    return chip;
  }

  #saw({target, isIntersecting}) {
    const lane = this.#lanes.get(target.dataset.lane);
    if (!lane) return;
    lane.visible = isIntersecting;
    if (isIntersecting && lane.pending.size) this.view.frame();
  }

  #key(event) {
    const heads = [...this.node.querySelectorAll(".head")].filter((head) => head.checkVisibility?.() ?? true);
    const here = heads.indexOf(event.target), step = ARROWS[event.key];
    if (here < 0 || !step) return;
    heads[(here + step + heads.length) % heads.length].focus();
    event.preventDefault();
  }
}

// The members of one team, under its name where it is a team within the team.
class Group {
  body = h("div", {class: "grid"});
  #sign = new Sign("working");
  #used = h("span", {class: "used"});

  constructor(path) {
    this.title = h("h4", {class: "label", hidden: !path}, this.#sign.node, h("span", {}, path || ""), this.#used);
    this.node = h("div", {class: "group"}, this.title, this.body);
  }

  about(team) {
    this.#sign.show(team.status);
    put(this.#used, team.status);
  }

  sift() {
    this.node.hidden = [...this.body.children].every((lane) => lane.hidden);
  }
}

class Lane {
  ids = new Set(); // what belongs here
  rows = new Map(); // what has been painted of it
  pending = new Set();
  visible = false;
  wide = false;
  #sticks = true;
  #name = h("b");
  #role = h("span", {class: "role"});
  #meta = h("span", {class: "meta"});
  #excerpt = h("span", {class: "excerpt", hidden: true});
  #sign = new Sign("waiting");
  #error = h("div", {class: "error", hidden: true});

  constructor(member, lanes) {
    Object.assign(this, {lanes, view: lanes.view});
    const names = h("span", {class: "names"}, this.#name, this.#role);
    const who = h("span", {class: "who"}, names, this.#meta, this.#excerpt);
    this.head = h("button", {class: "head", type: "button", "aria-expanded": "false"});
    this.head.append(face(member.name), who, this.#sign.node);
    this.head.addEventListener("click", () => this.expand(!this.wide));
    this.body = h("div", {class: "body", tabindex: "0", role: "log", "aria-live": "off"});
    this.body.addEventListener("scroll", () => {
      this.#sticks = this.body.scrollHeight - this.body.scrollTop - this.body.clientHeight < 24;
    }, {passive: true});
    this.node = h("article", {class: "lane"}, this.head, this.#error, this.body);
    this.node.dataset.lane = member.id;
  }

  // What the head says: it is always right, in sight or not.
  about(member) {
    const {name, role, status, doing, model, error, task} = member;
    const ended = ENDED.has(status) && this.status !== status;
    this.status = this.node.dataset.is = status;
    put(this.#name, name);
    put(this.#role, role);
    this.#sign.show(status === "working" && WAITS.test(doing) ? "waiting" : status);
    const now = status === "working" ? doing : status === "done" ? "" : status;
    put(this.#meta, [now, used(member), model.slice(model.indexOf(":") + 1)].filter(Boolean).join(" · "));
    putTitle(this.#meta, model);
    put(this.#error, error ?? "");
    this.#error.hidden = !error;
    putTitle(this.head, task ?? "");
    const called = this.view.called(member.id);
    this.node.setAttribute("aria-label", `${called}, ${status}`);
    this.body.setAttribute("aria-label", `What ${called} writes`);
    if (ended) this.fold();
  }

  get folded() {
    return !this.wide && Boolean(this.lanes.folds) && ENDED.has(this.status);
  }

  fold() {
    const {folded} = this;
    this.node.classList.toggle("folded", folded);
    this.#excerpt.hidden = !folded;
    if (folded) put(this.#excerpt, this.#lastWords());
    else if (this.pending.size) this.view.frame();
  }

  expand(wide) {
    this.wide = wide;
    this.node.classList.toggle("wide", wide);
    this.head.setAttribute("aria-expanded", wide);
    this.fold();
  }

  mark(item) {
    this.ids.add(item.id);
    this.pending.add(item.id);
    if (this.visible && !this.folded) this.view.frame();
    else if (this.folded && item.is === "reply") put(this.#excerpt, this.#lastWords());
  }

  forget(id) {
    this.ids.delete(id);
    this.pending.delete(id);
    this.rows.get(id)?.box.remove();
    this.rows.delete(id);
  }

  // Brings what is in sight up to date; whether there was anything to do.
  paint() {
    if (!this.pending.size || this.folded || this.node.hidden || !(this.visible || this.wide)) return false;
    for (const id of this.pending) {
      const item = this.view.items.get(id);
      if (!this.rows.has(id)) {
        const row = entryFor(item, this.view);
        this.rows.set(id, row);
        this.body.append(row.box);
      }
      this.rows.get(id).paint(item);
    }
    this.pending.clear();
    return true;
  }

  stick() {
    if (this.#sticks && this.status === "working") this.body.scrollTop = 1e9;
  }

  #lastWords() {
    const replies = [...this.ids].map((id) => this.view.items.get(id)).filter((item) => item?.is === "reply");
    return this.#error.textContent || unmarked(oneLine(replies.at(-1)?.text ?? "", 160));
  }
}
