/* What every page needs from script: the CSRF token of htmx requests, the theme, words when a request fails. */
"use strict";

(() => {
  const root = document.documentElement;
  const YEAR = 365 * 24 * 3600;

  /* ---- theme: a cookie, so that the server already sends the page in the chosen one ---- */
  function chosenTheme() {
    return root.dataset.theme || "";
  }

  function setTheme(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `theme=${theme}; path=/; max-age=${theme ? YEAR : 0}; samesite=lax${secure}`;
    showTheme();
  }

  function showTheme() {
    for (const group of document.querySelectorAll("[data-themes]")) {
      group.hidden = false; // without script there is no switch, and the system decides
      for (const input of group.querySelectorAll("input")) input.checked = input.value === chosenTheme();
    }
  }

  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-themes]")) setTheme(event.target.value);
  });

  /* ---- toasts: built with textContent, never with markup ---- */
  function toast(words, link) {
    const region = document.getElementById("toasts");
    if (!region) return;
    const box = document.createElement("div");
    box.className = "toast";
    const text = document.createElement("span");
    text.textContent = words;
    box.append(text);
    if (link) {
      const a = document.createElement("a");
      a.href = link.href;
      a.textContent = link.words;
      a.className = "btn sm";
      box.append(a);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn quiet sm";
    close.textContent = "Close";
    close.addEventListener("click", () => box.remove());
    box.append(close);
    region.replaceChildren(box);
    /* into the top layer, above a drawer that is open */
    if (!region.showPopover) return;
    region.popover = "manual";
    if (region.matches(":popover-open")) region.hidePopover();
    region.showPopover();
  }

  /* ---- htmx ---- */
  function token() {
    return document.querySelector('meta[name="csrf-token"]')?.content || "";
  }

  function sentence(status) {
    if (status === 401 || status === 403) {
      return "The server did not allow this. You may have been signed out, or your role changed. Reload the page.";
    }
    if (status === 404) return "This is gone: it was deleted, or the page is out of date. Reload the page.";
    if (status === 413) return "This is larger than the server accepts. Nothing was saved.";
    if (status === 429) return "That was too often in a short time. Wait a minute, then do it again.";
    if (status >= 500) return "The server failed, and nothing was saved. Its log says why. Do it again in a minute.";
    return `The server refused this (${status}). Reload the page and do it again.`;
  }

  /* the desk says in its own bar what happened to an answer */
  const speaksForItself = (event) => event.detail.elt?.closest?.("[data-own-errors]");

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token();
  });

  document.addEventListener("htmx:responseError", (event) => {
    if (!speaksForItself(event)) toast(sentence(event.detail.xhr.status));
  });

  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (!speaksForItself(event)) toast("No connection to the server. Nothing was saved. Do it again when you are online.");
    });
  }

  /* a session that ended answers with the sign-in page: never put that into the middle of a page */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.serverResponse?.includes('data-page="sign-in"')) return;
    event.detail.shouldSwap = false;
    const next = encodeURIComponent(location.pathname + location.search);
    const path = new URL(event.detail.xhr.responseURL || location.href).pathname;
    toast("You were signed out.", { href: `${path}?next=${next}`, words: "Sign in again" });
    document.dispatchEvent(new CustomEvent("palate:signed-out"));
  });

  /* ---- small things that pages ask for with an attribute ---- */

  /* what asks again and again rests while nobody looks; a filter in hx-trigger would need eval */
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-rests]")) event.preventDefault();
  });
  /* a log is read from its end, also after it was swapped */
  const follow = () => document.querySelectorAll("[data-follow]").forEach((log) => { log.scrollTop = log.scrollHeight; });
  document.addEventListener("htmx:afterSettle", follow);
  document.addEventListener("DOMContentLoaded", follow);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      toast("Copied.");
    } catch {
      toast("The browser did not allow copying. Select the text and copy it yourself.");
    }
  });

  /* an open menu closes when the person goes on elsewhere */
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details.switch[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector("details.switch[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  const quiet = () => document.getElementById("toasts")?.replaceChildren();
  window.palate = { toast, quiet, token, kinds: {} };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", showTheme);
  else showTheme();
})();
