# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Programs with goroutines in Go: what emit_go.py writes for them besides.

tasks.py says what a task is; tasks_c.py has the same in C.
"""

from tasks import INT_LINES, LINES, PANIC_LINE, WIRE_LINE

ELEMENTS = {"int": "int32", "pair": "pair", "big": "big", "unit": "struct{}",
            "panic": "any", "wire": "wire"}

IMPORTS = ("sync", "sync/atomic", "time")

TASKS = r"""
type big [12]int64
type wire struct{ in chan int32 }

type task struct {
	parent                 *task
	children               []*task
	number, depth, spawned int
	fuel, serial           int
	cell                   int32
	text                   []byte
	ended                  string
	panicked               any
	done                   chan struct{}
	wg, group              sync.WaitGroup
	never, full, empty     chan int32
	shut                   uint
	held                   []func()
	holding                []any
@ENDS@
}

var run struct {
	live  sync.WaitGroup
	mutex sync.Mutex
	rw    sync.RWMutex
	total uint32
}

var crashing bool
var spun atomic.Int32

func (t *task) path() string {
	if t.parent == nil {
		return "0"
	}
	return t.parent.path() + "." + strconv.Itoa(t.number)
}

func (t *task) tr(format string, args ...any) {
	if crashing {
		os.Stdout.WriteString(t.path() + "|" + fmt.Sprintf(format, args...) + "\n")
		return
	}
	t.text = fmt.Appendf(t.text, format+"\n", args...)
}

func mkBig(n int32) (b big) {
	for i := range b {
		b[i] = int64(n) + int64(i)
	}
	return
}

func trBig(t *task, id int, b big) {
	sum := int64(0)
	for i := range b {
		sum = sum*3 + b[i]
	}
	t.tr("%d: big %d", id, sum)
}

func newTask(parent *task) *task {
	if parent != nil && (parent.spawned >= 4 || parent.depth >= 3) {
		parent.tr("no spawn")
		return nil
	}
	t := &task{parent: parent, ended: "goexit", fuel: 40, done: make(chan struct{})}
	run.live.Add(1)
	if parent == nil {
		return t
	}
	parent.spawned++
	t.number, t.depth, t.fuel = parent.spawned, parent.depth+1, parent.fuel/2+3
	parent.children = append(parent.children, t)
	parent.wg.Add(1)
	return t
}

func closeQuietly[T any](c chan T) {
	defer func() { recover() }()
	if c != nil {
		close(c)
	}
}

func goOn(f func()) {
	run.live.Add(1)
	go func() {
		defer run.live.Done()
		f()
	}()
}

func drain[T any](c chan T) {
	if c == nil {
		return
	}
	goOn(func() {
		for x := range c {
			if w, ok := any(x).(wire); ok {
				drain(w.in)
			}
		}
	})
}

func hold[T any](t *task, c chan T) {
	t.holding = append(t.holding, c)
	t.held = append(t.held, func() {
		goOn(func() {
			for range c {
			}
		})
	})
}

func letGo[T any](t *task, c chan T) {
	for i := range t.holding {
		if t.holding[i] == any(c) {
			t.holding = append(t.holding[:i:i], t.holding[i+1:]...)
			t.held = append(t.held[:i:i], t.held[i+1:]...)
			return
		}
	}
}

func handOver(t *task) {
@HAND_OVER@
}

func isMine(t *task, c any, sending bool) int {
	outs, ins := []any{@OUTS@}, []any{@INS@}
	for i := range outs {
		if sending && ins[i] == c || !sending && outs[i] == c {
			return 1 + i
		}
	}
	return 0
}

func canPut[T any](t *task, c chan T, line int) bool {
	no := ""
	if c == nil {
		no = "no out"
	} else if isMine(t, c, true) != 0 && len(c) == cap(c) {
		no = "full out"
	}
	if no != "" {
		t.tr("%s %d", no, line)
	}
	return no == ""
}

func canGet[T any](t *task, c chan T, line int) bool {
	no, out := "", 0
	if c != nil {
		out = isMine(t, c, false)
	}
	if c == nil {
		no = "no in"
	} else if out != 0 && len(c) == 0 && t.shut>>(out-1)&1 == 0 {
		no = "empty in"
	}
	if no != "" {
		t.tr("%s %d", no, line)
	}
	return no == ""
}

func canDrain[T any](t *task, c chan T, line int) bool {
	out := 0
	if c != nil {
		out = isMine(t, c, false)
	}
	if out != 0 && t.shut>>(out-1)&1 == 0 {
		t.tr("open in %d", line)
		return false
	}
	return canGet(t, c, line)
}

func deadLines(t *task) {
	if t.never == nil {
		t.never, t.full, t.empty = make(chan int32), make(chan int32, 1), make(chan int32, 2)
		t.full <- 1
	}
}

func trEnd(t, child *task) {
	t.tr("child %d %s %d", child.number, child.ended, child.cell)
}

func join(t *task, number int, polite, raises bool) {
	if polite {
		handOver(t)
	}
	if number >= len(t.children) {
		t.tr("no child")
		return
	}
	child := t.children[number]
	_, ok := <-child.done
	t.tr("joined %d", bit(ok))
	trEnd(t, child)
	if raises && child.panicked != nil {
		panic(child.panicked)
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func waitAll(t *task, polite bool) {
	if polite {
		handOver(t)
	}
	t.wg.Wait()
	t.group.Wait()
	for _, child := range t.children {
		trEnd(t, child)
	}
}

func taskEnds(t *task) {
	if !crashing {
		if p := recover(); p != nil {
			t.ended = "panic " + describe(p)
			t.panicked = p
		}
	}
	handOver(t)
	for i := len(t.held) - 1; i >= 0; i-- {
		t.held[i]()
	}
	close(t.done)
	if t.parent != nil {
		t.parent.wg.Done()
	}
	run.live.Done()
}

func putLater(t *task, line int, value int32) {
	c := [...]chan int32{t.out0, t.out1, t.out2}[line]
	if canPut(t, c, line) {
		c <- value
		t.tr("put later")
	}
}

func shutLater(t *task, line int) {
	c := [...]chan int32{t.out0, t.out1, t.out2}[line]
	if c != nil {
		t.shut |= 1 << line
		close(c)
		t.tr("shut later")
	}
}

func pauseYield(t *task) { runtime.Gosched() }
func pauseSleep(t *task) { time.Sleep(20 * time.Microsecond) }

func pauseSpin(t *task) {
	for i := range 3000 {
		spun.Store(int32(i))
	}
}

func pauseThread(t *task) {
	runtime.LockOSThread()
	runtime.Gosched()
	runtime.UnlockOSThread()
}

func pauseTimeout(t *task) {
	deadLines(t)
	late := 0
	select {
	case <-t.never:
	case <-time.After(20 * time.Microsecond):
		late = 1
	}
	t.tr("timeout %d", late)
}

func merge(t *task, id int, a, b, c chan int32) {
	var sums, counts [3]uint32
	take := func(i int, x int32, ok bool, from *chan int32) {
		if ok {
			sums[i] = sums[i]*7 + uint32(x)
			counts[i]++
		} else {
			*from = nil
		}
	}
	for a != nil || b != nil || c != nil {
		select {
		case x, ok := <-a:
			take(0, x, ok, &a)
		case x, ok := <-b:
			take(1, x, ok, &b)
		case x, ok := <-c:
			take(2, x, ok, &c)
		}
	}
	for i := range sums {
		t.tr("%d: merged %d %d", id, counts[i], sums[i])
	}
}

func addLocked(t *task, add int) {
	old := run.total
	if add&1 != 0 {
		runtime.Gosched()
	}
	run.total = old + uint32(add)
}

func afterLocked(t *task, outcome int) {
	if outcome == 1 {
		panic(fmt.Sprintf("locked %d", t.next()))
	}
	if outcome == 2 {
		runtime.Goexit()
	}
}

func lockedMutex(t *task, add, outcome int) {
	run.mutex.Lock()
	defer run.mutex.Unlock()
	run.rw.Lock()
	addLocked(t, add)
	run.rw.Unlock()
	afterLocked(t, outcome)
}

func lockedWrite(t *task, add, outcome int) {
	run.mutex.Lock()
	run.rw.Lock()
	defer func() {
		run.rw.Unlock()
		run.mutex.Unlock()
	}()
	addLocked(t, add)
	afterLocked(t, outcome)
}

func lockedRead(t *task, add, outcome int) {
	run.rw.RLock()
	defer run.rw.RUnlock()
	before := run.total
	runtime.Gosched()
	t.tr("same %d", bit(before == run.total))
	afterLocked(t, outcome)
}

func lockedTry(t *task, add, outcome int) {
	for !run.mutex.TryLock() {
		runtime.Gosched()
	}
	defer run.mutex.Unlock()
	run.rw.Lock()
	addLocked(t, add)
	run.rw.Unlock()
	afterLocked(t, outcome)
}

func crowd(c chan int32, n, m, first int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for j := range m {
				c <- int32((first+i)*100 + j)
			}
		})
	}
	go func() {
		wg.Wait()
		close(c)
	}()
}

func crewCrowd(t *task, id, n, m, room int) {
	c := make(chan int32, room)
	crowd(c, n, m, 0)
	sum, count := uint32(0), 0
	for x := range c {
		sum += uint32(x)
		count++
	}
	t.tr("%d: crowd %d %d", id, count, sum)
}

func crewCounted(t *task, id, n, m, room int) {
	var wg sync.WaitGroup
	var mutex sync.Mutex
	calls := 0
	for range n {
		wg.Go(func() {
			for range m {
				mutex.Lock()
				calls++
				mutex.Unlock()
			}
		})
	}
	wg.Wait()
	t.tr("%d: counted %d", id, calls)
}

func crewTurns(t *task, id, n, m, room int) {
	var wg sync.WaitGroup
	var mutex sync.Mutex
	cond := sync.NewCond(&mutex)
	turn, sum := 0, uint32(0)
	for i := range n {
		wg.Go(func() {
			mutex.Lock()
			defer mutex.Unlock()
			for range m {
				for turn%n != i {
					cond.Wait()
				}
				sum = sum*5 + uint32(i)
				turn++
				cond.Broadcast()
			}
		})
	}
	wg.Wait()
	t.tr("%d: turns %d %d", id, turn, sum)
}

func crewPingpong(t *task, id, n, m, room int) {
	c, back := make(chan int32, room), make(chan int32, room/2)
	go func() {
		for x := range c {
			back <- x * 3
		}
		close(back)
	}()
	sum := uint32(0)
	for i := range m {
		c <- int32(i)
		sum = sum*7 + uint32(<-back)
	}
	close(c)
	_, ok := <-back
	t.tr("%d: pingpong %d %d", id, sum, bit(ok))
}

func crewPipeline(t *task, id, n, m, room int) {
	first := make(chan int32, room)
	from := first
	for i := range n {
		in, to := from, make(chan int32, room)
		go func() {
			for x := range in {
				to <- x*2 + int32(i)
			}
			close(to)
		}()
		from = to
	}
	crowd(first, 1, m, 3)
	for x := range from {
		t.tr("%d: pipeline %d", id, x)
	}
}

func onceCrew(t *task, id, n, m int, call func(*sync.Once, func(), func())) {
	var wg sync.WaitGroup
	var mutex sync.Mutex
	var once sync.Once
	calls, panics, sum := 0, 0, 0
	body := func() {
		calls++
		runtime.Gosched()
		if m&1 != 0 {
			panic(fmt.Sprintf("once %d", m))
		}
	}
	whole := sync.OnceFunc(body)
	for range n {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					mutex.Lock()
					panics++
					sum += len(p.(string))
					mutex.Unlock()
				}
			}()
			call(&once, body, whole)
		})
	}
	wg.Wait()
	t.tr("%d: once %d %d %d", id, calls, panics, sum)
}

func crewOnce(t *task, id, n, m, room int) {
	onceCrew(t, id, n, m, func(once *sync.Once, body, whole func()) { once.Do(body) })
}

func crewOnceFunc(t *task, id, n, m, room int) {
	onceCrew(t, id, n, m, func(once *sync.Once, body, whole func()) { whole() })
}

func crewReaders(t *task, id, n, m, room int) {
	var wg sync.WaitGroup
	var rw sync.RWMutex
	var panics atomic.Int32
	calls := 0
	for i := range n {
		wg.Go(func() {
			for j := range m {
				if (i+j)%3 == 0 {
					rw.Lock()
					calls++
					rw.Unlock()
					continue
				}
				rw.RLock()
				old := calls
				runtime.Gosched()
				if old != calls {
					panics.Add(1)
				}
				rw.RUnlock()
			}
		})
	}
	wg.Wait()
	t.tr("%d: readers %d %d", id, calls, panics.Load())
}

func crewPermits(t *task, id, n, m, room int) {
	var wg sync.WaitGroup
	permits := make(chan bool, room+1)
	var calls, busy, over atomic.Int32
	for range n {
		wg.Go(func() {
			for range m {
				permits <- true
				calls.Add(1)
				if busy.Add(1) > int32(room+1) {
					over.Add(1)
				}
				busy.Add(-1)
				<-permits
			}
		})
	}
	wg.Wait()
	t.tr("%d: permits %d %d", id, calls.Load(), bit(over.Load() == 0))
}

func crewTimer(t *task, id, n, m, room int) {
	late := time.NewTimer(time.Hour)
	c := make(chan int)
	time.AfterFunc(30*time.Microsecond, func() { c <- n })
	t.tr("%d: timer %d", id, <-c)
	first := late.Stop()
	t.tr("%d: stopped %d %d", id, bit(first), bit(late.Stop()))
}

func crewTicker(t *task, id, n, m, room int) {
	ticker := time.NewTicker(30 * time.Microsecond)
	last := time.Time{}
	for range 2 {
		now := <-ticker.C
		t.tr("%d: tick %d", id, bit(now.After(last)))
		last = now
	}
	ticker.Stop()
}

func hang(t *task, how string) {
	var none chan int32
	var mutex sync.Mutex
	var group sync.WaitGroup
	t.tr("hang %s", how)
	switch how {
	case "nil send":
		none <- 1
	case "nil recv":
		<-none
	case "empty select":
		select {}
	case "nil select":
		select {
		case none <- 1:
		case <-none:
		}
	case "alone":
		<-make(chan int32, 1)
	case "lock":
		mutex.Lock()
		mutex.Lock()
	case "group":
		group.Add(1)
		group.Wait()
	default:
		deadLines(t)
		t.full <- 1
	}
	t.tr("goes on")
}

func misuse(t *task, how string) {
	var mutex sync.Mutex
	var rw sync.RWMutex
	var group sync.WaitGroup
	switch how {
	case "unlock":
		mutex.Unlock()
	case "unlock write":
		rw.Unlock()
	case "unlock read":
		rw.RUnlock()
	default:
		group.Add(-1)
	}
}
"""

MAIN = r"""
var inputs, indexAtHand int

func rootBody(t *task) {
	defer taskEnds(t)
	entries[indexAtHand/inputs].entry(t)
	t.ended = "normal"
}

func setUp(index int) *task {
	number, input := entries[index/inputs].number, index%inputs
	state := uint32(number)*2654435761 + uint32(input)*40503
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = int32(state >> 16 & 0xff)
	}
	run.total = 0
	indexAtHand = index
	fmt.Fprintf(out, "== %d.%d\n", number, input)
	out.Flush()
	return newTask(nil)
}

func print(t *task) {
	fmt.Fprintf(out, "task %s\n%s** %s\n", t.path(), t.text, t.ended)
	for _, child := range t.children {
		print(child)
	}
}

func trace(index int) {
	root := setUp(index)
	go rootBody(root)
	run.live.Wait()
	print(root)
	fmt.Fprintf(out, "-- total %d\n", run.total)
	out.Flush()
}

func crash(index int, onMain bool) {
	root := setUp(index)
	if onMain {
		rootBody(root)
	} else {
		go rootBody(root)
	}
	run.live.Wait()
	time.Sleep(2 * time.Second)
	fmt.Fprintf(out, "-- normal\n")
	out.Flush()
}

func main() {
	out = bufio.NewWriterSize(os.Stdout, 1<<16)
	first, _ := strconv.Atoi(os.Args[2])
	third, _ := strconv.Atoi(os.Args[3])
	fourth, _ := strconv.Atoi(os.Args[4])
	if os.Args[1] == "crash" {
		crashing = true
		inputs = third
		crash(first, fourth != 0)
		return
	}
	inputs = fourth
	for i := first; i < first+third; i++ {
		trace(i)
	}
}
"""


def filled(text):
    lines = list(enumerate(LINES))
    hand_over = [f"\tcloseQuietly(t.out{n})\n\tt.out{n} = nil\n\tdrain(t.in{n})\n\tt.in{n} = nil"
                 for n, _ in lines]
    for name, value in (
            ("ENDS", "\n".join(f"\tin{n}, out{n} chan {ELEMENTS[k]}" for n, k in lines)),
            ("HAND_OVER", "\n".join(hand_over)),
            ("OUTS", ", ".join(f"t.out{n}" for n, _ in lines)),
            ("INS", ", ".join(f"t.in{n}" for n, _ in lines))):
        text = text.replace(f"@{name}@", value)
    return text


def camel(text):
    return "".join(part.capitalize() for part in text.split("_"))


def boolean(value):
    return "true" if value else "false"


class TaskWriter:
    """Mixed into emit_go.Writer."""

    def task_functions(self, index):
        """What `go` starts: with arguments, and with those of callbacks."""
        function, name = self.functions[index], self.name(index)
        params = "".join(f", a{i} {self.type_of(t)}" for i, t in enumerate(function["params"]))
        args = "".join(f", a{i}" for i in range(len(function["params"])))
        call = f"{name}(t{args})"
        if function["result"] != "void":
            call = f"tr{function['result'].capitalize()}(t, 0, {call})"
        self.put(f"func {name}_task(t *task{params}) {{")
        self.put(f'\tdefer taskEnds(t); {call}; t.ended = "normal"\n}}')
        self.put(f"func {name}_group(t *task) {{")
        self.put(f'\tdefer taskEnds(t); {name}_cb(t); t.ended = "normal"\n}}')

    def put_make(self, s):
        n, kind = s["line"], LINES[s["line"]]
        self.put("{")
        self.put(f"\tc := make(chan {ELEMENTS[kind]}, {s['room']})")
        self.put(f"\tcloseQuietly(t.out{n}); drain(t.in{n}); t.in{n}, t.out{n} = c, c")
        self.put(f"\tt.shut &^= {1 << n}")
        self.put("}")

    def put_put(self, s):
        n, kind = s["line"], LINES[s["line"]]
        value = self.expression(s["value"])
        value = {"int": value, "pair": value, "big": f"mkBig({value})",
                 "unit": "struct{}{}"}[kind]
        self.sends(n, value, s)

    def sends(self, n, value, s):
        guard = "true" if s.get("rash") else f"canPut(t, t.out{n}, {n})"
        self.put(f"if {guard} {{")
        self.put(f"\tt.out{n} <- {value}")
        self.put(f'\tt.tr("{s["id"]}: put")')
        self.put("}")

    def put_put_panic(self, s):
        self.sends(PANIC_LINE, f"p{s['slot']}", s)

    def put_put_wire(self, s):
        n = WIRE_LINE
        self.put(f"if canPut(t, t.out{n}, {n}) {{")
        self.put(f"\tx := wire{{t.in{s['from']}}}")
        self.put(f"\tt.in{s['from']} = nil")
        self.put(f"\tt.out{n} <- x")
        self.put(f'\tt.tr("{s["id"]}: put")')
        self.put("}")

    def put_get(self, s):
        n, kind, how = s["line"], LINES[s["line"]], s["how"]
        guard = "true" if s["rash"] else f"canGet(t, t.in{n}, {n})"
        self.put(f"if {guard} {{")
        self.indent += 1
        if how in ("ok", "until", "select"):
            self.put(f"x, ok := <-t.in{n}")
            self.put(f'_ = x; t.tr("{s["id"]}: ok %d", bit(ok))')
        else:
            self.put(f"x := <-t.in{n}; _ = x")
        if how == "assign":
            self.put("v0 = x")
        self.show(s["id"], kind)
        if kind == "panic" and how == "raise":
            self.put("if x != nil {\n\tpanic(x)\n}")
        self.indent -= 1
        self.put("}")

    def show(self, id_, kind):
        """Traces x."""
        if kind in ("int", "pair", "big", "panic"):
            self.put(f"tr{kind.capitalize()}(t, {id_}, x)")
        elif kind == "wire":
            self.put(f't.tr("{id_}: wire %d", bit(x.in != nil))')
            self.put("closeQuietly(t.out0); drain(t.in0)")
            self.put("t.out0, t.in0 = nil, x.in")
        else:
            self.put(f't.tr("{id_}: unit")')

    def put_each(self, s):
        n, kind = s["line"], LINES[s["line"]]
        guard = "true" if s["rash"] else f"canDrain(t, t.in{n}, {n})"
        name = f"i{s['name']}"
        self.put(f"if {guard} {{")
        self.indent += 1
        self.put(f"c := t.in{n}; t.in{n} = nil; hold(t, c)")
        in_loop, self.in_loop = self.in_loop, True
        self.loops += 1
        # The body may have a literal, but not what comes before it.
        self.put(f"for {name} := range c {{")
        self.indent += 1
        self.put(f"x := {name}; _ = x")
        self.show(s["id"], kind)
        self.inner(s["body"])
        self.indent -= 1
        self.put("}")
        self.loops -= 1
        self.in_loop = in_loop
        self.put(f"letGo(t, c)")
        self.put(f"if t.in{n} != nil {{\n\tdrain(c)\n}} else {{\n\tt.in{n} = c\n}}")
        self.indent -= 1
        self.put("}")

    def put_shut(self, s):
        n = s["line"]
        guard = "true" if s["rash"] else f"t.out{n} != nil"
        self.put(f"if {guard} {{")
        self.put(f"\tt.shut |= {1 << n}; close(t.out{n})")
        self.put(f'\tt.tr("{s["id"]}: shut")')
        self.put("}")

    def put_spawn(self, s):
        name = self.name(s["function"])
        args = "".join(", " + ("&u.cell" if a == ["cell"] else self.expression(a))
                       for a in s["args"])
        self.put("if u := newTask(t); u != nil {")
        self.indent += 1
        for n, side in s["ends"]:
            self.put(f"u.{side}{n}, t.{side}{n} = t.{side}{n}, nil")
            if side == "out":
                self.put(f"u.shut |= t.shut & {1 << n}; t.shut &^= {1 << n}")
        if s["how"] == "group":
            self.put(f"t.group.Go(func() {{ {name}_group(u) }})")
        else:
            self.put(f"go {name}_task(u{args})")
        self.put(f't.tr("{s["id"]}: spawn %d", u.number)')
        self.indent -= 1
        self.put("}")

    def put_join(self, s):
        self.put(f"join(t, {s['child']}, {boolean(s['polite'])}, {boolean(s['raise'])})")

    def put_wait(self, s):
        self.put(f"waitAll(t, {boolean(s['polite'])})")

    def put_select(self, s):
        n, receives = s["line"], s["dir"] == "recv"
        side = "in" if receives else "out"
        dead = {"nil recv": "x = <-(chan int32)(nil)", "nil send": "(chan int32)(nil) <- 1",
                "never recv": "x, ok = <-t.never", "never send": "t.never <- 2",
                "full send": "t.full <- 3", "empty recv": "<-t.empty"}
        live = "x, ok = <-c" if receives else f"c <- {self.expression(s['value'])}"
        cases = [dead[d] for d in s["dead"]]
        cases.insert(s["at"], live)
        can = "canGet" if receives else "canPut"
        guard = "true" if s["default"] else f"{can}(t, t.{side}{n}, {n})"
        self.put(f"if {guard} {{")
        self.indent += 1
        self.put("x, ok, way := int32(0), false, -1")
        self.put("_, _ = x, ok")
        self.put(f"c := t.{side}{n}")
        if s["default"]:
            self.put(f"if isMine(t, c, {boolean(not receives)}) == 0 {{\n\tc = nil\n}}")
        self.put("deadLines(t)")
        self.put("select {")
        for i, case in enumerate(cases):
            self.put(f"case {case}:\n\tway = {i}")
        if s["default"]:
            self.put("default:")
        self.put("}")
        self.put(f't.tr("{s["id"]}: way %d %d %d", way, x, bit(ok))')
        self.put("if way >= 0 {")
        self.indent += 1
        self.inner(s["body"])
        self.indent -= 1
        self.put("} else {")
        self.indent += 1
        self.inner(s["else"])
        self.indent -= 1
        self.put("}")
        self.indent -= 1
        self.put("}")

    def put_merge(self, s):
        ends = [f"t.in{n}" if n in s["lines"] else "nil" for n in INT_LINES]
        for n in s["lines"]:
            if s["polite"]:
                self.put(f"closeQuietly(t.out{n}); t.out{n} = nil")
        self.put(f"merge(t, {s['id']}, {', '.join(ends)})")

    def put_crew(self, s):
        self.put(f"crew{camel(s['what'])}(t, {s['id']}, {s['n']}, {s['m']}, {s['room']})")

    def put_locked(self, s):
        outcome = {"normal": 0, "panic": 1, "goexit": 2}[s["outcome"]]
        self.put(f"locked{camel(s['how'])}(t, {s['add']}, {outcome})")

    def put_pause(self, s):
        self.put(f"pause{camel(s['how'])}(t)")

    def put_defer_line(self, s):
        if s["what"] == "put":
            self.put(f"defer putLater(t, {s['line']}, {self.expression(s['value'])})")
        elif s["what"] == "shut":
            self.put(f"defer shutLater(t, {s['line']})")
        else:
            self.put("defer handOver(t)")

    def put_hang(self, s):
        self.put(f'hang(t, "{s["what"]}")')

    def put_misuse(self, s):
        self.put(f'misuse(t, "{s["what"]}")')
