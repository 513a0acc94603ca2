/* rubric: a column of digits for each answer and dimension. Digits rate the marked column, Tab and arrows move on.
   The preference that follows is worked out as in annotate/kinds/rubric.py. */
"use strict";

(() => {
  const { palate } = window;
  const SIZES = ["tie", "slightly better", "better", "much better"];
  const HALF = 64; // of the picture of a dimension, in its own units; a difference of 4 fills it
  const byId = (id) => document.getElementById(id);
  const desk = () => byId("desk");
  const boxes = () => [...document.querySelectorAll("#desk .dims details")];
  const panes = () => [...document.querySelectorAll("#desk .pane")];
  const letters = () => panes().map((pane) => pane.dataset.side.toUpperCase());

  let current = ""; // the marked column: "<dimension>-<place>"

  /* columns in the order in which they are rated: A and B of the first dimension, then of the second */
  const cells = () => boxes().flatMap((box, dimension) => letters().map((_, place) => `${dimension}-${place}`));
  const inputs = (cell) => [...document.querySelectorAll(`#desk .levels input[name="rate-${cell}"]`)];
  const rated = (cell) => Number(inputs(cell).find((input) => input.checked)?.value || 0);
  const boxOf = (cell) => boxes()[Number(cell.split("-")[0])];
  const nameOf = (box) => box.querySelector("summary > span").textContent;
  const cellOf = (target) => (target.matches?.("#desk .levels input") ? target.name.slice("rate-".length) : "");
  const open = () => cells().filter((cell) => !rated(cell));

  function where(cell) {
    const place = Number(cell.split("-")[1]);
    return letters().length > 1 ? `${letters()[place]} on ${nameOf(boxOf(cell))}` : nameOf(boxOf(cell));
  }

  /* ---- drawing ---- */
  function draw() {
    const all = cells();
    for (const cell of all) {
      const level = rated(cell);
      const told = document.querySelector(`#desk [data-rated="${cell}"]`);
      told.textContent = level || "–";
      told.classList.toggle("mute", !level);
      inputs(cell).forEach((input, index) => { input.tabIndex = (level ? input.checked : index === 0) ? 0 : -1; });
    }
    for (const part of document.querySelectorAll("#desk .levels [data-cell]")) {
      part.classList.toggle("on", part.dataset.cell === current);
    }
    const done = boxes().filter((_, n) => letters().every((_, place) => rated(`${n}-${place}`))).length;
    byId("rated").textContent = `${done} of ${boxes().length} rated`;
    const differences = boxes().map((_, n) => (letters().length > 1 && rated(`${n}-0`) && rated(`${n}-1`) ? rated(`${n}-0`) - rated(`${n}-1`) : null));
    if (byId("leans")) differences.forEach(drawLean);
    conclude(differences);
  }

  function drawLean(difference, number) {
    const row = document.querySelector(`#desk [data-leans="${number}"]`);
    const bar = row.querySelector("rect");
    const size = Math.abs(difference || 0);
    const [a, b] = letters();
    const width = size ? (size / 4) * HALF : 3;
    bar.setAttribute("width", width);
    bar.setAttribute("x", difference > 0 ? HALF - width : difference < 0 ? HALF : HALF - 1.5);
    bar.setAttribute("class", difference === null ? "none" : difference ? (difference > 0 ? a : b).toLowerCase() : "same");
    row.querySelector(".words").textContent = difference === null ? "not rated yet" : difference ? `${difference > 0 ? a : b} +${size}` : "same";
  }

  /* half away from zero, at least 1 where the means differ, at most 3 */
  function strength(differences) {
    const total = differences.reduce((sum, one) => sum + one, 0);
    if (!total) return 0;
    const size = Math.floor((2 * Math.abs(total) + differences.length) / (2 * differences.length));
    return Math.sign(total) * Math.min(Math.max(size, 1), 3);
  }

  const verdict = (size) => (size ? `${letters()[size > 0 ? 0 : 1]} ${SIZES[Math.abs(size)]}` : "A tie");

  function strong(words) {
    const b = document.createElement("b");
    b.textContent = words;
    return b;
  }

  function conclude(differences) {
    const known = differences.filter((one) => one !== null);
    const left = open();
    if (byId("leans-words")) {
      byId("leans-words").replaceChildren(...(known.length ? [strong(verdict(strength(known))), left.length ? " so far" : ""] : []));
    }
    const line = byId("follows");
    if (left.length) {
      const link = document.createElement("a");
      link.href = `#dimension-${left[0].split("-")[0]}`;
      link.dataset.go = left[0];
      link.textContent = where(left[0]);
      line.replaceChildren("Rate ", link, left.length > 1 ? `, and ${left.length - 1} more, to send.` : " to send.");
      return;
    }
    const means = letters().map((letter, place) => {
      const sum = boxes().reduce((total, _, n) => total + rated(`${n}-${place}`), 0);
      return `${letters().length > 1 ? `${letter} ` : ""}${(sum / boxes().length).toFixed(1)}`;
    });
    line.replaceChildren(`Your ratings: ${means.join(", ")}${letters().length > 1 ? "." : " on average."} `, ...(letters().length > 1 ? [strong(`${verdict(strength(known))}.`)] : []));
  }

  /* ---- moving ---- */
  function mark(cell) {
    current = cell;
    draw();
  }

  function go(cell) {
    const box = boxOf(cell);
    if (!box.open) {
      boxes().forEach((one) => { one.open = one === box; });
    }
    mark(cell);
    const all = inputs(cell);
    (all.find((input) => input.checked) || all[0]).focus();
    box.scrollIntoView({ block: "nearest" });
  }

  function beside(cell, by) {
    const all = cells();
    return all[all.indexOf(cell) + by];
  }

  function rate(level) {
    if (!current) return false;
    const input = inputs(current).find((one) => one.value === String(level));
    if (!boxOf(current).open) go(current);
    input.checked = true;
    input.focus();
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const cell = desk()?.dataset.kind === "rubric" ? cellOf(event.target) : "";
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Tab" || sideways) {
      const next = beside(cell, sideways ? sideways * (palate.desk.fromTheRight() ? -1 : 1) : event.shiftKey ? -1 : 1);
      if (!next && event.key === "Tab") return; // the first and the last let the focus leave
      event.preventDefault();
      if (next) go(next);
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      const level = rated(cell);
      rate(level ? Math.min(Math.max(level + (event.key === "ArrowUp" ? 1 : -1), 1), 5) : 3);
    }
  });

  document.addEventListener("focusin", (event) => {
    const cell = cellOf(event.target);
    if (cell && cell !== current) mark(cell);
  });
  document.addEventListener("change", (event) => {
    const cell = cellOf(event.target);
    if (cell) mark(cell);
  });
  document.addEventListener("click", (event) => {
    const cell = event.target.dataset?.go;
    if (!cell || !event.target.closest("#follows")) return;
    event.preventDefault();
    go(cell);
  });
  /* a dimension that is opened has the marked column */
  document.addEventListener("toggle", (event) => {
    if (!event.target.open || !event.target.matches?.("#desk .dims details")) return;
    const number = boxes().indexOf(event.target);
    if (Number(current.split("-")[0]) === number) return;
    const here = cells().filter((cell) => Number(cell.split("-")[0]) === number);
    mark(here.find((cell) => !rated(cell)) || here[0]);
  }, true);

  /* the first that is not rated is open, as after a reload */
  function begin() {
    const cell = open()[0] || cells()[0];
    boxes().forEach((box) => { box.open = box === boxOf(cell); });
    mark(cell);
  }

  function missing() {
    const left = open();
    if (!left.length) return "";
    go(left[0]);
    return `Not rated yet: ${left.map(where).join(", ")}. Rate each from 1 to 5.`;
  }

  const keys = {};
  for (let level = 1; level <= 5; level += 1) keys[level] = () => rate(level);
  palate.kinds.rubric = { begin, restored: begin, keys, missing };
})();
