// Text of models: as it grows, and formatted once it is whole. Formatting makes elements, never markup of its own.

import {h} from "./dom.mjs";

const BLOCK = 500;
const MOST_FORMATTED = 40_000;
const BULLETS = ["•", "◦", "▪"];

// A text that grows lives in blocks that end with a line, so that a new token lays out one block only. Of prose, what
// comes before the last empty line is formatted already.
export class Flow {
  node = h("div", {class: "prose"});
  #shown = 0;

  // The item's text as it is now; `whole` says that no more of it is to come, `prose` that it is to be formatted even
  // so, `cite` makes nodes of labels.
  show(item, {whole = false, prose = false, cite} = {}) {
    const formatted = whole && item.text.length <= MOST_FORMATTED;
    if (this.#born !== item.born || this.#formatted !== formatted) this.#clear();
    this.#born = item.born;
    if (formatted && !this.#formatted) {
      this.node.append(...asFormatted(item.text, cite));
      this.#shown = item.text.length;
    } else if (!formatted) {
      if (prose) this.#settle(item.text);
      this.#grow(item.text);
    }
    else if (item.text.length !== this.#shown) {
      this.#clear();
      return this.show(item, {whole, cite});
    }
    this.#formatted = formatted;
    this.#cut(item.cut);
  }

  #born;
  #formatted = false;
  #last = null;
  #rest = null;
  #settled = 0; // characters that are formatted already
  #looked = 0; // up to which empty line that was tried

  #clear() {
    this.node.replaceChildren();
    this.#last = this.#rest = null;
    this.#shown = this.#settled = this.#looked = 0;
    this.#formatted = false;
  }

  #settle(text) {
    const empty = text.lastIndexOf("\n\n");
    if (empty <= this.#looked || empty > MOST_FORMATTED) return;
    this.#looked = empty;
    const end = endOfParagraphs(text, this.#settled, empty);
    if (end <= this.#settled) return;
    for (const block of this.node.querySelectorAll(":scope > .block")) block.remove();
    const long = end - this.#settled > BLOCK; // it is not laid out while it is out of sight
    this.node.append(h("div", {class: long ? "part full" : "part"}, ...asFormatted(text.slice(this.#settled, end))));
    this.#last = null;
    this.#settled = this.#shown = end;
  }

  #grow(text) {
    while (this.#shown < text.length) {
      if (!this.#last || isFull(this.#last)) {
        this.#last?.parentNode.classList.add("full"); // it is not laid out while it is out of sight
        this.#last = document.createTextNode("");
        this.node.append(h("div", {class: "block"}, this.#last));
      }
      const at = this.#shown;
      const most = Math.min(text.length, at + 3 * BLOCK - this.#last.length);
      const line = text.indexOf("\n", at + Math.max(0, BLOCK - this.#last.length));
      this.#shown = line >= 0 && line < most ? line + 1 : most;
      this.#last.appendData(text.slice(at, this.#shown));
    }
  }

  #cut(characters) {
    if (!characters) return this.#rest?.remove();
    this.#rest ??= h("div", {class: "note"});
    this.#rest.textContent = `and ${characters.toLocaleString("en")} more characters in the transcript`;
    this.node.append(this.#rest);
  }
}

// Where the paragraphs from there on end; code that is still open is none of them.
function endOfParagraphs(text, from, empty) {
  const fences = [...text.slice(from, empty).matchAll(/^\s{0,3}(?:```|~~~)/gm)];
  if (fences.length % 2) return from + fences.at(-1).index;
  return empty + text.slice(empty).match(/^\n*/)[0].length;
}

const isFull = (node) => node.length >= 3 * BLOCK || (node.length >= BLOCK && node.data.endsWith("\n"));

// -- what models write: headings, lists, tables, quotations, code, bold, italics, and labels in brackets

const KINDS = [
  {of: /^\s{0,3}(```|~~~)/, take: takeCode},
  {of: /^\s{0,3}#{1,6}\s/, take: takeHeading},
  {of: /^\s{0,3}([-*_])(\s*\1){2,}\s*$/, take: takeRule},
  {of: /^\s{0,3}>/, take: takeQuote},
  {of: /^\s*([-*+•]|\d{1,4}[.)])\s+\S/, take: takeList},
  {of: /^\s{0,3}\|.*\|\s*$/, take: takeTable},
];
const kindOf = (line) => KINDS.find(({of}) => of.test(line));

// The nodes of a text. `cite(label)` makes a node of a label in brackets, or null where there is no such source.
export function asFormatted(text, cite = () => null) {
  const lines = text.split("\n"), nodes = [];
  for (let at = 0; at < lines.length; ) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const {take = takeParagraph} = kindOf(lines[at]) ?? {};
    const [node, next] = take(lines, at, cite);
    nodes.push(node);
    at = next;
  }
  return nodes;
}

function run(lines, at, goesOn) {
  let end = at + 1;
  while (end < lines.length && goesOn(lines[end])) end += 1;
  return [lines.slice(at, end), end];
}

function takeParagraph(lines, at, cite) {
  const [own, end] = run(lines, at, (line) => line.trim() && !kindOf(line));
  return [h("p", {}, ...inline(own.join("\n"), cite)), end];
}

function takeCode(lines, at) {
  const fence = lines[at].trim().slice(0, 3);
  const [own, end] = run(lines, at, (line) => !line.trim().startsWith(fence));
  return [h("pre", {class: "code", tabindex: "0"}, own.slice(1).join("\n")), end + 1];
}

function takeHeading(lines, at, cite) {
  const text = lines[at].replace(/^\s*#+\s+/, "");
  return [h("div", {class: "heading", role: "heading", "aria-level": 4}, ...inline(text, cite)), at + 1];
}

function takeRule(lines, at) {
  return [h("hr"), at + 1];
}

function takeQuote(lines, at, cite) {
  const [own, end] = run(lines, at, (line) => /^\s{0,3}>/.test(line));
  const text = own.map((line) => line.replace(/^\s*>\s?/, "")).join("\n");
  return [h("blockquote", {}, ...inline(text, cite)), end];
}

function takeList(lines, at, cite) {
  const isItem = KINDS[4].of, list = h("div", {class: "list", role: "list"});
  const [own, end] = run(lines, at, (line) => isItem.test(line) || /^\s{2,}\S/.test(line));
  const items = [];
  for (const line of own) {
    const [, indent, mark, text] = line.match(/^(\s*)([-*+•]|\d{1,4}[.)])\s+(.*)$/) ?? [];
    if (mark === undefined) items.at(-1).text += `\n${line.trim()}`;
    else items.push({depth: Math.min(3, Math.floor(indent.replaceAll("\t", "    ").length / 2)), mark, text});
  }
  for (const {depth, mark, text} of items) {
    const sign = /\d/.test(mark) ? mark : BULLETS[Math.min(depth, 2)];
    const item = h("div", {class: "item", role: "listitem"}, h("span", {class: "mark"}, sign));
    item.append(h("span", {}, ...inline(text, cite)));
    item.dataset.depth = depth;
    list.append(item);
  }
  return [list, end];
}

function takeTable(lines, at, cite) {
  const [own, end] = run(lines, at, (line) => line.includes("|"));
  const rows = own.filter((line) => !/^[\s|:-]+$/.test(line));
  if (rows.length === own.length) return takeParagraph(lines, at, cite);
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => inline(cell.trim(), cite));
  const table = rows.map((line, row) => h("tr", {}, ...cells(line).map((cell) => h(row ? "td" : "th", {}, ...cell))));
  return [h("div", {class: "scroll", tabindex: "0"}, h("table", {}, ...table)), end];
}

// Each repetition is bounded, so that no text can take long.
const MARKS = new RegExp(
  [
    "`([^`\\n]{1,500})`",
    "\\*\\*([^*\\n]{1,1000})\\*\\*",
    "(?<![\\w*])\\*([^*\\s][^*\\n]{0,500})\\*(?![\\w*])",
    "\\[([^\\[\\]\\n]{1,200})\\](?:\\(([^()\\s]{1,500})\\))?",
  ].join("|"),
  "g",
);

function inline(text, cite) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(MARKS)) {
    const node = marked(found, cite);
    if (!node) continue;
    nodes.push(text.slice(at, found.index), ...node);
    at = found.index + found[0].length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((node) => node !== "");
}

function marked([, code, bold, italic, label, address], cite) {
  if (code) return [h("code", {}, code)];
  if (bold) return [h("b", {}, ...inline(bold, cite))];
  if (italic) return [h("em", {}, italic)];
  if (address) return [label, " ", h("span", {class: "address"}, `(${address})`)];
  const nodes = label.split(/[;,]\s*/).map((one) => cite(one.trim()));
  return nodes.every(Boolean) ? nodes : null;
}
