// A link may bring the token behind its #, which browsers send to nobody: it signs in at once, and
// does not stay in the address.

const token = new URLSearchParams(location.hash.slice(1)).get("token");
const field = document.getElementById("token");
if (token && field) {
  history.replaceState(null, "", location.pathname + location.search);
  field.value = token;
  field.form.requestSubmit();
} else {
  // Browsers keep the session back when a link on another site leads here, but not from this page.
  const answer = await fetch("/", { redirect: "manual", headers: { Accept: "text/html" } });
  if (answer.ok) location.replace(document.querySelector("[data-next]").dataset.next);
}
