// What may be done here, where the settings let it: send a failed file again, take one out, drop new ones.

import { $, bytes, make } from './basics.js';

const HEADER = 'x-watcher-page';
const ACTS = {
  retry: {
    label: 'Send again',
    what: (name) => `Send ${name} again?`,
    how: 'It goes back into the drop folder as it is, and is sent whole, as a new import. That helps where the reason is gone.',
  },
  withdraw: {
    label: 'Take out',
    what: (name) => `Take ${name} out of the queue?`,
    how: 'It is moved to the failed folder, with a report, and nothing more of it is sent.',
  },
};
let known = { may: [], key: '', limit: 0 };

/** Take note of what may be done; the key is another one after each start of the agent. */
export function setActs(acts) {
  known = acts ?? known;
  $('upload').hidden = !known.may.includes('upload');
}

/** The buttons for a file: [] where nothing may be done with it. `key` tells it from a newer one of its name. */
export function act(kind, name, key) {
  if (!known.may.includes(kind) || !key) return [];
  const { label, what, how } = ACTS[kind];
  const button = make('button', { type: 'button', 'aria-label': `${label}: ${name}`, 'data-key': `${kind} ${name}`, text: label });
  button.addEventListener('click', async () => {
    if (!(await wanted(what(name), how, label))) return;
    button.disabled = true;
    say(name, 'asked for …', 'quiet');
    const { ok, words } = await send(kind, name, key);
    say(name, words, ok ? 'good' : 'bad');
    button.disabled = false;
  });
  return [button];
}

/** Ask before anything is done: true for yes. The keyboard's focus is on no. */
function wanted(what, how, label) {
  $('ask-what').textContent = what;
  $('ask-how').textContent = how;
  $('ask-yes').textContent = label;
  const ask = $('ask');
  $('ask-yes').onclick = () => ask.close('yes');
  $('ask-no').onclick = () => ask.close('');
  return new Promise((answer) => {
    ask.addEventListener('close', () => answer(ask.returnValue === 'yes'), { once: true });
    ask.returnValue = '';
    ask.showModal();
    $('ask-no').focus();
  });
}

async function send(kind, name, key) {
  try {
    const answer = await fetch(`api/acts/${kind}?${new URLSearchParams({ name, key })}`, { method: 'POST', headers: { [HEADER]: known.key } });
    return { ok: answer.ok, words: wordsOf(await answer.text()) };
  } catch {
    return { ok: false, words: 'no answer: look whether it was done' };
  }
}

function wordsOf(text) {
  try {
    return JSON.parse(text).words;
  } catch {
    return text.trim() || 'no answer';
  }
}

const MOST_SAID = 8; // lines that stay
function say(name, words, kind) {
  const list = $('said');
  const line = [...list.children].find((each) => each.dataset.name === name) ?? make('li', { 'data-name': name });
  line.replaceChildren(make('strong', { text: name }), ': ', make('span', { class: `outcome ${kind}`, text: words }));
  list.prepend(line);
  while (list.children.length > MOST_SAID) list.lastChild.remove();
}

// -- files that are dropped here ---------------------------------------------------------------------------------

async function sendAll(files) {
  for (const file of files) await sendOne(file);
}

function sendOne(file) {
  if (file.size > known.limit) {
    say(file.name, `it has ${bytes(file.size)}, and ${bytes(known.limit)} may be sent from here`, 'bad');
    return undefined;
  }
  return new Promise((done) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of how far it is
    request.open('POST', `api/acts/upload?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader(HEADER, known.key);
    request.upload.addEventListener('progress', ({ loaded, total }) => say(file.name, `${Math.floor((100 * loaded) / (total || 1))} % sent`, 'quiet'));
    request.addEventListener('load', () => say(file.name, wordsOf(request.responseText), request.status === 200 ? 'good' : 'bad'));
    request.addEventListener('error', () => say(file.name, 'the connection broke off: look whether it is in the drop folder', 'bad'));
    request.addEventListener('loadend', done);
    request.send(file);
  });
}

const may = () => known.may.includes('upload');
const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');
document.addEventListener('dragover', (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault(); // a browser would open the file in the place of the page
  event.dataTransfer.dropEffect = may() ? 'copy' : 'none';
  document.body.classList.toggle('dropping', may());
});
document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
document.addEventListener('drop', (event) => {
  document.body.classList.remove('dropping');
  if (!holdsFiles(event)) return;
  event.preventDefault();
  if (may()) sendAll([...event.dataTransfer.files]);
});
$('choose').addEventListener('change', ({ target }) => {
  sendAll([...target.files]);
  target.value = ''; // the same file may be chosen again
});
