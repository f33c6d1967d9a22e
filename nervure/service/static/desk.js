// What htmx's attributes and the desk's answers cannot do. Every page works without it. It loads htmx by itself: without
// the lines below, codes that are typed quickly would be lost in htmx's queue, so that there is both or neither.
import "/desk/htmx-2.0.11.min.js";

// What the desk answers names its place. An error of a proxy does not, nor does a server that is down.
const isOurs = (xhr) => xhr.getResponseHeader("HX-Retarget") || xhr.getResponseHeader("HX-Redirect");
let isLeaving = false;

// htmx reads a form when its turn in the queue comes, and a scanner has typed the next code by then. So a code is taken
// out of its field at once, and waits in the queue by itself.
document.addEventListener("htmx:confirm", (event) => {
  const { elt, etc, triggeringEvent } = event.detail;
  if (isLeaving) event.preventDefault();
  if (elt.id !== "scan" || etc.values) return;
  const field = elt.querySelector("[name=scanned]");
  const button = triggeringEvent.submitter;
  if (button?.name) {
    etc.values = { scanned: "", [button.name]: button.value };
  } else if (field.value.trim()) {
    etc.values = { scanned: field.value };
    field.value = "";
  } else {
    event.preventDefault();
  }
  elt.noValidate = true; // the field is empty again when its code is sent
});

// What is typed while the cursor is in no field belongs to the field of the page: a scanner does not look.
document.addEventListener("keydown", (event) => {
  const isText = event.key?.length === 1 && event.key !== " " && !event.ctrlKey && !event.altKey && !event.metaKey;
  if (isText && !document.activeElement?.matches("input, select")) document.querySelector("main [autofocus]")?.focus();
});

// What was said of one step is not to be read as the answer to the next.
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.id === "scan" || elt.id === "queue") return;
  document.querySelectorAll("#said .good, form .said .message").forEach((one) => one.remove());
});

// No answer, or not ours: said in words of the page, where it was asked. A message for each code: none is forgotten.
document.addEventListener("htmx:afterRequest", ({ detail: { elt, etc, xhr } }) => {
  if (xhr.status === 409 && elt.id !== "scan") document.activeElement?.select?.(); // is typed over
  if (isOurs(xhr)) return;
  const said = document.createElement("p");
  said.className = "message bad";
  said.setAttribute("role", "alert");
  said.textContent = elt.closest("[data-lost]").dataset.lost;
  if (elt.id === "scan") {
    said.append(` ${etc.values.take_out || etc.values.scanned}`);
    document.getElementById("said").prepend(said);
  } else {
    elt.querySelector(".said")?.replaceChildren(said);
  }
});

// Codes that wait are lost with the page: the browser asks first, unless the desk itself sends it elsewhere.
document.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr } }) => {
  isLeaving = isLeaving || xhr.getResponseHeader("HX-Redirect") !== null;
});
addEventListener("beforeunload", (event) => {
  if (!isLeaving && document.querySelector("#scan.htmx-request")) event.preventDefault();
});
