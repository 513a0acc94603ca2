/* Words of a text, and what an edit changed: the rule of annotate/worddiff.py, which says why it is plain ranges.
   The four tables are word for word the same in both files, and tests run both on the same texts.
   Pure functions; an ES module, so that a page loads it when it needs it and a test can import it. */

export const SPACE = "9-D 20 85 A0 1680 2000-200B 200E-200F 2028-202F 205F-2060 2066-2069 3000 FEFF";
export const SYMBOL =
  "21-2F 3A-40 5B-60 7B-7E A1-A9 AB-AC AE-B1 B4 B6-B8 BB BF D7 F7 37E 387 55A-55F 589-58A 5BE 5C0 5C3 5C6 5F3-5F4 " +
  "60C-60D 61B 61E-61F 66A-66D 6D4 700-70D 964-965 970 DF4 F04-F14 F3A-F3D FBE-FC5 104A-104F 10FB 1360-1368 1400 " +
  "166D-166E 169B-169C 16EB-16ED 17D4-17DB 1800-180A 2010-2027 2030-205E 207A-207E 208A-208E 20A0-20CF 2100-214F " +
  "2190-245F 2500-2BFF 2E00-2E7F 3001-3003 3008-3020 3030 303D-303F 30A0 30FB A4FE-A4FF A60D-A60F " +
  "A874-A877 A8CE-A8CF A92E-A92F FD3E-FD3F FE10-FE19 FE30-FE6F FF01-FF0F FF1A-FF20 FF3B-FF40 FF5B-FF65 FFE0-FFEF " +
  "FFFC-FFFD 1F000-1FAFF";
export const SINGLE =
  "E00-EFF 1000-109F 1780-17FF 19E0-19FF 2E80-2FDF 3005-3007 3021-3029 3031-303C 3041-30FF 3100-312F 31A0-33FF " +
  "3400-4DBF 4E00-9FFF A9E0-A9FF AA60-AA7F F900-FAFF FF66-FF9F 1AFF0-1B16F 20000-3FFFF";
export const MARK =
  "300-36F 483-489 E31 E34-E3A E47-E4E EB1 EB4-EBC EC8-ECE 102B-103E 1056-1059 105E-1060 1062-1064 1067-106D " +
  "1071-1074 1082-108D 108F 109A-109D 17B4-17D3 17DD 1AB0-1AFF 1DC0-1DFF 20D0-20FF 302A-302F 3099-309A FE00-FE0F " +
  "FE20-FE2F FF9E-FF9F 1F3FB-1F3FF E0000-E01EF";

const ranges = (table) => table.split(" ").map((part) => part.split("-").map((end) => `\\u{${end}}`).join("-")).join("");
const ALONE = `[${ranges(SYMBOL)}${ranges(SINGLE)}][${ranges(MARK)}]*`;
const WORD = `[^${ranges(SPACE)}${ranges(SYMBOL)}${ranges(SINGLE)}]+`;
const TOKEN = new RegExp(`[\\u{1F1E6}-\\u{1F1FF}]{2}|${ALONE}(?:\\u200D(?:${ALONE})?)*|${WORD}(?:['\\u2019]${WORD})*`, "gu");

const MOST_CELLS = 2 ** 25; // bytes of memory for the way back through the table
const FIRST_BAND = 24;

/* [{text, start, end}], offsets in UTF-16 units */
export function tokens(text) {
  return [...text.matchAll(TOKEN)].map((found) => ({ text: found[0], start: found.index, end: found.index + found[0].length }));
}

export const words = (text) => text.match(TOKEN) || [];

/* equal words get equal numbers, so that the table compares numbers */
function numbered(before, after) {
  const known = new Map();
  const number = (word) => {
    if (!known.has(word)) known.set(word, known.size);
    return known.get(word);
  };
  return [Int32Array.from(before, number), Int32Array.from(after, number)];
}

/* Levenshtein within a band of the table: exact when the result is at most `reach` (Ukkonen 1985), else null.
   `back` gets the last step of the best way to each cell: 0 both, 1 only before, 2 only after. */
function inBand(a, b, reach, back) {
  const width = 2 * reach + 1;
  const far = a.length + b.length + 1;
  let above = new Int32Array(width + 1).fill(far);
  let row = new Int32Array(width + 1).fill(far);
  for (let i = 0; i <= a.length; i += 1) {
    row.fill(far);
    const first = Math.max(0, i - reach);
    const end = Math.min(b.length, i + reach);
    for (let j = first; j <= end; j += 1) {
      const k = j - i + reach;
      let best = i || j ? far : 0;
      let step = 0;
      if (i && j) best = above[k] + (a[i - 1] === b[j - 1] ? 0 : 1);
      if (i && k + 1 < width && above[k + 1] + 1 < best) {
        best = above[k + 1] + 1;
        step = 1;
      }
      if (j && k && row[k - 1] + 1 < best) {
        best = row[k - 1] + 1;
        step = 2;
      }
      row[k] = best;
      if (back) back[i * width + k] = step;
    }
    [above, row] = [row, above];
  }
  const cost = above[b.length - a.length + reach];
  return cost <= reach ? cost : null;
}

/* which words of both stay: pairs [i, j]; and the cost */
function align(a, b) {
  const longest = Math.max(a.length, b.length);
  for (let reach = Math.max(Math.abs(a.length - b.length), FIRST_BAND); ; reach *= 2) {
    reach = Math.min(reach, longest);
    const width = 2 * reach + 1;
    const cells = (a.length + 1) * width;
    const back = cells <= MOST_CELLS ? new Uint8Array(cells) : null;
    const cost = inBand(a, b, reach, back);
    if (cost === null) continue;
    const kept = [];
    for (let i = a.length, j = b.length; back && (i || j); ) {
      const step = back[i * width + j - i + reach];
      if (step !== 2) i -= 1;
      if (step !== 1) j -= 1;
      if (!step && a[i] === b[j]) kept.push([i, j]);
    }
    return { cost, kept: kept.reverse() };
  }
}

/* {cost, kept: [[i, j], ...]} for two lists of words */
export function compare(before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const middle = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
  const found = middle[0].length && middle[1].length ? align(...numbered(...middle)) : { cost: middle[0].length + middle[1].length, kept: [] };
  const kept = [];
  for (let i = 0; i < start; i += 1) kept.push([i, i]);
  for (const [i, j] of found.kept) kept.push([start + i, start + j]);
  for (let i = end; i > 0; i -= 1) kept.push([before.length - i, after.length - i]);
  return { cost: found.cost, kept };
}

export const distance = (before, after) => compare(before, after).cost;
export const costOfEdit = (draft, edit) => distance(words(draft), words(edit));

/* The edit as pieces in reading order: {kind: "same" | "del" | "ins", space, text}. `space` is what stands before the
   piece; "same" and "ins" put together are the edit, save for space at its end. */
export function pieces(draft, edit) {
  const [a, b] = [tokens(draft), tokens(edit)];
  const { cost, kept } = compare(a.map((one) => one.text), b.map((one) => one.text));
  const found = [];
  const add = (kind, text, list, from, to) => {
    if (from >= to) return;
    const before = from ? list[from - 1].end : 0;
    const last = found[found.length - 1];
    const space = text.slice(before, list[from].start);
    const slice = text.slice(list[from].start, list[to - 1].end);
    if (last?.kind === kind) last.text += space + slice;
    else found.push({ kind, space, text: slice });
  };
  let [i, j] = [0, 0];
  for (const [atA, atB] of [...kept, [a.length, b.length]]) {
    add("del", draft, a, i, atA);
    add("ins", edit, b, j, atB);
    if (atB < b.length) add("same", edit, b, atB, atB + 1);
    [i, j] = [atA + 1, atB + 1];
  }
  return { cost, total: a.length, pieces: found };
}
