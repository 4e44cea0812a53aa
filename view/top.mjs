// What stands above all else: which team, how it is going, what it has used of its budget; and in the end the answer.

import {Sign, button, clock, cost, count, dollars, fill, h, isLimit, listOf, put} from "./dom.mjs";
import {Flow, asFormatted} from "./text.mjs";

const PATIENCE = 15_000; // milliseconds in which a run should have stopped
const SCROLLS = 250; // characters of a task from which on it may not fit
const GONE = "Nobody works on this run any more. All that was done is kept, and need not be paid for again.";
const ENDS = {
  done: "Answer", failed: "The run failed", cancelled: "The run was cancelled", waiting: "The run waits for you",
};

export class Top {
  #sign = new Sign("waiting");
  #status = h("span", {class: "status"}, "waiting");
  #team = h("b", {class: "team"});
  #pattern = h("span", {class: "tag", hidden: true});
  #task = h("div", {class: "task", hidden: true});
  #stats = {cost: new Stat("Cost"), tokens: new Stat("Tokens"), calls: new Stat("Calls"), time: new Stat("Time")};
  #more = h("span", {class: "more"});
  #state;

  constructor(view) {
    this.view = view;
    this.stop = button("Stop", () => this.#stop(), {class: "stop", hidden: true});
    this.resume = button("Go on", () => this.#resume(), {class: "primary", hidden: true});
    this.widen = button("Full screen", () => view.transport.widen(), {class: "quiet", hidden: true});
    this.#state = h("span", {class: "state"}, this.#sign.node, this.#status);
    const name = [this.#state, this.#team, this.#pattern];
    const line = h("div", {class: "line"}, ...name, h("span", {class: "gap"}), this.widen, this.resume, this.stop);
    const stats = h("div", {class: "stats"}, ...Object.values(this.#stats).map((stat) => stat.node));
    this.node = h("header", {class: "top"}, line, this.#task, stats, this.#more);
  }

  paint(run, asked) {
    const {budget} = run, status = asked ? "waiting" : run.status;
    this.#sign.show(status);
    this.#state.dataset.is = asked ? "working" : status;
    put(this.#status, asked ? "waits for your answer" : status === "waiting" && run.began !== null ? "paused" : status);
    put(this.#team, run.team || "Team run");
    put(this.#pattern, run.pattern);
    this.#pattern.hidden = !run.pattern;
    put(this.#task, run.task);
    this.#task.hidden = !run.task;
    this.#task.tabIndex = run.task.length > SCROLLS ? 0 : -1;
    this.#stats.cost.show(cost(run), budget.usd, run.usd, dollars);
    this.#stats.tokens.show(count(run.tokens), budget.tokens, run.tokens, count);
    this.#stats.calls.show(String(run.calls), budget.calls, run.calls, String);
    if (run.status !== "interrupted") this.resumeFailed();
    this.resume.hidden = run.status !== "interrupted";
    put(this.#more, [
      run.status === "interrupted" && GONE,
      run.reused && `${run.reused} replies from the cache`,
      run.unpriced && run.usd && `the price of ${run.unpriced} calls is not known`,
      run.hidden && `${run.hidden} more things happened than can be shown here; the transcript has them`,
    ].filter(Boolean).join(" · "));
    if (run.began === null || run.ended !== null) this.#free("Stop");
    this.stop.hidden = run.began === null || (run.ended !== null && run.status !== "waiting");
    this.widen.hidden = !this.view.transport.widen;
    this.tick(run);
  }

  tick(run) {
    if (!run || run.began === null) return;
    const seconds = run.seconds || (run.ended ?? this.view.now()) - run.began;
    this.#stats.time.show(clock(seconds), run.budget.seconds, seconds, clock);
  }

  stopFailed() {
    this.#free("Try to stop again");
  }

  #stop() {
    this.stop.disabled = true;
    put(this.stop, "Stopping…");
    this.late = setTimeout(() => this.#free("Stop again"), PATIENCE);
    this.view.send({do: "stop"});
  }

  #resume() {
    this.resume.disabled = true;
    this.view.send({do: "resume"});
  }

  resumeFailed() {
    this.resume.disabled = false;
  }

  #free(text) {
    clearTimeout(this.late);
    this.stop.disabled = false;
    put(this.stop, text);
  }

  close() {
    clearTimeout(this.late);
  }
}

// A number, and how much of its limit that is.
class Stat {
  #value = h("b");
  #limit = h("span", {class: "limit"});
  #fill = h("i");

  constructor(name) {
    this.meter = h("span", {class: "meter", role: "meter", "aria-label": `${name} used of the limit`, hidden: true});
    this.meter.setAttribute("aria-valuemin", 0);
    this.meter.setAttribute("aria-valuemax", 100);
    this.meter.append(this.#fill);
    const words = h("span", {class: "number"}, this.#value, this.#limit);
    this.node = h("div", {class: "stat"}, h("span", {class: "label"}, name), words, this.meter);
  }

  show(text, limit, amount, say) {
    put(this.#value, text);
    put(this.#limit, isLimit(limit) ? ` of ${say(limit)}` : "");
    this.meter.hidden = !isLimit(limit);
    if (this.meter.hidden) return;
    const part = Math.min(100, Math.round((100 * amount) / limit));
    if (this.part === part) return;
    this.part = part;
    this.#fill.style.width = `${part}%`;
    this.meter.setAttribute("aria-valuenow", part);
    this.meter.dataset.tone = part > 90 ? "bad" : part > 70 ? "warn" : "";
  }
}

// The answer, what it quotes, what it rests on, and what a reader should know of it.
export class Answer {
  #title = h("h3");
  #flow = new Flow();
  #notices = h("ul", {class: "notices"});
  #rests = h("div");
  #sources = h("details", {class: "sources"});
  #rows = new Map();

  constructor(view) {
    this.view = view;
    this.node = h("section", {class: "answer", "aria-label": "Answer", hidden: true});
    for (const [name, value] of Object.entries({tabindex: "0", role: "group", "aria-label": "Text of the answer"})) {
      this.#flow.node.setAttribute(name, value);
    }
    this.node.append(this.#title, this.#flow.node, this.#notices, this.#sources, this.#rests);
  }

  paint(run, asked) {
    this.node.hidden = run.ended === null || !run.text || asked;
    this.node.dataset.is = run.status;
    if (this.node.hidden) return;
    put(this.#title, ENDS[run.status] ?? "Answer");
    const shape = JSON.stringify([run.cited, run.notices, run.sources]);
    if (this.shape !== shape) {
      this.shape = shape;
      this.#quote(listOf(run.cited));
      this.#notices.replaceChildren(...listOf(run.notices).map((notice) => h("li", {}, ...asFormatted(notice))));
      fill(this.#rests, this.view.evidence("Rests on", run.sources));
    }
    this.#flow.show(run, {whole: true, cite: (label) => this.#cite(label)});
  }

  #quote(cited) {
    this.#sources.hidden = cited.length === 0;
    this.#sources.open = cited.length <= 4;
    this.#rows = new Map();
    const items = cited.map(({label, kind, text}, i) => {
      const row = h("li", {tabindex: "-1"}, h("span", {class: "mark"}, `${i + 1}`), h("code", {}, label));
      row.append(h("span", {class: "tag"}, kind), h("span", {class: "quoted", title: text}, text));
      this.#rows.set(label, {row, number: i + 1});
      return row;
    });
    this.#sources.replaceChildren(h("summary", {}, `Sources (${cited.length})`), h("ol", {}, ...items));
  }

  #cite(label) {
    const found = this.#rows.get(label);
    if (!found) return null;
    const show = () => {
      this.#sources.open = true;
      this.view.flash(found.row, found.row);
    };
    const told = {title: label, "aria-label": `Source ${found.number}: ${label}`};
    return button(String(found.number), show, {class: "cite", ...told});
  }
}

