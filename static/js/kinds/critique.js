/* critique: marks in the text of an answer, by mouse, finger and keys. Whole words are taken; Alt as the mouse is let go
   keeps a part of one.

   The page shows the response's own text letter by letter, so a place on the screen is a place in the text. Places here
   count UTF-16 units as the browser does; the form's field counts Unicode code points as the server does. */
"use strict";

(() => {
  const { palate } = window;
  const SEVERITIES = ["minor", "major", "critical"];
  const LIGHTEST = SEVERITIES[0]; // of every new mark: a worse one is said each time, and never taken over
  const byId = (id) => document.getElementById(id);
  const field = () => byId("critique-marks");
  const paper = () => byId("critique-text");
  const buttons = () => [...byId("critique-bar").querySelectorAll("[data-label]")];

  let text = "";
  let toPoint = []; // code points before each UTF-16 unit
  let toUnit = []; // and back
  let marks = []; // {start, end, label, severity, comment}
  let pick = null; // what is being marked: {start, end, label, severity, mark, native, anchor, head}
  let walk = null; // textwalk.js
  let way = null; // {words, sentences} of the text
  let last = 0; // the word where marking by keys was left
  let waiting = 0;

  /* ---- the field of the form ---- */
  function begin() {
    text = JSON.parse(paper().dataset.text);
    toPoint = [];
    toUnit = [];
    for (const letter of [...text, "."]) { // one more, for the end
      toUnit.push(toPoint.length);
      for (let n = 0; n < letter.length; n += 1) toPoint.push(toUnit.length - 1);
    }
    [pick, way, last] = [null, null, 0];
    restored();
    load(paper().dataset.textwalk);
  }

  async function load(address) {
    try {
      walk = await import(new URL(address, location.href));
      if (paper()) paper().dataset.ready = "1";
    } catch {
      palate.toast("The part of this page that marks words could not be loaded. Reload the page; your draft is kept.");
    }
  }

  function restored() {
    pick = null;
    hideBar();
    marks = stored();
    draw();
  }

  /* a draft that does not fit this text is not shown; the server would refuse it */
  function stored() {
    let found = [];
    try {
      found = JSON.parse(field().value || "[]");
    } catch { /* not ours */ }
    const fits = (mark) => mark && text.slice(toUnit[mark.start], toUnit[mark.end]) === mark.quote && labelled(mark.label);
    return (Array.isArray(found) ? found : []).filter(fits).map((mark) => ({ ...mark, start: toUnit[mark.start], end: toUnit[mark.end] }));
  }

  function store() {
    const out = marks.map(({ start, end, label, severity: grade, comment }) => (
      { start: toPoint[start], end: toPoint[end], quote: text.slice(start, end), label, severity: grade, comment }));
    field().value = out.length ? JSON.stringify(out) : "";
    palate.desk.changed();
  }

  const labelled = (label) => buttons().find((button) => button.dataset.label === label);
  const shownName = (label) => labelled(label).firstChild.nextSibling.textContent.trim();

  /* ---- the text with its marks: cut at every end of a mark, each piece within all marks that cover it ---- */
  function drawText() {
    const ends = new Set([0, text.length]);
    for (const { start, end } of [...marks, ...(shownPick() || [])]) ends.add(start).add(end);
    const cuts = [...ends].sort((a, b) => a - b);
    const parts = cuts.slice(0, -1).map((start, n) => piece(start, cuts[n + 1]));
    paper().replaceChildren(...parts);
  }

  function draw() {
    drawText();
    drawList();
  }

  const shownPick = () => pick && !pick.native && [pick];

  function piece(start, end) {
    let node = document.createTextNode(text.slice(start, end));
    if (shownPick() && pick.start <= start && end <= pick.end) node = wrap(node, "span", "picking");
    const covering = marks.filter((mark) => mark.start <= start && end <= mark.end);
    for (const mark of covering.reverse()) {
      const open = pick?.mark === mark ? " open" : "";
      node = wrap(node, "mark", `${labelled(mark.label).dataset.colour} ${mark.severity || "major"}${open}`);
      node.dataset.mark = marks.indexOf(mark);
      if (mark.end === end) node.append(figure(marks.indexOf(mark)));
    }
    return node;
  }

  function wrap(node, name, className) {
    const around = Object.assign(document.createElement(name), { className });
    around.append(node);
    return around;
  }

  function figure(index) {
    const link = Object.assign(document.createElement("a"), { href: `#critique-mark-${index + 1}` });
    link.tabIndex = -1; // its digit leads there
    link.textContent = index + 1;
    link.ariaLabel = `Mark ${index + 1}, ${marks[index].label}`;
    return wrap(link, "sup", "");
  }

  /* ---- the list of marks ---- */
  function drawList() {
    byId("critique-list").replaceChildren(...marks.map(item));
    const critical = marks.filter((mark) => mark.severity === "critical").length;
    byId("critique-count").textContent = [marks.length || "", critical ? `${critical} critical` : ""].filter(Boolean).join(", ");
    hint();
  }

  function item(mark, index) {
    const row = byId("critique-item").content.firstElementChild.cloneNode(true);
    const part = (name) => row.querySelector(name);
    row.id = `critique-mark-${index + 1}`;
    row.dataset.mark = index;
    row.classList.toggle("open", pick?.mark === mark);
    part(".number").className = `number ${labelled(mark.label).dataset.colour}`;
    part(".ref").textContent = index + 1;
    part(".name").textContent = shownName(mark.label);
    part(".severity").textContent = mark.severity;
    part(".severity").hidden = !mark.severity;
    part(".quote").textContent = `“${text.slice(mark.start, mark.end)}”`;
    part(".quote").lang = byId("critique-read").lang;
    part(".quote").dir = byId("critique-read").dir;
    if (index < 9) part("kbd").textContent = index + 1;
    else part("kbd").remove();
    part(".edit .icon").setAttribute("aria-label", `Edit mark ${index + 1}`);
    part(".delete .icon").setAttribute("aria-label", `Delete mark ${index + 1}`);
    part("textarea").value = mark.comment;
    part("textarea").ariaLabel = `Comment on mark ${index + 1}`;
    return row;
  }

  const needsChange = () => "needsChange" in field().dataset && marks.some((mark) => mark.severity === "critical");
  const hasChange = () => Boolean(byId("critique-refinement").value.trim());

  function hint() {
    if (!("needsChange" in field().dataset)) return;
    const state = !needsChange() ? "" : hasChange() ? " You have written one." : " Say what should change before you send.";
    byId("critique-hint").textContent = `A critical mark needs a change to go with it.${state}`;
  }

  /* ---- the bar beside what is selected ---- */
  function showBar() {
    const bar = byId("critique-bar");
    for (const button of buttons()) button.ariaPressed = String(button.dataset.label === pick.label);
    bar.querySelector(`[value="${pick.severity}"]`).checked = true;
    byId("critique-severity").disabled = isPraise(pick.label);
    byId("critique-delete").hidden = !pick.mark;
    if (!bar.matches(":popover-open")) bar.showPopover();
    place();
  }

  function hideBar() {
    const bar = byId("critique-bar");
    if (bar?.matches(":popover-open")) bar.hidePopover();
    bar?.removeAttribute("style"); // htmx would copy it to the next one, and the policy refuses that
  }

  const isPraise = (label) => Boolean(label && "praise" in labelled(label).dataset);

  function place() {
    const bar = byId("critique-bar");
    if (!pick || !bar?.matches(":popover-open")) return;
    const boxes = pick.native && getSelection().rangeCount ? [getSelection().getRangeAt(0)] : [...paper().querySelectorAll(".picking")];
    const rects = boxes.flatMap((one) => [...one.getClientRects()]);
    const room = { pane: byId("critique-read").getBoundingClientRect(), lowest: byId("answer").getBoundingClientRect().top };
    walk?.placeBeside(bar, rects, { ...room, fromTheRight: byId("critique-read").dir === "rtl" });
  }

  function open(found) {
    pick = { label: "", severity: LIGHTEST, mark: null, native: false, walking: false, ...found };
    if (!pick.native) {
      getSelection().removeAllRanges();
      draw();
      paper().querySelector(".picking")?.scrollIntoView({ block: "nearest" });
    }
    byId("critique-read").closest(".pane").classList.toggle("marking", pick.anchor !== undefined);
    if (pick.walking) hideBar(); // only going through the text: the bar would cover what comes next
    else showBar();
  }

  function openMark(index) {
    const mark = marks[index];
    if (!mark) return false;
    open({ ...mark, severity: mark.severity || LIGHTEST, mark });
    byId("critique-read").focus({ preventScroll: true });
    palate.desk.say(`Mark ${index + 1}, ${mark.label} ${mark.severity}: ${text.slice(mark.start, mark.end)}`);
    return true;
  }

  function leave() {
    if (pick && road()) last = walk.wordAt(way.words, pick.start);
    pick = null;
    byId("critique-read").setAttribute("role", "region");
    byId("critique-read").closest(".pane").classList.remove("marking");
    hideBar();
    drawText(); // not the list: it may have the focus
    for (const row of byId("critique-list").children) row.classList.remove("open");
  }

  function choose(label) {
    pick.label = label;
    pick.walking = false;
    showBar();
    palate.desk.say(`${label}${isPraise(label) ? "" : `, ${pick.severity}`}. Enter sets the mark.`);
  }

  function grade(by) {
    const next = SEVERITIES[Math.min(Math.max(SEVERITIES.indexOf(pick.severity) + by, 0), 2)];
    pick.severity = next;
    pick.walking = false;
    showBar();
    palate.desk.say(next);
  }

  function set() {
    if (!pick.label && pick.walking) {
      pick.walking = false;
      showBar();
    }
    if (!pick.label) return palate.desk.say(`Choose a label first, with 1 to ${buttons().length}.`);
    const { start, end, label } = pick;
    const same = (mark) => mark.start === start && mark.end === end && mark.label === label;
    const mark = pick.mark || marks.find(same) || { comment: "" };
    if (!marks.includes(mark) && marks.length >= Number(field().dataset.most)) {
      return palate.desk.say(`There are ${marks.length} marks already. Delete one first.`);
    }
    Object.assign(mark, { start, end, label, severity: isPraise(label) ? "" : pick.severity });
    if (!marks.includes(mark)) marks.push(mark);
    marks.sort((a, b) => a.start - b.start || a.end - b.end);
    getSelection().removeAllRanges();
    store();
    leave();
    drawList();
    focusComment(marks.indexOf(mark));
  }

  function focusComment(index) {
    const row = byId(`critique-mark-${index + 1}`);
    row?.querySelector("textarea").focus();
    row?.scrollIntoView({ block: "nearest" });
  }

  function remove(index) {
    const [gone] = marks.splice(index, 1);
    store();
    leave();
    drawList();
    palate.desk.say(`Deleted: ${gone.label}. ${marks.length} left.`);
    byId("critique-read").focus({ preventScroll: true });
  }

  /* ---- marking by keys: the words of the text, whatever the script ---- */
  function road() {
    if (way || !walk) return way;
    const { lang } = byId("critique-read");
    const words = walk.wordsOf(text, lang);
    way = { words, sentences: walk.sentencesOf(text, lang, words) };
    return way;
  }

  function startMarking() {
    if (!road()?.words.length) return false;
    const { words } = way;
    byId("critique-read").setAttribute("role", "application"); // so that a screen reader passes the arrows on
    byId("critique-read").focus({ preventScroll: true });
    const at = Math.min(last, words.length - 1);
    open({ start: words[at].start, end: words[at].end, anchor: at, head: at, walking: true });
    palate.desk.say(`Marking. ${text.slice(pick.start, pick.end)}. Arrows move, with Shift they select, digits label, Escape leaves.`);
    return true;
  }

  function move(event, target) {
    if (event.target.matches("input")) return false; // the arrows choose among the severities
    if (!road()) return false;
    const { words } = way;
    pick.anchor ??= walk.wordAt(words, pick.start);
    pick.head ??= walk.wordAt(words, pick.end - 1);
    pick.head = Math.min(Math.max(target(pick.head, event.shiftKey), 0), words.length - 1);
    if (!event.shiftKey) pick.anchor = pick.head;
    const [from, to] = [Math.min(pick.anchor, pick.head), Math.max(pick.anchor, pick.head)];
    const walking = from === to && !pick.label && !pick.mark;
    open({ ...pick, start: words[from].start, end: words[to].end, native: false, walking });
    palate.desk.say(text.slice(pick.start, pick.end));
    return true;
  }

  const forward = (key) => (key === "ArrowRight") === (byId("critique-read").dir !== "rtl") ? 1 : -1;
  const byWord = (event) => move(event, (head) => head + forward(event.key));

  function marking() {
    const keys = {
      ArrowLeft: byWord,
      ArrowRight: byWord,
      ArrowDown: (event) => move(event, (head, selecting) => walk.nextSentence(way, head, selecting)),
      ArrowUp: (event) => move(event, (head) => walk.sentenceBefore(way, head)),
      Home: (event) => move(event, () => 0),
      End: (event) => move(event, () => Infinity),
      Enter: set,
      Escape: leave,
      Delete: () => (pick.mark ? remove(marks.indexOf(pick.mark)) : false),
      m: startMarking,
    };
    for (const [key, by] of [["[", -1], ["-", -1], ["]", 1], ["+", 1], ["=", 1]]) keys[key] = () => grade(by);
    for (const [n, button] of buttons().entries()) keys[n + 1] = () => choose(button.dataset.label);
    return keys;
  }

  const focusOn = (name) => byId(`critique-${name}`).focus();
  const idle = { m: startMarking, q: () => focusOn("strengths"), w: () => focusOn("weaknesses"), e: () => focusOn("refinement") };
  for (let digit = 1; digit <= 9; digit += 1) idle[digit] = () => openMark(digit - 1);

  /* ---- marking by mouse and finger ---- */
  const selected = () => (walk && paper() ? walk.selectedIn(paper(), text) : null);

  function look(marked, exact = false) {
    const raw = selected();
    const found = raw && !exact && road() ? walk.wholeWords(way.words, raw) : raw;
    /* a finger goes on with the handles of its selection, so that one stays the browser's */
    const kept = pick?.native ? { label: pick.label, severity: pick.severity } : {};
    if (found) open({ ...found, native: pointer !== "mouse" && !shownPick(), ...kept });
    else if (pick && !marked) leave();
  }

  const onBar = (event) => event.target.closest?.("#critique-bar");
  let down = false;
  let pointer = "";

  document.addEventListener("pointerdown", (event) => {
    if (!paper()) return;
    if (onBar(event)) return void (event.target.closest("label") || event.preventDefault()); // keeps the selection
    down = true;
    pointer = event.pointerType;
    if (pick && !paper().contains(event.target) && !event.target.closest(".dock, .drawer")) leave();
  });
  document.addEventListener("pointerup", (event) => {
    down = false;
    if (paper()?.contains(event.target)) setTimeout(look, 0, event.target.closest("mark"), event.altKey);
    else if (paper() && !onBar(event)) setTimeout(() => selected() && look(null, event.altKey));
  });
  document.addEventListener("pointercancel", () => { down = false; });
  /* selections by a finger's handles and by the browser's own keys end without a pointer */
  document.addEventListener("selectionchange", () => {
    clearTimeout(waiting);
    if (paper() && !down && !getSelection().isCollapsed) waiting = setTimeout(() => paper() && !down && look(), 250);
  });

  document.addEventListener("click", (event) => {
    if (!paper()) return;
    const at = (name) => event.target.closest(name);
    const index = Number(at("[data-mark]")?.dataset.mark);
    if (at("#critique-bar")) onBarClick(at);
    else if (at("#critique-text sup a")) {
      event.preventDefault();
      focusComment(index);
    } else if (at("#critique-text mark") && getSelection().isCollapsed) openMark(index);
    else if (at("#critique-list .edit, #critique-list .quote")) openMark(index);
    else if (at("#critique-list .delete")) remove(index);
  });

  function onBarClick(at) {
    if (!pick) return;
    if (at("[data-label]")) {
      pick.label = at("[data-label]").dataset.label;
      if (pick.mark) showBar();
      else set();
    } else if (at("#critique-set")) set();
    else if (at("#critique-leave")) leave();
    else if (at("#critique-delete")) remove(marks.indexOf(pick.mark));
  }

  document.addEventListener("change", (event) => {
    if (event.target.name === "critique-severity" && pick) pick.severity = event.target.value;
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "critique-refinement") hint();
    const row = event.target.closest?.("#critique-list li");
    if (!row) return;
    marks[Number(row.dataset.mark)].comment = event.target.value;
    store();
  });
  document.addEventListener("htmx:beforeSwap", hideBar);
  for (const event of ["scroll", "resize"]) window.addEventListener(event, place, { capture: true, passive: true });

  function missing(form) {
    const texts = [...form.elements].filter((one) => one.matches("textarea") && one.id.startsWith("critique-"));
    if (!marks.length && !texts.some((one) => one.value.trim())) {
      return "Nothing is said yet. Mark words of the answer, or write what is right, wrong or to change.";
    }
    if (!needsChange() || hasChange()) return "";
    focusOn("refinement");
    return "A critical mark needs a change to go with it. Write what should change, then send.";
  }

  palate.kinds.critique = { begin, restored, missing, get keys() { return pick ? marking() : idle; }, end: () => { pick = null; } };
})();
