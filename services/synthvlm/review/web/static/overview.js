// Keeps the figures of the owner's page up to date while somebody looks at it.

async function refresh(element) {
  if (!document.hidden && !element.contains(document.activeElement)) {
    try {
      const answer = await fetch(element.dataset.refresh, { headers: { Accept: "text/html" } });
      if (answer.ok && !answer.redirected) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
        if (fresh.innerHTML !== element.innerHTML) element.replaceChildren(...fresh.childNodes);
      }
    } catch {
      // The next try may do better; what is shown stays.
    }
  }
  setTimeout(() => refresh(element), element.dataset.seconds * 1000);
}

document.querySelectorAll("[data-refresh]").forEach(refresh);
