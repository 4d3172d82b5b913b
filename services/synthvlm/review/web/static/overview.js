// Keeps the figures of the owner's page up to date while somebody looks at it.

for (const element of document.querySelectorAll("[data-refresh]")) {
  const refresh = async () => {
    if (document.hidden || element.contains(document.activeElement)) return;
    try {
      const answer = await fetch(element.dataset.refresh, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (answer.ok && !answer.redirected) {
        const fresh = new DOMParser().parseFromString(text, "text/html").body;
        if (fresh.innerHTML !== element.innerHTML) element.replaceChildren(...fresh.childNodes);
      }
    } catch {
      // The next try may do better; what is shown stays.
    }
  };
  setInterval(refresh, element.dataset.seconds * 1000);
}
