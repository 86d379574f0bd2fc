// Ticktrail's pages work without this file. It adds live updates, the panel beside lists, and keys.
"use strict";

const body = document.body;
const panel = document.getElementById("panel");
let opener = null;
const served = new Map();
for (const one of document.querySelectorAll("[data-live][id]")) served.set(one.id, one.outerHTML);

// A part in use holds the focus, something open, or selected text. It is not replaced.
function inUse(part) {
  const focused = document.activeElement;
  if (focused && focused !== body && part.contains(focused)) return true;
  // The focus returns to the opener when the dialog is closed.
  if (panel && panel.open && part.contains(opener)) return true;
  if (part.matches("details[open]") || part.querySelector("details[open], dialog[open]")) return true;
  const selection = getSelection();
  return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
}

function update(fresh) {
  for (const part of fresh.querySelectorAll("[data-live][id]")) {
    const old = document.getElementById(part.id);
    const html = part.outerHTML;
    if (!old || served.get(part.id) === html || inUse(old)) continue;
    served.set(part.id, html);
    // A conversation is scrolled from its end: keep the line that is being read.
    const box = old.parentElement, top = box.scrollTop, height = box.scrollHeight;
    old.replaceWith(document.importNode(part, true));
    if (top < 0) box.scrollTop = top - (box.scrollHeight - height);
  }
}

let asking = false, again = false, later = 0;
async function refresh() {
  if (asking || document.hidden) { again = true; return; }
  asking = true;
  again = false;
  try {
    const address = new URL(location.href);
    address.hash = "";
    address.searchParams.set("live", body.dataset.madeAt);
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (answer.redirected) location.reload();
    else update(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch { /* The next event asks again. */ }
  asking = false;
  if (again) setTimeout(refresh, 1000);
}

function changed(state) {
  if (state === body.dataset.state) return;
  if (state !== "tick") body.dataset.state = state;
  refresh();
  // The server renews expensive figures in the background: fetch them when they are there.
  clearTimeout(later);
  later = setTimeout(refresh, 6000);
}

if (body.dataset.live && "SharedWorker" in window) {
  const worker = new SharedWorker(body.dataset.live);
  worker.port.onmessage = (event) => changed(event.data);
  addEventListener("pagehide", () => worker.port.postMessage("closed"));
} else if (body.dataset.live && "EventSource" in window) {
  let events = null;
  const listen = () => {
    if (events) events.close();
    events = document.hidden ? null : new EventSource("/live");
    if (events) events.addEventListener("changed", (event) => changed(event.data));
  };
  listen();
  document.addEventListener("visibilitychange", listen);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden && again) refresh(); });

// A message opens in a panel beside the list, a form in a small dialog; with a modifier key, or without this script,
// both are pages.
async function openPanel(link) {
  const address = new URL(link.href);
  address.searchParams.set("panel", "");
  const answer = await fetch(address);
  if (!answer.ok || answer.redirected) { location.href = link.href; return; }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  panel.className = link.dataset.panel || "side";
  panel.replaceChildren(...fresh.body.children);
  opener = link;
  panel.showModal();
  const field = panel.querySelector("input:not([type=hidden])");
  if (field) field.focus();
}
document.addEventListener("click", (event) => {
  if (event.target === panel) panel.close();
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || !panel) return;
  const link = event.target.closest("a");
  const row = event.target.closest("tr.row, tr.send");
  const way = link ? (link.matches("[data-panel]") ? link : null) : row && row.querySelector("a[data-panel]");
  if (!way || (row && !getSelection().isCollapsed)) return;
  event.preventDefault();
  openPanel(way);
});

// "/" and Ctrl-K lead to the search, Escape closes a menu and returns to it.
document.addEventListener("keydown", (event) => {
  const search = document.querySelector(".omnibox input");
  const typing = event.target.closest("input, textarea, select");
  if (search && ((event.key === "/" && !typing) || (event.key === "k" && (event.ctrlKey || event.metaKey)))) {
    event.preventDefault();
    search.focus();
    search.select();
  }
  if (event.key !== "Escape") return;
  const menu = event.target.closest("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

// Preferences apply at once.
const preferences = document.querySelector(".preferences");
if (preferences) {
  preferences.querySelector("button").hidden = true;
  preferences.addEventListener("change", () => preferences.requestSubmit());
}

const clock = document.getElementById("clock");
if (clock) setInterval(() => {
  clock.textContent = new Date().toLocaleTimeString("en-GB", { timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit" });
}, 1000);
