// What is known of a run: its items, kept up to date by patches and snapshots (see items.py). Where something was
// missed it is asked for, and a command that fails is told to whoever hears.

const VERSION = 1;
const PATIENCE = 700; // milliseconds until the first "since" is sent again
const LONGEST_WAIT = 10_000;
const WORRIED = 4; // times that nothing came back, after which the reader is told

export class Follower {
  items = new Map();
  seq = -1;
  mark = ""; // stands for all that was told up to `seq`; a view that was made anew has another one
  run = "";
  #kinds = new Map();
  #skew = 0;
  #tries = 0;

  // `hears` has changed(item), forgotten(id), news(item, before), failed(command, why), caughtUp(); `before` is what
  // the item was, or null where it is new.
  constructor(transport, hears) {
    Object.assign(this, {transport, hears});
  }

  start() {
    this.deaf = this.transport.listen((message) => this.receive(message));
    this.ask();
  }

  stop() {
    this.over = true;
    clearTimeout(this.retry);
    this.deaf?.();
  }

  of(kind) {
    return this.#kinds.get(kind) ?? [];
  }

  // Seconds since the epoch, by the clock of whoever runs the team.
  now() {
    return Date.now() / 1000 - this.#skew;
  }

  async send(command) {
    try {
      await this.transport.send(command);
    } catch (error) {
      this.#failed(command, error);
    }
  }

  receive(message) {
    if (this.over || typeof message !== "object" || message === null) return;
    if (message.error !== undefined) return this.#failed(message.of ?? {do: "since"}, message.error);
    if (message.v > VERSION) return this.#failed({do: "since"}, "this run is newer than this page; load the page anew");
    if (message.items) {
      if (this.run && !message.run) return; // it was made anew, and is still to be told of the run: it is asked again
      this.#begin(message);
    } else if (this.#follows(message)) this.#take(message.ops);
    else if (!this.#isKnown(message)) return this.#missed(message);
    const {seq, mark, run} = message;
    Object.assign(this, {seq, mark, run});
    this.#skew = Date.now() / 1000 - message.at;
    this.#settled();
  }

  // Asks for what was missed, again and again until there is something.
  ask() {
    this.asking = true;
    clearTimeout(this.retry);
    this.send({do: "since", seq: this.seq});
    this.retry = setTimeout(() => {
      if (this.#tries === WORRIED) this.#failed({do: "since"}, "there is no word from the run");
      this.ask();
    }, Math.min(LONGEST_WAIT, PATIENCE * ++this.#tries));
  }

  // Whether nothing is missing between this patch and what is known.
  #follows({run, after, of}) {
    return this.seq >= 0 && run === this.run && after === this.seq && of === this.mark;
  }

  #isKnown({run, seq, mark}) {
    return this.seq >= 0 && run === this.run && seq === this.seq && mark === this.mark;
  }

  // Asks for what is missing; where the patch is about something else than what is known, for all of it.
  #missed({run, after}) {
    const other = this.seq >= 0 && (run !== this.run || after === this.seq);
    if (other) this.seq = -1;
    if (other || !this.asking) this.ask();
  }

  #settled() {
    this.asking = false;
    this.#tries = 0;
    clearTimeout(this.retry);
    this.hears.caughtUp();
  }

  #failed(command, error) {
    if (!this.over) this.hears.failed(command, String(error?.message ?? error).slice(0, 500));
  }

  // All there is, anew. What was shown already goes on from where it is.
  #begin({items, run}) {
    const before = !this.run || run === this.run ? this.items : new Map();
    const known = this.items;
    this.items = new Map();
    this.#kinds = new Map();
    for (const item of items) {
      const old = before.get(item.id);
      const goesOn = old && item.text?.startsWith(old.text);
      item.born = old ? old.born + (goesOn || item.text === old.text ? 0 : 1) : 0;
      this.#add(item);
    }
    for (const id of known.keys()) if (!before.has(id) || !this.items.has(id)) this.hears.forgotten(id);
    for (const item of items) {
      if (before.size) this.hears.news(item, before.get(item.id) ?? null);
      this.hears.changed(item);
    }
  }

  #add(item) {
    this.items.set(item.id, item);
    if (!this.#kinds.has(item.is)) this.#kinds.set(item.is, []);
    this.#kinds.get(item.is).push(item);
  }

  #take(ops) {
    const news = [];
    for (const op of ops) this.#apply(op, news);
    for (const [item, before] of news) this.hears.news(item, before); // now that they have their texts
  }

  #apply([op, id, change], news) {
    let item = this.items.get(id);
    if (op === "text") {
      if (!item) return;
      item.text += change;
      return this.hears.changed(item);
    }
    if (op !== "put") return; // of a newer view
    const before = item ? {status: item.status} : null;
    if (!item) this.#add((item = {born: 0, ...change, id}));
    else {
      if ("text" in change) item.born += 1;
      Object.assign(item, change);
    }
    news.push([item, before]);
    this.hears.changed(item);
  }
}
