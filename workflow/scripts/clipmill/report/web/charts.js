// The card of a column: two histograms over each other, limits to drag, type or move with keys, and what they do.
const SVG = "http://www.w3.org/2000/svg";

// An element with attributes and children; text is always text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

const FORMATS = [0, 1, 2].map((digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits }));
const number = (value, digits = 0) => FORMATS[digits].format(value);
const clipsOf = (value) => `${number(Math.round(value))} ${Math.round(value) === 1 ? "clip" : "clips"}`;
const percent = (part, whole) => (whole ? `${number((100 * part) / whole, part / whole > 0.1 ? 1 : 2)} %` : "0 %");
const short = (value) => (Math.abs(value) >= 10000 ? value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 }) : String(+value.toPrecision(4)));

function hours(ms) {
  const value = ms / 3600000;
  return value >= 10 ? `${number(value, 1)} h` : value >= 1 ? `${number(value, 2)} h` : `${number(ms / 60000, 1)} min`;
}

// Numbers such as 1, 2, 5, 10 from `low` to `high`: in equal steps, or by powers of ten where the axis is `curved`.
function roundNumbers(low, high, curved) {
  const found = [];
  if (!curved) {
    const rough = (high - low) / 6 || 1, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
    for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) found.push(+(at * step).toPrecision(12));
    return found;
  }
  for (let power = -4; power < 16; power++) for (const digit of [1, 2, 5]) found.push(digit * 10 ** power, -digit * 10 ** power);
  return [0, ...found].filter((value) => value >= low && value <= high).sort((one, other) => one - other);
}

class Card {
  constructor(column, page) {
    Object.assign(this, { column, page, counts: page.counts, isVisible: false, drawn: 0, stale: true });
    const { name, title, unit, better } = column;
    this.all = document.createElementNS(SVG, "path");
    this.kept = document.createElementNS(SVG, "path");
    this.all.setAttribute("class", "bars-all");
    this.kept.setAttribute("class", "bars-kept");
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 1000 100");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.append(this.all, this.kept);
    this.gone = { min: make("div", { class: "gone min" }), max: make("div", { class: "gone max" }) };
    this.handles = { min: this.handle("min"), max: this.handle("max") };
    this.fields = { min: this.field("min"), max: this.field("max") };
    this.said = make("span", { class: "said quiet" });
    this.stats = make("p", { class: "stats" });
    this.without = make("div", { class: "nothing" });
    this.agreement = make("p", { class: "stats" });
    this.edges = make("div", { class: "edges" });
    this.most = make("span", { class: "most quiet" });
    this.plot = make("div", { class: "plot" }, svg, this.most, this.gone.min, this.gone.max, this.handles.min, this.handles.max);
    this.element = make("section", { class: "card", id: `card-${name}`, "aria-label": title },
      make("header", {}, make("h3", {}, `${title} `, make("code", {}, name)), make("span", { class: "quiet" }, [unit, better].filter(Boolean).join(" · "))),
      this.plot, this.axis(),
      make("div", { class: "fields" }, make("label", {}, "Min", this.fields.min), make("label", {}, "Max", this.fields.max), this.said),
      this.stats, this.without, this.agreement, this.edges, this.meaning());
    this.side = page.counts.limits[column.index].max >= 0 && page.counts.limits[column.index].min < 0 ? "max" : "min";
    this.drawAll();
  }

  meaning() {
    const { text, model, published, late } = this.column;
    const lines = published.map(([limit, source]) => make("li", {}, make("code", {}, limit), ` ${source}`));
    return make("details", {}, make("summary", {}, "What it means, and published thresholds"), make("p", {}, text),
      model && make("p", {}, "Model: ", make("code", {}, model)), late && make("p", {}, "It is judged after captioning, so it changes pairs and no selection."),
      lines.length ? make("ul", {}, lines) : make("p", {}, "No published threshold is known to us."));
  }

  // Round numbers along the axis, and below them percentiles and what lies beyond the ends.
  axis() {
    const { column } = this, marks = [], low = Math.min(column.valueAt(0), column.valueAt(1)), high = column.valueAt(1);
    const put = (place, text, kind) => marks.push(make("span", { class: kind, style: { left: `${100 * place}%` } }, text));
    let last = -1;
    for (const value of roundNumbers(low, high, column.curve > 0)) {
      if (column.whole && !Number.isInteger(value)) continue;
      const place = column.place(value);
      if (place - last > 0.11) put((last = place), short(value), "");
    }
    last = -1;
    for (const share of column.scored ? [0.1, 0.5, 0.9] : []) {
      const place = column.place(column.quantile(share));
      put(place, "", "tickmark");
      if (place - last > 0.09 && place > 0.02 && place < 0.8) put((last = place), `p${100 * share}`, "low");
    }
    if (column.scored && column.quantile(1) > column.high) put(1, `to ${short(column.quantile(1))}`, "low end");
    return make("div", { class: "axis", "aria-hidden": "true" }, marks);
  }

  handle(side) {
    const { column } = this, word = side === "min" ? "Smallest" : "Largest";
    const element = make("div", { class: `handle ${side}`, role: "slider", tabindex: 0, "aria-orientation": "horizontal", "aria-label": `${word} ${column.title} that is kept`,
      "aria-valuemin": column.values[0] ?? 0, "aria-valuemax": column.values[column.values.length - 1] ?? 0,
      onkeydown: (event) => this.key(event, side) });
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      element.focus({ preventScroll: true });
      const offset = event.clientX - element.getBoundingClientRect().left - element.offsetWidth / 2;
      const box = this.plot.getBoundingClientRect(); // asked once: it costs a layout
      const move = (moved) => {
        this.moveTo(side, (moved.clientX - offset - box.left) / box.width);
      };
      element.addEventListener("pointermove", move);
      element.addEventListener("lostpointercapture", () => element.removeEventListener("pointermove", move), { once: true });
    });
    return element;
  }

  // To a place on the axis, 0-1; beyond its end there is no limit.
  moveTo(side, place) {
    const beyond = side === "min" ? place < -0.02 : place > 1.02;
    this.set(side, beyond ? -1 : this.counts.nearest(this.column, this.column.valueAt(Math.min(1, Math.max(0, place)))));
  }

  key(event, side) {
    const { values } = this.column, last = values.length - 1, now = this.counts.limits[this.column.index][side];
    const from = now >= 0 ? now : side === "min" ? -1 : last + 1;
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    let at = from;
    if (event.key in steps) at = from + steps[event.key];
    else if (event.key === "Home") at = 0;
    else if (event.key === "End") at = last;
    else if (event.key === "Delete" || event.key === "Backspace") at = -1;
    else return;
    event.preventDefault();
    const off = side === "min" ? at < 0 : at > last || at === -1;
    this.set(side, off ? -1 : Math.min(last, Math.max(0, at)));
  }

  field(side) {
    const label = `${side === "min" ? "Smallest" : "Largest"} ${this.column.title} that is kept; empty: no limit`;
    return make("input", { type: "text", inputmode: "decimal", placeholder: "no limit", "aria-label": label, autocomplete: "off", onchange: () => this.typed(side) });
  }

  // A typed limit goes to the nearest one of the grid, and the card says so.
  typed(side) {
    const text = this.fields[side].value.trim(), given = Number(text.replace(",", "."));
    if (text === "") return this.set(side, -1);
    if (!Number.isFinite(given)) {
      this.update(this.page.found, true);
      this.said.textContent = `“${text.slice(0, 40)}” is no number.`;
      return;
    }
    const at = this.counts.nearest(this.column, given);
    this.set(side, at);
    if (this.column.values[at] !== given) this.note = `${text} is not on the grid of limits: ${this.column.grid[at]} is taken.`;
  }

  set(side, at) {
    const limits = this.counts.limits[this.column.index], { min, max } = { ...limits, [side]: at };
    this.note = "";
    if (min >= 0 && max >= 0 && min > max) {
      at = side === "min" ? max : min; // limits do not cross
      this.note = "The smallest cannot be more than the largest.";
    }
    this.side = side;
    limits[side] = at;
    this.page.changed(this.column);
  }

  bars(counts) {
    const { bins } = this.column, width = 1000 / bins, gap = Math.min(2, width / 8);
    let path = "";
    for (let bar = 0; bar < bins; bar++) {
      const height = this.height(counts[bar]);
      if (height > 0) path += `M${(bar * width).toFixed(1)} 100v${-height.toFixed(1)}h${(width - gap).toFixed(1)}V100z`;
    }
    return path;
  }

  height(count) {
    return count ? Math.max(1, 100 * (this.root ? Math.sqrt(count / this.highest) : count / this.highest)) : 0;
  }

  drawAll() {
    const heights = [...this.column.all.subarray(0, this.column.bins)].sort((one, other) => other - one);
    this.highest = heights[0] || 1;
    this.root = heights.length > 2 && heights[0] > 8 * Math.max(1, heights[2]);
    this.most.textContent = `${this.root ? "√ scale, " : ""}highest bar ${number(Math.round(this.highest))}`;
    this.all.setAttribute("d", this.bars(this.column.all));
  }

  // What changes with any limit; pictures at most every 100 ms, as they cost most.
  update(found, isOwn) {
    const { column, counts } = this, { index } = column, limits = counts.limits[index];
    this.kept.setAttribute("d", this.bars(column.others));
    for (const side of ["min", "max"]) {
      const at = limits[side], place = at < 0 ? +(side === "max") : column.place(column.values[at]), handle = this.handles[side];
      handle.style.left = `${100 * place}%`;
      handle.classList.toggle("unset", at < 0);
      handle.setAttribute("aria-valuenow", at < 0 ? (side === "min" ? column.values[0] ?? 0 : column.values[column.values.length - 1] ?? 0) : column.values[at]);
      handle.setAttribute("aria-valuetext", at < 0 ? "no limit" : column.grid[at]);
      this.gone[side].style.width = at < 0 ? "0" : `calc(${100 * (side === "min" ? place : 1 - place)}% + 14px)`;
      if (isOwn || document.activeElement !== this.fields[side]) this.fields[side].value = at < 0 ? "" : column.grid[at];
    }
    const set = ["min", "max"].filter((side) => limits[side] >= 0);
    const below = (code) => number(100 * column.ranks[code], 1);
    const ranks = set.map((side) => (side === "min" ? `${below(2 * limits.min + 1)} % of the values are below ${column.grid[limits.min]}.`
      : `${number(100 - 100 * column.ranks[2 * limits.max + 2], 1)} % of the values are above ${column.grid[limits.max]}.`));
    this.said.textContent = [this.note, ...ranks].filter(Boolean).join(" ");
    const rejects = found.rejects[index], alone = found.alone[index], whole = column.late ? found.pairs : found.clips;
    const wholeMs = column.late ? found.pairMs : found.ms, thing = column.late ? "in pairs" : "selected";
    this.stats.textContent = !set.length ? "No limit: it rejects nothing."
      : `Rejects ${clipsOf(rejects)} (${hours(found.rejectMs[index])}), ${number(Math.round(alone))} of them alone. ` +
        `Without it: ${clipsOf(whole + alone)} ${thing} (${hours(wholeMs + found.aloneMs[index])}).` +
        (rejects && !alone ? " The others reject all of these, too: it changes nothing." : "");
    this.unscored(set.length > 0);
    if (isOwn && this.isVisible) this.later();
    else this.stale ||= isOwn;
  }

  // Clips without a score, and clips that the column does not concern, have bars of their own.
  unscored(limited) {
    if (this.limited === limited) return;
    this.limited = limited;
    const { all } = this.column, sum = all.reduce((one, other, at) => (at === ELSEWHERE ? one : one + other), 0);
    const line = (count, says, kind) => count > 0 && make("span", {}, make("span", { class: "meter" }, make("i", { class: kind, style: { width: `${(100 * count) / sum}%` } })), ` ${number(Math.round(count))} ${says}`);
    this.without.replaceChildren(...[
      line(all[NO_SCORE], limited ? "without a value: rejected, as a limit is set" : "without a value: kept, as no limit is set", limited ? "lost" : ""),
      line(all[NOT_JUDGED], this.column.late ? "not captioned" : "images: not judged by this column", ""),
    ].filter(Boolean));
  }

  later() {
    clearTimeout(this.timer);
    const wait = Math.max(0, this.drawn + 100 - performance.now());
    this.timer = setTimeout(() => this.pictures(), wait);
  }

  // Clips just below and just above the limit that was moved last; those that pass all other limits first.
  pictures() {
    this.drawn = performance.now();
    this.stale = false;
    const { column, counts, page } = this, limits = counts.limits[column.index];
    const side = limits[this.side] >= 0 ? this.side : limits.min >= 0 ? "min" : "max", at = limits[side];
    if (!this.sorted) {
      const own = page.clips.filter((clip) => clip.strip >= 0 && column.bar[clip.row] < NO_SCORE);
      this.sorted = own.sort((one, other) => column.codes[one.row] - column.codes[other.row] || (one.id < other.id ? -1 : 1));
    }
    const code = 2 * at + 1, codes = this.sorted.map((clip) => column.codes[clip.row]);
    const split = at < 0 ? 0 : codes.filter((one) => (side === "min" ? one < code : one <= code)).length;
    const take = (clips) => {
      const near = clips.slice(0, 40), first = near.filter((clip) => counts.passesOthers(clip.row, column));
      return [...first, ...near.filter((clip) => !first.includes(clip))].slice(0, 4).sort((one, other) => column.codes[one.row] - column.codes[other.row]);
    };
    const show = (title, clips) => make("div", {}, make("h4", {}, title), clips.length ? make("div", { class: "strips" }, clips.map((clip) => page.strip(clip, this.valueText(clip)))) : make("p", { class: "quiet" }, "none pictured"));
    if (at < 0) {
      this.edges.replaceChildren(show("lowest", take(this.sorted)), show("highest", take(this.sorted.slice().reverse())));
      return;
    }
    const limit = column.grid[at], below = this.sorted.slice(0, split).reverse(), above = this.sorted.slice(split);
    const [left, right] = side === "min" ? [`lost: just below ${limit}`, `kept: ${limit} and just above`] : [`kept: ${limit} and just below`, `lost: just above ${limit}`];
    this.edges.replaceChildren(show(left, take(below)), show(right, take(above)));
  }

  valueText(clip) {
    const code = this.column.codes[clip.row];
    return code >= EXEMPT ? "-" : code & 1 ? this.column.grid[code >> 1] : `≈ ${short(this.counts.valueOf(this.column, code))}`;
  }
}
