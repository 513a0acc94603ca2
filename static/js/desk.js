/* The annotator's desk: keys, panes that scroll together, drafts, and answers that survive a lost connection.
   Without this file the desk is a plain form that works. */
"use strict";

(() => {
  const WEEK = 7 * 24 * 3600 * 1000;
  const IDLE = 60000; // a minute without a sign of life is not time spent on the task
  const FIRST_WAIT = 3000;
  const LONGEST_WAIT = 60000;

  let assignment = ""; // the id of the task on the desk, since begin()
  let finished = ""; // the id of the task that was answered, skipped or flagged: its draft can go
  let active = 0;
  let ticked = performance.now();
  let alive = ticked;
  let retry = 0;
  let wait = FIRST_WAIT;
  let signedOut = false;
  let unheard = false; // the answer was sent and no response came: it may be stored or not

  const byId = (id) => document.getElementById(id);
  const form = () => byId("answer");
  const options = () => [...form().querySelectorAll(".strength input")];
  const chosen = () => form().querySelector('input[name="strength"]:checked');
  const comment = () => byId("comment");
  const fromTheRight = () => document.documentElement.dir === "rtl";
  const shown = () => byId("desk").dataset.assignment; // is ahead of begin() for the moment in which htmx settles
  const clock = () => new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

  /* ---- what is kept on this computer, a draft for each task and person ---- */
  const prefix = () => `palate:${byId("desk").dataset.user}:draft:`;

  function read(id) {
    try {
      return JSON.parse(localStorage.getItem(prefix() + id));
    } catch {
      return null; // storage is off, or not ours
    }
  }

  function keep(id, draft) {
    try {
      localStorage.setItem(prefix() + id, JSON.stringify(draft));
      return true;
    } catch {
      return false;
    }
  }

  function forget(id) {
    try {
      localStorage.removeItem(prefix() + id);
    } catch { /* then there is nothing to forget */ }
  }

  function kept() {
    try {
      const start = prefix();
      return Object.keys(localStorage).filter((key) => key.startsWith(start)).map((key) => key.slice(start.length));
    } catch {
      return [];
    }
  }

  const waiting = () => kept().filter((id) => read(id)?.pending).length;

  function draftNow(pending) {
    tick();
    return {
      strength: chosen()?.value || "",
      comment: comment().value,
      idempotency_key: form().elements.idempotency_key.value,
      active_ms: Math.round(active),
      url: form().action,
      pending,
      at: Date.now(),
    };
  }

  function saveDraft() {
    const draft = draftNow(false);
    if (!draft.strength && !draft.comment) return forget(shown());
    if (!keep(shown(), draft)) return;
    if (unheard) warn("Changed: send it again");
    else show("Kept", " on this computer", ` ${clock()}`);
  }

  function restore() {
    const draft = read(assignment);
    if (!draft) return;
    const input = options().concat(bothBad()).find((one) => one.value === draft.strength);
    if (input) input.checked = true;
    comment().value = draft.comment || "";
    active = draft.active_ms || 0;
    if (!draft.pending) {
      if (!byId("save").classList.contains("flash")) show("Your draft is back"); // what the server says comes first
      return;
    }
    /* Send was pressed before the page closed: the same key, so that the server counts it once */
    form().elements.idempotency_key.value = draft.idempotency_key;
    send();
  }

  /* ---- what the bar and the screen reader say ---- */
  /* the middle part is left out on a phone */
  function show(words, middle = "", end = "") {
    const save = byId("save");
    if (!save) return;
    save.classList.remove("late", "flash");
    if (save.textContent.trim() === words + middle + end) return;
    const optional = document.createElement("span");
    optional.className = "wide";
    optional.textContent = middle;
    const line = document.createElement("span");
    line.append(words, optional, end);
    save.replaceChildren(line);
  }

  function warn(words) {
    show(words);
    byId("save").classList.add("late");
  }

  function say(words) {
    byId("say").textContent = words;
  }

  /* ---- choosing ---- */
  const bothBad = () => form().querySelector('input[value="both_bad"]');

  function choose(input) {
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    say(input.closest("label").querySelector("span")?.textContent || input.closest("label").firstChild.nextSibling.textContent);
  }

  /* toward the left or right of the screen: first slightly, again for stronger, back for weaker */
  function move(toLeft) {
    const all = options();
    const tie = (all.length - 1) / 2;
    const step = toLeft === fromTheRight() ? 1 : -1;
    const at = all.indexOf(chosen());
    const next = (at < 0 ? tie : at) + step;
    choose(all[Math.min(Math.max(next, 0), all.length - 1)]);
  }

  function send() {
    if (!chosen()) {
      form().querySelector(".strength").classList.add("missing");
      const words = "Choose first: f or j picks a side, space is a tie, x is both bad.";
      warn("Nothing chosen yet");
      return say(words);
    }
    form().requestSubmit();
  }

  function busy(on) {
    const button = byId("send");
    if (!button) return;
    button.setAttribute("aria-busy", String(on));
    if (on) show("Sending");
  }

  /* ---- an answer that could not be sent stays here, and is sent again with the same key ---- */
  function late() {
    busy(false);
    /* The key stays the same also when the answer is changed now: if this one did arrive, the server says so and
       refuses the change instead of losing it. */
    unheard = true;
    const safe = keep(assignment, draftNow(true));
    const count = Math.max(waiting(), 1);
    if (safe) show("Kept", " on this computer", `, ${count} to send`);
    else show(`${count} to send: keep this tab open`);
    byId("save").classList.add("late");
    say("No connection. Your answer is kept on this computer and is sent when the connection is back.");
    clearTimeout(retry);
    if (signedOut) return;
    retry = setTimeout(() => form() && read(assignment)?.pending !== false && chosen() && form().requestSubmit(), wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }

  function refused(status) {
    busy(false);
    saveDraft();
    clearTimeout(retry);
    warn("Not sent");
    const words = status === 403 ? "The server did not allow this answer: you may have been signed out. Reload the page; your draft is kept."
      : status === 404 || status === 410 ? "This task was taken away or deleted. Reload the page for the next one; your draft is kept."
      : `The server refused this answer (${status}). Reload the page; your draft is kept.`;
    window.palate.toast(words);
  }

  /* answers to other tasks, from a tab that was closed while the connection was gone */
  async function sendOthers() {
    for (const id of kept()) {
      const draft = read(id);
      if (!draft || Date.now() - draft.at > WEEK) forget(id);
      else if (draft.pending && id !== assignment && new URL(draft.url).origin === location.origin) await sendOther(id, draft);
    }
  }

  async function sendOther(id, draft) {
    const { strength, comment: words, idempotency_key, active_ms } = draft;
    const body = new URLSearchParams({ strength, comment: words, idempotency_key, active_ms });
    const headers = { "X-CSRFToken": window.palate.token(), "HX-Request": "true" };
    try {
      const answer = await fetch(draft.url, { method: "POST", body, headers, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!page.querySelector('[data-page="sign-in"]')) settle(id, draft, answer, page);
    } catch { /* still no connection; the next page tries again */ }
  }

  /* Only what is stored, or has no task any more, is forgotten. What was refused waits as a draft, in case the task
     comes back; all else (signed out, too often, a server that failed) is sent again by the next page. */
  function settle(id, draft, { ok, status }, page) {
    if (ok || status === 404 || status === 410) forget(id);
    else if (status === 409 || status === 422) keep(id, { ...draft, pending: false });
    if (ok) return show("1 kept answer was sent");
    const why = page.querySelector("#form-error, #save.flash, .empty #save")?.textContent.trim();
    if (status === 404 || status === 410) window.palate.toast("An answer kept on this computer came too late: its task is gone.");
    else if (status === 409 || status === 422) window.palate.toast(`An answer kept on this computer was not taken. ${why || ""}`);
    else if (status === 403) window.palate.toast("An answer kept on this computer could not be sent. Reload the page to send it.");
  }

  /* ---- time spent: only while the page is in front and the person shows signs of life ---- */
  function tick() {
    const now = performance.now();
    if (!document.hidden && now - alive < IDLE) active += now - ticked;
    ticked = now;
  }

  /* ---- panes ---- */
  const panes = () => [...document.querySelectorAll("#desk .pane > .read")];

  function follow(pane) {
    if (!byId("together")?.checked || pane.dataset.led) return void delete pane.dataset.led;
    const room = pane.scrollHeight - pane.clientHeight;
    for (const other of panes()) {
      const reach = other.scrollHeight - other.clientHeight;
      const goal = Math.round(room > 0 ? (pane.scrollTop / room) * reach : 0);
      if (other === pane || Math.abs(other.scrollTop - goal) < 1) continue;
      other.dataset.led = "1"; // its own scroll event must not lead back
      other.scrollTop = goal;
    }
  }

  function scrollPanes(key) {
    const by = { ArrowDown: 48, ArrowUp: -48, PageDown: 0.85, PageUp: -0.85 }[key];
    const longest = panes().sort((a, b) => b.scrollHeight - a.scrollHeight)[0];
    const targets = byId("together")?.checked ? [longest] : panes();
    for (const pane of targets) pane.scrollBy({ top: Math.abs(by) < 1 ? by * pane.clientHeight : by });
  }

  function together(on) {
    byId("together").checked = on;
    try {
      localStorage.setItem("palate:together", on ? "1" : "0");
    } catch { /* then it is on again next time */ }
  }

  /* ---- keys ---- */
  const drawers = { s: "skip", g: "guide", "?": "keys", "!": "flag", c: "comment-drawer" };
  const keys = {
    f: () => move(true),
    j: () => move(false),
    x: () => choose(bothBad()),
    " ": () => choose(options()[3]),
    y: () => together(!byId("together").checked),
    u: () => byId("undo-button")?.click(),
    Enter: send,
  };

  /* a key belongs to the thing that has the focus, if that thing has a use for it */
  function taken(event) {
    const at = event.target;
    if (at.closest("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])")) return true;
    if ((event.key === "Enter" || event.key === " ") && at.closest("a, button, summary, [type=checkbox]")) return true;
    return event.key === " " && at.matches("input[type=radio]") && !at.checked;
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "Enter" && event.target === comment()) send();
      return;
    }
    if (event.altKey || event.isComposing || taken(event) || !byId("desk")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const open = document.querySelector(".drawer:popover-open");
    const drawer = byId(drawers[key]);
    if (drawer) {
      if (open && open !== drawer) open.hidePopover();
      drawer.togglePopover();
    } else if (open) return;
    else if (keys[key] && (form() || key === "u")) keys[key]();
    else if (/^(Arrow(Up|Down)|Page(Up|Down))$/.test(key) && form() && !event.target.matches("input, .read, .ask")) scrollPanes(key);
    else return;
    event.preventDefault();
  }

  /* ---- the life of one task ---- */
  function begin(first) {
    const desk = byId("desk");
    if (!desk || desk.dataset.ready) return;
    desk.dataset.ready = "1";
    const before = assignment;
    assignment = desk.dataset.assignment || "";
    if (finished && finished !== assignment) forget(finished);
    finished = "";
    active = 0;
    ticked = alive = performance.now();
    clearTimeout(retry);
    wait = FIRST_WAIT;
    signedOut = unheard = false;
    const failed = byId("form-error");
    if (before === assignment && failed) calm();
    if (!first) {
      window.scrollTo(0, 0);
      byId("desk-title")?.focus({ preventScroll: true });
      say(failed ? failed.textContent.trim() : `${byId("save")?.textContent.trim() || "Next task"}. ${byId("progress")?.textContent.trim() || ""}`);
    }
    if (form()) {
      form().noValidate = true; // send() says what is missing in its own words
      if (byId("together")) byId("together").checked = localSync();
      restore();
    }
    sendOthers();
  }

  /* the server said no: keep the choice, and do not send it again by itself */
  function calm() {
    const draft = read(assignment);
    if (draft) keep(assignment, { ...draft, pending: false });
  }

  function localSync() {
    try {
      return localStorage.getItem("palate:together") !== "0";
    } catch {
      return true;
    }
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("change", (event) => {
    if (event.target.id === "together") return together(event.target.checked);
    if (!form() || event.target.form !== form()) return;
    form().querySelector(".strength").classList.remove("missing");
    saveDraft();
  });
  document.addEventListener("input", (event) => {
    if (event.target === comment()) saveDraft();
  });
  document.addEventListener("scroll", (event) => {
    if (event.target.matches?.("#desk .pane > .read")) follow(event.target);
  }, { capture: true, passive: true });
  for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"]) {
    document.addEventListener(sign, () => { alive = performance.now(); }, { passive: true, capture: true });
  }
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);

  /* before htmx reads the form */
  document.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    if (!chosen()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return send();
    }
    tick();
    form().elements.active_ms.value = Math.round(active);
    keep(shown(), draftNow(true)); // a page that closes now still sends it later
    busy(true);
  }, true);

  /* undo leaves a task that will come back, so that one keeps its draft */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!["answer", "skip", "flag"].includes(event.detail.requestConfig?.elt?.id)) return;
    if (event.detail.xhr.status === 409) calm(); // refused, as when the task went to someone else: the draft stays
    else if (event.detail.shouldSwap) finished = assignment; // not when the server failed, or asked to sign in
  });
  const isAnswer = (event) => form() && event.detail.elt === form();
  document.addEventListener("htmx:sendError", (event) => isAnswer(event) && late());
  document.addEventListener("htmx:timeout", (event) => isAnswer(event) && late());
  document.addEventListener("htmx:responseError", (event) => {
    if (!isAnswer(event)) return;
    const { status } = event.detail.xhr;
    if (status >= 500 || status === 429) late();
    else refused(status);
  });
  document.addEventListener("palate:signed-out", () => {
    signedOut = true;
    if (form() && chosen()) late();
  });
  document.addEventListener("htmx:afterSettle", () => begin(false));
  window.addEventListener("online", () => {
    if (form() && read(assignment)?.pending) form().requestSubmit();
    else sendOthers();
  });

  /* after htmx has taken over the forms: a kept answer may be sent at once */
  if (document.readyState !== "complete") document.addEventListener("DOMContentLoaded", () => begin(true));
  else begin(true);
})();
