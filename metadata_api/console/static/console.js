// The pages work without this file; it makes them live: forms answer in place, parts renew themselves, pickers narrow.
"use strict";

const FRAGMENT = { "x-console-fragment": "1" };
const TOAST_MS = 9000;

function showToast(node) {
  const toast = node.cloneNode(true);
  const place = document.getElementById("toasts");
  place.append(toast);
  while (place.children.length > 4) place.firstElementChild.remove();
  if (!toast.classList.contains("error")) setTimeout(() => toast.remove(), TOAST_MS);
  toast.addEventListener("click", (event) => { if (!event.target.closest("a")) toast.remove(); });
}

function keptToast() {
  const kept = sessionStorage.getItem("toast");
  if (!kept) return;
  sessionStorage.removeItem("toast");
  for (const node of parsed(kept).children) showToast(node);
}

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}

function put(place, html, flash) {
  if (place.lastHtml === html) return;
  place.lastHtml = html;
  const open = [...place.querySelectorAll("details")].map((each) => each.open);
  const scrolled = [...place.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  place.replaceChildren(...parsed(html).childNodes);
  place.querySelectorAll("details").forEach((each, number) => { if (number in open) each.open = open[number]; });
  place.querySelectorAll(".scroll").forEach((each, number) => { each.scrollLeft = scrolled[number] || 0; });
  if (flash) {
    place.classList.remove("flash");
    void place.offsetWidth;
    place.classList.add("flash");
  }
  prepare(place);
}

function failed(words) {
  const node = document.createElement("div");
  node.className = "toast error";
  node.textContent = words;
  showToast(node);
}

async function send(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  form.classList.add("busy");
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: FRAGMENT });
    if (answer.status === 401) { location.reload(); return; }
    const shown = parsed(await answer.text());
    const toasts = shown.querySelector("[data-toast]");
    const target = shown.querySelector("[data-go-to]");
    if (target) {
      sessionStorage.setItem("toast", toasts ? toasts.innerHTML : "");
      location.assign(target.dataset.goTo);
      return;
    }
    for (const part of shown.querySelectorAll("[data-into]")) {
      const place = document.getElementById(part.dataset.into);
      if (place) put(place, part.innerHTML, true);
    }
    if (toasts) for (const node of toasts.children) showToast(node);
  } catch {
    failed("The API did not answer. Nothing may have happened; try again.");
  } finally {
    form.classList.remove("busy");
  }
}

function isInUse(place) {
  const active = document.activeElement;
  return place.contains(active) && active.matches("input, select, textarea");
}

async function renew(place) {
  if (document.hidden || isInUse(place)) return true;
  try {
    const answer = await fetch(place.dataset.poll, { headers: FRAGMENT });
    if (answer.status === 401) { location.reload(); return false; }
    if (!answer.ok) return true;
    const html = await answer.text();
    if (isInUse(place)) return true;
    const hadFocus = focusedIn(place);
    put(place, html, false);
    refocus(place, hadFocus);
    return !place.querySelector("[data-over]");
  } catch {
    return true;
  }
}

function focusedIn(place) {
  if (!place.contains(document.activeElement)) return -1;
  return [...place.querySelectorAll("a, button, summary, [tabindex]")].indexOf(document.activeElement);
}

function refocus(place, number) {
  if (number >= 0 && !place.contains(document.activeElement)) {
    place.querySelectorAll("a, button, summary, [tabindex]")[number]?.focus({ preventScroll: true });
  }
}

function poll(place) {
  const again = async () => { if (await renew(place)) setTimeout(again, 1000 * Number(place.dataset.every)); };
  setTimeout(again, 1000 * Number(place.dataset.every));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) void renew(place); });
}

async function load(place) {
  try {
    const answer = await fetch(place.dataset.load, { headers: FRAGMENT });
    put(place, await answer.text(), false);
  } catch {
    place.textContent = "The API did not answer; load the page again.";
  }
}

function showFitting(form) {
  const mode = form.querySelector("[data-data-mode]").value;
  for (const option of form.querySelectorAll("[data-sinks] option[data-modes]")) {
    const fits = option.dataset.modes.split(" ").includes(mode);
    option.hidden = option.disabled = !fits;
    if (!fits && option.selected) form.querySelector("[data-sinks]").value = "";
  }
}

function showDependent(select) {
  const form = select.form;
  for (const field of form.querySelectorAll(`[data-shown-by="${select.dataset.shows}"]`)) {
    field.hidden = field.dataset.shownFor !== select.value;
  }
}

function prepare(root) {
  root.querySelectorAll("[data-poll]").forEach(poll);
  root.querySelectorAll("[data-load]").forEach((each) => void load(each));
  root.querySelectorAll("[data-unit-form]").forEach(showFitting);
  root.querySelectorAll("[data-shows]").forEach(showDependent);
}

function narrow(input) {
  const text = input.value.toLowerCase();
  for (const label of input.parentElement.querySelectorAll(".check")) {
    label.hidden = !label.textContent.toLowerCase().includes(text);
  }
}

function addRow(button) {
  const rows = button.parentElement.querySelectorAll("[data-row]");
  const row = rows[rows.length - 1].cloneNode(true);
  row.querySelectorAll("select").forEach((each) => { each.selectedIndex = 0; });
  row.querySelectorAll("input").forEach((each) => { each.value = ""; });
  rows[rows.length - 1].after(row);
  row.querySelector("select").focus();
}

function lightUp(node) {
  const picture = node.closest("svg");
  const lit = new Set([node.dataset.node]);
  for (const [from, to] of [["from", "to"], ["to", "from"]]) {
    const reached = [node.dataset.node];
    const seen = new Set(reached);
    while (reached.length) {
      const here = reached.pop();
      for (const path of picture.querySelectorAll("path")) {
        if (path.dataset[from] === here) {
          if (!seen.has(path.dataset[to])) { seen.add(path.dataset[to]); reached.push(path.dataset[to]); }
        }
      }
    }
    seen.forEach((each) => lit.add(each));
  }
  picture.querySelectorAll("[data-node]").forEach((each) => each.classList.toggle("lit", lit.has(each.dataset.node)));
  picture.querySelectorAll("path").forEach((each) => {
    each.classList.toggle("lit", lit.has(each.dataset.from) && lit.has(each.dataset.to));
  });
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || "plain" in form.dataset) return;
  event.preventDefault();
  void send(form, event.submitter);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-data-mode]")) showFitting(event.target.form);
  if (event.target.matches("[data-shows]")) showDependent(event.target);
});
document.addEventListener("input", (event) => { if (event.target.matches("[data-narrows]")) narrow(event.target); });
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add-row]");
  if (button) addRow(button);
  const node = event.target.closest("[data-node]");
  if (node) lightUp(node);
});
document.addEventListener("focusin", (event) => {
  const node = event.target.closest("[data-node]");
  if (node) lightUp(node);
});

keptToast();
prepare(document);
