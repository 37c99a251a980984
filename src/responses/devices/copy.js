
  // Browsers copy for pages of https and of this machine only.
  const button = document.getElementById('copy');
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', async () => {
    let text = 'Copied.';
    try {
      await navigator.clipboard.writeText(document.getElementById('link').href);
    } catch {
      text = 'This browser does not let it be copied.';
    }
    document.getElementById('copied').textContent = text;
  });
