# SPDX-License-Identifier: ISC
"""tests/trace/test_html.py - open pages of `gort trace html` in a browser.

    test_html.py CASE ARGUMENT...

for test_html.sh, which says what each case is.  Fails by an exception.
"""
import json
import math
import sys
import time

import html_trace
from browser import Browser

GUTTER = 168    # of page.js: where the plot begins


def same(what, got, expected):
    assert got == expected, '%s: %r, expected %r' % (what, got, expected)


def near(what, got, expected, share):
    assert abs(got - expected) <= share * expected, \
        '%s: %r, expected about %r' % (what, got, expected)


def opened(browser, path):
    browser.open(path)
    browser.frame()
    same('ready', browser.eval('window.gort && window.gort.ready'), True)
    same('errors', browser.errors, [])


def total(browser, lanes, condition, value):
    """Sum over the records of a set of lanes."""
    return browser.eval('''(() => {
        let sum = 0;
        const s = gort.%s;
        for (const l of s.lanes)
            for (let i = l.from; i < l.to; i++)
                if (%s)
                    sum += %s;
        return sum;
    })()''' % (lanes, condition, value))


def texts(browser, selector):
    return browser.eval('[...document.querySelectorAll(%s)].map(e => e.textContent)'
                        % json.dumps(selector))


def spoken(text):
    """Thin spaces of numbers left out."""
    return text.replace('\u202f', '').replace('\u2009', '')


def check_numbers(browser, n):
    facts = spoken(browser.eval('document.getElementById("facts").textContent'))
    for part in ('%d events' % n['events'], '2 Ps', '%d goroutines' % n['goroutines']):
        assert part in facts, facts
    tabs = [spoken(t) for t in texts(browser, '#tabs button')]
    for part in ('Scheduling latency%d' % len(n['latencies']),
                 'Pauses%d' % len(n['stw']),
                 'Blocking%d' % sum(w[0] for w in n['waits'].values()),
                 'Non-preemptible%d' % len(n['sections']),
                 'Goroutines%d' % n['goroutines'],
                 'CPU samples%d' % n['samples']):
        assert part in tabs, (part, tabs)
    meta = browser.eval("""JSON.parse(JSON.stringify(gort.meta, (key, value) =>
        key === 'plane' || key === 'glane' ? undefined : value))""")
    for state in ('running', 'runnable', 'waiting', 'syscall'):
        # The event that ends the trace is 1 ns later than the last one.
        more = meta[state] - n['time'][state]
        assert 0 <= more <= n['goroutines'], (state, more)
    same('longest latency', meta['latency']['max'], n['latencies'][-1])
    same('pauses', sorted(r[1] for r in meta['stw_list']), n['stw'])
    same('sections', sorted(s[1] for s in meta['sections']), n['sections'])
    same('latencies', sorted(r[1] for r in meta['latencies']), n['latencies'][-500:])
    waits = {}
    for why, stack, count, _, _ in meta['waits']:
        why = meta['strings'][why]
        assert stack, 'a wait without a stack: ' + why
        waits[why] = waits.get(why, 0) + count
    same('waits', waits, {k: v[0] for k, v in n['waits'].items()})


UNITS = {'ns': 1, 'µs': 1e3, 'ms': 1e6, 's': 1e9}


def check_quantiles(browser, n):
    """As the table beside the histogram shows them; buckets are exact to 6 %."""
    browser.eval('gort.showTab("latency")')
    shown = dict(zip(texts(browser, '#panel .hist dt'), texts(browser, '#panel .hist dd')))
    for name, q in (('median', 0.5), ('90 %', 0.9), ('99 %', 0.99), ('99.9 %', 0.999)):
        value, unit = shown[name].split(' ')
        at = min(len(n['latencies']) - 1, max(0, math.ceil(q * len(n['latencies'])) - 1))
        near(name, float(value) * UNITS[unit], n['latencies'][at], 0.07)


def check_spans(browser, n):
    same('spans of goroutines', total(browser, 'glane', 'true', 's.count[i]'), n['spans'])
    for p in (0, 1):
        same('spans of P%d' % p, total(browser, 'plane', 'l.id === %d' % p, 's.count[i]'),
             n['p_spans'][p])
        more = total(browser, 'plane', 'l.id === %d' % p,
                     's.end[i] - s.start[i]') - n['p_time'][p]
        assert 0 <= more <= 1, ('time of P%d' % p, more)
    for line, state in enumerate(('running', 'runnable', 'syscall')):
        whole = browser.eval('gort.meta.' + state)
        same('overview of ' + state,
             browser.eval('gort.overview[%d].reduce((a, b) => a + b)' % line), whole)
        same('sum of ' + state,
             browser.eval('gort.glane.sum%s.at(-1)' % state.capitalize()), whole)
    width = browser.eval('gort.meta.overview_width')
    assert 0 < browser.eval('Math.max(...gort.overview[0])') <= 2 * width, 'two Ps'
    of_each = browser.eval('gort.listed.map(g => [g.id, g.spans])')
    same('spans of each', dict((str(k), v) for k, v in of_each),
         dict((str(k), v) for k, v in n['span_counts'].items()))


def check_zoom(browser):
    """By keys, and then by a click on a span that is known."""
    browser.eval('document.getElementById("scroll").focus()')
    before = browser.eval('gort.view.t1 - gort.view.t0')
    browser.key('w')
    browser.frame()
    near('zoomed', browser.eval('gort.view.t1 - gort.view.t0'), before * 0.6, 0.001)
    browser.key('0')
    browser.frame()
    near('all', browser.eval('gort.view.t1 - gort.view.t0'), before, 0.001)
    at = browser.eval('''(() => {
        const l = gort.plane.lanes[1], s = gort.plane, i = l.from + 30;
        gort.zoomTo(s.start[i], s.end[i]);
        const row = gort.rows().find(r => r.lane === l);
        const box = document.getElementById('lanes').getBoundingClientRect();
        const plot = box.width - %d, v = gort.view;
        const mid = (s.start[i] + s.end[i]) / 2;
        return { x: box.left + %d + (mid - v.t0) / (v.t1 - v.t0) * plot,
                 y: box.top + row.y + row.h / 2, g: s.who[i],
                 state: s.state[i] === 3 ? 'running' : 'system call' };
    })()''' % (GUTTER, GUTTER))
    browser.frame()
    browser.click(at['x'], at['y'])
    browser.frame()
    title = texts(browser, '#detail h2')[0]
    assert title.startswith('G%d %s' % (at['g'], at['state'])), (title, at)
    same('said', texts(browser, '#said'), [title])
    same('zoom', browser.eval('''(() => {
        const a = document.getElementById('lanes').toDataURL();
        gort.setView(0, gort.meta.duration);
        gort.draw();
        return a !== document.getElementById('lanes').toDataURL();
    })()'''), True)


def check_wakes(browser, n):
    """Who made whom runnable, and the way back to it by a link."""
    wakes = browser.eval('''(() => {
        const s = gort.glane, out = [];
        for (const l of s.lanes)
            for (let i = l.from; i < l.to; i++)
                if (s.state[i] === 2 && s.by[i] >= 0)
                    out.push([s.by[i], l.id, s.start[i]]);
        return out;
    })()''')
    same('wakes', sorted(wakes), n['wakes'])
    by, woken, _ = n['wakes'][len(n['wakes']) // 2]
    browser.eval('''(() => {
        const s = gort.glane, l = s.byId.get(%d);
        let i = l.from;
        while (s.state[i] !== 2 || s.by[i] !== %d)
            i++;
        gort.select(l, i);
        [...document.querySelectorAll('#detail dd button')].pop().click();
    })()''' % (woken, by))
    title = texts(browser, '#detail h2')[0]
    assert title.startswith('G%d running' % by), title


def check_search(browser):
    browser.eval('document.getElementById("search").focus()')
    browser.call('Input.insertText', text='g7')
    browser.frame()
    same('found', texts(browser, '#found'), ['1 found'])
    same('lanes', browser.eval('gort.rows().filter(r => r.lane && '
                               'r.lane.set === gort.glane).map(r => r.lane.id)'), [7])
    browser.key('Enter')
    assert texts(browser, '#detail h2')[0].startswith('G7 '), texts(browser, '#detail h2')
    browser.eval('gort.setFilter("<img src=x")')
    same('some found', texts(browser, '#found')[0].endswith(' found'), True)
    browser.eval('gort.setFilter("no such function")')
    same('none found', texts(browser, '#found'), ['none'])
    browser.eval('gort.setFilter("")')


def check_tabs(browser):
    for tab in ('latency', 'pauses', 'waits', 'sections', 'goroutines', 'cpu', 'left'):
        browser.eval('gort.showTab("%s")' % tab)
        same('tab', browser.eval('document.getElementById("panel").textContent.length > 20'),
             True)
        browser.eval('document.querySelectorAll("#panel details").forEach('
                     'd => { d.open = true; })')
        browser.frame()
        if tab == 'waits':
            assert any(html_trace.SCRIPT in t for t in texts(browser, '#panel td'))
            assert any('src/' in t for t in texts(browser, '#panel ol.stack small'))


def check_harmless(browser, name):
    """Names of the trace are text, and nothing but text."""
    same('pwned', browser.eval('window.pwned'), None)
    same('elements', browser.eval('document.querySelectorAll("img, iframe, object").length'), 0)
    same('scripts', browser.eval('document.scripts.length'), 1)
    same('name', texts(browser, '#name'), [name])
    strings = browser.eval('gort.meta.strings')
    for evil in html_trace.EVIL[:4]:
        assert evil in strings, evil
    assert '\ufffd\ufffd bad \ufffd' in strings, 'broken UTF-8'
    assert 'a' * 400 in strings and 'a' * 401 not in strings, 'a long name'


def known(trace, page):
    """A trace of which all is known."""
    numbers = json.load(open(trace + '.json', encoding='utf-8'))
    with Browser() as b:
        opened(b, page)
        check_numbers(b, numbers)
        check_quantiles(b, numbers)
        check_spans(b, numbers)
        check_zoom(b)
        check_wakes(b, numbers)
        check_search(b)
        check_tabs(b)
        check_harmless(b, trace.split('/')[-1])
        for dark, name in ((False, 'light'), (True, 'dark')):
            b.dark(dark)
            b.screenshot('%s.%s.png' % (page, name))
        assert open(page + '.light.png', 'rb').read() != open(page + '.dark.png', 'rb').read()
        same('errors', b.errors, [])


def large(page):
    """More spans than are kept: all are counted, and all is fast."""
    with Browser() as b:
        begin = time.monotonic()
        opened(b, page)
        took = time.monotonic() - begin
        for lanes in ('plane', 'glane'):
            assert b.eval('gort.%s.shift' % lanes) > 0, lanes
            same('spans', total(b, lanes, 'true', 's.count[i]'), b.eval('gort.%s.spans' % lanes))
            assert b.eval('gort.%s.records' % lanes) <= 1 << 19, 'records'
        near('running', total(b, 'glane', 'true', 's.state[i] === 3 ? s.end[i] - s.start[i] : '
                              's.state[i] === 6 ? s.who[i] : 0'), b.eval('gort.meta.running'), 1e-6)
        draws = b.eval('''(() => {
            const out = [], d = gort.meta.duration;
            for (let k = 0; k < 12; k++) {
                gort.setView(d * 0.4, d * (0.4 + 0.6 / 4 ** (k % 4)));
                gort.draw();
                out.push(gort.drawTime());
            }
            return out.sort((a, b) => a - b);
        })()''')
        b.eval('gort.showTab("left")')
        assert 'were made one' in texts(b, '#panel')[0], 'not said what was left out'
        print('load %.2f s, redraw median %.1f ms, longest %.1f ms' %
              (took, draws[len(draws) // 2], draws[-1]))
        assert took < 5, 'load'
        assert draws[len(draws) // 2] < 50, 'redraw'
        b.screenshot(page + '.png')
        same('errors', b.errors, [])


def meta_of(page):
    text = open(page, encoding='utf-8').read()
    return json.loads(text.split('id="meta">', 1)[1].split('</script>', 1)[0])


def parts(whole, *pages):
    """Pages of parts of a trace come to the same as that of all of it."""
    whole, metas = meta_of(whole), [meta_of(p) for p in pages]
    for key in ('duration', 'running', 'runnable', 'waiting', 'syscall',
                'samples_total', 'events'):
        same(key, sum(m[key] for m in metas), whole[key])
    same('latencies', sum(m['latency']['count'] for m in metas), whole['latency']['count'])
    same('pauses', sum(m['stw']['sum'] for m in metas), whole['stw']['sum'])
    assert sum(m['stw']['count'] for m in metas) < whole['stw']['count'] + len(pages), 'pauses'
    starts = [m['from'] for m in metas] + [whole['duration']]
    for m, begin, end in zip(metas, starts, starts[1:]):
        same('duration', m['duration'], end - begin)


def make(trace):
    numbers = html_trace.write(trace)
    json.dump(numbers, open(trace + '.json', 'w', encoding='utf-8'))


if __name__ == '__main__':
    {'make': make, 'known': known, 'large': large, 'parts': parts}[sys.argv[1]](*sys.argv[2:])
