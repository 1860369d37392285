// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// demo.go is demo.c in Go, function for function: the same language, the same
// order of files, the same failures.  Its numbers have to be those of demo.c.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	largestFile       = 1 << 20
	defaultLimit      = 20000
	warmUpFiles       = 1000
	deepestExpression = 64
)

var defaultTrees = []string{
	"/usr/include", "/usr/share/doc", "/usr/lib/python3", "/usr/share/man",
}

type kind int

const (
	fine kind = iota
	unbalanced
	unterminated
	badByteSeen
	unknownName
	zeroDivisor
	noMemory
	unreadable
	tooLarge
	kinds
)

var kindNames = [kinds]string{
	"fine", "unbalanced", "unterminated", "bad_byte", "unknown_name",
	"zero_divisor", "no_memory", "unreadable", "too_large",
}

type outcome struct {
	sum  uint64
	kind kind
	line int
}

func mix(sum, value uint64) uint64 {
	sum = (sum ^ value) * 0x9e3779b97f4a7c15
	return sum ^ sum>>29
}

func stopped(k kind, line int) outcome {
	return outcome{mix(uint64(k), uint64(line)), k, line}
}

// --- bytes ------------------------------------------------------------------

type class byte

const (
	bad class = iota
	space
	newline
	word
	quote
	openMark
	closeMark
	slash
	hash
	mark
)

var classOf = classTable()

func classTable() (t [256]class) {
	for c := 33; c < 127; c++ {
		t[c] = mark
	}
	for _, set := range []struct {
		bytes string
		is    class
	}{
		{"\t\v\f\r ", space}, {"\n", newline}, {"\"'", quote}, {"([{", openMark},
		{")]}", closeMark}, {"/", slash}, {"#", hash}, {"_", word},
	} {
		for _, c := range []byte(set.bytes) {
			t[c] = set.is
		}
	}
	for c := range t {
		b := byte(c)
		if b >= 128 || b >= '0' && b <= '9' || b|32 >= 'a' && b|32 <= 'z' {
			t[c] = word
		}
	}
	return t
}

// --- the parser -------------------------------------------------------------

type node struct {
	parent, depth, line int32
	open                byte
}

type branch struct{ node, line int32 }

type macro struct{ value int64 }

// text ends in a zero byte that is not part of it: text[end].
type parser struct {
	text     []byte
	at, end  int
	line     int
	fresh    bool
	current  int32
	nodes    []node
	branches []branch
	macros   map[string]*macro

	tokens, comments, commentBytes, directives, deepest int64
}

type syntaxError struct{ quote byte }

func (e *syntaxError) Error() string {
	if e.quote == '/' {
		return "comment without end"
	}
	return "quote without end"
}

type badByte byte

func (p *parser) failUnterminated() {
	panic(&syntaxError{p.text[p.at]})
}

func (p *parser) addNode(open byte) {
	depth := int32(0)
	if len(p.nodes) > 0 {
		depth = p.nodes[p.current].depth + 1
	}
	p.deepest = max(p.deepest, int64(depth))
	p.nodes = append(p.nodes, node{p.current, depth, int32(p.line), open})
	p.current = int32(len(p.nodes) - 1)
}

func (p *parser) skipWord(at int) int {
	for classOf[p.text[at]] == word {
		at++
	}
	return at
}

func (p *parser) skipBlank(at int) int {
	for ; ; at++ {
		if p.text[at] == '\\' && p.text[at+1] == '\n' {
			at++
		} else if classOf[p.text[at]] != space {
			return at
		}
	}
}

func (p *parser) mark() {
	p.at++
	p.tokens++
	p.fresh = false
}

func isQuotePrefix(word []byte) bool {
	if len(word) > 2 {
		return false
	}
	for _, c := range word {
		switch c {
		case 'b', 'B', 'r', 'R', 'f', 'F', 'u', 'U', 'L', '8':
		default:
			return false
		}
	}
	return true
}

func (p *parser) word() {
	at := p.skipWord(p.at)
	for p.text[at] == '\'' && !isQuotePrefix(p.text[p.at:at]) {
		at = p.skipWord(at + 1)
	}
	p.at = at
	p.tokens++
	p.fresh = false
}

func (p *parser) lineComment() {
	at := p.at
	for at < p.end && p.text[at] != '\n' {
		at++
	}
	p.comments++
	p.commentBytes += int64(at - p.at)
	p.at = at
}

func (p *parser) blockComment() {
	lines := 0
	for at := p.at + 2; at < p.end; at++ {
		if p.text[at] == '\n' {
			lines++
		}
		if p.text[at] == '*' && p.text[at+1] == '/' {
			p.comments++
			p.commentBytes += int64(at + 2 - p.at)
			p.at = at + 2
			p.line += lines
			return
		}
	}
	p.failUnterminated()
}

func (p *parser) longQuote() {
	q, lines := p.text[p.at], 0
	for at := p.at + 3; at < p.end; at++ {
		if p.text[at] == '\n' {
			lines++
		}
		if p.text[at] == '\\' && p.text[at+1] != '\n' {
			at++
		} else if p.text[at] == q && p.text[at+1] == q && p.text[at+2] == q {
			p.at = at + 3
			p.line += lines
			return
		}
	}
	p.failUnterminated()
}

func (p *parser) shortQuote() {
	q, lines := p.text[p.at], 0
	for at := p.at + 1; at < p.end; at++ {
		if p.text[at] == q {
			p.at = at + 1
			p.line += lines
			return
		}
		if p.text[at] == '\\' && at+1 < p.end {
			at++
			if p.text[at] == '\n' {
				lines++
			}
		} else if p.text[at] == '\n' {
			break
		}
	}
	p.failUnterminated()
}

func (p *parser) quote() {
	p.tokens++
	p.fresh = false
	q := p.text[p.at]
	if p.text[p.at+1] == q && p.text[p.at+2] == q {
		p.longQuote()
	} else {
		p.shortQuote()
	}
}

func (p *parser) skipQuote(at int) int {
	q, end := p.text[at], at+1
	for p.text[end] != '\n' && p.text[end] != 0 && p.text[end] != q {
		if p.text[end] == '\\' && p.text[end+1] != '\n' && p.text[end+1] != 0 {
			end++
		}
		end++
	}
	if p.text[end] == q {
		return end + 1
	}
	return at + 1
}

// --- constant expressions ---------------------------------------------------

func digitValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return 99
}

func (p *parser) number(at int) (end int, value int64) {
	base, sum := 10, uint64(0)
	if p.text[at] == '0' {
		base = 8
		if p.text[at+1]|32 == 'x' {
			base = 16
			at += 2
		}
	}
	for ; digitValue(p.text[at]) < base; at++ {
		sum = sum*uint64(base) + uint64(digitValue(p.text[at]))
	}
	for p.text[at]|32 == 'u' || p.text[at]|32 == 'l' {
		at++
	}
	if p.text[at] == '.' || classOf[p.text[at]] == word {
		return -1, 0
	}
	return at, int64(sum)
}

func (p *parser) operator(at int) (level, length int) {
	if at >= p.end {
		return 0, 0
	}
	c, next := p.text[at], p.text[at+1]
	switch c {
	case '|':
		if next != '|' {
			return 1, 1
		}
	case '^':
		return 2, 1
	case '&':
		if next != '&' {
			return 3, 1
		}
	case '<', '>':
		if next == c {
			return 4, 2
		}
	case '+', '-':
		return 5, 1
	case '*', '/', '%':
		if next != '/' && next != '*' {
			return 6, 1
		}
	}
	return 0, 1
}

func (p *parser) skipOperand(at int, depth *int, hasNumber *bool) int {
	at = p.skipBlank(at)
	for p.text[at] == '(' || p.text[at] == '-' || p.text[at] == '~' {
		if p.text[at] == '(' {
			*depth++
		}
		at = p.skipBlank(at + 1)
	}
	if at >= p.end || *depth > deepestExpression || classOf[p.text[at]] != word {
		return -1
	}
	if p.text[at] < '0' || p.text[at] > '9' {
		return p.skipWord(at)
	}
	*hasNumber = true
	end, _ := p.number(at)
	return end
}

func (p *parser) isConstant(at int) bool {
	hasNumber, depth := false, 0
	for {
		if at = p.skipOperand(at, &depth, &hasNumber); at < 0 {
			return false
		}
		for at = p.skipBlank(at); p.text[at] == ')'; at = p.skipBlank(at + 1) {
			if depth--; depth < 0 {
				return false
			}
		}
		level, length := p.operator(at)
		if level == 0 {
			break
		}
		at += length
	}
	return depth == 0 && hasNumber &&
		(at >= p.end || p.text[at] == '\n' || p.text[at] == '/')
}

func apply(op byte, a, b int64) int64 {
	switch op {
	case '|':
		return a | b
	case '^':
		return a ^ b
	case '&':
		return a & b
	case '<':
		return a << (uint64(b) & 63)
	case '>':
		return a >> (uint64(b) & 63)
	case '+':
		return a + b
	case '-':
		return a - b
	case '*':
		return a * b
	case '/':
		return a / b
	}
	return a % b
}

type expression struct {
	*parser
	at int
}

func (e *expression) nameValue() int64 {
	name := e.at
	e.at = e.skipWord(name)
	return e.macros[string(e.text[name:e.at])].value
}

func (e *expression) operand() (value int64) {
	e.at = e.skipBlank(e.at)
	switch c := e.text[e.at]; {
	case c >= '0' && c <= '9':
		e.at, value = e.number(e.at)
		return value
	case c == '-':
		e.at++
		return -e.operand()
	case c == '~':
		e.at++
		return ^e.operand()
	case c == '(':
		e.at++
		value = e.evaluate(1)
		e.at = e.skipBlank(e.at) + 1
		return value
	}
	return e.nameValue()
}

func (e *expression) evaluate(level int) int64 {
	value := e.operand()
	e.at = e.skipBlank(e.at)
	for {
		next, length := e.operator(e.at)
		if next < level {
			return value
		}
		op := e.text[e.at]
		e.at += length
		value = apply(op, value, e.evaluate(next+1))
		e.at = e.skipBlank(e.at)
	}
}

// --- preprocessor lines -----------------------------------------------------

func (p *parser) skipLine() {
	for p.at < p.end && p.text[p.at] != '\n' {
		switch c, next := p.text[p.at], p.text[p.at+1]; {
		case c == '/' && next == '/':
			p.lineComment()
		case c == '/' && next == '*':
			p.blockComment()
		case c == '"':
			p.at = p.skipQuote(p.at)
		case c == '\\' && next == '\n':
			p.at += 2
			p.line++
		default:
			p.at++
		}
	}
}

func (p *parser) define() {
	name := p.skipBlank(p.at)
	body := p.skipWord(name)
	if p.text[body] != '(' && p.isConstant(body) {
		e := expression{p, body}
		value := e.evaluate(1)
		if p.macros == nil {
			p.macros = make(map[string]*macro)
		}
		p.macros[string(p.text[name:body])] = &macro{value}
	}
	p.at = body
	p.skipLine()
}

func (p *parser) directive() {
	name := p.skipBlank(p.at + 1)
	end := p.skipWord(name)
	is := string(p.text[name:end])
	switch is {
	case "if", "ifdef", "ifndef", "elif", "else", "endif", "define", "include",
		"undef", "pragma", "error", "warning", "line":
	default:
		p.lineComment() // a comment in other languages
		return
	}
	p.directives++
	p.fresh = false
	p.at = end
	switch is {
	case "if", "ifdef", "ifndef":
		p.branches = append(p.branches, branch{p.current, int32(p.line)})
	case "elif", "else", "endif":
		p.leaveBranch(is)
	case "define":
		p.define()
	default:
		p.skipLine()
	}
}

func (p *parser) leaveBranch(is string) {
	if len(p.branches) == 0 {
		panic("there is no #if")
	}
	last := len(p.branches) - 1
	if is == "endif" {
		p.branches = p.branches[:last]
	} else {
		p.current = p.branches[last].node
	}
}

// --- the rest of the text ---------------------------------------------------

func (p *parser) slash() {
	switch p.text[p.at+1] {
	case '/':
		p.lineComment()
	case '*':
		p.blockComment()
	default:
		p.mark()
	}
}

func closing(open byte) byte {
	switch open {
	case '(':
		return ')'
	case '[':
		return ']'
	}
	return '}'
}

func (p *parser) closeBracket() {
	c := p.text[p.at]
	if p.current == 0 || closing(p.nodes[p.current].open) != c {
		panic(fmt.Sprintf("unbalanced '%c'", c))
	}
	p.current = p.nodes[p.current].parent
	p.mark()
}

func (p *parser) item() {
	c := p.text[p.at]
	switch classOf[c] {
	case space:
		p.at++
	case newline:
		p.at++
		p.line++
		p.fresh = true
	case word:
		p.word()
	case quote:
		p.quote()
	case openMark:
		p.addNode(c)
		p.mark()
	case closeMark:
		p.closeBracket()
	case slash:
		p.slash()
	case hash:
		if p.fresh {
			p.directive()
		} else {
			p.mark()
		}
	case mark:
		p.mark()
	default:
		panic(badByte(c))
	}
}

func (p *parser) parse() {
	p.addNode(0)
	for p.at < p.end {
		p.item()
	}
	if n := len(p.branches); n > 0 {
		panic(fmt.Sprintf("the #if of line %d has no #endif",
			p.branches[n-1].line))
	}
	if p.current != 0 {
		open := p.nodes[p.current]
		panic(fmt.Sprintf("the '%c' of line %d is never closed", open.open,
			open.line))
	}
}

func (p *parser) summary() uint64 {
	perLine := int64(p.end) / int64(p.line-1)
	perComment := p.commentBytes / p.comments
	sum := mix(mix(uint64(perLine), uint64(perComment)), uint64(p.tokens))
	sum = mix(mix(sum, uint64(len(p.nodes))), uint64(p.deepest))
	return mix(mix(sum, uint64(p.directives)), uint64(len(p.macros)))
}

// --- files ------------------------------------------------------------------

type job struct {
	limit                             int
	list, warns                       bool
	files, folders, foldersUnreadable int
	bytes                             int64
	checksum                          uint64
	count                             [kinds]int
	example                           [kinds]string
}

func (j *job) full() bool { return j.files >= j.limit }

func (j *job) add(path string, size int, out outcome) {
	if out.kind < unreadable {
		j.files++
		j.bytes += int64(size)
		j.checksum = mix(j.checksum, out.sum)
	}
	j.count[out.kind]++
	if j.list {
		fmt.Printf("%s\t%d\t%s\n", kindNames[out.kind], out.line, path)
	}
}

func kindOf(why any) kind {
	switch v := why.(type) {
	case string:
		return unbalanced
	case *syntaxError:
		return unterminated
	case badByte:
		return badByteSeen
	case runtime.Error:
		if strings.HasSuffix(v.Error(), "divide by zero") {
			return zeroDivisor
		}
		if strings.HasSuffix(v.Error(), "nil pointer dereference") {
			return unknownName
		}
	}
	panic(why) // not the parser's doing
}

func (j *job) survived(path string, why any, line int) outcome {
	k := kindOf(why)
	if j.example[k] == "" {
		j.example[k] = fmt.Sprintf("%s:%d: %v", path, line, why)
	}
	return stopped(k, line)
}

func (j *job) handleFile(path string) (out outcome, size int) {
	var p parser
	defer func() {
		if why := recover(); why != nil {
			out = j.survived(path, why, p.line)
		}
	}()

	f, err := os.Open(path)
	if err != nil {
		return stopped(unreadable, 0), 0
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return stopped(unreadable, 0), 0
	}
	if about.Size() > largestFile {
		return stopped(tooLarge, 0), 0
	}

	text := make([]byte, about.Size()+1)
	size, err = io.ReadFull(f, text[:about.Size()])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return stopped(unreadable, 0), 0
	}
	text[size] = 0
	p = parser{text: text, end: size, line: 1, fresh: true}
	p.parse()
	return outcome{p.summary(), fine, p.line}, size
}

func (j *job) walk(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		j.foldersUnreadable++
		if j.warns {
			fmt.Fprintln(os.Stderr, "demo.go:", err)
		}
		return
	}
	j.folders++
	for _, e := range entries {
		if j.full() {
			return
		}
		path := folder + "/" + e.Name()
		if e.IsDir() {
			j.walk(path)
		} else if e.Type().IsRegular() {
			out, size := j.handleFile(path)
			j.add(path, size, out)
		}
	}
}

// --- the program ------------------------------------------------------------

type reading struct {
	descriptors int
	cpu         int64
	peak        int64
	wall        time.Time
}

func takeReading() (r reading) {
	entries, _ := os.ReadDir("/proc/self/fd")
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	r.descriptors = len(entries)
	r.cpu = used.Utime.Nano()/1000 + used.Stime.Nano()/1000
	r.peak = used.Maxrss
	r.wall = time.Now()
	return r
}

func (j *job) print(stats bool, a, b reading) {
	if !stats {
		fmt.Printf("%d files (%.1f MB) in %d folders, %d ms\n", j.files,
			float64(j.bytes)/1e6, j.folders, b.wall.Sub(a.wall).Milliseconds())
	} else {
		fmt.Printf("files %d\nfolders %d\nfolders_unreadable %d\nbytes %d\n",
			j.files, j.folders, j.foldersUnreadable, j.bytes)
	}
	for k, n := range j.count {
		if stats {
			fmt.Printf("%s %d\n", kindNames[k], n)
		} else if n > 0 {
			fmt.Printf("  %-14s %7d\n", kindNames[k], n)
			if j.example[k] != "" {
				fmt.Printf("      such as %s\n", j.example[k])
			}
		}
	}
	if stats {
		fmt.Printf("checksum %016x\ndescriptors_leaked %d\nwall_us %d\n"+
			"cpu_us %d\npeak_kb %d\n", j.checksum, b.descriptors-a.descriptors,
			b.wall.Sub(a.wall).Microseconds(), b.cpu-a.cpu, b.peak)
	}
}

func fail(status int, message ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"demo.go:"}, message...)...)
	os.Exit(status)
}

func findTrees(named []string) []string {
	if len(named) > 0 {
		for _, tree := range named {
			if _, err := os.ReadDir(tree); err != nil {
				fail(1, err)
			}
		}
		return named
	}
	var found []string
	for _, tree := range defaultTrees {
		if _, err := os.ReadDir(tree); err == nil {
			found = append(found, tree)
		}
	}
	return found
}

func main() {
	stats := flag.Bool("stats", false, "print `key value' lines")
	list := flag.Bool("list", false, "print a line for each file")
	limit := flag.Int("limit", defaultLimit, "parse `N` files at most")
	flag.Parse()
	if *limit < 1 {
		fail(2, errors.New("-limit wants a number above 0"))
	}
	trees := findTrees(flag.Args())
	for _, tree := range trees { // warm up with some of each
		j := job{limit: warmUpFiles / len(trees)}
		j.walk(tree)
	}
	j := job{limit: *limit, list: *list, warns: true}
	before := takeReading()
	for _, tree := range trees {
		if !j.full() {
			j.walk(tree)
		}
	}
	after := takeReading()
	if j.files == 0 {
		fail(1, "no files found")
	}
	j.print(*stats, before, after)
	if after.descriptors > before.descriptors {
		os.Exit(1)
	}
}
