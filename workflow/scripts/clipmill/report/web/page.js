// The page: unpacks the data, holds the limits and the marks, and keeps every part up to date.
async function unpack() {
  const text = atob(document.getElementById("data").textContent), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  document.getElementById("data").remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const content = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(content.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(content.subarray(4, 4 + length)));
  let at = 4 + length;
  const arrays = {};
  for (const [name, size, count] of head.arrays) {
    const array = new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[size](count);
    for (let plane = 0; plane < size; plane++) {
      for (let row = 0; row < count; row++) array[row] |= content[at + row] << (8 * plane);
      at += count;
    }
    arrays[name] = array;
  }
  const pictures = head.pictures.map((size) => content.subarray(at, (at += size)));
  return { head, arrays, pictures };
}

class Page {
  constructor({ head, arrays, pictures }) {
    Object.assign(this, { head, clips: head.clips, counts: new Counts(head, arrays) });
    this.byRow = new Map(this.clips.map((clip) => [clip.row, clip]));
    this.random = this.clips.filter((clip) => clip.chance && clip.strip >= 0).sort((one, other) => (shuffled(one.id) < shuffled(other.id) ? -1 : 1));
    this.marks = new Map(this.clips.filter((clip) => clip.mark).map((clip) => [clip.id, clip.mark]));
    this.own = {};
    try {
      this.own = JSON.parse(localStorage.getItem("clipmill.marks")) || {};
    } catch {} // a browser may forbid it: marks then last as long as the page
    for (const [id, mark] of Object.entries(this.own)) this.marks.set(id, mark);
    this.strips = new Strips(this, pictures);
    this.fromAddress();
    this.found = this.counts.count(this.counts.columns);
    this.cards = this.counts.columns.map((column) => new Card(column, this));
    this.panels = new Panels(this);
    this.header();
    document.getElementById("main").replaceChildren(...this.panels.sections(this.cards));
    this.watch();
    this.updateAll();
    addEventListener("hashchange", () => (this.fromAddress(), this.updateAll()));
  }

  strip(clip, text) {
    return this.strips.element(clip, text);
  }

  header() {
    const { head, counts } = this, { name, results, digest, complete, strata } = head;
    document.title = `Thresholds of ${name} - Clipmill`;
    document.getElementById("name").textContent = `of ${name}`;
    const rows = strata.reduce((sum, one) => sum + one.rows, 0), sampled = strata.reduce((sum, one) => sum + one.sampled, 0);
    document.getElementById("made").textContent = `${results}: scores ${digest} (the first digits of tables/.scores.csv.sum), ${complete ? "with captions" : "before captioning"}; ${number(this.strips.pictured)} of ${clipsOf(rows)} are pictured. ` +
      (counts.exact ? "Every clip is counted: the numbers are exact." : "");
    if (!counts.exact) {
      document.getElementById("top").append(make("p", { class: "warn" }, `A stratified sample: ${number(sampled)} of ${number(rows)} clips are counted, by reason for reject. Numbers are estimates; ± is the 95 % margin.`));
    }
    const button = (text, act, first) => make("button", { type: "button", class: first ? "do first" : "do", onclick: act }, text);
    document.getElementById("buttons").append(button("Copy configuration", () => this.panels.copy(), true), button("Reset", () => this.setAll(counts.columns.map((column) => ({ ...column.now })))));
  }

  // Cards out of view are drawn when they come into view.
  watch() {
    const seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const card = this.cards.find((one) => one.element === target);
        card.isVisible = isIntersecting;
        if (isIntersecting) {
          this.counts.count([card.column]);
          card.update(this.found);
          if (card.stale) card.later();
        }
      }
    }, { rootMargin: "200px" });
    for (const card of this.cards) {
      seen.observe(card.element);
    }
  }

  // A limit has moved: numbers and bars with the next frame, everything else when it rests.
  changed(column) {
    document.getElementById("bar").ariaBusy = "true";
    (this.moved ??= new Set()).add(column);
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      const moved = this.moved;
      this.moved = null;
      for (const one of moved) this.counts.refresh(one);
      this.turn = !this.turn; // the cards that were not moved are drawn in two turns, and all of them at rest
      const seen = this.cards.filter((card) => moved.has(card.column) || (card.isVisible && card.column.index % 2 === +this.turn));
      this.found = this.counts.count(seen.map((card) => card.column));
      for (const card of seen) card.update(this.found, moved.has(card.column));
      this.yields();
      clearTimeout(this.rest);
      this.rest = setTimeout(() => this.rested(), 150);
    });
  }

  rested() {
    const seen = this.cards.filter((card) => card.isVisible);
    this.found = this.counts.count(seen.map((card) => card.column));
    for (const card of seen) card.update(this.found, false);
    this.panels.update(this.found);
    this.toAddress();
    for (const card of this.cards) card.isVisible ? card.later() : (card.stale = true);
    this.strips.dressAll();
    this.say(document.getElementById("yield").textContent);
    document.getElementById("bar").ariaBusy = "false";
  }

  updateAll() {
    for (const column of this.counts.columns) this.counts.refresh(column);
    this.found = this.counts.count(this.counts.columns);
    for (const card of this.cards) card.update(this.found, true);
    this.yields();
    this.panels.update(this.found);
    this.toAddress();
  }

  setAll(limits) {
    limits.forEach((one, index) => Object.assign(this.counts.limits[index], one));
    for (const card of this.cards) card.note = "";
    this.updateAll();
    this.say(document.getElementById("yield").textContent);
  }

  yields() {
    const { found, counts, head } = this, box = document.getElementById("yield"), change = Math.round(found.clips) - Math.round(counts.kept.clips);
    const margin = counts.exact ? "" : ` ± ${number(Math.round(found.margin))}`;
    const strong = make("strong", {}, number(Math.round(found.clips)));
    box.replaceChildren(strong, `${margin} of ${clipsOf(counts.total.clips)} · ${hours(found.ms)} (${percent(found.ms, counts.total.ms)} of the hours)`, change ? ` · now ${number(Math.round(counts.kept.clips))}, new ${change > 0 ? "+" : "−"}${number(Math.abs(change))}` : "");
    Object.assign(box.dataset, { clips: found.clips, ms: found.ms, pairs: found.pairs });
    const left = found.clips - found.remembered;
    document.getElementById("pairs").textContent = !head.complete ? `${number(Math.round(left))} captions to make`
      : `${number(Math.round(found.pairs))} pairs (${hours(found.pairMs)})` + (found.unknown ? `, and ${number(Math.round(found.unknown))} clips not captioned yet` : "") + `; ${number(Math.round(left))} captions to make`;
  }

  say(text) {
    document.getElementById("spoken").textContent = text;
    this.panels.copied.textContent = text.startsWith("The configuration") || text.startsWith("Copying") ? text : "";
  }

  mark(clip, mark) {
    this.marks.set(clip.id, mark);
    if (mark === clip.mark) delete this.own[clip.id];
    else this.own[clip.id] = mark;
    this.keepMarks();
    this.strips.say?.();
    this.say(mark ? `${clip.file} is marked ${mark}.` : `${clip.file} is not marked any more.`);
  }

  unmarkAll() {
    for (const clip of this.clips) {
      delete this.own[clip.id];
      this.marks.set(clip.id, clip.mark);
    }
    this.keepMarks();
  }

  keepMarks() {
    try {
      localStorage.setItem("clipmill.marks", JSON.stringify(this.own));
    } catch {} // see above
    this.strips.dressAll();
    this.panels.marks();
  }

  // The address holds what differs from the configuration: #aes=5..&ocr_area=..0.02
  toAddress() {
    const parts = this.counts.columns.filter(({ index, now }) => now.min !== this.counts.limits[index].min || now.max !== this.counts.limits[index].max).map(({ index, name, grid }) => {
      const { min, max } = this.counts.limits[index];
      return `${encodeURIComponent(name)}=${grid[min] ?? ""}..${grid[max] ?? ""}`;
    });
    const hash = parts.length ? `#${parts.join("&")}` : "";
    if (location.hash !== hash) history.replaceState(null, "", hash || location.pathname + location.search);
  }

  fromAddress() {
    const { counts } = this;
    if (location.hash && !location.hash.includes("=")) return; // a link to a section
    const given = new Map(location.hash.slice(1).split("&").filter(Boolean).map((part) => part.split("=")).map(([name, text]) => [name, text ?? ""]));
    for (const column of counts.columns) {
      const text = given.get(encodeURIComponent(column.name)), [min, max] = text === undefined ? [] : text.split("..");
      const place = (limit) => (limit && Number.isFinite(+limit) ? counts.nearest(column, +limit) : -1);
      counts.limits[column.index] = text === undefined ? { ...column.now } : { min: place(min), max: place(max) };
      counts.refresh(column);
    }
  }
}

function shuffled(id) {
  let hash = 2166136261;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 16777619) >>> 0;
  return hash;
}

unpack().then((data) => (globalThis.clipmill = new Page(data))).catch((error) => {
  document.getElementById("main").replaceChildren(make("p", { class: "warn" }, `This browser cannot show the page (${error.message}). It needs one of 2023 or later.`));
  throw error;
});
