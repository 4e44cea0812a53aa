// How each thing that happens is shown: in the lane of a member, or in the feed.

import {Sign, button, cost, count, face, fill, h, isObject, listOf, oneLine, put} from "./dom.mjs";
import {Flow} from "./text.mjs";

const ROUTINE = new Set(["model", "journal", "cache", "budget", "limit", "memory", "speaker", "step", "pattern"]);
const TONES = {
  conflict: "warn", watchdog: "warn", challenge: "warn", verdict: "good", vote: "info", gate: "info", plan: "info",
};
const OUTCOMES = {passed: "good", "not passed": "bad", "not made": "warn", "not checked": "warn", unresolved: "bad"};

const LONG = 260, LINES = 5; // characters and lines of a text that is shown whole at once
const BRIEF = 170, TWO = 2; // of a message, which is mostly what stands in a lane already
const TITLED = /^([^\n:]{1,80}): (?=#{1,6} |[-*] |\d+\. )/; // whose answer it is, before one that begins with a block

// `view` has evidence(label, ids) and called(lane, who).
export function entryFor(item, view) {
  const box = h("div", {class: `entry ${item.is}`});
  const paint = (SHOWN[item.is] ?? nothing)(box, view, item);
  return {box, paint};
}

const nothing = () => () => {};

const SHOWN = {
  reply(box) {
    const note = h("div", {class: "note", hidden: true}), flow = new Flow();
    box.append(note, flow.node);
    return (item) => {
      box.dataset.is = item.status;
      put(note, aboutReply(item));
      note.hidden = !note.textContent;
      box.hidden = note.hidden && !item.text && item.status !== "writing"; // it only called tools
      flow.show(item, {whole: item.status === "done", prose: true});
    };
  },

  tool(box) {
    const sign = new Sign(), name = h("b"), given = h("span"), why = h("div", {class: "why"}), flow = new Flow();
    const result = h("div", {class: "result", tabindex: "0", role: "group", "aria-label": "Result"}, why, flow.node);
    const details = h("details", {}, h("summary", {}, sign.node, h("code", {}, name, given)), result);
    box.append(details);
    let last;
    const paint = (item) => {
      last = item;
      sign.show(item.status);
      put(name, item.tool);
      put(given, `(${item.arguments})`);
      put(why, item.why);
      if (details.open) flow.show(item);
    };
    details.addEventListener("toggle", () => paint(last));
    return paint;
  },

  memory(box) {
    const summary = h("summary"), texts = h("ul");
    box.append(h("details", {}, summary, texts));
    return (item) => {
      const {verb, records, text} = item, found = listOf(item.texts);
      const memories = ["no memory", "1 memory"][records.length] ?? `${records.length} memories`;
      const line = oneLine(text, 120);
      put(summary, verb === "recalled" ? `recalled ${memories} on “${line}”` : `remembered: ${line}`);
      const rest = verb === "recalled" ? listOf(records) : line === text.trim() ? [] : [text];
      const lines = found.length ? found : rest;
      box.classList.toggle("bare", lines.length === 0);
      texts.replaceChildren(...lines.map((line) => h("li", {}, line)));
    };
  },

  message(box, view, {text}) {
    const from = h("div", {class: "from"}), flow = new Flow(), time = h("time");
    box.append(from, clamped(flow.node, text, BRIEF, TWO));
    return (item) => {
      put(time, view.since(item.at));
      const type = item.type === "info" ? null : h("span", {class: "tag"}, item.type);
      const names = h("span", {}, h("b", {}, view.called(item.lane, item.who)), " → ", h("b", {}, item.to));
      fill(from, face(item.who), names, type, time);
      flow.show({...item, text: item.text.replace(TITLED, "$1:\n\n")}, {whole: true});
    };
  },

  decision(box, view) {
    return (item) => {
      const tag = h("span", {class: "tag"}, item.what), choice = h("b", {}, item.choice);
      tag.dataset.tone = OUTCOMES[item.choice] ?? TONES[item.what] ?? "";
      const head = h("div", {class: "from"}, tag, choice, h("time", {}, view.since(item.at)));
      box.classList.toggle("routine", ROUTINE.has(item.what));
      const reason = item.text && clamped(h("div", {class: "prose"}, item.text), item.text);
      const data = isObject(item.data) ? (DATA[item.what] ?? (() => []))(item.data, item.choice) : [];
      fill(box, head, ...data, reason, view.evidence("From", item.evidence));
    };
  },
};

// The node that shows a text; of a long one the beginning, and all of it to whoever asks.
export function clamped(node, text, characters = LONG, lines = LINES) {
  if (text.length <= characters && text.trimEnd().split("\n", lines + 1).length <= lines) return node;
  const toggle = button("Show all", () => {
    const open = box.classList.toggle("open");
    put(toggle, open ? "Show less" : "Show all");
    toggle.setAttribute("aria-expanded", open);
  }, {class: "quiet small", "aria-expanded": "false"});
  const box = h("div", {class: "clamped"}, node, toggle);
  return box;
}

function aboutReply({status, attempt, error, reason, cached}) {
  const why = [error, reason].filter(Boolean).join(": ");
  if (status === "lost") return `lost: ${why || "it broke off"}`;
  if (attempt > 1) return `attempt ${attempt}${why && `, after: ${why}`}`;
  return cached ? "from the cache" : "";
}

// -- what is known beside the words of a decision

const DATA = {
  vote({counts, votes, authors, abstained}) {
    const points = Object.entries(isObject(counts) ? counts : {}).filter(([, n]) => Number.isFinite(n));
    const most = Math.max(1, ...points.map(([, n]) => n));
    const rows = points.sort(([, a], [, b]) => b - a).slice(0, 12).flatMap(([option, n]) => {
      const who = Object.entries(isObject(votes) ? votes : {}).filter(([, given]) => listOf(given)[0] === option);
      const name = listOf(authors?.[option]).join(", ") || option;
      const number = h("span", {class: "n"}, String(n));
      return [h("span", {}, name), bar(n / most), backers(who.map(([voter]) => voter)), number];
    });
    const silent = listOf(abstained).map(String);
    return [
      h("div", {class: "votes"}, ...rows),
      silent.length ? h("div", {class: "note"}, `${silent.join(", ")} abstained`) : null,
    ];
  },

  conflict({about, sides, by, holds}, choice) {
    const claims = listOf(sides).filter(isObject).map(({who = "?", says, claim}) => {
      const text = String(says ?? claim ?? "");
      const head = h("div", {class: "from"}, face(who), h("b", {}, String(who)));
      if (String(who) === choice) head.append(h("span", {class: "tag"}, "holds"));
      return h("div", {class: "side"}, head, clamped(h("div", {class: "prose"}, text), text));
    });
    const end = [holds && `What holds: ${holds}`, by && `settled by ${by}`].filter(Boolean).join(" · ");
    return [
      about ? h("div", {class: "about"}, String(about)) : null,
      h("div", {class: "sides"}, ...claims),
      end ? h("div", {class: "note"}, end) : null,
    ];
  },

  verdict({by, dissent}) {
    return [
      by ? h("div", {class: "note"}, `by ${by}`) : null,
      dissent ? h("div", {class: "against"}, h("b", {}, "Against it: "), String(dissent)) : null,
    ];
  },

  check({check, of}) {
    const what = [check, of && `of ${of}`].filter(Boolean).join(" ");
    return [what ? h("div", {class: "about"}, what) : null];
  },

  score({score, bar: needed, of, by, round}) {
    const about = [of && `of ${of}`, by && `by ${by}`, round && `round ${round}`].filter(Boolean).join(" · ");
    const shown = Number.isFinite(score) ? bar(score, needed) : null;
    return [h("div", {class: "about"}, about), shown];
  },
};

function bar(part, needed) {
  const fill = h("i"), track = h("span", {class: "bar", "aria-hidden": "true"}, fill);
  fill.style.width = `${100 * Math.min(1, Math.max(0, part))}%`;
  if (Number.isFinite(needed)) {
    const line = h("s");
    line.style.left = `${100 * Math.min(1, Math.max(0, needed))}%`;
    track.append(line);
  }
  return track;
}

function backers(names) {
  const label = `${names.length}: ${names.join(", ")}`;
  const more = names.length > 6 ? [h("span", {}, `+${names.length - 6}`)] : [];
  const node = h("span", {class: "faces", role: "img", title: label, "aria-label": label});
  return fill(node, ...names.slice(0, 6).map(face), ...more);
}

// What a member or a run has used, in a few words.
export const used = ({tokens, usd, unpriced, reused}) =>
  [
    tokens ? `${count(tokens)} tokens` : "",
    usd || unpriced ? cost({usd, unpriced}).replace("unknown", "cost unknown") : "",
    reused ? `${reused} from the cache` : "",
  ].filter(Boolean).join(" · ");
