// The panels around the cards: funnel, overlaps, what enters and leaves, rejects, captions, cost, marks, export.
function section(title, ...children) {
  const id = title.toLowerCase().replace(/[^a-z]+/g, "-");
  return make("section", { "aria-labelledby": `h-${id}` }, make("h2", { id: `h-${id}` }, title), ...children);
}

function table(heads, rows) {
  const cell = (value, index) => (index === 0 ? make("th", { scope: "row" }, value) : make("td", { class: "number" }, value));
  return make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Table: ${heads.filter(Boolean).join(", ")}` }, make("table", {},
    make("thead", {}, make("tr", {}, heads.map((head, index) => make("th", { scope: "col", class: index ? "number" : "" }, head)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, row.map(cell))))));
}

// Strips that grow by a button.
function gallery(page, title, clips, count = 12) {
  const strips = make("div", { class: "strips wide" }), button = make("button", { type: "button", class: "more" }, "More");
  let shown = 0;
  const more = () => {
    strips.append(...clips.slice(shown, shown + count).map((clip) => page.strip(clip)));
    shown += count;
    button.hidden = shown >= clips.length;
  };
  button.addEventListener("click", more);
  more();
  return make("div", { class: "gallery" }, make("h3", {}, title), clips.length ? strips : make("p", { class: "quiet" }, "none pictured"), button);
}

// Columns that are shown in full only where they have a limit, or a published one.
const MEASURES = [
  "num_frames", "height", "width", "aspect_ratio", "fps", "resolution", "borders", "blur", "light", "clipped", "noise", "blocks",
  "combed", "frozen", "slideshow", "black", "flashes", "vfr", "bitrate", "loudness", "silence",
];

class Panels {
  constructor(page) {
    Object.assign(this, { page, counts: page.counts, head: page.head });
    this.funnelBox = make("div");
    this.costBox = make("p");
    this.overlapBox = make("div");
    this.changeBox = make("div");
    this.changeText = make("p", { role: "status" });
    this.randomBox = make("div", { class: "sides" });
    this.markBox = make("div");
    this.copied = make("span", { class: "quiet", role: "status" });
    this.yaml = make("textarea", { readonly: true, rows: 8, spellcheck: "false", "aria-label": "The configuration of these thresholds" });
    this.flag = make("textarea", { readonly: true, rows: 2, spellcheck: "false", "aria-label": "The same on the command line" });
  }

  sections(cards) {
    const set = cards.filter((card) => card.column.scored && (card.column.published.length || Math.max(...Object.values(card.column.now)) >= 0 || !this.isMeasure(card.column)));
    const others = cards.filter((card) => !set.includes(card));
    const rest = others.length && make("details", { id: "more-columns" }, make("summary", {}, `${others.length} more columns: ${others.map((card) => card.column.title).join(", ")}`), make("div", { class: "cards" }, others.map((card) => card.element)));
    return [
      section("Funnel", this.funnelBox, this.costBox),
      make("section", { id: "thresholds", "aria-labelledby": "h-thresholds" }, make("h2", { id: "h-thresholds" }, "Scores and limits"),
        make("p", { class: "quiet" }, "Grey: all clips. Colour: clips that pass every other limit. Drag a limit, type it, or use the arrow keys (Delete: no limit). A strip (framed in green: kept, in red: lost) plays on hover and opens on click; G and B mark it good or bad."),
        set.length ? make("div", { class: "cards" }, set.map((card) => card.element)) : make("p", {}, "No clip has a score: nothing to choose here."), rest || ""),
      section("Now against new", this.changeText, this.changeBox),
      section("At random", this.randomBox),
      this.head.target && this.target(this.head.target),
      this.head.clusters && clustersSection(this.head.clusters),
      this.head.duplicates && duplicatesSection(this.page, this.head.duplicates),
      section("Overlaps", make("p", { class: "quiet" }, "Clips that both limits reject. In the diagonal: those that one limit rejects alone."), this.overlapBox),
      section("Marks", this.markBox),
      section("Configuration", make("p", { class: "quiet" }, "Paste it over `select` of your configuration, or add the line to the command."), this.yaml, this.flag, this.copied),
      section("Rejects by stage and reason", this.rejects()),
      this.captions(),
    ].filter(Boolean);
  }

  isMeasure(column) {
    return MEASURES.includes(column.name);
  }

  // Everything that follows a moved limit, at leisure.
  update(found) {
    this.funnel(found);
    this.cost(found);
    this.overlaps(found);
    this.changes(found);
    this.export();
    this.marks();
  }

  funnel(found) {
    const { counts, head } = this, first = counts.total.ms || 1;
    const steps = [...head.funnel.map((step) => [step.name, step.count, step.ms]), ["clips", counts.total.clips, counts.total.ms], ["selected", found.clips, found.ms]];
    if (head.complete) steps.push(["pairs, as far as captioned", found.pairs, found.pairMs]);
    const most = Math.max(1, counts.total.clips);
    this.funnelBox.replaceChildren(table(["step", "count", "length", "of the clips", ""], steps.map(([name, count, ms], index) => [
      name, number(Math.round(count)), ms == null ? "-" : hours(ms), index < 2 ? "" : percent(count, most),
      index < 2 ? "" : make("span", { class: "meter", "aria-hidden": "true" }, make("i", { class: index > 2 ? "kept" : "", style: { width: `${(100 * (ms || 0)) / first}%` } })),
    ])));
  }

  cost(found) {
    const { head } = this, left = found.clips - found.remembered, caption = head.costs.find((one) => one.rule === "caption_clips");
    const sums = { gpu: 0, cpu: 0 };
    for (const { seconds, kind } of head.costs) sums[kind] += (seconds * left) / 3600;
    const said = Object.entries(sums).filter(([, value]) => value > 0).map(([kind, value]) => `${number(value, value < 10 ? 2 : 0)} ${kind.toUpperCase()}-hours`);
    const rate = caption ? ` (captioning: ${number(caption.seconds, 2)} s per clip, ${caption.measured ? "measured in this folder" : "an estimate until some are made"})` : "";
    this.costBox.textContent = `Captions: ${number(Math.round(found.remembered))} of the ${number(Math.round(found.clips))} selected clips have one already; ${number(Math.round(left))} to make. ` +
      `Captioning, matching, labelling and cutting them: about ${said.join(" and ") || "nothing"}${rate}.`;
  }

  overlaps(found) {
    const { early } = this.counts, size = this.counts.columns.length;
    const set = early.filter((column) => Object.values(this.counts.limits[column.index]).some((at) => at >= 0));
    if (set.length < 2) return this.overlapBox.replaceChildren(make("p", {}, "Fewer than two limits are set."));
    const both = (one, other) => found.both[one.index * size + other.index];
    this.overlapBox.replaceChildren(table(["", ...set.map((column) => column.title), "all its rejects"], set.map((one) => [
      one.title, ...set.map((other) => number(Math.round(one === other ? found.alone[one.index] : both(one, other)))), number(Math.round(found.rejects[one.index])),
    ])));
  }

  // Quotas of a target, and what another one would give. They are those of the configured limits.
  target({ asked, count, groups, others }) {
    const [name, value] = ["clips", "hours", "share"].map((key) => [key, asked[key]]).find(([, one]) => one !== null);
    const over = asked.balance.length ? `, filled evenly over the ${number(count)} groups by ${asked.balance.join(" and ")}` : "";
    return section("Target",
      make("p", {}, `${name} ${number(value, name === "clips" ? 0 : 2)}${over}; the highest ${asked.order} first.`),
      make("p", { class: "quiet" }, "The quotas are those of the configured limits: a clip below its quota counts as lost here, whatever the limits. The next run fills them again with the limits that you copy."),
      table([`group${count > groups.length ? ` (the largest ${groups.length} of ${number(count)})` : ""}`, "clips that pass", "stay"], groups.map(({ group, clips, stay }) => [group, number(clips), number(stay)])),
      make("h3", {}, "Another target would give"),
      table(["share", "clips", "hours", "of the smallest group", "of the largest group"], others.map(({ share, clips, hours: length, least, most }) => [
        percent(share, 1), number(clips), number(length, 2), number(least), number(most)])));
  }

  // Which pictured clips enter and leave; refreshed at most every 200 ms.
  changes(found) {
    const { counts } = this;
    this.changeText.textContent = !found.enter && !found.leave ? "These are the configured thresholds, or keep the same clips: nothing enters and nothing leaves."
      : `${clipsOf(found.enter)} enter (${hours(found.enterMs)}), ${clipsOf(found.leave)} leave (${hours(found.leaveMs)}).`;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const pictured = this.page.clips.filter((clip) => clip.strip >= 0), kept = (clip) => counts.isSelected(clip.row);
      const enter = pictured.filter((clip) => kept(clip) && !counts.before[clip.row]), leave = pictured.filter((clip) => !kept(clip) && counts.before[clip.row]);
      this.changeBox.replaceChildren(...(found.enter || found.leave ? [make("div", { class: "sides" }, gallery(this.page, "Enter", enter), gallery(this.page, "Leave", leave))] : []));
      const random = this.page.random;
      this.randomBox.replaceChildren(gallery(this.page, "Kept", random.filter(kept)), gallery(this.page, "Lost", random.filter((clip) => !kept(clip))));
      this.page.strips.dressAll();
    }, 200);
  }

  configuration() {
    const { counts } = this, lines = [], flags = [], key = (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name));
    for (const [name, asked] of Object.entries(this.head.fixed)) {
      lines.push(`  ${key(name)}: ${JSON.stringify(asked)}`);
      flags.push(`${key(name)}: ${JSON.stringify(asked)}`);
    }
    for (const column of counts.columns) {
      const limits = counts.limits[column.index];
      if (Math.max(limits.min, limits.max, column.now.min, column.now.max) < 0) continue;
      const text = (at) => (at < 0 ? "null" : column.grid[at]);
      lines.push(`  ${key(column.name)}:`, `    min: ${text(limits.min)}`, `    max: ${text(limits.max)}`);
      flags.push(`${key(column.name)}: {min: ${text(limits.min)}, max: ${text(limits.max)}}`);
    }
    if (this.head.target) {
      const asked = JSON.stringify(this.head.target.asked);
      lines.push(`  target: ${asked}`);
      flags.push(`target: ${asked}`);
    }
    return { lines, flag: `--config 'select={${flags.join(", ").replaceAll("'", "'\\''")}}'` };
  }

  export() {
    const { counts, head, page } = this, { lines, flag } = this.configuration(), { found } = page;
    const exact = counts.exact ? `${Math.round(found.clips)} of ${Math.round(counts.total.clips)} clips` : `about ${Math.round(found.clips)} of ${Math.round(counts.total.clips)} clips, +-${Math.round(found.margin)}`;
    this.yaml.value = [`# selects ${exact} (${hours(found.ms)}) of the scores ${head.digest}`, lines.length ? "select:" : "select: {}", ...lines, ""].join("\n");
    this.flag.value = flag;
    this.yaml.rows = lines.length + 3;
  }

  async copy() {
    let done = true;
    try {
      await navigator.clipboard.writeText(this.yaml.value);
    } catch {
      this.yaml.scrollIntoView({ block: "center" });
      this.yaml.focus();
      this.yaml.select();
      done = document.execCommand("copy");
    }
    this.page.say(done ? "The configuration is copied." : "Copying is not allowed here: the text is selected, press Ctrl+C.");
  }

  marks() {
    const { page, counts } = this, agreement = new Agreement(counts, page.clips, page.marks);
    if (!agreement.marked.length) {
      for (const card of page.cards) card.agreement.textContent = "";
      return this.markBox.replaceChildren(make("p", {}, "No clip is marked. Move to a strip (Tab, or click it) and press G for good or B for bad; the page then shows which limits agree with you."));
    }
    const faults = ({ lost, kept }) => `${lost} of ${agreement.good} good lost, ${kept} of ${agreement.bad} bad kept`;
    for (const card of page.cards.filter((one) => !one.column.late)) {
      const { column } = card, own = agreement.faults(counts.limits, column), best = agreement.best(column, counts.limits);
      const isSet = Object.values(counts.limits[column.index]).some((at) => at >= 0), now = agreement.faults(counts.limits);
      const text = best.at < 0 ? "none" : column.grid[best.at];
      const better = best.faults < now.lost + now.kept;
      const take = better && make("button", { type: "button", class: "do", onclick: () => card.set(best.side, best.at) }, `take ${best.side} ${text}`);
      card.agreement.replaceChildren(...[isSet ? `Marks: alone, ${faults(own)}. ` : "", better ? `With ${best.side} ${text}, the set is wrong on ${best.faults} of ${agreement.marked.length} marks instead of ${now.lost + now.kept}. ` : "", take].filter(Boolean));
    }
    const all = agreement.faults(counts.limits), best = agreement.bestSet();
    const found = best.faults < all.lost + all.kept;
    this.markBox.replaceChildren(
      make("p", {}, `${agreement.marked.length} marked. All limits together: ${faults(all)}. ` + (found ? `The settings found that agree best are wrong on ${best.faults}.` : "No setting that was tried agrees better.")),
      make("div", { class: "buttons" }, found && make("button", { type: "button", class: "do", onclick: () => page.setAll(best.limits) }, "Take these settings"),
        make("button", { type: "button", class: "do", onclick: () => this.download() }, "Save marks (CSV)"),
        make("button", { type: "button", class: "do", onclick: () => page.unmarkAll() }, "Forget changes of marks")),
      make("p", { class: "quiet" }, "Marks stay in this browser. Save them as a CSV and name it in the configuration (`marks: marks.csv`), so that everyone sees them."),
      gallery(page, "Marked clips that these limits treat otherwise", agreement.marked.filter(({ row, good }) => counts.isSelected(row) !== good).map(({ row }) => page.byRow.get(row)).filter((clip) => clip.strip >= 0)));
  }

  csv() {
    const { page, head } = this, own = page.clips.filter((clip) => page.marks.get(clip.id)).map((clip) => [clip.id, page.marks.get(clip.id)]);
    const rows = [...own, ...head.other_marks].sort(([one], [other]) => (one < other ? -1 : 1));
    return ["id,mark", ...rows.map((row) => row.join(","))].join("\n") + "\n";
  }

  download() {
    const address = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv" }));
    make("a", { href: address, download: "marks.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  }

  rejects() {
    const { rejects } = this.head, pictured = this.page.clips.filter((clip) => clip.strip >= 0);
    if (!rejects.length) return make("p", {}, "Nothing was rejected.");
    return make("div", {}, rejects.map(({ stage, reason, count, ms, examples }) => make("details", {},
      make("summary", {}, make("code", {}, stage), ` ${reason}: `, make("strong", {}, number(count)), ms ? ` (${hours(ms)})` : ""),
      make("ul", {}, examples.map((one) => make("li", {}, `${one.relpath || one.id}${one.end ? ` ${one.start}-${one.end} s` : ""}${one.detail ? `: ${one.detail}` : ""}`))),
      make("div", { class: "strips wide" }, pictured.filter((clip) => clip.why === reason).slice(0, 12).map((clip) => this.page.strip(clip))))));
  }

  captions() {
    const { page, head } = this, said = page.clips.filter((clip) => clip.text);
    if (!head.complete) return section("Captions", make("p", {}, "None yet: captioning follows the selection. This page gets them at the end of the run."));
    const texts = said.map((clip) => `${clip.text} ${clip.file} ${clip.id}`.toLowerCase());
    const list = make("ul", { class: "captions" }), says = make("p", { class: "quiet", role: "status" }), button = make("button", { type: "button", class: "more" }, "More");
    let hits = [], shown = 0;
    const more = () => {
      list.append(...hits.slice(shown, shown + 24).map((clip) => make("li", {}, page.strip(clip), make("div", { class: "text", tabindex: 0 }, clip.text))));
      shown += 24;
      button.hidden = shown >= hits.length;
    };
    const find = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      hits = said.filter((_, index) => words.every((word) => texts[index].includes(word)));
      says.textContent = `${number(hits.length)} of ${number(said.length)} captions on this page`;
      list.replaceChildren();
      shown = 0;
      more();
    };
    const field = make("input", { type: "search", placeholder: "Search captions and file names", "aria-label": "Search captions and file names", oninput: find });
    button.addEventListener("click", more);
    find();
    return section("Captions", field, says, list, button);
  }
}
