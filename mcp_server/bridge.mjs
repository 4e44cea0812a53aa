// Between the view and the host of an MCP App (specification 2026-01-26): the run is followed by calling get_run,
// whose result brings patches for this page in its `_meta`, where no model reads them.
// `mount` is that of view/run.mjs, and `VIEW` is where patches are in `_meta`; all are in one script.

const PROTOCOL = "2026-01-26";
const SOON = 250, IDLE = 1500, RARE = 5000, SLOWEST = 15_000; // milliseconds between two looks
const PATIENCE = 60_000; // milliseconds after which a request counts as lost
const YOUNG = 10; // seconds that a run may be older than the call that this page shows

// JSON-RPC with the window that this page is in.
class Host {
  #waiting = new Map();
  #last = 0;
  #heard;

  // `handlers` by method: what they return answers a request.
  constructor(handlers) {
    this.#heard = (event) => this.#hear(event, handlers);
    addEventListener("message", this.#heard);
  }

  request(method, params) {
    const id = ++this.#last;
    return new Promise((good, bad) => {
      const late = setTimeout(() => this.#settle(id, {error: {message: "the assistant does not answer"}}), PATIENCE);
      this.#waiting.set(id, {good, bad, late});
      this.#post({id, method, params});
    });
  }

  tell(method, params = {}) {
    this.#post({method, params});
  }

  #post(message) {
    parent.postMessage({jsonrpc: "2.0", ...message}, "*"); // the page does not know the origin of its host
  }

  #hear({source, data}, handlers) {
    if (source !== parent || data?.jsonrpc !== "2.0") return;
    if (!data.method) return this.#settle(data.id, data);
    const handler = Object.hasOwn(handlers, data.method) ? handlers[data.method] : null;
    const result = handler?.(data.params ?? {});
    if (data.id === undefined) return;
    const unknown = {error: {code: -32601, message: `this page knows no ${data.method}`}};
    this.#post({id: data.id, ...(handler ? {result: result ?? {}} : unknown)});
  }

  #settle(id, {error, result}) {
    const one = this.#waiting.get(id);
    if (!one) return;
    this.#waiting.delete(id);
    clearTimeout(one.late);
    if (error) one.bad(new Error(error.message ?? "the assistant refused it"));
    else one.good(result ?? {});
  }
}

// The transport of the view: which run it is, and what happened there since the last look.
class Polled {
  run = "";
  seq = -1;
  #receive = () => {};
  #failures = 0;

  // `found()` is called once the run that was expected is there.
  constructor(host, found) {
    Object.assign(this, {host, found});
  }

  listen(receive) {
    this.#receive = receive;
    return () => {
      this.#receive = () => {};
    };
  }

  async send(command) {
    if (command.do === "since") this.seq = command.seq;
    else if (command.do === "stop") await this.#call("cancel_run", {run_id: this.run});
    else if (command.do === "resume") await this.#call("get_run", {run_id: this.run, resume: true, after: this.seq});
    else await this.#answer(command);
    this.#over = false;
    this.look();
  }

  // With `after` the call does not wait for what comes of the answer.
  #answer({name, text}) {
    return this.#call("get_run", {run_id: this.run, question: name, answer: text, after: this.seq});
  }

  // Shows this run from now on.
  follow(run) {
    if (run === this.run) return;
    Object.assign(this, {run, task: undefined, seq: -1});
    this.#over = false;
    this.look();
  }

  // Shows the newest run, if it is the one that was just asked for.
  expect(task) {
    if (this.run || !task) return;
    Object.assign(this, {task: plain(task), asked: Date.now()});
    this.look();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  // Looks now, and again and again until the run is over; one look at a time.
  async look() {
    clearTimeout(this.timer);
    this.again = true;
    if (this.looking) return;
    this.looking = true;
    let pause = SOON;
    while (this.again && !this.closed && (this.run || this.task)) {
      this.again = false;
      pause = await this.#look();
    }
    this.looking = false;
    if (this.closed || this.#over || !(this.run || this.task)) return;
    this.timer = setTimeout(() => this.look(), document.hidden ? Math.max(RARE, pause) : pause);
  }

  #over = false;
  #rests = false; // whether nobody works on it, though it may go on

  // One look; how long to wait for the next.
  async #look() {
    const {run, seq} = this;
    try {
      const result = await this.#call("get_run", {run_id: run, after: seq});
      const view = result._meta?.[VIEW];
      if (!view) throw new Error("the server sends no view of this run");
      this.#failures = 0;
      if (run !== this.run || seq !== this.seq) return SOON; // it is about what was shown before
      if (!run) return this.#isMine(view) ? this.#begin(view.run) : IDLE;
      const still = view.seq === seq;
      this.seq = view.seq;
      this.#receive(view);
      this.#notice(view);
      return !still ? SOON : this.#rests ? RARE : IDLE;
    } catch (error) {
      if (run !== this.run) return SOON;
      if (!run) return IDLE; // it may not have begun
      this.#receive({error: error.message, of: {do: "since"}});
      return Math.min(SLOWEST, IDLE * 2 ** this.#failures++);
    }
  }

  #begin(run) {
    this.run = run;
    this.found();
    return SOON;
  }

  // The result of a tool; where it is an error, what it says is thrown.
  async #call(name, args) {
    const result = await this.host.request("tools/call", {name, arguments: args});
    if (result.isError) throw new Error(saidIn(result) || `${name} failed`);
    return result;
  }

  // Whether the newest run is the one whose call this page shows, and no earlier one on the same task.
  #isMine({items = [], at}) {
    const run = items.find(({id}) => id === "run");
    if (!run || run.began === null || !sameTask(plain(run.task), this.task)) return false;
    return run.ended === null || at - run.began < (Date.now() - this.asked) / 1000 + YOUNG;
  }

  // A run that waits for the user, or was interrupted, may go on; any other end is the end.
  #notice({ops = [], items = []}) {
    const puts = ops.filter(([op, id]) => op === "put" && id === "run").map(([, , now]) => now);
    for (const now of [...puts, ...items.filter(({id}) => id === "run")]) {
      if (now.ended === undefined) continue;
      this.#rests = now.status === "interrupted";
      this.#over = now.ended !== null && now.status !== "waiting" && !this.#rests;
    }
  }
}

// The letters and digits of a text, since what is shown of it may lack others.
const plain = (text) => String(text).normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "").slice(0, 2000);
const sameTask = (shown, asked) => shown.length > 0 && shown.slice(0, 1500) === asked.slice(0, 1500);
const saidIn = (result) => (result.content ?? []).map(({text}) => text ?? "").join("\n").trim().slice(0, 1000);

// A line in the page where there is no run to show.
class Notice {
  constructor(element) {
    this.node = document.createElement("p");
    this.node.className = "notice";
    this.node.setAttribute("role", "status");
    element.prepend(this.node);
  }

  say(text) {
    this.node.textContent = text;
    this.node.hidden = !text;
  }
}

class App {
  #unmount = null;

  constructor(element) {
    this.element = element;
    this.notice = new Notice(element);
    this.host = new Host({
      ping: () => {},
      "ui/notifications/tool-input": ({arguments: given = {}}) => this.#given(given),
      "ui/notifications/tool-result": (result) => this.#came(result),
      "ui/notifications/tool-cancelled": ({reason}) => this.#cancelled(reason),
      "ui/notifications/host-context-changed": (context) => this.#themed(context),
      "ui/resource-teardown": () => this.#close(),
    });
    this.polled = new Polled(this.host, () => this.#mount());
  }

  async start() {
    this.notice.say("Waiting for the assistant…");
    const about = {appInfo: {name: "guildhall", version: "1"}, protocolVersion: PROTOCOL};
    const can = {availableDisplayModes: ["inline", "fullscreen"]};
    try {
      const {hostContext = {}} = await this.host.request("ui/initialize", {...about, appCapabilities: can});
      this.#themed(hostContext);
    } catch (error) {
      return this.notice.say(`The run cannot be shown here: ${error.message}.`);
    }
    this.host.tell("ui/notifications/initialized");
    if (!this.#unmount) this.notice.say("Waiting for the run to begin…");
    this.#measure();
  }

  #given({task, run_id: run}) {
    if (run) this.#show(run);
    else if (task) this.polled.expect(task);
  }

  #came(result) {
    const run = result.structuredContent?.run_id;
    if (run) return this.#show(run);
    const why = saidIn(result);
    if (result.isError) this.#say(`The run did not begin: ${why || "the server does not say why"}`);
    else this.#say(why || "The server does not say which run this is.");
  }

  // The host has given up on the call; the run itself goes on, and so does the view of it.
  #cancelled(reason) {
    if (!this.polled.run) this.#say(`The assistant no longer waits for the run${reason ? `: ${reason}` : "."}`);
  }

  #show(run) {
    this.#mount();
    this.polled.follow(run);
  }

  #mount() {
    if (this.#unmount) return;
    this.notice.say("");
    this.#unmount = mount(this.element, this.polled);
  }

  #say(text) {
    if (!this.#unmount) this.notice.say(text);
  }

  #themed({theme, styles, displayMode, availableDisplayModes, containerDimensions, safeAreaInsets}) {
    const root = document.documentElement;
    for (const [name, value] of Object.entries(styles?.variables ?? {})) {
      if (value && name.startsWith("--")) root.style.setProperty(name, value);
    }
    if (theme === "light" || theme === "dark") root.style.colorScheme = theme;
    if (containerDimensions) {
      const {height, maxHeight} = containerDimensions;
      root.style.setProperty("--room", height || maxHeight ? `${height ?? maxHeight}px` : "none");
    }
    if (safeAreaInsets) {
      const {top = 0, right = 0, bottom = 0, left = 0} = safeAreaInsets;
      document.body.style.padding = [top, right, bottom, left].map((side) => `${Number(side) || 0}px`).join(" ");
    }
    if (availableDisplayModes) this.modes = availableDisplayModes;
    if (displayMode) this.mode = displayMode;
    const widens = this.modes?.includes("fullscreen") && this.mode !== "fullscreen";
    this.polled.widen = widens ? () => this.#widen() : undefined;
  }

  async #widen() {
    const {mode} = await this.host.request("ui/request-display-mode", {mode: "fullscreen"}).catch(() => ({}));
    if (mode) this.#themed({displayMode: mode});
  }

  #measure() {
    const body = document.body;
    const tell = () => {
      const height = Math.ceil(body.getBoundingClientRect().height), {width} = body.getBoundingClientRect();
      if (height === this.height && width === this.width) return;
      Object.assign(this, {height, width});
      this.host.tell("ui/notifications/size-changed", {width: Math.ceil(width), height});
    };
    this.sized = new ResizeObserver(tell);
    this.sized.observe(body);
    tell();
  }

  #close() {
    this.sized?.disconnect();
    this.polled.close();
    this.#unmount?.();
    this.#unmount = null;
  }
}

new App(document.body).start();
