// Counting. Each clip has a code per column (see grid.py) and a mask with a bit per limited column that it fails.
// A moved limit rewrites one bit of each mask. One pass then counts the clips of each mask, of which there are few, and
// every number of the page follows from these counts.
const FAILED = 1 << 30; // the bit of a clip that a scorer rejected, whatever the limits
const MISSING = 65535, EXEMPT = 65534, BINS = 64, DENSE = 1 << 18, NO_SCORE = 64, NOT_JUDGED = 65, ELSEWHERE = 66;

class Counts {
  constructor(head, arrays) {
    this.rows = arrays.ms.length;
    this.ms = arrays.ms;
    this.state = arrays.state; // bit 0: a scorer failed; bit 1: its caption is remembered; bits 2-3: see LATE in page.py
    this.stratum = arrays.stratum;
    this.weights = Float64Array.from(head.strata, (one) => one.rows / Math.max(1, one.sampled));
    this.exact = head.strata.every((one) => one.rows === one.sampled);
    this.strata = head.strata;
    this.columns = head.columns.map((column, index) => ({
      ...column, index, bit: 0, codes: arrays[`codes.${column.name}`], values: Float64Array.from(column.grid, Number),
    }));
    this.early = this.columns.filter((column) => !column.late);
    this.late = this.columns.filter((column) => column.late);
    this.masks = Int32Array.from(this.state, (state) => (state & 1 ? FAILED : 0));
    this.lateMasks = new Int32Array(this.rows);
    this.limits = this.columns.map((column) => ({ ...column.now }));
    for (const column of this.columns) this.prepare(column);
    this.columns.forEach((column) => this.refresh(column));
    this.before = Uint8Array.from(this.masks, (mask) => +(mask === 0));
    this.total = this.sum(() => true);
    this.kept = this.sum((row) => this.before[row]);
  }

  // A clip's fate by one column; `limits` are places in the grid, -1 for none.
  static fails(code, limits) {
    if (limits.min < 0 && limits.max < 0) return false;
    const low = limits.min < 0 ? 0 : 2 * limits.min + 1, high = limits.max < 0 ? EXEMPT : 2 * limits.max + 1;
    return code !== EXEMPT && (code < low || code > high);
  }

  sum(wanted) {
    let clips = 0, ms = 0;
    for (let row = 0; row < this.rows; row++) {
      if (wanted(row)) {
        clips += this.weights[this.stratum[row]];
        ms += this.weights[this.stratum[row]] * this.ms[row];
      }
    }
    return { clips, ms };
  }

  // The value that stands for a code: the limit itself, or the middle between two limits.
  valueOf(column, code) {
    const at = code >> 1, { values } = column;
    if (code & 1) return values[at];
    if (at === 0) return values[0];
    if (at >= values.length) return values[values.length - 1];
    return (values[at - 1] + values[at]) / 2;
  }

  // The scale of a column's axis, and the bar of each clip.
  prepare(column) {
    const { codes } = column, found = new Uint32Array(65536);
    for (let row = 0; row < this.rows; row++) if (!column.late || this.state[row] >> 2 === 1) found[codes[row]]++;
    let scored = 0;
    for (let code = 0; code < EXEMPT; code++) scored += found[code];
    column.scored = scored;
    column.ranks = new Float64Array(EXEMPT + 1); // the share of scored clips below each code
    for (let code = 0, sum = 0; code < EXEMPT; code++) {
      column.ranks[code] = sum / Math.max(1, scored);
      sum += found[code];
    }
    const quantile = (share) => {
      let sum = 0;
      for (let code = 0; code < EXEMPT; code++) if ((sum += found[code]) > share * (scored - 1)) return this.valueOf(column, code);
      return 0;
    };
    column.quantile = quantile;
    const set = [column.now.min, column.now.max].filter((at) => at >= 0).map((at) => column.values[at]);
    let low = Math.min(quantile(0.002), ...set), high = Math.max(quantile(0.998), ...set);
    column.whole = column.values.every(Number.isInteger);
    let bins = BINS, half = 0;
    if (column.whole && high - low < BINS) [bins, half] = [high - low + 1, 0.5];
    if (high === low && !half) [low, high] = [low - 0.5, high + 0.5];
    const spread = quantile(0.75) - quantile(0.25);
    column.curve = !half && spread > 0 && high - low > 12 * spread ? spread / 2 : 0;
    const bend = (value) => (column.curve ? Math.asinh(value / column.curve) : value);
    const first = bend(low - half), length = bend(high + half) - first;
    column.place = (value) => Math.min(1, Math.max(0, (bend(value) - first) / length));
    column.valueAt = (place) => {
      const bent = first + place * length;
      return column.curve ? Math.sinh(bent) * column.curve : bent;
    };
    [column.low, column.high, column.bins] = [low, high, bins];
    const barOf = new Uint8Array(65536);
    for (let code = 0; code < 2 * column.values.length + 1; code++) {
      barOf[code] = Math.min(bins - 1, Math.floor(column.place(this.valueOf(column, code)) * bins));
    }
    [barOf[MISSING], barOf[EXEMPT]] = [NO_SCORE, NOT_JUDGED];
    column.bar = new Uint8Array(this.rows);
    column.all = new Float64Array(ELSEWHERE + 1);
    column.others = new Float64Array(ELSEWHERE + 1);
    for (let row = 0; row < this.rows; row++) {
      column.bar[row] = column.late && this.state[row] >> 2 !== 1 ? ELSEWHERE : barOf[codes[row]];
      column.all[column.bar[row]] += this.weights[this.stratum[row]];
    }
  }

  // Write a column's bit of every mask. A column has a bit while it has a limit.
  refresh(column) {
    const { codes } = column, { min, max } = this.limits[column.index], masks = column.late ? this.lateMasks : this.masks;
    const isLimited = min >= 0 || max >= 0, low = min < 0 ? 0 : 2 * min + 1, high = max < 0 ? EXEMPT : 2 * max + 1;
    if (isLimited && !column.bit) {
      const taken = this.columns.reduce((bits, one) => bits | one.bit, 0);
      column.bit = ~taken & (taken + 1);
    }
    const { bit } = column;
    for (let row = 0; bit && row < this.rows; row++) {
      const code = codes[row];
      masks[row] = isLimited && code !== EXEMPT && (code < low || code > high) ? masks[row] | bit : masks[row] & ~bit;
    }
    if (!isLimited) column.bit = 0;
  }

  isSelected(row) {
    return this.masks[row] === 0;
  }

  // Whether a clip passes every limit but those of `column`.
  passesOthers(row, column) {
    if (column.late) return this.masks[row] === 0 && (this.lateMasks[row] & ~column.bit) === 0;
    return (this.masks[row] & ~column.bit) === 0;
  }

  // One pass: everything that changes with a limit. The bars of `shown` columns are counted, too.
  count(shown) {
    const { masks, lateMasks, state, stratum, weights, ms, before, exact } = this;
    const found = { clips: 0, ms: 0, pairs: 0, pairMs: 0, unknown: 0, remembered: 0, stay: 0, stayMs: 0 };
    const bits = this.columns.reduce((taken, one) => taken | one.bit, 0), size = 1 << (32 - Math.clz32(bits));
    // With many limits most masks have no clip: then a sparse array is smaller.
    const sums = () => (size > DENSE ? [0] : new Float64Array(size));
    const clips = sums(), lengths = sums(), late = sums(), lateLengths = sums();
    const bySide = new Float64Array(weights.length), early = shown.filter((column) => !column.late), after = shown.filter((column) => column.late);
    const withBit = [];
    for (const column of shown) {
      column.others.fill(0);
      if (column.bit && !column.late) withBit[column.bit] = column;
    }
    for (let row = 0; row < this.rows; row++) {
      const mask = masks[row];
      if (mask >= FAILED) continue;
      const weight = exact ? 1 : weights[stratum[row]], length = weight * ms[row];
      clips[mask] = (clips[mask] || 0) + weight;
      lengths[mask] = (lengths[mask] || 0) + length;
      if (mask !== 0) {
        if ((mask & (mask - 1)) === 0) {
          const column = withBit[mask];
          if (column) column.others[column.bar[row]] += weight;
        }
        continue;
      }
      for (let at = 0; at < early.length; at++) early[at].others[early[at].bar[row]] += weight;
      bySide[stratum[row]]++;
      if (before[row]) (found.stay += weight), (found.stayMs += length);
      if (state[row] & 2) found.remembered += weight;
      const known = state[row] >> 2;
      if (known === 0) found.unknown += weight;
      if (known !== 1) continue;
      late[lateMasks[row]] = (late[lateMasks[row]] || 0) + weight;
      lateLengths[lateMasks[row]] = (lateLengths[lateMasks[row]] || 0) + length;
      for (const column of after) if ((lateMasks[row] & ~column.bit) === 0) column.others[column.bar[row]] += weight;
    }
    [found.clips, found.ms, found.pairs, found.pairMs] = [clips[0], lengths[0], late[0], lateLengths[0]];
    [found.enter, found.enterMs] = [found.clips - found.stay, found.ms - found.stayMs];
    [found.leave, found.leaveMs] = [(this.kept?.clips ?? 0) - found.stay, (this.kept?.ms ?? 0) - found.stayMs];
    this.share(found, clips, lengths, this.early);
    this.share(found, late, lateLengths, this.late);
    found.margin = this.margin(bySide);
    return found;
  }

  // What each column rejects, alone and together with each other one, from the counts by mask.
  share(found, clips, lengths, columns) {
    const size = this.columns.length;
    for (const name of ["rejects", "rejectMs", "alone", "aloneMs"]) found[name] ??= new Float64Array(size);
    found.both ??= new Float64Array(size * size);
    const set = columns.filter((column) => column.bit);
    const masks = Array.isArray(clips) ? Object.keys(clips).map(Number) : clips.keys();
    for (const mask of masks) {
      if (!mask || !clips[mask]) continue;
      for (const { index, bit } of set) {
        if (!(mask & bit)) continue;
        found.rejects[index] += clips[mask];
        found.rejectMs[index] += lengths[mask];
        if (mask === bit) [found.alone[index], found.aloneMs[index]] = [clips[mask], lengths[mask]];
        for (const other of set) if (mask & other.bit) found.both[index * size + other.index] += clips[mask];
      }
    }
  }

  // Half of the 95 % interval of a sample's yield, in clips; 0 where every clip is counted.
  margin(bySide) {
    let variance = 0;
    this.strata.forEach(({ rows, sampled }, index) => {
      const share = bySide[index] / Math.max(1, sampled);
      if (rows > sampled) variance += (rows * (rows - sampled) * share * (1 - share)) / Math.max(1, sampled - 1);
    });
    return 1.96 * Math.sqrt(variance);
  }

  // The place in a column's grid that is nearest to a number.
  nearest(column, number) {
    const { values } = column;
    let low = 0, high = values.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < number) low = middle + 1;
      else high = middle;
    }
    return low > 0 && number - values[low - 1] <= values[low] - number ? low - 1 : low;
  }
}

// How marks agree with limits: a good clip that is lost or a bad one that is kept is a fault.
class Agreement {
  constructor(counts, clips, marks) {
    this.counts = counts;
    this.marked = clips.filter((clip) => marks.get(clip.id)).map((clip) => ({ row: clip.row, good: marks.get(clip.id) === "good" }));
    this.good = this.marked.filter((one) => one.good).length;
    this.bad = this.marked.length - this.good;
  }

  fails(row, column, limits) {
    return Counts.fails(column.codes[row], limits[column.index]);
  }

  // {lost, kept}: good clips that these limits lose, bad ones that they keep. `only`: one column's limits alone.
  faults(limits, only) {
    const columns = only ? [only] : this.counts.early;
    let lost = 0, kept = 0;
    for (const { row, good } of this.marked) {
      const gone = (!only && this.counts.state[row] & 1) || columns.some((column) => this.fails(row, column, limits));
      if (good && gone) lost++;
      if (!good && !gone) kept++;
    }
    return { lost, kept };
  }

  // The limit of one column that agrees best while the others stay: {side, at, faults}; nearest to the present one of equals.
  best(column, limits) {
    const now = limits[column.index];
    const side = now.min >= 0 ? "min" : now.max >= 0 ? "max" : column.better === "less is better" ? "max" : "min";
    const others = this.counts.early.filter((other) => other !== column);
    const open = this.marked.filter(({ row }) => !(this.counts.state[row] & 1) && !others.some((other) => this.fails(row, other, limits)));
    const closed = this.marked.filter((one) => one.good).length - open.filter((one) => one.good).length;
    const last = column.values.length - 1, candidates = new Set([-1, now[side]]);
    for (const { row } of open) {
      const code = column.codes[row];
      if (code >= EXEMPT) continue;
      const at = code >> 1;
      for (const place of [at - 1, at, at + 1]) if (place >= 0 && place <= last) candidates.add(place);
    }
    let found = null;
    for (const at of candidates) {
      const tried = { ...now, [side]: at };
      let faults = closed;
      for (const { row, good } of open) if (Counts.fails(column.codes[row], tried) === good) faults++;
      const distance = at === now[side] ? -1 : at < 0 ? Infinity : Math.abs(at - now[side]);
      if (!found || faults < found.faults || (faults === found.faults && distance < found.distance)) found = { side, at, faults, distance };
    }
    return found;
  }

  // Limits for all columns that agree best, found column by column, from the present limits and from none at all.
  bestSet() {
    const columns = this.counts.early.filter((column) => column.scored > 0);
    const start = [this.counts.limits, this.counts.limits.map((limits, index) => (this.counts.columns[index].late ? limits : { min: -1, max: -1 }))];
    const ends = start.map((first) => {
      const limits = first.map((one) => ({ ...one }));
      let faults = Infinity;
      for (let round = 0; round < 10; round++) {
        for (const column of columns) {
          const { side, at } = this.best(column, limits);
          limits[column.index][side] = at;
        }
        const { lost, kept } = this.faults(limits);
        if (lost + kept >= faults) break;
        faults = lost + kept;
      }
      return { limits, faults };
    });
    return ends[1].faults < ends[0].faults ? ends[1] : ends[0];
  }
}
