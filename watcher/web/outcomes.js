// What became of files: all, failed or delivered ones, found by name or push token, page by page.

import { $, bytes, fileLink, make, moment, named, report } from './basics.js';

const KIND = { done: 'good', failed: 'bad' };
const TYPED_MS = 300; // after the last key, a search begins
const lines = new Map(); // rows by push token: they stay the same elements, and an opened report stays open
const before = []; // where the pages after the first one begin
let show = 'all';
let between = null; // {start, end, label}: those that ended in this time alone
let next = null;
let busy = false;
let again = false;

/** Read the page that is shown, anew. */
export async function loadOutcomes() {
  if (busy) { again = true; return; }
  busy = true;
  const query = new URLSearchParams({
    show, text: $('find').value.trim(), before: before.at(-1) ?? '',
    since: between?.start.toISOString() ?? '', until: between?.end.toISOString() ?? '',
  });
  try {
    const answer = await fetch(`api/outcomes?${query}`);
    if (answer.ok) draw(await answer.json());
  } catch { /* the state says that the agent does not answer; the next change asks again */ }
  busy = false;
  if (again) { again = false; loadOutcomes(); }
}

/** Begin at the newest ones. */
function restart() {
  before.length = 0;
  loadOutcomes();
}

/** Show those that ended in an hour, or on a day: {start, end, label}; null: of the whole time. */
export function showBetween(span) {
  between = span;
  $('between').hidden = !span;
  if (span) {
    $('between').textContent = `${span.label} only ✕`;
    $('between').setAttribute('aria-label', `Only ${span.label}: show all times again`);
    $('h-last').focus({ preventScroll: true });
    $('h-last').scrollIntoView({ block: 'start' });
  }
  restart();
}

function draw({ rows, next: then }) {
  next = then;
  for (const row of rows) if (!lines.has(row.push_token)) lines.set(row.push_token, outcome(row));
  for (const token of lines.keys()) if (!rows.some((row) => row.push_token === token)) lines.delete(token);
  const wanted = rows.map((row) => lines.get(row.push_token));
  let body = $('last').querySelector('tbody');
  if (!rows.length) $('last').replaceChildren(make('p', { class: 'empty', text: nothing() }));
  else if (!body) {
    body = make('tbody');
    const heads = [['ended'], ['file'], ['outcome'], ['size', 'number'], ['why'], ['', 'button']];
    $('last').replaceChildren(make('table', { class: 'cards', 'aria-label': 'Outcomes' },
      make('thead', {}, make('tr', {}, ...heads.map(([text, kind]) => make('th', { scope: 'col', class: kind, text })))), body));
  }
  if (rows.length) {
    for (const old of [...body.children]) if (!wanted.includes(old)) old.remove();
    wanted.forEach((line, index) => { if (body.children[index] !== line) body.insertBefore(line, body.children[index] ?? null); });
  }
  // Of files in a row that tell the same of another one, the first tells it.
  const notes = wanted.map((line) => line.querySelector('.note'));
  notes.forEach((note, index) => { if (note) note.hidden = notes[index + 1]?.textContent === note.textContent; });
  $('pages').hidden = !before.length && next === null;
  const [on, off] = next === null ? ['newer', 'older'] : ['older', before.length ? '' : 'newer'];
  const leads = document.activeElement?.id === off; // a button that is disabled loses the keyboard's focus
  $('newer').disabled = !before.length;
  $('older').disabled = next === null;
  if (leads && !$(on).disabled) $(on).focus();
  $('page').textContent = `page ${before.length + 1}`;
}

function nothing() {
  const isSearch = show !== 'all' || $('find').value.trim() || between;
  if (next !== null) return 'Nothing so far: older ones are not looked through yet.';
  if (before.length) return 'Nothing older.';
  return isSearch ? 'No file that came to its end is like that.' : 'No file has come to its end yet: what is dropped is here as soon as it is delivered, or has failed.';
}

function cell(content, label, kind) {
  const element = make('td', { class: kind, 'data-label': label });
  if (content !== null && content !== undefined) element.append(content);
  return element;
}

function outcome(row) {
  const why = make('div', {});
  if (row.reason) why.append(make('div', { text: row.reason }));
  if (row.what_to_do && row.state === 'failed') why.append(make('div', { class: 'quiet', text: `What to do: ${row.what_to_do}` }));
  if (row.set_aside) why.append(make('div', { class: 'quiet' }, 'The rest is in ', named(row.set_aside, '')));
  if (row.note) why.append(make('div', { class: 'quiet note', text: row.note }));
  if (row.server_said) why.append(make('div', { class: 'quiet', text: `The server said: ${row.server_said}` }));
  const last = cell(null, undefined, 'button');
  if (row.state === 'failed' || row.set_aside) {
    const [button, place] = report(row.name, `api/report/${encodeURIComponent(row.push_token)}`);
    last.append(button);
    why.append(place);
  }
  const [words, kind] = row.set_aside && row.state === 'done' ? ['partly delivered', 'warn'] : [row.state, KIND[row.state] ?? 'warn'];
  return make('tr', {},
    cell(moment(row.finished_at ?? row.started_at), 'ended', 'time'),
    cell(fileLink(row.name, 'file', row.push_token, ''), undefined, 'name'),
    cell(make('span', { class: `outcome ${kind}`, text: words }), 'outcome'),
    cell(bytes(row.bytes), 'size', 'number'),
    cell(why.childNodes.length ? why : null, undefined, 'wide'),
    last);
}

for (const wanted of ['all', 'failed', 'delivered']) {
  $(`show-${wanted}`).addEventListener('click', () => {
    show = wanted;
    for (const each of ['all', 'failed', 'delivered']) $(`show-${each}`).setAttribute('aria-pressed', String(each === show));
    restart();
  });
}
$('between').addEventListener('click', () => { showBetween(null); $('h-last').focus({ preventScroll: true }); });
let typed;
$('find').addEventListener('input', () => { clearTimeout(typed); typed = setTimeout(restart, TYPED_MS); });
$('find-form').addEventListener('submit', (event) => { event.preventDefault(); clearTimeout(typed); restart(); });
$('older').addEventListener('click', () => { if (next !== null) { before.push(next); loadOutcomes(); } });
$('newer').addEventListener('click', () => { before.pop(); loadOutcomes(); });
