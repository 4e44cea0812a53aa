// The plans of a run as small graphs: steps in columns by what they need, with the state of each.

import {Sign, h, listOf, put, svg} from "./dom.mjs";

const STEP = {width: 172, height: 40, right: 34, below: 8}; // as wide as there is room for, but no narrower than:
const NARROWEST = 0.66;

export class Plan {
  node = h("section", {class: "plan", "aria-label": "Plan", hidden: true});
  #graphs = new Map(); // by the team whose plan it is

  // `choose(step)` is called with the step that was clicked; `called(lane)` names a team.
  constructor({choose, called}) {
    Object.assign(this, {choose, called});
  }

  paint(steps) {
    const plans = grouped(steps);
    this.node.hidden = plans.size === 0;
    for (const [lane, graph] of this.#graphs) if (!plans.has(lane)) this.#forget(lane, graph);
    for (const [lane, own] of plans) {
      if (!this.#graphs.has(lane)) this.#add(lane);
      const graph = this.#graphs.get(lane);
      graph.title.hidden = plans.size === 1;
      put(graph.title, `Plan of ${this.called(lane)}`);
      graph.paint(own);
    }
  }

  #add(lane) {
    const graph = new Graph(this.choose);
    this.#graphs.set(lane, graph);
    this.node.append(graph.title, graph.node);
  }

  #forget(lane, graph) {
    graph.title.remove();
    graph.node.remove();
    this.#graphs.delete(lane);
  }
}

class Graph {
  title = h("h4", {class: "label"});
  #edges = svg("svg", {"aria-hidden": "true"});
  #inner = h("div", {class: "graph"}, this.#edges);
  node = h("div", {class: "scroll"}, this.#inner);
  #boxes = new Map();

  constructor(choose) {
    this.choose = choose;
  }

  paint(steps) {
    const shape = JSON.stringify(steps.map(({name, needs}) => [name, needs]));
    if (this.shape !== shape) {
      this.shape = shape;
      this.#lay(steps);
    }
    for (const step of steps) this.#boxes.get(step.name).paint(step);
    for (const {path, need} of this.paths) path.dataset.is = this.#boxes.get(need).status;
    this.#follow(steps);
  }

  #lay(steps) {
    const {at, bends} = layout(steps);
    const spots = [...at.values()], most = (what) => Math.max(0, ...spots.map(what));
    const rows = most(({row}) => row + 1), columns = most(({column}) => column + 1);
    const tall = most((spot) => spot.rows);
    const place = ({column, row, rows: own}) => ({
      x: column * (STEP.width + STEP.right),
      y: (row + (Math.max(rows, tall) - own) / 2) * (STEP.height + STEP.below),
    });
    const size = {
      width: columns * (STEP.width + STEP.right) - STEP.right,
      height: Math.max(rows, tall) * (STEP.height + STEP.below) - STEP.below,
    };
    const {width, height} = size, parts = ({x, y}) => ({left: (100 * x) / width, top: y, width: (100 * STEP.width) / width});
    const box = (step) => new Box(step, parts(place(at.get(step.name))), this.choose);
    const shape = {width: `${width}px`, height: `${height}px`, minWidth: `${NARROWEST * width}px`};
    Object.assign(this.#inner.style, shape);
    this.#edges.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#edges.setAttribute("preserveAspectRatio", "none");
    this.#boxes = new Map(steps.map((step) => [step.name, box(step)]));
    this.paths = steps.flatMap(({name, needs}) =>
      listOf(needs).filter((need) => this.#boxes.has(need) && need !== name).map((need) => {
        const stops = [at.get(need), ...bends(need, name), at.get(name)].map(place);
        return {need, path: svg("path", {d: curve(stops)})};
      }),
    );
    this.#edges.replaceChildren(...this.paths.map(({path}) => path));
    this.#inner.replaceChildren(this.#edges, ...[...this.#boxes.values()].map(({node}) => node));
  }

  // Keeps in sight what is worked on, unless somebody is looking elsewhere.
  #follow(steps) {
    const now = steps.find((step) => step.status === "working")?.name;
    if (!now || now === this.now || this.node.matches(":hover, :focus-within")) return;
    this.now = now;
    const {offsetLeft} = this.#boxes.get(now).node;
    if (this.node.scrollWidth > this.node.clientWidth) this.node.scrollLeft = offsetLeft - STEP.width;
  }
}

class Box {
  #sign = new Sign();
  #name = h("span", {class: "name"});
  #who = h("span", {class: "who"});
  #state = h("span", {class: "heard"});

  // `left` and `width` in percent of the graph.
  constructor(step, {left, top, width}, choose) {
    this.node = h("button", {type: "button", class: "step", onclick: () => choose(this.step)}, this.#sign.node);
    this.node.append(h("span", {class: "words"}, this.#name, this.#who), this.#state);
    const place = {left: `${left}%`, top: `${top}px`, width: `${width}%`, height: `${STEP.height}px`};
    Object.assign(this.node.style, place);
  }

  paint(step) {
    this.step = step;
    if (this.status === step.status && this.told === step.who) return;
    this.status = this.node.dataset.is = step.status;
    this.told = step.who;
    this.#sign.show(step.status);
    put(this.#name, step.name);
    put(this.#who, step.who);
    this.node.title = step.task;
    put(this.#state, step.status);
  }
}

function curve([first, ...others]) {
  let x = first.x + STEP.width, y = first.y + STEP.height / 2, path = `M${x} ${y}`;
  others.forEach((stop, i) => {
    const to = stop.y + STEP.height / 2, middle = (x + stop.x) / 2;
    path += `C${middle} ${y} ${middle} ${to} ${stop.x} ${to}`;
    x = stop.x + STEP.width;
    y = to;
    if (i < others.length - 1) path += `H${x}`; // through a place that was kept free for it
  });
  return path;
}

// Where steps stand. An edge that passes a column takes a place in it, so that it hides behind no step.
export function layout(steps) {
  const needs = new Map(steps.map((step) => [step.name, []]));
  for (const {name, needs: all} of steps) {
    needs.set(name, listOf(all).filter((need) => needs.has(need) && need !== name));
  }
  const depth = depths(needs), at = new Map(), columns = [], before = new Map();
  const bend = (need, name, column) => JSON.stringify([need, name, column]);
  const between = (need, name) => {
    const [from, to] = [depth.get(need) + 1, depth.get(name)];
    return Array.from({length: Math.max(0, to - from)}, (_, i) => from + i);
  };
  const put = (key, column, from) => {
    (columns[column] ??= []).push(key);
    before.set(key, from);
  };
  for (const name of needs.keys()) put(name, depth.get(name), needs.get(name));
  for (const [name, own] of needs) {
    for (const need of own) {
      between(need, name).forEach((column, i) => {
        put(bend(need, name, column), column, [i ? bend(need, name, column - 1) : need]);
      });
    }
  }
  const middle = (key) => {
    const from = before.get(key).map((one) => at.get(one)).filter(Boolean);
    return from.reduce((sum, {row, rows}) => sum + row - rows / 2, 0) / (from.length || 1);
  };
  columns.forEach((keys, column) => {
    const sorted = keys.map((key) => [middle(key), key]).sort(([a], [b]) => a - b);
    sorted.forEach(([, key], row) => at.set(key, {column, row, rows: keys.length}));
  });
  return {at, bends: (need, name) => between(need, name).map((column) => at.get(bend(need, name, column)))};
}

// How many steps come before each; where they go round in a circle, it is cut.
function depths(needs) {
  const depth = new Map();
  const deep = (name) => {
    if (!depth.has(name)) {
      depth.set(name, 0);
      depth.set(name, Math.max(-1, ...needs.get(name).map(deep)) + 1);
    }
    return depth.get(name);
  };
  for (const name of needs.keys()) deep(name);
  return depth;
}

function grouped(steps) {
  const groups = new Map();
  for (const step of steps) groups.set(step.lane, [...(groups.get(step.lane) ?? []), step]);
  return groups;
}
