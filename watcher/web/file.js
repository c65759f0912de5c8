// One file's own view, at an address that can be kept: #/file/TOKEN, #/failed/NAME or #/waiting/NAME.

import { act } from './acts.js';
import { $, bytes, fileAddress, fileLink, fill, make, moment, named, setTitle, waits, whose } from './basics.js';

const KINDS = { file: 'token', failed: 'failed', waiting: 'waiting' }; // of addresses: what the agent is asked by
const MOST = 10; // problems that a report lists
const COLOUR = { done: 'good', delivered: 'good', failed: 'bad', rejected: 'bad', stuck: 'bad', stranded: 'bad', 'partly delivered': 'warn' };
const AGAIN_MS = 5000; // after no answer
let again; // a timer
let open = null; // the address that is seen
let asked = 0; // questions, counted
let answered = 0; // the newest of them that was answered: an older one that comes later says what was
let told = ''; // what the agent said of it
let ledBy = null; // the address of the link that led there, and how far down the page was

/** Read the address: {kind, key}; null: it is that of the lists. */
function wanted() {
  const [, kind, key] = /^#\/(\w+)\/(.+)$/.exec(location.hash) ?? [];
  if (!Object.hasOwn(KINDS, kind)) return null;
  try { return { kind, key: decodeURIComponent(key) }; } catch { return null; }
}

function navigate() {
  const place = wanted();
  if (!place) { close(); return; }
  if (open === null) ledBy = { address: fileAddress(place.kind, place.key), down: scrollY };
  open = location.hash;
  told = '';
  document.body.classList.add('one');
  $('file').hidden = false;
  fill($('h-file'), ...named(place.kind === 'file' ? 'File' : place.key, '').childNodes);
  $('file-state').hidden = true;
  fill($('file-body'), make('p', { class: 'empty', text: 'Looking it up …' }));
  scrollTo(0, 0);
  $('h-file').focus({ preventScroll: true });
  showFile();
}

function close() {
  if (open === null) return;
  open = null;
  document.body.classList.remove('one');
  $('file').hidden = true;
  setTitle({ place: '' });
  scrollTo(0, ledBy.down);
  const link = [...document.querySelectorAll('main a[data-key]')].find((each) => each.dataset.key === ledBy.address);
  (link ?? $('main')).focus({ preventScroll: true });
}

/** Bring the view up, if one is open; `afresh`: it is drawn anew, for other things may be done. */
export async function showFile(afresh = false) {
  if (afresh) told = '';
  const place = wanted();
  const address = open;
  if (!place || address === null) return;
  const query = new URLSearchParams({ [KINDS[place.kind]]: place.key });
  const turn = asked += 1;
  try {
    const answer = await fetch(`api/file?${query}`);
    const text = await answer.text();
    if (open !== address || turn < answered) return;
    answered = turn;
    if (text === told) return;
    told = text;
    clearTimeout(again);
    if (answer.ok) draw(JSON.parse(text), query);
    else if (answer.status === 404) draw(null, query);
    else { told = ''; silent(); } // 503: the disk is slow, or the journal away
  } catch { if (turn > answered) silent(); }
}

/** What was told before stays; where nothing was, that is said. It is asked again. */
function silent() {
  clearTimeout(again);
  again = setTimeout(showFile, AGAIN_MS);
  if (open === null || told) return;
  fill($('file-body'), make('p', { class: 'empty', text: 'The agent does not answer. What it knows is here as soon as it does.' }));
}

function draw(file, query) {
  $('file-state').hidden = !file;
  if (!file) {
    fill($('file-body'), make('p', { class: 'empty', text: 'Nothing is known of this file any more: it does not lie there, and the journal does not have it.' }));
    return;
  }
  setTitle({ place: file.name });
  fill($('h-file'), ...named(file.name, '').childNodes);
  $('h-file').title = file.name;
  $('file-state').textContent = file.state;
  $('file-state').className = `chip ${COLOUR[file.state] ?? ''}`;
  fill($('file-body'),
    ...acts(file), facts(file),
    make('h3', { text: 'What happened' }), make('ol', { class: 'story' }, ...file.timeline.map(event)),
    ...problems(file.problems), ...kept(file, query), ...others(file.others));
}

/** The place for buttons: what can be done with it now. */
function acts(file) {
  if (file.lies_in_failed) return act('retry', file.lies_in_failed, file.key, file.at_server);
  const isOpen = !file.is_over && file.state !== 'failed';
  return isOpen ? act('withdraw', file.name, file.key) : [];
}

function facts(file) {
  const total = file.token && !file.is_over && file.total_bytes
    ? `${bytes(file.delivered_bytes)} of ${bytes(file.total_bytes)} taken` : null;
  const rows = [
    ['why', file.reason], ['what to do', file.state === 'done' ? null : file.what_to_do],
    ['without it', file.went_without.length ? `files of ${file.went_without.join(', ')} go out` : null],
    ['lines', file.lines], ['note', file.note], ['so far', total],
    ['with', file.agent && whose(file)], ['waits', file.waits_until && waits(file)],
    ['route', file.route ?? 'none'], ['size', file.bytes === null ? null : bytes(file.bytes)],
    ['records', file.records === null ? null : file.records.toLocaleString('en')],
    ['where', file.where && named(file.where, '')],
    ['the rest', file.set_aside && named(file.set_aside, '')],
    ['push token', file.push_token && make('code', {}, named(file.push_token, ''))],
    ['SHA-256', file.sha256 && make('code', { class: 'hash', text: file.sha256 })],
  ];
  return make('dl', { class: 'facts' }, ...rows.filter(([, value]) => value).flatMap(([label, value]) => [
    make('dt', { text: label }), make('dd', {}, value)]));
}

function event({ at, what, more, kind, until, token, is_now: isNow }) {
  const title = make('div', { class: `outcome ${kind}` }, what);
  const words = [title];
  if (more) words.push(make('div', { class: 'quiet' }, what === 'filed under' ? named(more, '') : more));
  if (until) words.push(make('div', { class: 'quiet' }, 'until ', moment(until)));
  if (kind === 'warn' && what.startsWith('held') && !until) words.push(make('div', { class: 'quiet', text: 'it lasts' }));
  if (token) words.push(fileLink('that one', 'file', token, ''));
  return make('li', { class: kind || null }, at ? moment(at) : make('span', { class: 'quiet', text: isNow ? 'now' : 'time not kept' }), make('div', {}, ...words));
}

function problems(rows) {
  if (!rows.length) return [];
  const heads = ['line', 'field', 'what is wrong'];
  const body = rows.map((row) => make('tr', {}, ...['line', 'field', 'wrong'].map((key, index) =>
    make('td', { 'data-label': heads[index], class: index === 2 ? 'wide' : null, text: row[key] ?? '' }))));
  return [make('h3', { text: rows.length < MOST ? 'Problems' : `Problems, the first ${MOST}` }),
    make('table', { class: 'cards', 'aria-label': 'Problems' },
      make('thead', {}, make('tr', {}, ...heads.map((text) => make('th', { scope: 'col', text })))), make('tbody', {}, ...body))];
}

/** The report and the receipt, to be read and to be kept. */
function kept(file, query) {
  const link = (what) => make('a', { href: `api/file/${what}?${file.token && what === 'receipt' ? new URLSearchParams({ token: file.token }) : query}`, download: true, 'data-key': what, text: `Download the ${what}` });
  const links = [...(file.report ? [link('report')] : []), ...(file.receipt ? [link('receipt')] : [])];
  return [
    ...(file.report ? [make('h3', { text: 'Report' }), make('pre', { text: file.report })] : []),
    ...(links.length ? [make('p', { class: 'keep' }, ...links)] : []),
  ];
}

function others(rows) {
  if (!rows.length) return [];
  return [make('h3', { text: 'Other files of this name' }), make('ul', { class: 'files' }, ...rows.map((row) => make('li', {},
    make('div', { class: 'line' }, ...(row.at ? [moment(row.at)] : []),
      make('span', { class: `outcome ${COLOUR[row.state] ?? ''}`, text: row.state }), fileLink(row.token, 'file', row.token, '')))))];
}

addEventListener('hashchange', navigate);
addEventListener('keydown', (pressed) => { if (pressed.key === 'Escape' && open !== null) location.hash = '#/'; });
navigate();
