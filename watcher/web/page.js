// Fills the page from JSON. File names and server answers are data: they are put in as text, never as markup.

import { bytes, counted, duration, make } from './basics.js';
import { showHistory } from './plots.js';

const POLL_MS = 5000; // where server-sent events do not come through
const HISTORY_MS = 60000;
const $ = (id) => document.getElementById(id);
const told = {}; // the JSON of each part as it is shown: what did not change is not touched
const reports = new Map(); // rows of the last outcomes, by push token
const speeds = new Map(); // where an upload was when this page first saw it move
let clockSkewMs = 0;

const now = () => Date.now() + clockSkewMs;

function moment(text) {
  const when = new Date(text);
  const today = new Date(now()).toDateString() === when.toDateString();
  const options = today ? {} : { day: 'numeric', month: 'short' };
  const shown = when.toLocaleString('en-GB', { ...options, hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return make('time', { datetime: text, title: text, text: shown });
}

/** Run `show` if this part is not shown yet as it is now. */
function changed(part, data, show) {
  const text = JSON.stringify(data);
  if (told[part] === text) return;
  told[part] = text;
  show(data);
}

function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function table(columns, rows, label) {
  const head = make('tr', {}, ...columns.map(([text, kind]) => make('th', { scope: 'col', class: kind, text })));
  return make('table', { class: 'cards', 'aria-label': label },
    make('thead', {}, head), make('tbody', {}, ...rows));
}

function cell(content, label, kind) {
  const element = make('td', { class: kind, 'data-label': label });
  if (content !== null && content !== undefined) element.append(content);
  return element;
}

// -- the parts ------------------------------------------------------------------------------------------------

const stuck = (data) => data.waiting.filter((row) => row.stuck);

function showState(data) {
  const [words, kind] =
    data.ill.length ? [data.ill[0], 'bad']
      : data.trouble ? ['in trouble', 'bad']
        : !data.running ? ['not running', 'bad']
          : data.held.length ? [`${counted(data.held.length, 'hold')}, nothing is lost`, 'warn']
            : stuck(data).length ? [`${counted(stuck(data).length, 'file')} stuck`, 'warn']
              : ['running', 'good'];
  setText('state', words);
  $('state').className = `chip ${kind}`;
  document.title = kind === 'good' ? 'watcher' : `${words} · watcher`;
  setText('about', `${data.drop} → ${data.server}`);
  const trouble = [...data.ill, ...(data.trouble ? [data.trouble] : [])].join('; ');
  $('trouble').hidden = !trouble;
  setText('trouble', trouble);
  setText('foot', `watcher ${data.version}. Times are those of your time zone.`);
}

function showNumbers(data) {
  const number = (value, label) => make('div', {}, make('dt', { text: label }), make('dd', {}, value));
  $('numbers').replaceChildren(
    number(data.started ? make('span', { 'data-since': data.started }) : '–', 'running for'),
    number(data.waiting.toLocaleString('en'), 'waiting'),
    number(data.way.toLocaleString('en'), 'under way'),
    number(data.held.toLocaleString('en'), 'held'),
  );
}

function showHeld(held) {
  $('held').replaceChildren(...held.map((hold) => make('div', { class: 'notice warn' },
    make('strong', { text: `held: ${hold.target}` }),
    make('span', { text: `${hold.reason}. ` }),
    ...(hold.check ? [make('span', { text: `What to check: ${hold.check}. ` })] : []),
    make('span', {}, 'Since ', moment(hold.since), ' (', make('span', { 'data-since': hold.since }), '), ',
      counted(hold.tries, 'try', 'tries'), '; next try ', make('span', { 'data-until': hold.next_try_at }), '.'))));
}

function showWay(rows) {
  setText('n-way', rows.length ? String(rows.length) : '');
  for (const token of speeds.keys()) if (!rows.some((row) => row.push_token === token)) speeds.delete(token);
  $('way').replaceChildren(...(rows.length ? rows.map(upload) : [make('p', { class: 'empty', text: 'Nothing is being uploaded.' })]));
}

function upload(row) {
  const share = Math.min(100, Math.floor((100 * row.delivered_bytes) / (row.total_bytes || 1)));
  return make('div', { class: 'upload' },
    make('div', { class: 'line' },
      make('span', { class: 'name', text: row.name }),
      make('span', { class: 'quiet', text: row.route ?? 'no route' })),
    make('progress', { max: 100, value: share, 'aria-label': `${row.name}: ${share} %` }),
    make('div', { class: 'line quiet' },
      make('span', { text: `${share} %, ${bytes(row.delivered_bytes)} of ${bytes(row.total_bytes)}, ${counted(row.chunks, 'chunk')}` }),
      make('span', { text: left(row) })));
}

/** Say how long an upload will take, by its speed since this page saw it first, else since it began. */
function left(row) {
  const at = { time: now(), bytes: row.delivered_bytes };
  const first = speeds.get(row.push_token);
  if (!first || first.bytes > at.bytes) speeds.set(row.push_token, at);
  let speed = at.bytes / ((at.time - Date.parse(row.started_at)) / 1000);
  if (first && at.bytes > first.bytes && at.time - first.time > 2000) {
    speed = (at.bytes - first.bytes) / ((at.time - first.time) / 1000);
  }
  if (told.isHeld) return 'waits: something is held';
  if (row.delivered_bytes === 0 || !(speed > 0)) return row.state === 'ready' ? 'being inspected' : 'no answer yet';
  return `about ${duration((row.total_bytes - row.delivered_bytes) / speed)} left, ${bytes(Math.round(speed))}/s`;
}

function showWaiting({ rows, number, ignored }) {
  setText('n-waiting', number ? number.toLocaleString('en') : '');
  const passed = Object.entries(ignored ?? {});
  const count = passed.reduce((sum, [, many]) => sum + many, 0);
  const globs = passed.map(([glob, many]) => `${glob} (${many.toLocaleString('en')})`).join(', ');
  const aside = count ? [make('p', { class: 'quiet', text: `${counted(count, 'file')} ignored, by settle.ignore: ${globs}` })] : [];
  if (!rows.length) {
    const words = count ? 'No file waits in the drop folder.' : 'The drop folder is empty.';
    $('waiting').replaceChildren(make('p', { class: 'empty', text: words }), ...aside);
    return;
  }
  const lines = rows.map((row) => make('tr', {}, cell(row.name, undefined, 'name'),
    cell(row.route ?? '–', 'route'), cell(whyItWaits(row), 'waits because', 'wide')));
  const parts = [table([['file'], ['route'], ['why it waits']], lines, 'Waiting files')];
  if (number > rows.length) parts.push(make('p', { class: 'quiet', text: `… and ${(number - rows.length).toLocaleString('en')} more` }));
  $('waiting').replaceChildren(...parts, ...aside);
}

function whyItWaits(row) {
  if (!row.stuck) return row.why;
  const more = row.blocked - row.blocks.length;
  const behind = row.blocks.join(', ') + (more ? ` and ${more.toLocaleString('en')} more` : '');
  return make('div', {},
    make('div', {}, make('span', { class: 'outcome warn', text: 'stuck' }), ' since ', moment(row.since), `: ${row.why}`),
    make('div', { class: 'quiet', text: `What to do: ${row.check}` }),
    ...(row.blocked ? [make('div', { class: 'quiet', text: `For it wait: ${behind}` })] : []));
}

function showStranded(rows) {
  $('stranded-part').hidden = !rows.length;
  setText('n-stranded', rows.length ? rows.length.toLocaleString('en') : '');
  const lines = rows.map((row) => make('tr', {}, cell(row.name, undefined, 'name'),
    cell(row.host ?? row.agent, 'of'), cell(row.path, 'where', 'wide')));
  $('stranded').replaceChildren(
    make('p', { class: 'quiet', text: 'Their agent has not been heard of for long: start it again, or take them out with `watcher withdraw`.' }),
    table([['file'], ['of'], ['where']], lines, 'Stranded files'));
}

const KIND = { done: 'good', failed: 'bad' };

function showLast(rows) {
  if (!rows.length) {
    $('last').replaceChildren(make('p', { class: 'empty', text: 'No file has come to its end yet.' }));
    return;
  }
  // Rows stay the same elements: an opened report stays open, and the keyboard's focus where it is.
  for (const row of rows) if (!reports.has(row.push_token)) reports.set(row.push_token, outcome(row));
  const wanted = rows.map((row) => reports.get(row.push_token));
  for (const token of reports.keys()) if (!rows.some((row) => row.push_token === token)) reports.delete(token);
  let body = $('last').querySelector('tbody');
  if (!body) {
    $('last').replaceChildren(table([['ended'], ['file'], ['outcome'], ['size', 'number'], ['why'], ['', 'button']], [], 'Last outcomes'));
    body = $('last').querySelector('tbody');
  }
  for (const old of [...body.children]) if (!wanted.includes(old)) old.remove();
  wanted.forEach((line, index) => { if (body.children[index] !== line) body.insertBefore(line, body.children[index] ?? null); });
}

function outcome(row) {
  const why = make('div', {});
  if (row.reason) why.append(make('div', { text: row.reason }));
  if (row.set_aside) why.append(make('div', { class: 'quiet', text: `The rest is in ${row.set_aside}` }));
  if (row.note) why.append(make('div', { class: 'quiet', text: row.note }));
  if (row.server_said) why.append(make('div', { class: 'quiet', text: `The server said: ${row.server_said}` }));
  const last = cell(null, undefined, 'button');
  if (row.state === 'failed') last.append(reportButton(row, why));
  return make('tr', {},
    cell(moment(row.finished_at ?? row.started_at), 'ended', 'time'),
    cell(row.name, undefined, 'name'),
    cell(make('span', { class: `outcome ${KIND[row.state] ?? 'warn'}`, text: row.state }), 'outcome'),
    cell(bytes(row.bytes), 'size', 'number'),
    cell(why.childNodes.length ? why : null, undefined, 'wide'),
    last);
}

function reportButton(row, place) {
  const button = make('button', { type: 'button', 'aria-expanded': 'false', 'aria-label': `Error report of ${row.name}`, text: 'Report' });
  const text = make('pre', { tabindex: '0', hidden: true });
  place.append(text);
  button.addEventListener('click', async () => {
    const open = button.getAttribute('aria-expanded') === 'false';
    button.setAttribute('aria-expanded', String(open));
    text.hidden = !open;
    if (!open || text.textContent) return;
    try {
      const answer = await fetch(`api/report/${encodeURIComponent(row.push_token)}`);
      text.textContent = await answer.text();
    } catch {
      button.setAttribute('aria-expanded', 'false');
      text.hidden = true;
    }
  });
  return button;
}

// -- what keeps it going --------------------------------------------------------------------------------------

function show(data) {
  changed('state', { ...data, waiting: stuck(data), under_way: 0, last: 0 }, showState);
  changed('numbers', { started: data.started_at, waiting: data.waiting_count, way: data.under_way.length, held: data.held.length }, showNumbers);
  changed('held', data.held, showHeld);
  told.isHeld = data.held.length > 0;
  changed('way', [data.under_way, told.isHeld], ([rows]) => showWay(rows));
  changed('stranded', data.stranded ?? [], showStranded);
  changed('waiting', { rows: data.waiting, number: data.waiting_count, ignored: data.ignored }, showWaiting);
  changed('last', data.last, (rows) => { showLast(rows); loadHistory(); });
  tick();
}

/** Bring the times up that run: "for 3 min 20 s", "in 40 s". They are not announced. */
function tick() {
  for (const element of document.querySelectorAll('[data-since]')) {
    element.textContent = duration((now() - Date.parse(element.dataset.since)) / 1000);
  }
  for (const element of document.querySelectorAll('[data-until]')) {
    const seconds = (Date.parse(element.dataset.until) - now()) / 1000;
    element.textContent = seconds > 0.5 ? `in ${duration(seconds)}` : 'now';
  }
}

let historyAt = 0;
async function loadHistory() {
  historyAt = Date.now();
  try {
    const answer = await fetch('api/history');
    if (answer.ok) showHistory(await answer.json());
  } catch { /* the next minute tries again; the state says that the agent does not answer */ }
}

function lost() {
  setText('state', 'no answer from the agent');
  $('state').className = 'chip bad';
  document.title = 'no answer · watcher';
  delete told.state;
}

async function poll() {
  try {
    const answer = await fetch('api/now');
    const sent = Date.parse(answer.headers.get('date'));
    if (Math.abs(sent - Date.now()) > 5000) clockSkewMs = sent - Date.now();
    const data = await answer.json();
    if (answer.ok) show(data);
    else if (data.trouble) { lost(); $('trouble').hidden = false; setText('trouble', data.trouble); }
  } catch {
    lost();
  }
}

let polling;
function listen() {
  const source = new EventSource('api/events');
  source.addEventListener('now', (event) => {
    clearInterval(polling);
    polling = undefined;
    show(JSON.parse(event.data));
  });
  source.addEventListener('error', () => {
    // The browser tries again by itself, unless the server refused: then this asks now and then.
    polling ??= setInterval(poll, POLL_MS);
    poll();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, HISTORY_MS);
  });
}

poll();
listen();
setInterval(tick, 1000);
setInterval(() => { if (Date.now() - historyAt > HISTORY_MS) loadHistory(); }, 5000);
