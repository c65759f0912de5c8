// What needs a person, first under the title: files in the failed folder, stuck ones, stranded ones.

import { act } from './acts.js';
import { $, counted, fileLink, fill, firstOf, grouped, make, moment, named, report } from './basics.js';

const FIRST = 10; // files of a group, and groups, that are seen at once
const stuck = (data) => data.waiting.filter((row) => row.stuck);

/** Say how many files need somebody, and whether that is red: records set aside alone are not. Those of
 * whose name another one was dropped since are dealt with, most likely. */
export function needs(data) {
  const open = data.failed.filter((row) => !row.again);
  const number = data.failed_count - data.failed.length + open.length + stuck(data).length + data.stranded.length;
  const mild = open.filter((row) => row.set_aside).length;
  return { number, words: number ? `${counted(number, 'file')} need${number === 1 ? 's' : ''} you` : '', kind: number > mild ? 'bad' : 'warn' };
}

/** What the section is drawn from: another look that finds the same changes nothing. */
export const needed = (data) => ({
  failed: data.failed, count: data.failed_count, stuck: stuck(data), stranded: data.stranded,
  folder: data.failed_folder, drop: data.drop, may: data.acts?.may,
});

export function showNeeds({ failed, count, stuck: stuckRows, stranded, folder, drop }) {
  const open = failed.filter((row) => !row.again);
  const number = count - failed.length + open.length + stuckRows.length + stranded.length;
  $('needs').hidden = !number && !failed.length;
  $('needs').classList.toggle('calm', !number);
  $('n-needs').textContent = number ? number.toLocaleString('en') : '';
  const same = (row) => JSON.stringify([row.reason, row.what_to_do]);
  const bad = grouped(open.filter((row) => !row.set_aside), same);
  const aside = grouped(open.filter((row) => row.set_aside), same);
  const groups = [
    ...bad.map((group) => failures(group, 'failed', 'bad')),
    ...grouped(stuckRows, (row) => JSON.stringify([row.why, row.check])).map(waits),
    ...grouped(stranded, (row) => row.host ?? row.agent).map(left),
    ...aside.map((group) => failures(group, 'partly delivered', 'warn')),
    ...grouped(failed.filter((row) => row.again), same).map((group) => failures(group, 'dropped again', 'quiet')),
  ];
  const before = count - failed.length;
  fill($('needs-list'),
    ...firstOf(groups, FIRST, 'groups of needs', (some) => make('div', {}, ...some)),
    ...(before > 0 ? [make('p', { class: 'quiet', text: `and ${before.toLocaleString('en')} more that came before` })] : []),
    ...(count ? [make('p', { class: 'quiet' }, 'Failed files lie in ', named(folder, ''),
      '. One that is mended goes on when it is moved back into ', named(drop, ''), '; it is gone from here as soon as it is gone from there.')] : []));
}

function group(key, label, kind, reason, todo, rows, line) {
  return make('div', { class: `group ${kind}` },
    make('h3', {}, make('span', { class: `outcome ${kind}`, text: rows.length > 1 ? `${rows.length} ${label}` : label }), `: ${reason}`),
    ...(todo ? [make('p', {}, make('strong', { text: 'What to do: ' }), todo)] : []),
    ...firstOf(rows, FIRST, `needs ${key}`, (some) => make('ul', { class: 'files' }, ...some.map(line))));
}

function failures({ key, rows }, label, kind) {
  const [{ reason, what_to_do: todo }] = rows;
  return group(`${label} ${key}`, label, kind, reason, todo, rows, (row) => {
    const [button, place] = report(row.name, `api/failed?name=${encodeURIComponent(row.name)}`);
    const about = [row.lines && `line ${row.lines}`, row.route].filter(Boolean).join(', ');
    return make('li', {},
      make('div', { class: 'with-button' }, make('div', { class: 'line' }, fileLink(row.name, 'failed', row.name),
        make('span', { class: 'quiet' }, about, ...(row.failed_at ? [about ? ', ' : '', moment(row.failed_at)] : []))), make('div', { class: 'buttons' }, button, ...act('retry', row.name, row.key, row.at_server))),
      ...(row.went_without?.length ? [make('div', { class: 'quiet', text: `Files of ${row.went_without.join(', ')} go without it.` })] : []),
      ...(row.again ? [since(row.again)] : []),
      ...(row.reason === reason ? [] : [make('div', { class: 'quiet', text: row.reason })]), place);
  });
}

/** What came of the name since; whether it is the same file, mended, only people know. */
function since({ state, at, token }) {
  const words = { waiting: 'A file of this name waits by now', 'under way': 'A file of this name is under way since ', delivered: 'A file of this name was delivered since: ' }[state];
  return make('div', { class: 'note' }, words, ...(at ? [moment(at)] : []), ...(token ? [' (', fileLink('that one', 'file', token, ''), ')'] : []),
    '. If that was this one, mended, take this one out of the failed folder; if not, it is still to be dealt with.');
}

function waits({ key, rows }) {
  const [{ why, check }] = rows;
  return group(key, 'stuck', 'bad', why, check, rows, (row) => {
    const more = row.blocked - row.blocks.length;
    const behind = row.blocks.join(', ') + (more ? ` and ${more.toLocaleString('en')} more` : '');
    return make('li', {},
      make('div', { class: 'line' }, fileLink(row.name, 'waiting', row.name), make('span', { class: 'quiet' }, 'since ', moment(row.since)), ...act('withdraw', row.name, row.key)),
      ...(row.why === why ? [] : [make('div', { class: 'quiet', text: row.why })]),
      ...(row.blocked ? [make('div', { class: 'quiet', text: `For it wait: ${behind}` })] : []));
  });
}

function left({ words: of, rows }) {
  const todo = 'start that agent again, or take the files out with `watcher withdraw`';
  return group(of, 'stranded', 'bad', `the agent on ${of} has not been heard of for long`, todo, rows, (row) => make('li', {},
    make('div', { class: 'line' }, fileLink(row.name, 'waiting', row.name), make('span', { class: 'quiet' }, 'since ', moment(row.since)), ...act('withdraw', row.name, row.key)),
    make('div', { class: 'quiet' }, named(row.path, ''))));
}
