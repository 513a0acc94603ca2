/* The annotator's desk: keys, panes that scroll together, drafts, and answers that survive a lost connection.
   Without this file the desk is a plain form that works.

   What a kind of feedback adds is in kinds/<slug>.js, which sets window.palate.kinds[slug] to an object with
     begin(form)   a task of this kind is on the desk; its fields hold the draft already
     keys          {key: function} while no text has the focus
     missing(form) a sentence when the answer is not complete, else ""
     part()        which part of the step this is, where each has a draft of its own
     restored()    the fields were filled from a draft after begin(): draw again what depends on them
     end()         the task leaves the desk
   and calls palate.desk.changed() whenever it changes a field itself. */
"use strict";

(() => {
  const WEEK = 7 * 24 * 3600 * 1000;
  const IDLE = 60000; // a minute without a sign of life is not time spent on the task
  const FIRST_WAIT = 3000;
  const LONGEST_WAIT = 60000;
  const PAUSE = 1500; // after the last change, before the draft goes to the server
  const OURS = new Set(["csrfmiddlewaretoken", "idempotency_key", "active_ms", "step", "asked"]);

  let key = ""; // task and step on the desk, since begin(): "12.0"; for a chat the turn too
  let finished = ""; // the one that was answered, skipped or flagged: its draft can go
  let active = 0;
  let ticked = performance.now();
  let alive = ticked;
  let retry = 0;
  let wait = FIRST_WAIT;
  let signedOut = false;
  let unheard = false; // the answer was sent and no response came: it may be stored or not
  let untouched = ""; // the fields as they were before the person changed any
  let version = 0; // of the draft on the server
  let saving = 0;
  let overtaken = false; // another tab or computer has a newer draft: this one saves no more
  let flying = false; // a draft is on its way to the server; the next one waits for its version
  let sent = ""; // the fields that were sent last

  const { palate } = window;
  const byId = (id) => document.getElementById(id);
  const form = () => byId("answer");
  const kind = () => palate.kinds[byId("desk")?.dataset.kind] || {};
  const clock = () => new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

  /* is ahead of begin() for the moment in which htmx settles */
  function shown() {
    const { assignment, step, changing } = byId("desk").dataset;
    return [assignment, step, kind().part?.(), changing].filter((one) => one !== undefined).join(".");
  }

  /* ---- the answer as it is in the form: {name: text} ---- */
  function fieldsNow() {
    const found = {};
    for (const [name, text] of new FormData(form())) if (!OURS.has(name)) found[name] = text;
    return found;
  }

  function fill(fields) {
    for (const control of form().elements) {
      if (!control.name || OURS.has(control.name)) continue;
      const text = fields[control.name];
      if (control.type === "radio") control.checked = text === control.value;
      else if (control.type === "checkbox") control.checked = text !== undefined;
      else if (text !== undefined) control.value = text;
    }
    kind().restored?.();
  }

  const missing = () => (kind().missing ? kind().missing(form()) : "");
  const dirty = () => JSON.stringify(fieldsNow()) !== untouched;

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
    const { idempotency_key: once, step, asked } = form().elements;
    return {
      fields: fieldsNow(),
      idempotency_key: once.value,
      step: step.value,
      asked: asked.value,
      active_ms: Math.round(active),
      url: form().action,
      version,
      pending,
      at: Date.now(),
    };
  }

  function saveDraft() {
    if (!dirty()) {
      clearTimeout(saving);
      return forget(shown());
    }
    const safe = keep(shown(), draftNow(false));
    if (unheard) return warn("Changed: send it again");
    if (safe) show("Kept", " on this computer", ` ${clock()}`);
    clearTimeout(saving);
    if (!overtaken && byId("desk").dataset.changing === undefined) saving = setTimeout(saveOnServer, PAUSE);
  }

  /* so that the draft is there on another computer too; a tab that knows an older one may not overwrite it */
  async function saveOnServer() {
    if (flying) return void (saving = setTimeout(saveOnServer, PAUSE));
    const about = shown();
    const { draftUrl, step } = byId("desk").dataset;
    const headers = { "X-CSRFToken": palate.token(), "Content-Type": "application/json" };
    const fields = fieldsNow();
    const before = sent;
    flying = true;
    sent = sorted(fields);
    try {
      const body = JSON.stringify({ step: Number(step), version, fields, at: Date.now() });
      const answer = await fetch(draftUrl, { method: "POST", headers, body, credentials: "same-origin" });
      if (!form() || about !== shown() || answer.redirected) return;
      if (answer.ok) stored((await answer.json()).version, about);
      else if (answer.status === 409) conflict(await answer.json(), before, about);
    } catch { /* no connection: it is kept on this computer, and the next change tries again */
    } finally {
      flying = false;
    }
  }

  const sorted = (fields) => JSON.stringify(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));

  function stored(number, about) {
    version = number;
    const local = read(about);
    if (local) keep(about, { ...local, version });
    if (!unheard) show("Draft saved", "", ` ${clock()}`);
  }

  function conflict(newer, before, about) {
    if ([sent, before].includes(sorted(newer.fields))) { // it is our own: only the response to it was lost
      stored(newer.version, about);
      saving = setTimeout(saveOnServer, 0);
      return;
    }
    overtaken = true;
    warn("Changed elsewhere");
    palate.toast("This task was changed in another tab or on another computer too. Send what is here, or reload to see what was written last.");
  }

  function restore() {
    const draft = read(key);
    if (!draft?.fields) return;
    // a newer one is on the server, from another computer, and was written later than ours
    if (!draft.pending && (draft.version || 0) < version && draft.at <= Number(byId("desk").dataset.draftAt || 0)) return forget(key);
    fill(draft.fields);
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

  function send() {
    const words = missing();
    need(words);
    if (words) {
      warn("Not complete yet");
      return say(words);
    }
    form().requestSubmit();
  }

  /* what is still missing, in words where it is looked for; gone with the next change */
  function need(words) {
    let note = byId("needs");
    if (!words) return note?.remove();
    if (!note) {
      note = document.createElement("p");
      note.id = "needs";
      note.className = "note warn";
      form().prepend(note);
    }
    note.textContent = words;
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
    const safe = keep(key, draftNow(true));
    const count = Math.max(waiting(), 1);
    if (safe) show("Kept", " on this computer", `, ${count} to send`);
    else show(`${count} to send: keep this tab open`);
    byId("save").classList.add("late");
    say("No connection. Your answer is kept on this computer and is sent when the connection is back.");
    clearTimeout(retry);
    if (signedOut) return;
    retry = setTimeout(() => form() && read(key)?.pending !== false && !missing() && form().requestSubmit(), wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }

  function refused(status) {
    busy(false);
    saveDraft();
    clearTimeout(retry);
    warn("Not sent, kept here");
    if (status === 403) {
      const next = encodeURIComponent(location.pathname);
      const link = { href: `${byId("desk").dataset.signIn}?next=${next}`, words: "Sign in again" };
      return palate.toast("The server did not allow this answer: you may have been signed out. Your draft is kept.", link);
    }
    const words = status === 404 || status === 410 ? "This task was taken away or deleted. Reload the page for the next one; your draft is kept."
      : `The server refused this answer (${status}). Reload the page; your draft is kept.`;
    palate.toast(words);
  }

  /* answers to other tasks, from a tab that was closed while the connection was gone */
  async function sendOthers() {
    for (const id of kept()) {
      const draft = read(id);
      if (!draft || Date.now() - draft.at > WEEK) forget(id);
      else if (draft.pending && id !== key && new URL(draft.url).origin === location.origin) await sendOther(id, draft);
    }
  }

  async function sendOther(id, draft) {
    const { fields, idempotency_key, step, asked, active_ms } = draft;
    const body = new URLSearchParams({ ...fields, idempotency_key, step, asked, active_ms });
    const headers = { "X-CSRFToken": palate.token(), "HX-Request": "true" };
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
    const why = page.querySelector("#form-error, #doubts b, #save.flash, .empty #save")?.textContent.trim();
    if (status === 404 || status === 410) palate.toast("An answer kept on this computer came too late: its task is gone.");
    else if (status === 409 || status === 422) palate.toast(`An answer kept on this computer was not taken. ${why || ""}`);
    else if (status === 403) palate.toast("An answer kept on this computer could not be sent. Reload the page to send it.");
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

  /* in the drawer of skip a digit chooses a reason, and Enter skips */
  function inSkip(pressed) {
    const reason = byId("skip").querySelectorAll("input[type=radio]")[Number(pressed) - 1];
    if (reason) reason.checked = true;
    else if (pressed === "Enter" && byId("skip").querySelector("input:checked")) byId("skip").requestSubmit();
    else return false;
    return true;
  }
  const keys = {
    y: () => byId("together") && together(!byId("together").checked),
    u: () => byId("undo-button")?.click(),
    h: () => byId("history")?.click(),
    Enter: send,
  };

  /* a key belongs to the thing that has the focus, if that thing has a use for it */
  function taken(event) {
    const at = event.target;
    if (at.closest("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])")) return true;
    if ((event.key === "Enter" || event.key === " ") && at.closest("a, button, summary, [role=button]")) return true;
    if (event.key === " " && at.matches("[type=checkbox]")) return true;
    return event.key === " " && at.matches("input[type=radio]") && !at.checked;
  }

  function onKey(event) {
    if (swapping && !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing) {
      early.push(event.key);
      return event.preventDefault();
    }
    if (event.ctrlKey || event.metaKey) {
      // a text in the drawer of skip or flag belongs to that form, and not to the answer
      const own = event.target.closest("form.drawer");
      if (event.key === "Enter" && own) own.requestSubmit();
      else if (event.key === "Enter" && form() && event.target.closest("#desk")) send();
      return;
    }
    const drawn = event.key === "Escape" && document.querySelector(".drawer:popover-open");
    if (drawn) {
      if (drawn.contains(document.activeElement)) document.activeElement.blur(); // the next key is the desk's again
      drawn.hidePopover();
      return event.preventDefault();
    }
    if (event.key === "Escape" && event.target.matches("textarea, input") && event.target.closest(".desk") && !event.target.closest(".drawer")) {
      event.target.blur(); // so that the keys work again
      return;
    }
    if (event.altKey || event.isComposing || taken(event) || !byId("desk")) return;
    const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const open = document.querySelector(".drawer:popover-open");
    const drawer = byId(drawers[pressed]);
    if (drawer) {
      if (open && open !== drawer) open.hidePopover();
      drawer.togglePopover();
    } else if (open) {
      if (open.id !== "skip" || !inSkip(pressed)) return;
    }
    else if (form() && kind().keys?.[pressed]) {
      if (kind().keys[pressed](event) === false) return; // the kind has no use for it just now
    } else if (keys[pressed] && (form() || pressed === "u")) keys[pressed]();
    else if (/^(Arrow(Up|Down)|Page(Up|Down))$/.test(pressed) && form() && !event.target.matches("input, .read, .ask")) scrollPanes(pressed);
    else return;
    event.preventDefault();
  }

  /* that there is a comment shows on its button */
  const showComment = () => byId("comment-button")?.classList.toggle("filled", Boolean(byId("comment")?.value.trim()));

  /* ---- the life of one task ---- */
  let current = {}; // the kind whose task is on the desk
  let swapping = false; // the next task is being put on the desk, and keys would fall between the two
  const early = []; // keys that were pressed meanwhile

  function settled() {
    swapping = false;
    begin(false);
    for (const key of early.splice(0)) {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    }
  }

  function begin(first) {
    const desk = byId("desk");
    if (!desk || desk.dataset.ready) return;
    if (form() && desk.dataset.script && !palate.kinds[desk.dataset.kind]) return load(desk.dataset.script, first);
    desk.dataset.ready = "1";
    const before = key;
    current.end?.();
    current = form() ? kind() : {};
    key = form() ? shown() : "";
    if (finished && finished !== key) forget(finished);
    finished = "";
    active = 0;
    ticked = alive = performance.now();
    clearTimeout(retry);
    clearTimeout(saving);
    wait = FIRST_WAIT;
    signedOut = unheard = overtaken = false;
    version = Number(desk.dataset.draftVersion || 0);
    sent = "";
    const failed = byId("form-error") || byId("doubts");
    if (before === key && failed) calm();
    if (!first) {
      window.scrollTo(0, 0);
      byId("desk-title")?.focus({ preventScroll: true });
      const told = [byId("save")?.textContent, byId("desk-title")?.textContent, byId("progress")?.textContent];
      say(failed ? failed.textContent.trim() : told.map((one) => one?.trim().replace(/[.]$/, "")).filter(Boolean).join(". "));
    }
    if (form()) {
      form().noValidate = true; // send() says what is missing in its own words
      if (byId("together")) byId("together").checked = localSync();
      current.begin?.(form());
      untouched = JSON.stringify(fieldsNow());
      restore();
      showComment();
    }
    if (before !== key) palate.quiet(); // what was said was about the task before
    sendOthers();
  }

  /* the first task of a kind brings its script along */
  function load(address, first) {
    if (document.querySelector(`script[data-kind-script="${CSS.escape(address)}"]`)) return;
    const script = document.createElement("script");
    script.src = address;
    script.dataset.kindScript = address;
    script.onload = () => begin(first);
    script.onerror = () => palate.toast("A part of this page could not be loaded. Reload the page; your draft is kept.");
    document.head.append(script);
  }

  /* the server said no: keep the choice, and do not send it again by itself */
  function calm() {
    const draft = read(key);
    if (draft) keep(key, { ...draft, pending: false });
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
    if (!byId("desk")?.dataset.ready) return; // a field of the last task says goodbye while it is taken away
    if (!form() || event.target.form !== form()) return;
    need("");
    saveDraft();
  });
  document.addEventListener("input", (event) => {
    if (form() && event.target.form === form() && event.target.matches("textarea, input:not([type=radio], [type=checkbox])")) {
      need("");
      showComment();
      saveDraft();
    }
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
    if (missing()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return send();
    }
    tick();
    clearTimeout(saving);
    form().elements.active_ms.value = Math.round(active);
    keep(shown(), draftNow(true)); // a page that closes now still sends it later
    busy(true);
  }, true);

  /* undo leaves a task that will come back, so that one keeps its draft */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!["answer", "skip", "flag"].includes(event.detail.requestConfig?.elt?.id)) return;
    if (event.detail.xhr.status === 409) calm(); // refused, as when the task went to someone else: the draft stays
    else if (event.detail.shouldSwap) finished = key; // not when the server failed, or asked to sign in
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
    if (form() && !missing()) late();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    swapping = event.detail.shouldSwap && event.detail.target?.id === "desk";
  });
  document.addEventListener("htmx:swapError", () => { swapping = false; });
  document.addEventListener("htmx:afterSettle", settled);
  window.addEventListener("online", () => {
    if (form() && read(key)?.pending) form().requestSubmit();
    else sendOthers();
  });

  palate.desk = { changed: () => form() && (need(""), saveDraft()), form, say, send, warn, fromTheRight: () => document.documentElement.dir === "rtl" };

  /* after htmx has taken over the forms: a kept answer may be sent at once */
  if (document.readyState !== "complete") document.addEventListener("DOMContentLoaded", () => begin(true));
  else begin(true);
})();
