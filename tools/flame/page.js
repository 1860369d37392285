/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* The interactive flame graph.  The data has one array for each property of a frame,
 * in preorder: a frame's callees follow it, up to end[frame].  Frames too narrow to be
 * seen get no element. */
'use strict';
(() => {
    const data = JSON.parse(document.getElementById('data').textContent);
    const {parent, name: nameOf, flags, names, files} = data;
    const INLINE = 1, FOLDED = 2, ROW = 20;
    const frames = parent.length;
    const $ = id => document.getElementById(id);
    const graph = $('graph');

    const depth = new Uint32Array(frames), end = new Uint32Array(frames);
    for (let i = 1; i < frames; i++)
        depth[i] = depth[parent[i]] + 1;
    for (let i = frames - 1; i >= 0; i--) {
        end[i] = Math.max(end[i], i + 1);
        if (i > 0)
            end[parent[i]] = Math.max(end[parent[i]], end[i]);
    }

    const state = {type: data.default, zoom: 0, icicle: true, widths: 'now',
                   match: null, focus: 0};
    let shown = new Map();  /* frame -> element */
    let rows = [];          /* depth -> frames from left to right */

    /* --- values ------------------------------------------------------------------- */

    const column = (which, type) =>
        data.values[type + (which === 'base' ? data.types.length : 0)];
    const value = i => column('now', state.type)[i];
    const baseValue = i => data.base ? column('base', state.type)[i] : 0;
    const width = i => Math.max(0, state.widths === 'base' ? baseValue(i) : value(i));

    const cut = new Map(data.hidden.map(h => [h[0], h.slice(1)]));
    function self(i) {
        let left = value(i);
        for (let c = i + 1; c < end[i]; c = end[c])
            left -= value(c);
        return left - (cut.has(i) ? cut.get(i)[state.type] : 0);
    }

    const SCALES = {
        bytes: [['B', 1], ['kB', 1024], ['MB', 1048576], ['GB', 1073741824],
                ['TB', 1099511627776]],
        nanoseconds: [['ns', 1], ['µs', 1e3], ['ms', 1e6], ['s', 1e9], ['h', 3600e9]],
    };
    function text(v) {
        const unit = data.types[state.type].unit;
        const scale = SCALES[unit] || SCALES[unit + 's'];
        if (!scale)
            return v.toLocaleString('en') + (unit && unit !== 'count' ? ' ' + unit : '');
        const [suffix, factor] = scale.findLast(s => Math.abs(v) >= s[1]) || scale[0];
        return +(v / factor).toFixed(2) + ' ' + suffix;
    }
    function percent(part, whole) {
        if (!whole)
            return '0%';
        const p = part / whole * 100;
        return (Math.abs(p) >= 99.95 ? p.toFixed(0) : p.toPrecision(3).replace(/\.?0+$/, '')) + '%';
    }

    /* --- colours: of the group a function belongs to, so they never change ----------- */

    function hash(s) {
        let h = 2166136261;
        for (let i = 0; i < s.length; i++)
            h = Math.imul(h ^ s.charCodeAt(i), 16777619);
        h ^= h >>> 15;
        h = Math.imul(h, 2246822519);
        return (h ^ (h >>> 13)) >>> 0;
    }
    /* Go's package, C++'s first namespace, C's source file. */
    function groupOf(n) {
        const name = names[n], file = files[n];
        const slash = name.lastIndexOf('/', name.search(/[[(]|$/));
        const dot = name.indexOf('.', slash + 1), colons = name.indexOf('::');
        if (colons > 0)
            return name.slice(0, colons);
        if (file.endsWith('.go') || slash >= 0)
            return dot > 0 ? name.slice(0, dot) : name;
        return file || name;
    }
    const looks = names.map((name, n) =>
        ({hue: hash(groupOf(n)) % 360, shift: hash(name) % 9}));

    function paint(element, i) {
        const look = looks[nameOf[i]];
        element.style.setProperty('--hue', look.hue);
        element.style.setProperty('--shift', look.shift);
        if (!data.base)
            return;
        const now = value(i), then = baseValue(i);
        const change = now === then ? 0
            : (now - then) / Math.max(Math.abs(now), Math.abs(then));
        element.style.setProperty('--towards', change > 0 ? 'var(--more)' : 'var(--less)');
        element.style.setProperty('--much', Math.min(1, Math.abs(change)) * 100 + '%');
    }

    /* --- drawing ------------------------------------------------------------------------ */

    function label(i) {
        const marks = (flags[i] & INLINE ? ', inlined' : '') +
                      (flags[i] & FOLDED ? ', recursion folded' : '');
        return `${names[nameOf[i]]}${marks}, ${percent(value(i), value(0))}, ${text(value(i))}`;
    }

    function element(i, left, wide, pixels) {
        const e = document.createElement('div');
        e.className = 'frame';
        e.classList.toggle('inline', (flags[i] & INLINE) !== 0);
        e.classList.toggle('root', i === 0);
        e.classList.toggle('narrow', wide * pixels < 12);
        e.classList.toggle('above', i < state.zoom && end[i] > state.zoom);
        e.classList.toggle('match', isMatch(i));
        e.setAttribute('role', 'treeitem');
        e.setAttribute('aria-level', depth[i] + 1);
        e.setAttribute('aria-label', label(i));
        e.tabIndex = -1;
        e.dataset.frame = i;
        e.style.left = left * 100 + '%';
        e.style.width = wide * 100 + '%';
        if (wide * pixels > 34)
            e.textContent = names[nameOf[i]] + (flags[i] & FOLDED ? ' ↻' : '');
        paint(e, i);
        return e;
    }

    /* The frames to draw, as [frame, left, width]; callers of the zoomed one above it. */
    function layOut(pixels) {
        const list = [], total = width(state.zoom);
        const next = new Map([[state.zoom, 0]]);
        for (let a = state.zoom; a !== 0; a = parent[a])
            list.unshift([parent[a], 0, 1]);
        list.push([state.zoom, 0, 1]);
        for (let i = state.zoom + 1; i < end[state.zoom];) {
            const wide = total > 0 ? width(i) / total : 0;
            const left = next.get(parent[i]);
            next.set(parent[i], left + wide);
            next.set(i, left);
            if (wide * pixels < 0.5) {
                i = end[i];
            } else {
                list.push([i, left, wide]);
                i++;
            }
        }
        return list;
    }

    function draw() {
        const pixels = graph.clientWidth || 1000;
        const list = layOut(pixels);
        const all = document.createDocumentFragment();
        let deepest = 0;

        shown = new Map();
        rows = [];
        for (const [i, left, wide] of list) {
            const e = element(i, left, wide, pixels);
            shown.set(i, e);
            (rows[depth[i]] = rows[depth[i]] || []).push(i);
            deepest = Math.max(deepest, depth[i]);
            all.append(e);
        }
        for (const [i, e] of shown)
            e.style.top = (state.icicle ? depth[i] : deepest - depth[i]) * ROW + 'px';
        graph.style.height = (deepest + 1) * ROW + 'px';
        graph.replaceChildren(all);
        graph.classList.toggle('diff', data.base);
        graph.classList.toggle('searching', state.match !== null);
        if (!shown.has(state.focus))
            state.focus = state.zoom;
        shown.get(state.focus).tabIndex = 0;
        drawPath();
        describe(state.focus);
        count();
    }

    function drawPath() {
        const items = [];
        for (let a = state.zoom; ; a = parent[a]) {
            const item = document.createElement('li');
            const button = document.createElement('button');
            button.type = 'button';
            button.textContent = names[nameOf[a]];
            if (a === state.zoom)
                button.setAttribute('aria-current', 'location');
            button.addEventListener('click', () => zoom(a));
            item.append(button);
            items.unshift(item);
            if (a === 0)
                break;
        }
        $('path').replaceChildren(...items);
        items[items.length - 1].scrollIntoView({block: 'nearest', inline: 'nearest'});
    }

    function number(what, is) {
        const span = document.createElement('span');
        const key = document.createElement('i');
        key.textContent = what + ' ';
        span.append(key, is);
        return span;
    }

    function describe(i) {
        const own = self(i), parts = [];
        const marks = (flags[i] & INLINE ? ' (inlined)' : '') +
                      (flags[i] & FOLDED ? ' (recursion folded)' : '');
        $('what').firstChild.textContent = names[nameOf[i]] + marks;
        $('what').lastChild.textContent = files[nameOf[i]];
        parts.push(number('total', `${text(value(i))}, ${percent(value(i), value(0))}`));
        parts.push(number('itself', `${text(own)}, ${percent(own, value(0))}`));
        if (i !== 0)
            parts.push(number('of its caller', percent(value(i), value(parent[i]))));
        if (data.base) {
            const more = value(i) - baseValue(i);
            parts.push(number('base', text(baseValue(i))));
            parts.push(number('change', (more > 0 ? '+' : '') + text(more) +
                (baseValue(i) ? ` (${more > 0 ? '+' : ''}${percent(more, baseValue(i))})` : '')));
        }
        $('numbers').replaceChildren(...parts);
    }

    /* --- zoom and focus -------------------------------------------------------------------- */

    /* Draws anew; who was at a frame with the keyboard still is. */
    function redraw() {
        const hadFocus = graph.contains(document.activeElement);
        draw();
        if (hadFocus)
            shown.get(state.focus).focus({preventScroll: true});
    }

    function zoom(i) {
        state.zoom = i;
        state.focus = i;
        redraw();
        reveal(shown.get(i));
    }

    function reveal(e) {
        e.scrollIntoView({block: 'nearest', inline: 'nearest'});
    }

    function moveTo(i) {
        if (i === undefined || !shown.has(i))
            return;
        shown.get(state.focus).tabIndex = -1;
        state.focus = i;
        shown.get(i).tabIndex = 0;
        shown.get(i).focus({preventScroll: true});
        reveal(shown.get(i));
    }

    /* The widest callee that has an element. */
    function callee(i) {
        let best;
        for (const c of rows[depth[i] + 1] || [])
            if (parent[c] === i && (best === undefined || width(c) > width(best)))
                best = c;
        return best;
    }

    function neighbour(i, by) {
        const row = rows[depth[i]];
        return row[row.indexOf(i) + by];
    }

    function nextMatch(by) {
        const found = [...shown.keys()].filter(isMatch);
        if (found.length === 0)
            return;
        const at = found.findIndex(i => i >= state.focus);
        const here = found[at] === state.focus;
        const next = at < 0 ? (by > 0 ? 0 : -1) : by > 0 ? (here ? at + 1 : at) : at - 1;
        moveTo(found[(next + found.length) % found.length]);
    }

    /* --- search -------------------------------------------------------------------------------- */

    const isMatch = i => state.match !== null && state.match[nameOf[i]];

    function search() {
        const expression = $('search').value;
        let re = null;
        try {
            re = expression && new RegExp(expression, /[A-Z]/.test(expression) ? '' : 'i');
            $('search').removeAttribute('aria-invalid');
        } catch {
            $('search').setAttribute('aria-invalid', 'true');
            $('found').textContent = 'not a regexp';
            return;
        }
        state.match = re ? names.map(n => re.test(n)) : null;
        for (const [i, e] of shown)
            e.classList.toggle('match', isMatch(i));
        graph.classList.toggle('searching', state.match !== null);
        count();
    }

    /* A match within a match is not counted again. */
    function count() {
        let sum = 0;
        for (let i = state.zoom; i < end[state.zoom] && state.match;) {
            const match = isMatch(i);
            sum += match ? width(i) : 0;
            i = match ? end[i] : i + 1;
        }
        if ($('search').getAttribute('aria-invalid') !== 'true')
            $('found').textContent =
                state.match ? percent(sum, width(state.zoom)) + ' matched' : '';
    }

    /* --- switches -------------------------------------------------------------------------------- */

    function isDark() {
        const set = document.documentElement.dataset.theme;
        return set ? set === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    }
    function nameSwitches() {
        $('theme').textContent = isDark() ? 'light' : 'dark';
        $('theme').setAttribute('aria-label', isDark() ? 'light colours' : 'dark colours');
        $('flip').textContent = state.icicle ? 'flame' : 'icicle';
        $('flip').setAttribute('aria-label', state.icicle ? 'callers below' : 'callers above');
    }
    function switchTheme() {
        document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
        nameSwitches();
    }
    function flip() {
        state.icicle = !state.icicle;
        nameSwitches();
        redraw();
        $('scroll').scrollTop = state.icicle ? 0 : $('scroll').scrollHeight;
    }

    /* --- keys and mouse ----------------------------------------------------------------------------- */

    function graphKey(key) {
        const i = state.focus;
        const towards = state.icicle ? {ArrowDown: 1, ArrowUp: -1} : {ArrowUp: 1, ArrowDown: -1};
        if (key in towards)
            moveTo(towards[key] > 0 ? callee(i) : i === 0 ? undefined : parent[i]);
        else if (key === 'ArrowLeft' || key === 'ArrowRight')
            moveTo(neighbour(i, key === 'ArrowLeft' ? -1 : 1));
        else if (key === 'Enter' || key === ' ')
            zoom(i);
        else if (key === 'Home')
            zoom(0);
        else
            return false;
        return true;
    }
    const keys = {
        '/': () => $('search').focus(),
        i: flip,
        t: switchTheme,
        n: () => nextMatch(1),
        N: () => nextMatch(-1),
        Escape: () => zoom(state.zoom === 0 ? 0 : parent[state.zoom]),
        Home: () => zoom(0),
    };
    document.addEventListener('keydown', event => {
        const typing = event.target.matches('input, select, textarea');
        if (event.ctrlKey || event.altKey || event.metaKey)
            return;
        if (typing && event.key === 'Escape' && event.target === $('search'))
            shown.get(state.focus).focus();
        else if (typing)
            return;
        else if (graph.contains(event.target) && graphKey(event.key))
            ;
        else if (Object.hasOwn(keys, event.key))
            keys[event.key]();
        else
            return;
        event.preventDefault();
    });

    const frameAt = event => {
        const e = event.target.closest('.frame');
        return e && +e.dataset.frame;
    };
    graph.addEventListener('click', event => {
        const i = frameAt(event);
        if (i !== null)
            zoom(i);
    });
    graph.addEventListener('mouseover', event => {
        const i = frameAt(event);
        describe(i === null ? state.focus : i);
    });
    graph.addEventListener('mouseleave', () => describe(state.focus));
    graph.addEventListener('focusin', event => describe(frameAt(event)));

    /* --- start ---------------------------------------------------------------------------------------- */

    $('type').append(...data.types.map((t, i) =>
        new Option(`${t.type}, ${t.unit}`, i, false, i === state.type)));
    $('types').hidden = data.types.length < 2;
    $('widths').hidden = $('legend').hidden = !data.base;
    $('type').addEventListener('change', () => {
        state.type = +$('type').value;
        draw();
    });
    $('width').addEventListener('change', () => {
        state.widths = $('width').value;
        draw();
    });
    $('search').addEventListener('input', search);
    $('flip').addEventListener('click', flip);
    $('theme').addEventListener('click', switchTheme);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', nameSwitches);
    if (data.cut.frames > 0) {
        $('note').textContent = `${data.cut.frames.toLocaleString('en')} of ` +
            `${data.cut.all.toLocaleString('en')} frames are left out, none larger than ` +
            `${percent(data.cut.greatest, 1)}; their values are in their callers.`;
        $('note').hidden = false;
    }
    nameSwitches();
    draw();
    let drawnWidth = graph.clientWidth;
    new ResizeObserver(() => {
        if (graph.clientWidth !== drawnWidth) {
            drawnWidth = graph.clientWidth;
            redraw();
        }
    }).observe(graph);
})();
