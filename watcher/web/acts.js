// What may be done here, where the settings let it: send a failed file again, take one out, drop new ones.

import { $, bytes, make, shown } from './basics.js';

const HEADER = 'x-watcher-page';
const ACTS = {
  retry: {
    label: 'Send again',
    warn: {
      perhaps: 'Its last chunk had no answer: it may be complete at the server, and would be there twice. Look into the import history first.',
      all: 'It was delivered, and changed since: all of it would be a second import. Drop what is new, alone.',
    },
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

/** Take note of what may be done; says whether that is something else now. The key is another one after each start. */
export function setActs(acts) {
  const before = known.may.join();
  known = acts ?? known;
  $('upload').hidden = !known.may.includes('upload');
  return known.may.join() !== before;
}

/** The buttons for a file: [] where nothing may be done with it. `key` tells it from a newer one of its name;
 * `atServer`: the server has "all" of it, or "perhaps". */
export function act(kind, name, key, atServer = null) {
  if (!known.may.includes(kind) || !key) return [];
  const { label, what, warn } = ACTS[kind];
  const how = [warn?.[atServer], ACTS[kind].how].filter(Boolean).join(' ');
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
function say(name, words, kind, aloud = true) {
  const list = $('said');
  const line = [...list.children].find((each) => each.dataset.name === name) ?? make('li', { 'data-name': name });
  line.replaceChildren(make('strong', { text: name }), ': ', make('span', { class: `outcome ${kind}`, text: words }));
  list.prepend(line);
  while (list.children.length > MOST_SAID) list.lastChild.remove();
  if (aloud) announce(`${name}: ${words}`);
}

/** Have a screen reader say it. What is seen changes with each percent, and is not what is said. */
function announce(words) {
  const said = $('announce');
  said.append(make('p', { text: words }));
  while (said.children.length > MOST_SAID) said.firstChild.remove();
}

// -- files that are dropped here ---------------------------------------------------------------------------------

const STEP = 25; // percents, after which it is said how far an upload is

async function sendAll(files) {
  for (const file of files) await sendOne(file, shown(file.name));
}

function sendOne(file, name) {
  if (file.size > known.limit) {
    say(name, `it has ${bytes(file.size)}, and ${bytes(known.limit)} may be sent from here`, 'bad');
    return undefined;
  }
  let step = 0;
  say(name, 'is being sent …', 'quiet');
  return new Promise((done) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of how far it is
    request.open('POST', `api/acts/upload?${new URLSearchParams({ name: file.name })}`);
    request.setRequestHeader(HEADER, known.key);
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      const share = Math.floor((100 * loaded) / (total || 1));
      const isStep = share < 100 && Math.floor(share / STEP) > step;
      if (isStep) step = Math.floor(share / STEP);
      say(name, `${share} % sent`, 'quiet', isStep);
    });
    request.addEventListener('load', () => say(name, wordsOf(request.responseText), request.status === 200 ? 'good' : 'bad'));
    request.addEventListener('error', () => say(name, 'the connection broke off: look whether it is in the drop folder', 'bad'));
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
  if (may()) sendAll(filesOf(event.dataTransfer));
});
/** The files that were dropped; of a folder it is said that it is none. */
function filesOf({ items }) {
  const entries = [...items].filter(({ kind }) => kind === 'file').map((item) => [item.getAsFile(), item.webkitGetAsEntry()]);
  const isFolder = ([, entry]) => entry?.isDirectory;
  for (const [file, entry] of entries.filter(isFolder)) {
    say(shown(entry?.name ?? file?.name ?? ''), 'it is a folder, and folders are not taken: drop the files that are in it', 'bad');
  }
  return entries.filter((each) => !isFolder(each) && each[0]).map(([file]) => file);
}

$('choose').addEventListener('change', ({ target }) => {
  sendAll([...target.files]);
  target.value = ''; // the same file may be chosen again
});
