/* Going through a text by word and sentence, and from a place on the screen to a place in the text. Places count UTF-16
   units. An ES module, loaded by the kinds that mark words. */

function segments(text, lang, granularity) {
  let segmenter;
  try {
    segmenter = new Intl.Segmenter(lang || undefined, { granularity });
  } catch {
    segmenter = new Intl.Segmenter(undefined, { granularity }); // not a tag that the browser knows
  }
  return [...segmenter.segment(text)].filter(({ segment }) => segment.trim());
}

/* [{start, end}]: the words of any script; signs that stand together are one */
export function wordsOf(text, lang) {
  const words = [];
  for (const { segment, index, isWordLike } of segments(text, lang, "word")) {
    const before = words[words.length - 1];
    if (!isWordLike && before?.end === index && !before.isWordLike) before.end = index + segment.length;
    else words.push({ start: index, end: index + segment.length, isWordLike });
  }
  return words;
}

/* the number of the word at a place, or of the next one */
export function wordAt(words, place) {
  const found = words.findIndex((word) => word.end > place);
  return found < 0 ? Math.max(words.length - 1, 0) : found;
}

/* the numbers of the words that sentences begin with */
export function sentencesOf(text, lang, words) {
  return segments(text, lang, "sentence").map(({ segment, index }) => wordAt(words, index + segment.search(/\S/)));
}

/* the first word of the next sentence; when selecting, the last word of this one, or of the next when it is reached */
export function nextSentence({ words, sentences }, head, selecting) {
  const after = (place) => sentences.find((first) => first > place) ?? words.length;
  const next = after(head);
  if (!selecting) return next;
  return head < next - 1 ? next - 1 : after(next) - 1;
}

export const sentenceBefore = ({ sentences }, head) => sentences.findLast((first) => first < head) ?? 0;

/* The place in the text that `paper` shows; what stands in a <sup> (the figures of marks) is no part of it. */
export function placeIn(paper, node, offset) {
  const range = document.createRange();
  range.setStart(paper, 0);
  range.setEnd(node, offset);
  const walker = document.createTreeWalker(paper, NodeFilter.SHOW_TEXT);
  let count = 0;
  for (let one = walker.nextNode(); one && range.comparePoint(one, 0) <= 0; one = walker.nextNode()) {
    if (one.parentElement.closest("sup")) continue;
    count += one === node ? offset : one.length;
  }
  return count;
}

/* {start, end} of what is selected in `paper`, without the space around it; null when there is nothing */
export function selectedIn(paper, text) {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(paper)) return null;
  let start = paper.contains(range.startContainer) ? placeIn(paper, range.startContainer, range.startOffset) : 0;
  let end = paper.contains(range.endContainer) ? placeIn(paper, range.endContainer, range.endOffset) : text.length;
  const halves = (place) => /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(text.slice(place - 1, place + 1));
  if (halves(start)) start -= 1;
  if (halves(end)) end += 1;
  while (start < end && !text[start].trim()) start += 1;
  while (start < end && !text[end - 1].trim()) end -= 1;
  return start < end ? { start, end } : null;
}

/* {start, end} grown to the borders of the words that it cuts */
export function wholeWords(words, { start, end }) {
  const cut = (place) => words.find((word) => word.start < place && place < word.end);
  return { start: cut(start)?.start ?? start, end: cut(end)?.end ?? end };
}

/* A floating bar: under the end of `rects`, above them where there is no room; within `pane` where it is wide enough, else
   within the window. */
export function placeBeside(bar, rects, { pane, lowest, fromTheRight }) {
  if (!rects.length) return;
  const { width, height } = bar.getBoundingClientRect();
  const end = rects[rects.length - 1];
  const floor = Math.min(innerHeight, lowest) - 8;
  const under = end.bottom + 10;
  const top = under + height <= floor ? under : Math.max(8, rects[0].top - height - 10);
  const [from, to] = pane.width >= width ? [Math.max(pane.left, 8), Math.min(pane.right, innerWidth - 8)] : [8, innerWidth - 8];
  const left = fromTheRight ? end.right - width : end.left;
  bar.style.top = `${Math.min(top, floor - height)}px`;
  bar.style.left = `${Math.max(from, Math.min(left, to - width))}px`;
}
