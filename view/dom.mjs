// Small things that every part of the view is made of. Whatever a model wrote gets in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const SIGNS = {
  done: "M3.2 8.6 6.4 11.8 12.8 4.6",
  failed: "M4.2 4.2 11.8 11.8 M11.8 4.2 4.2 11.8",
  working: "M8 1.8A6.2 6.2 0 0 1 14.2 8",
  waiting: "M8 4.6V8L10.2 9.6",
  cancelled: "M5 5H11V11H5Z",
  skipped: "M4 8H12",
  interrupted: "M5.8 4.4V11.6 M10.2 4.4V11.6",
};
const SAME_SIGN = {writing: "working", lost: "failed"};
const RINGED = new Set(["working", "waiting"]);

// An element; attributes that begin with `on` are listeners. Text given as a child is text.
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "hidden") node.hidden = value;
    else node.setAttribute(name, value);
  }
  return fill(node, ...children);
}

// The node with these children in place of those it had; what is empty is left out.
export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// The sign of a status. `show(status)` changes it.
export class Sign {
  node = h("span", {class: "sign", "aria-hidden": "true"});

  constructor(status) {
    if (status) this.show(status);
  }

  show(status) {
    if (this.status === status) return;
    this.status = this.node.dataset.is = status;
    const name = SAME_SIGN[status] ?? status;
    const ring = RINGED.has(name) ? [svg("circle", {cx: 8, cy: 8, r: 6.2, class: "ring"})] : [];
    this.node.replaceChildren(
      svg("svg", {viewBox: "0 0 16 16", width: 14, height: 14}, ...ring, svg("path", {d: SIGNS[name] ?? ""})),
    );
  }
}

// One to three letters on a colour that is always the same for a name.
export function face(name) {
  const node = h("span", {class: "face", "aria-hidden": "true"}, initials(String(name).slice(0, 80)).toUpperCase());
  const hue = [...String(name).slice(0, 80)].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  node.style.setProperty("--hue", hue);
  return node;
}

function initials(name) {
  const [first, second] = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  if (!second) return [...(first ?? name)].slice(0, 2).join("");
  return [...first][0] + (/^\d+$/.test(second) ? second.slice(-2) : [...second][0]);
}

export const button = (text, onclick, attributes = {}) => h("button", {type: "button", onclick, ...attributes}, text);

export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function putTitle(node, text) {
  if (node.title !== text) node.title = text;
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
export const listOf = (value) => (Array.isArray(value) ? value : []);
export const isLimit = (value) => Number.isFinite(value) && value > 0;

export const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

export function count(n) {
  if (n < 1000) return String(n);
  return n < 1e6 ? `${(n / 1e3).toFixed(n < 1e4 ? 1 : 0)}k` : `${(n / 1e6).toFixed(1)}M`;
}

export const dollars = (n) => `$${n === 0 ? "0" : n < 0.1 ? n.toFixed(4) : n.toFixed(2)}`;

// What calls cost, in words that do not claim more than is known.
export function cost({usd, unpriced}) {
  if (!usd) return unpriced ? "unknown" : "$0";
  return (unpriced ? "over " : "") + dollars(usd);
}

export function clock(seconds) {
  const all = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, String(all % 60).padStart(2, "0")];
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

// A line without the marks of headings, lists, emphasis and code.
export const unmarked = (line) => line.replace(/^[#>\s-]+|[*`|]+/g, "").trim();

export function oneLine(text, most) {
  const line = text.slice(0, 4 * most).replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
